package bridge

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func (d *testDaemon) peersNow(site string) []netip.Addr {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	return d.peerOf[site]
}

// The peer is where its call came from, also when the dial that the call put an end to
// finds out late where the peer should have been.
func TestCancelledDialMovesNoPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		elsewhere := netip.MustParseAddr("192.0.2.99")
		w.lookUp = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == addrOf["alpha"].String() {
				return []netip.Addr{addrOf["alpha"]}, nil
			}
			<-ctx.Done()
			return []netip.Addr{elsewhere}, nil
		}
		a := w.start("alpha", peerSite("alpha", "beta", true, true))
		reaches(t, 5*time.Second, "it dials", a.is(StateDialing))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		synctest.Wait()
		if got := a.peersNow("beta"); !slices.Equal(got, []netip.Addr{addrOf["beta"]}) {
			t.Errorf("the peer is at %v", got)
		}
	})
}

// So is it when a call is replaced before it has said where it comes from.
func TestReplacedCallMovesNoPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		old := a.tunnel()
		old.close(errReplaced)
		if err := a.peersOf(a.site("beta"), []netip.Addr{netip.MustParseAddr("192.0.2.99")}, old.closing); err != nil {
			t.Error(err)
		}
		if got := a.peersNow("beta"); !slices.Equal(got, []netip.Addr{addrOf["beta"]}) {
			t.Errorf("the peer is at %v", got)
		}
	})
}
