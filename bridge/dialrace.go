package bridge

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// headStart is how long an address that does not answer keeps the next one waiting
// (RFC 8305, section 5, has it shorter). A first packet that is lost has been sent again
// by then (RFC 6298, section 2.1), so that the order holds on a line that loses some.
const headStart = 2 * time.Second

// A dialRace opens TCP to one address after the other, the next when one has failed or has
// had its head start. It belongs to one goroutine.
type dialRace struct {
	connect func(context.Context, netip.AddrPort) (net.Conn, error)
	to      []netip.AddrPort
	errs    []error // by address; nil: not tried, or no answer yet

	ctx     context.Context
	cancel  context.CancelFunc
	lanes   sync.WaitGroup
	results chan lane // has room for all
	begun   int
	running int
}

// A lane is the outcome of one address.
type lane struct {
	i   int
	nc  net.Conn
	err error
}

func newDialRace(ctx context.Context, to []netip.AddrPort, connect func(context.Context, netip.AddrPort) (net.Conn, error)) *dialRace {
	r := &dialRace{connect: connect, to: to, errs: make([]error, len(to)), results: make(chan lane, len(to))}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

// next returns the next connection, and which address it goes to. ok is false when
// there is none, or ctx ended.
func (r *dialRace) next() (nc net.Conn, i int, ok bool) {
	wait := time.NewTimer(0) // something begins at once
	defer wait.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return nil, 0, false
		case l := <-r.results:
			r.running--
			if l.err == nil {
				return l.nc, l.i, true
			}
			r.errs[l.i] = l.err
			wait.Reset(0)
		case <-wait.C:
			if r.begin() {
				wait.Reset(headStart)
			}
		}
		if r.running == 0 && r.begun == len(r.to) {
			return nil, 0, false
		}
	}
}

// begin opens TCP to the next address, if there is one.
func (r *dialRace) begin() bool {
	if r.begun == len(r.to) {
		return false
	}
	i := r.begun
	r.begun++
	r.running++
	r.lanes.Go(func() {
		nc, err := r.connect(r.ctx, r.to[i])
		r.results <- lane{i, nc, err}
	})
	return true
}

// failed notes that a connection was of no use.
func (r *dialRace) failed(i int, err error) { r.errs[i] = err }

// reason tells what came of each address, in their order, and what else went wrong.
func (r *dialRace) reason(more string) string {
	var all []string
	for i, err := range r.errs {
		if err != nil {
			all = append(all, fmt.Sprintf("%v: %v", r.to[i], err))
		}
	}
	if more != "" {
		all = append(all, more)
	}
	return strings.Join(all, "; ")
}

// A dialFailure is what came of all addresses.
type dialFailure struct {
	words string
	errs  []error
}

func (e *dialFailure) Error() string   { return e.words }
func (e *dialFailure) Unwrap() []error { return e.errs }

// failure is reason as an error.
func (r *dialRace) failure(more string) error {
	errs := slices.DeleteFunc(slices.Clone(r.errs), func(err error) bool { return err == nil })
	return &dialFailure{r.reason(more), errs}
}

// close ends what still runs.
func (r *dialRace) close() {
	r.cancel()
	r.lanes.Wait()
	close(r.results)
	for l := range r.results {
		if l.err == nil {
			l.nc.Close()
		}
	}
}
