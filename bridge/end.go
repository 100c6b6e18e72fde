package bridge

import (
	"context"
	"errors"

	"sitebridge/ppp"
)

// A kind tells the three ends of a tunnel apart (architecture, "Who owns what").
type kind uint8

const (
	endRetry   kind = iota // worth another try
	endStopped             // we were asked to stop
	endOrderly             // worth another try, and soon: the peer said goodbye
	endRefused             // configuration says no, here or at the peer: trying soon will not help
)

// A refusal is an end that a retry will not mend: somebody has to change a
// configuration first.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// errReplaced ends a tunnel whose place another call of the same site took.
var errReplaced = errors.New("another call of this site took its place")

// errTakenDown ends a tunnel that its peer was taking down, and called anew meanwhile.
var errTakenDown = errors.New("the peer took it down")

// errStopping ends a tunnel, or a call that never became one, with the daemon.
var errStopping = errors.New("the daemon stops")

// Why a site ends while the daemon runs on.
var (
	errRemoved = errors.New("the site was removed")
	errChanged = errors.New("the site's configuration was changed")
)

// whyStopping is why a site ends, whose ctx has ended.
func whyStopping(ctx context.Context) error {
	if why := context.Cause(ctx); why != ctx.Err() {
		return why
	}
	return errStopping
}

// errGone refuses a call or a command that came when the site's supervisor ended.
var errGone = errors.New("the site was taken away, or is begun anew with another configuration")

// classify says what kind of end err is.
func classify(ctx context.Context, err error) kind {
	var no *refusal
	var end *ppp.End
	switch {
	case ctx.Err() != nil:
		return endStopped
	case errors.As(err, &no):
		return endRefused
	case errors.As(err, &end) && end.Kind == ppp.PeerTerminated:
		return endOrderly
	}
	return endRetry
}
