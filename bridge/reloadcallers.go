package bridge

import (
	"errors"
	"slices"

	"sitebridge/bridge/config"
	"sitebridge/ppp"
)

// Who calls is judged by the configuration as it is then, and has its place a moment
// later. So each configuration that judges otherwise begins an epoch: whose call was
// answered in an earlier one gets no place any more, and whoever has a place by then is
// found by the reload that follows.

var errJudgedBefore = errors.New("the configuration was read anew while the caller proved itself: it may call again")

// sendStrangersAway ends calls whose callers are not known yet: they were answered by
// the old configuration. They call again. It returns when none of them can get a place
// that the rest of the reload does not see.
func (r *reload) sendStrangersAway() {
	judgesOtherwise := func(c config.Change) bool { return !c.OnlyLearned() }
	if len(r.going) == 0 && len(r.diff.Sites.Added) == 0 && !slices.ContainsFunc(r.diff.Sites.Changed, judgesOtherwise) {
		return
	}
	r.d.epoch.Add(1)
	for _, s := range r.d.strangers.all() {
		s.link.HangUp("the configuration was read anew")
	}
}

// claimPlace gives a caller its place, and returns the site that it has. A place that it
// got while another epoch began goes with its call.
func (s *session) claimPlace(st *site, a ppp.Admission) (*site, error) {
	var err error
	if s.epoch == s.d.epoch.Load() {
		st, err = s.takePlace(st, a)
	}
	if err == nil && s.epoch != s.d.epoch.Load() {
		err = errJudgedBefore
		s.log.Info("caller refused", "caller", escapeName(a.Name), "reason", err)
	}
	return st, err
}
