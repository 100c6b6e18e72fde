package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp"
)

func exactly(d time.Duration) time.Duration { return d }

// fakeTunnel is a tunnel that lives until it is told to end.
type fakeTunnel struct {
	c       claim
	answers bool // an Echo
	up      time.Time

	once sync.Once
	why  error
	gone error // what lost says
	over chan struct{}
}

func newFake(dialed, answers bool) *fakeTunnel {
	return &fakeTunnel{c: claim{time.Now(), dialed}, answers: answers, up: time.Now(), over: make(chan struct{})}
}

func (f *fakeTunnel) claim() claim { return f.c }
func (f *fakeTunnel) alive(ctx context.Context) bool {
	if !f.answers {
		<-ctx.Done()
	}
	return f.answers
}
func (f *fakeTunnel) leaving() bool              { return false }
func (f *fakeTunnel) close(why error)            { f.once.Do(func() { f.why = why; close(f.over) }) }
func (f *fakeTunnel) done() <-chan struct{}      { return f.over }
func (f *fakeTunnel) err() error                 { return f.why }
func (f *fakeTunnel) down() string               { return "down" }
func (f *fakeTunnel) lost() error                { return f.gone }
func (f *fakeTunnel) upSince() (time.Time, bool) { return f.up, true }

// startSite runs a supervisor until the test ends.
func startSite(t *testing.T, our, peer string, dial func(context.Context) (tunnel, error)) *supervisor {
	s := newSupervisor(discard, our, peer, dial)
	runSite(t, s)
	return s
}

var discard = slog.New(slog.DiscardHandler)

// runSite runs s until the test ends.
func runSite(t *testing.T, s *supervisor) {
	s.backoff.jitter = exactly
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestSupervisorBacksOffAndNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, dials := time.Now(), []time.Duration(nil)
		s := startSite(t, "a", "b", func(context.Context) (tunnel, error) {
			dials = append(dials, time.Since(start))
			return nil, errors.New("no route to host")
		})
		time.Sleep(200 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 1e9, 3e9, 7e9, 15e9, 31e9, 63e9, 123e9, 183e9}
		if !slices.Equal(dials, want) {
			t.Errorf("dialed at %v, want %v", dials, want)
		}
		if v := s.snapshot(); v.State != StateWaiting || v.Reason != "no route to host" || v.NextTry.IsZero() {
			t.Errorf("view = %+v", v)
		}
	})
}

func TestGoodSpellStartsTheBackoffAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, dials := time.Now(), []time.Duration(nil)
		startSite(t, "a", "b", func(context.Context) (tunnel, error) {
			dials = append(dials, time.Since(start))
			if len(dials) < 4 {
				return nil, errors.New("refused")
			}
			f := newFake(true, true)
			time.AfterFunc(settled, func() { f.close(errors.New("peer silent")) })
			return f, nil
		})
		time.Sleep(39 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 1e9, 3e9, 7e9, 7e9 + settled + minWait}
		if !slices.Equal(dials, want) {
			t.Errorf("dialed at %v, want %v", dials, want)
		}
	})
}

func TestRefusalIsNotRetriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		s := startSite(t, "a", "b", func(context.Context) (tunnel, error) {
			dials++
			return nil, &refusal{errors.New("bad password")}
		})
		time.Sleep(refused - time.Second)
		synctest.Wait()
		if dials != 1 {
			t.Errorf("%d dials before the refusal's wait was over", dials)
		}
		if err := s.command(t.Context(), true); err != nil { // `sitebridge up` does not wait
			t.Fatal(err)
		}
		synctest.Wait()
		if dials != 2 {
			t.Errorf("%d dials after up, want 2", dials)
		}
	})
}

func TestDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last *fakeTunnel
		s := startSite(t, "a", "b", func(context.Context) (tunnel, error) {
			last = newFake(true, true)
			return last, nil
		})
		synctest.Wait()
		if v := s.snapshot(); v.State != StateUp {
			t.Fatalf("state %s, want up", v.State)
		}
		if err := s.command(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		select {
		case <-last.over:
		default:
			t.Error("down left the tunnel running")
		}
		time.Sleep(time.Hour)
		if v := s.snapshot(); v.State != StateStopped || v.Dials != 1 {
			t.Errorf("after down: %s, %d dials", v.State, v.Dials)
		}
		if err := s.admit(t.Context(), newFake(false, true)); err == nil {
			t.Error("a stopped site took a call")
		}
		if err := s.command(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v := s.snapshot(); v.State != StateUp || v.Dials != 2 {
			t.Errorf("after up: %s, %d dials", v.State, v.Dials)
		}
	})
}

func TestIncomingCallEndsTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSite(t, "a", "b", func(ctx context.Context) (tunnel, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		synctest.Wait()
		f := newFake(false, true)
		if err := s.admit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v := s.snapshot(); v.State != StateUp || v.Current != tunnel(f) {
			t.Errorf("view = %+v", v)
		}
	})
}

func TestCollisionKeepsTheSmallerNamesCall(t *testing.T) {
	for _, c := range []struct {
		our, peer string
		wantOurs  bool
	}{{"a", "b", true}, {"b", "a", false}} {
		synctest.Test(t, func(t *testing.T) {
			var ours *fakeTunnel
			s := startSite(t, c.our, c.peer, func(context.Context) (tunnel, error) {
				ours = newFake(true, true)
				return ours, nil
			})
			synctest.Wait()
			theirs := newFake(false, true)
			err := s.admit(t.Context(), theirs)
			if (err != nil) != c.wantOurs {
				t.Errorf("%s against %s: admit = %v", c.our, c.peer, err)
			}
			synctest.Wait()
			want := tunnel(theirs)
			if c.wantOurs {
				want = ours
			}
			if got := s.snapshot().Current; got != want {
				t.Errorf("%s against %s kept the wrong call", c.our, c.peer)
			}
		})
	}
}

// Our dial has just come through when the peer's call authenticates: the peer
// has ours by now and settles between the two, so we must too, or both go.
func TestCollisionWithADialThatCameThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := newFake(true, true), newFake(false, true)
		s := newSupervisor(slog.New(slog.DiscardHandler), "a", "b", func(context.Context) (tunnel, error) { return ours, nil })
		l := siteLoop{s: s, ctx: t.Context(), enabled: true, retry: time.NewTimer(time.Hour)}
		l.startDialing()
		synctest.Wait()
		if err := l.consider(theirs); err == nil || l.cur != tunnel(ours) {
			t.Errorf("consider = %v, the smaller name's call was dropped", err)
		}
		if l.dialing != nil {
			t.Error("still dialling")
		}
	})
}

func TestStaleCallIsReplaced(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := startSite(t, "a", "b", nil)
			old := newFake(false, answers)
			if err := s.admit(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			began := time.Now()
			err := s.admit(t.Context(), newFake(false, true))
			if (err == nil) == answers {
				t.Errorf("old call answers %v: newcomer got %v", answers, err)
			}
			if took := time.Since(began); took > echoWait {
				t.Errorf("decided after %v", took)
			}
		})
	}
}

func TestTwoBoxesWithOneNameDoNotFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSite(t, "a", "b", nil)
		taken := 0
		for range 20 {
			if s.admit(t.Context(), newFake(false, false)) == nil {
				taken++
			}
		}
		if taken != 5 {
			t.Errorf("%d calls taken in a minute, want the first and 4 that replaced it", taken)
		}
	})
}

// A peer that was up and said goodbye is called again soon, but not in a hurry for ever.
func TestSupervisorCallsSoonAfterAGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, dials := newFake(true, true), []time.Duration(nil)
		var left time.Time
		startSite(t, "a", "b", func(context.Context) (tunnel, error) {
			if left.IsZero() {
				return first, nil
			}
			dials = append(dials, time.Since(left))
			return nil, errors.New("connection refused")
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		left = time.Now()
		first.close(&ppp.End{Kind: ppp.PeerTerminated, Reason: "goodbye"})
		time.Sleep(6 * time.Second)
		synctest.Wait()
		want := []time.Duration{300e6, 750e6, 1425e6, 2437500e3, 4462500e3}
		if !slices.Equal(dials, want) {
			t.Errorf("called after %v, want %v", dials, want)
		}
	})
}
