package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
)

// An outcome is what comes of TCP to an address, after a while.
type outcome struct {
	after time.Duration
	err   error // nil: it opens
}

var silent = outcome{time.Hour, nil}

func refuses(after time.Duration) outcome { return outcome{after, errors.New("connection refused")} }

// raced opens connections until one is good, or there are no more. It returns which,
// when, and who was tried when.
func raced(t *testing.T, ctx context.Context, answers []outcome, good func(i int) bool) (won int, took time.Duration, tried []time.Duration, reason string) {
	t.Helper()
	began := time.Now()
	var to []netip.AddrPort
	var mu sync.Mutex // guards open and tried
	open := 0
	for i := range answers {
		to = append(to, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1723))
	}
	r := newDialRace(ctx, to, func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		mu.Lock()
		tried = append(tried, time.Since(began))
		mu.Unlock()
		is := answers[a.Addr().As4()[3]]
		select {
		case <-time.After(is.after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if is.err != nil {
			return nil, is.err
		}
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			open += n
		}
		count(1)
		return countedConn{close: func() { count(-1) }}, nil
	})
	won = -1
	for {
		nc, i, ok := r.next()
		if !ok {
			break
		}
		if good(i) {
			won, took = i, time.Since(began)
			nc.Close()
			break
		}
		nc.Close()
		r.failed(i, errors.New("no such call"))
	}
	reason = r.reason("")
	r.close()
	if open != 0 {
		t.Errorf("%d connections were left open", open)
	}
	return won, took, tried, reason
}

type countedConn struct {
	net.Conn
	close func()
}

func (c countedConn) Close() error { c.close(); return nil }

func TestRace(t *testing.T) {
	const s = time.Second
	all := func(int) bool { return true }
	for name, c := range map[string]struct {
		answers []outcome
		good    func(int) bool
		won     int
		took    time.Duration
		tried   []time.Duration
		reason  string
	}{
		"the first answers": {
			answers: []outcome{{s, nil}, {0, nil}}, good: all, took: s, tried: []time.Duration{0},
		},
		"the first refuses": {
			answers: []outcome{refuses(s / 10), {s, nil}, {0, nil}}, good: all,
			won: 1, took: s + s/10, tried: []time.Duration{0, s / 10},
			reason: "192.0.2.0:1723: connection refused",
		},
		"two are silent": {
			answers: []outcome{silent, silent, {s, nil}}, good: all,
			won: 2, took: 2*headStart + s, tried: []time.Duration{0, headStart, 2 * headStart},
		},
		"the first is slow and still the first": {
			answers: []outcome{{headStart + s/2, nil}, {s, nil}}, good: all, took: headStart + s/2,
			tried: []time.Duration{0, headStart},
		},
		"the first has TCP and no call": {
			answers: []outcome{{0, nil}, {0, nil}}, good: func(i int) bool { return i == 1 },
			won: 1, tried: []time.Duration{0, 0}, reason: "192.0.2.0:1723: no such call",
		},
		"nobody is left": {
			answers: []outcome{refuses(3 * s), {s, nil}, refuses(0)}, good: func(int) bool { return false },
			won: -1, tried: []time.Duration{0, headStart, 3 * s},
			reason: "192.0.2.0:1723: connection refused; 192.0.2.1:1723: no such call; 192.0.2.2:1723: connection refused",
		},
		"there is none": {good: all, won: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				won, took, tried, reason := raced(t, t.Context(), c.answers, c.good)
				if won != c.won || took != c.took || !slices.Equal(tried, c.tried) || reason != c.reason {
					t.Errorf("won %d after %v, tried at %v, %q; want %d, %v, %v, %q", won, took, tried, reason, c.won, c.took, c.tried, c.reason)
				}
			})
		})
	}
}

func TestRaceIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if won, _, _, _ := raced(t, ctx, []outcome{silent, silent}, nil); won != -1 || time.Since(began) != time.Second {
			t.Errorf("won %d after %v", won, time.Since(began))
		}
	})
}

// named is a site with hosts to dial, and a book of names.
func named(hosts []string, book map[string][]string) *site {
	d := newDaemon(&config.Config{}, discard, "test")
	d.lookUp = func(ctx context.Context, host string) (all []netip.Addr, err error) {
		addrs, known := book[host]
		if !known {
			return nil, errors.New("no such host")
		}
		if addrs == nil { // the name server is silent
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for _, a := range addrs {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
	s := &site{d: d, cfg: &config.Site{}}
	for _, h := range hosts {
		s.cfg.Dial = append(s.cfg.Dial, config.Endpoint{Host: h, Port: 1723})
	}
	return s
}

func TestResolve(t *testing.T) {
	book := map[string][]string{
		"one.example": {"192.0.2.1", "192.0.2.2"}, "two.example": {"192.0.2.2", "192.0.2.3"}, "silent.example": nil,
	}
	for name, c := range map[string]struct {
		hosts         []string
		last          string
		want, trouble string
	}{
		"all addresses, each once": {
			hosts: []string{"one.example", "two.example"}, want: "[192.0.2.1:1723 192.0.2.2:1723 192.0.2.3:1723]",
		},
		"the last good one first": {
			hosts: []string{"one.example", "two.example"}, last: "192.0.2.3:1723", want: "[192.0.2.3:1723 192.0.2.1:1723 192.0.2.2:1723]",
		},
		"the last good one is no longer in the book": {
			hosts: []string{"one.example"}, last: "192.0.2.9:1723", want: "[192.0.2.1:1723 192.0.2.2:1723]",
		},
		"all names fail, and one had worked": {
			hosts: []string{"gone.example"}, last: "192.0.2.9:1723", want: "[192.0.2.9:1723]", trouble: "look up gone.example: no such host",
		},
		"one name fails": {
			hosts: []string{"gone.example", "one.example"}, want: "[192.0.2.1:1723 192.0.2.2:1723]", trouble: "look up gone.example: no such host",
		},
		"one name server is silent": {
			hosts: []string{"silent.example", "one.example"}, want: "[192.0.2.1:1723 192.0.2.2:1723]", trouble: "look up silent.example: context deadline exceeded",
		},
		"all names fail": {
			hosts: []string{"gone.example", "away.example"}, want: "[]", trouble: "look up gone.example: no such host; look up away.example: no such host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := named(c.hosts, book)
				if c.last != "" {
					at := netip.MustParseAddrPort(c.last)
					s.lastGood.Store(&at)
				}
				got, trouble := s.resolve(t.Context())
				if fmt.Sprint(got) != c.want || trouble != c.trouble {
					t.Errorf("resolve = %v, %q, want %s, %q", got, trouble, c.want, c.trouble)
				}
			})
		})
	}
}

// A site with three hosts, of which the first has no address, the second is silent and
// the third answers; its address changes later, and with it the dial.
func TestDialFindsThePeerWhereverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		cfg := peerSite("beta", "alpha", true, false)
		cfg.Dial = []config.Endpoint{{Host: "gone.example", Port: 1723}, {Host: "far.example", Port: 1723}, {Host: "alpha.example", Port: 1723}}
		book := map[string][]string{"far.example": {"198.51.100.1"}, "alpha.example": {addrOf["gamma"].String()}}
		var mu sync.Mutex // guards book
		w.lookUp = func(ctx context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			defer mu.Unlock()
			return named(nil, book).d.lookUp(ctx, host)
		}
		b := w.start("beta", cfg)
		reaches(t, time.Minute, "it waits", b.is(StateWaiting))
		reason := b.allSites()[0].status().Reason
		for _, part := range []string{"198.51.100.1:1723: ", addrOf["gamma"].String() + ":1723: ", "look up gone.example: no such host"} {
			if !strings.Contains(reason, part) {
				t.Errorf("the reason is %q, without %q", reason, part)
			}
		}
		mu.Lock()
		book["alpha.example"] = []string{addrOf["alpha"].String()}
		mu.Unlock()
		reaches(t, time.Minute, "both up at the new address", both(a, b, StateUp))
		if last := b.allSites()[0].lastGood.Load(); last == nil || last.Addr() != addrOf["alpha"] {
			t.Errorf("last good: %v", last)
		}
	})
}
