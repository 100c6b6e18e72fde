package ppp

import (
	"fmt"
	"slices"
	"strings"

	"sitebridge/ppp/auth"
)

// foresee tells more of an end that the peer has made of the link: it may have said
// before, in the protocol whose phase this is, what we were about to end it for.
// pppd sends its Terminate-Request right behind. Whether another try is worth it
// depends on that. Kind and how are what is known without.
func (r *run) foresee(kind EndKind, how string) *End {
	for _, p := range []*proof{r.proving, r.asked} {
		if p == nil || p.verdict != auth.Pending {
			continue
		}
		if x, ok := p.Exchange.(auth.Foreseer); ok && x.Refusal() != "" {
			return r.refusal(p, x.Refusal())
		}
	}
	e := &r.encryption
	words := e.undecided()
	switch {
	case words == "":
		return &End{kind, how}
	case e.policy == Required:
		kind = EncryptionFailed
	}
	return ended(kind, "%s; encryption was not agreed on: %s", how, words)
}

// undecided says in words what the ends dispute while encryption is being negotiated;
// "": nothing, or it is not.
func (e *encryption) undecided() string {
	if e.active != nil || len(e.candidates) == 0 || !e.candidates[0].begun() {
		return ""
	}
	y := e.candidates[0]
	if y.Dispute() == "" {
		return strings.Join(e.refused, "; ")
	}
	return strings.Join(append(slices.Clone(e.refused), fmt.Sprintf("%s: %s: %s", y.Method(), y.Name(), y.Dispute())), "; ")
}
