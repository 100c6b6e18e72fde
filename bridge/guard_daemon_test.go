package bridge

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/secret"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// These tests have strangers call a whole daemon, through the listener that it
// has in the field, in virtual time.

// listen has a daemon answer as it does in the field, within the listener's limits.
func (t *testDaemon) listen(name string) (*pipeListener, *control.Listener) {
	at := newPipeListener(netip.AddrPortFrom(addrOf[name], 1723))
	cfg := t.controlConfig(t.Daemon.log)
	cfg.Answer, cfg.NewVendor, cfg.MaxCalls = t.answer, t.vendorFor, 1
	l := control.Listen(at, cfg, control.Limits{})
	t.serving.Go(func() { l.Run(t.ctx) })
	return at, l
}

// A stranger calls from an address of his own.
type stranger struct {
	addr netip.Addr
	to   *pipeListener
	mux  *gre.Mux
}

func (w *world) stranger(running *sync.WaitGroup, ctx context.Context, addr netip.Addr, to *pipeListener) stranger {
	carrier := w.gre.Attach(addr)
	carrier.SetLine(gre.Line{Delay: 5 * time.Millisecond})
	s := stranger{addr, to, gre.NewMux(carrier, nil, nil)}
	running.Go(func() { s.mux.Run(ctx) })
	return s
}

// callFrom makes a call.
func callFrom(ctx context.Context, addr netip.Addr, to *pipeListener, id uint16) (*control.Call, error) {
	nc, err := to.dial(netip.AddrPortFrom(addr, 40000))
	if err != nil {
		return nil, err
	}
	conn, err := control.Open(ctx, nc, control.Config{})
	if err != nil {
		return nil, err
	}
	return conn.Call(ctx, control.CallRequest{ID: id, Window: announcedWindow})
}

// guess calls once, and proves a name by a secret.
func (s stranger) guess(ctx context.Context, name string, guessed secret.Secret) error {
	channel, err := s.mux.Open(s.to.at.Addr(), gre.ChannelConfig{Window: announcedWindow})
	if err != nil {
		return err
	}
	defer channel.Close()
	call, err := callFrom(ctx, s.addr, s.to, channel.ID())
	if err != nil {
		return err
	}
	defer call.Conn().Close()
	link := ppp.NewLink(ppp.Config{
		Prove: []auth.Method{auth.MSCHAPv2}, MustProve: true,
		Peer: auth.PeerConfig{Name: name, Secret: guessed},
		Send: channel.Send,
	})
	channel.Connect(s.addr, call.PeerID(), call.Window(), link.Receive)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-call.Done():
			link.HangUp("the call is over")
		case <-over:
		}
	}()
	return link.Run(ctx)
}

// besiege has so many addresses guess at a name, each again after a pause.
func (w *world) besiege(t *testing.T, ctx context.Context, to *pipeListener, addresses int, pause time.Duration) {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	for n := range addresses {
		s := w.stranger(&running, ctx, sourceAddr(n), to)
		running.Go(func() {
			time.Sleep(pause * time.Duration(n) / time.Duration(addresses))
			for ctx.Err() == nil {
				s.guess(ctx, "beta", "guess")
				time.Sleep(pause)
			}
		})
	}
}

// Row A16, by a whole daemon: a thousand addresses guess at the secret of a peer
// which has never called before. It is up within 2 s, and they are slowed down.
func TestAttackA16Siege(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		at, _ := a.listen("alpha")
		ctx, endSiege := context.WithCancel(t.Context())
		w.besiege(t, ctx, at, 1000, 10*time.Second)
		time.Sleep(20 * time.Second)
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		took := reaches(t, 2*time.Second, "both up", both(a, b, StateUp))
		s := a.guard.snapshot(time.Now())
		t.Logf("up after %v; %+v", took, s)
		if s.Wrong < 1000 || s.Names != 1 || s.Delayed == 0 {
			t.Errorf("%+v", s)
		}
		endSiege()
	})
}

// Row A16, by a whole daemon: as many calls at once from one address as there may be
// guess no faster than one call after the other, and leave nothing behind.
func TestAttackA16CallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		at, _ := a.listen("alpha")
		var running sync.WaitGroup
		ctx, hangUp := context.WithCancel(t.Context())
		s := w.stranger(&running, ctx, sourceAddr(1), at)
		for range maxFromSource {
			running.Go(func() { s.guess(ctx, "beta", "guess") })
		}
		time.Sleep(30 * time.Second)
		// At once three, and those after 1, 3, 7 and 15 s.
		if n := a.guard.snapshot(time.Now()).Wrong; n != 7 {
			t.Errorf("%d guesses in 30 s, want 7", n)
		}
		hangUp()
		running.Wait()
		time.Sleep(clearWait)
		if n := a.guard.waiting(); n != 0 {
			t.Errorf("%d proofs wait when all calls are over", n)
		}
	})
}

// waiting returns how many proofs there are that wait to be judged.
func (g *guard) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.held)
}

// A peer that has been there before comes back while a thousand addresses call as
// fast as they can, more than there is room for.
func TestAttackA16Storm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		at, _ := a.listen("alpha")
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 2*time.Second, "both up", both(a, b, StateUp))
		b.stop()
		ctx, endSiege := context.WithCancel(t.Context())
		w.besiege(t, ctx, at, 1000, 500*time.Millisecond)
		time.Sleep(3 * time.Second)
		if n := a.strangers.waiting(); n != maxStrangers {
			t.Errorf("%d calls wait, want a full house", n)
		}
		b = w.start("beta", peerSite("beta", "alpha", true, false))
		took := reaches(t, 2*time.Second, "both up again", both(a, b, StateUp))
		t.Logf("up after %v; %+v", took, a.guard.snapshot(time.Now()))
		endSiege()
	})
}

// Row C11, by a whole daemon: ten thousand calls whose callers say nothing more.
// What they hold is bounded, and a real peer is up within 2 s.
func TestAttackC11SilentCalls(t *testing.T) {
	for name, test := range map[string]struct{ addresses, calls int }{
		"from one address": {1, 10_000},
		"from a hundred":   {100, 3_000}, // the race detector is slow
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.start("alpha", peerSite("alpha", "beta", false, true))
				at, l := a.listen("alpha")
				for n := range test.calls {
					call, err := callFrom(t.Context(), sourceAddr(n%test.addresses), at, 1)
					if err != nil {
						t.Fatalf("call %d: %v", n, err)
					}
					defer call.Conn().Close()
				}
				synctest.Wait()
				if n, most := a.strangers.waiting(), min(test.addresses*maxFromSource, maxStrangers); n != most {
					t.Errorf("%d calls wait, want %d", n, most)
				}
				if s := l.Stats(); s.Connections > 512+maxStrangers {
					t.Errorf("%d connections", s.Connections)
				}
				b := w.start("beta", peerSite("beta", "alpha", true, false))
				reaches(t, 2*time.Second, "both up", both(a, b, StateUp))
				time.Sleep(2 * time.Minute)
				if n, c := a.strangers.waiting(), l.Stats().Connections; n != 0 || c != 0 {
					t.Errorf("%d calls and %d connections are left", n, c)
				}
			})
		})
	}
}
