package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/ip"
)

// A fakeKernel is a host with interfaces, addresses and the way to one peer.
type fakeKernel struct {
	mu    sync.Mutex
	homes map[netip.Addr]string    // interface by address
	down  map[string]bool          // interfaces
	route ip.Uplink                // zero: none
	by    map[netip.Addr]ip.Uplink // where the source decides
	deaf  bool                     // answers nothing
}

func (k *fakeKernel) change(how func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	how()
}

func (k *fakeKernel) Uplink(remote, local netip.Addr, device string) (ip.Uplink, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deaf {
		return ip.Uplink{}, unix.ENOBUFS
	}
	w, chosen := k.by[local]
	if !chosen {
		w = k.route
	}
	if device != "" {
		w.Device = device
	}
	if w.Device == "" {
		return ip.Uplink{}, fmt.Errorf("%w to %v: %w", ip.ErrNoWay, remote, unix.ENETUNREACH)
	}
	w.Up = !k.down[w.Device]
	return w, nil
}

func (k *fakeKernel) Home(a netip.Addr) (string, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deaf {
		return "", false, unix.ENOBUFS
	}
	d := k.homes[a]
	return d, !k.down[d], nil
}

var (
	addr1, addr2 = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("198.51.100.10")
	wan1         = ip.Uplink{Way: ip.Way{Device: "eth1", Source: addr1}}
	wan2         = ip.Uplink{Way: ip.Way{Device: "eth2", Source: addr2}}
)

// twoUplinks has its route by the first one.
func twoUplinks() *fakeKernel {
	return &fakeKernel{
		homes: map[netip.Addr]string{addr1: "eth1", addr2: "eth2"},
		down:  map[string]bool{}, by: map[netip.Addr]ip.Uplink{}, route: wan1,
	}
}

func TestWhatLosesAPath(t *testing.T) {
	peer := netip.MustParseAddr("203.0.113.7")
	for name, c := range map[string]struct {
		source   config.Source
		answered bool
		happens  func(k *fakeKernel)
		want     string // empty: it is not lost
	}{
		"nothing": {happens: func(*fakeKernel) {}},
		"the kernel does not tell": {
			happens: func(k *fakeKernel) { k.deaf = true },
		},
		"the address goes": {
			happens: func(k *fakeKernel) { delete(k.homes, addr1) },
			want:    "192.0.2.10 is no longer an address of this host",
		},
		"the address goes, to which the peer called": {
			answered: true,
			happens:  func(k *fakeKernel) { delete(k.homes, addr1) },
			want:     "192.0.2.10 is no longer an address of this host",
		},
		"the route goes": {
			happens: func(k *fakeKernel) { k.route = ip.Uplink{} },
			want:    "no way to 203.0.113.7: network is unreachable",
		},
		"the route goes, by which we answer": {
			answered: true,
			happens:  func(k *fakeKernel) { k.route = ip.Uplink{} },
		},
		"the route changes": {
			happens: func(k *fakeKernel) { k.route = wan2 },
			want:    "the route to 203.0.113.7 now leaves by eth2 with source 198.51.100.10, the call came from 192.0.2.10",
		},
		"the route changes, by which we answer": {
			answered: true,
			happens:  func(k *fakeKernel) { k.route = wan2 },
		},
		"the route changes to a dead interface": {
			happens: func(k *fakeKernel) { k.by[addr1], k.route, k.down["eth2"] = wan1, wan2, true },
		},
		"another interface takes over, the source stays": {
			happens: func(k *fakeKernel) { k.route.Device = "eth2" },
		},
		"the route changes, the source is fixed": {
			source:  config.Source{Address: addr1},
			happens: func(k *fakeKernel) { k.route = wan2 },
		},
		"the interface goes down": {
			happens: func(k *fakeKernel) { k.down["eth1"] = true },
			want:    "interface eth1, by which 203.0.113.7 was reached, is down or has no carrier",
		},
		"the interface goes down, and its routes with it": {
			happens: func(k *fakeKernel) { k.down["eth1"], k.route = true, ip.Uplink{} },
			want:    "interface eth1, by which 203.0.113.7 was reached, is down or has no carrier",
		},
		"the interface that the source names goes down": {
			source:  config.Source{Interface: "eth1"},
			happens: func(k *fakeKernel) { k.down["eth1"] = true },
			want:    "interface eth1, by which 203.0.113.7 was reached, is down or has no carrier",
		},
		"another interface goes down": {
			happens: func(k *fakeKernel) { k.down["eth2"] = true },
		},
		"the interface goes down, to which the peer called": {
			answered: true,
			happens:  func(k *fakeKernel) { k.down["eth1"] = true },
			want:     "interface eth1, by which 203.0.113.7 was reached, is down or has no carrier",
		},
		"the interface goes down, but the peer is reached by another": {
			answered: true,
			happens:  func(k *fakeKernel) { k.down["eth1"] = true; k.route = wan2 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, u, path := twoUplinks(), new(uplink), gre.Path{Local: addr1, Remote: peer}
			u.begin(k, path, c.source)
			c.happens(k)
			err := u.lostCall(k, path, c.source)
			if c.answered {
				err = u.lostHome(k, path)
			}
			if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
				t.Errorf("lost: %v, want %q", err, c.want)
			}
		})
	}
}

// Two default routes of equal worth: the kernel answers with either, whatever the call
// leaves by.
func TestWayThatWasAnotherFromTheStartIsNoLoss(t *testing.T) {
	k, u, path := twoUplinks(), new(uplink), gre.Path{Local: addr2, Remote: addrOf["beta"]}
	k.by[addr2] = wan2 // our call came from there
	u.begin(k, path, config.Source{})
	if err := u.lostCall(k, path, config.Source{}); err != nil {
		t.Errorf("lost: %v", err)
	}
}

// A daemon whose host loses its address gives its tunnel up at once, and dials at once
// when there is a way again, however long it would have waited.
func TestTunnelFollowsItsUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		k := &fakeKernel{homes: map[netip.Addr]string{addrOf["beta"]: "eth0"}, down: map[string]bool{}, route: ip.Uplink{Way: ip.Way{Device: "eth0", Source: addrOf["beta"]}}}
		b := w.startOn("beta", k, peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		b.uplinksChanged()
		time.Sleep(time.Minute)
		if s := b.allSites()[0].status(); s.Ups != 1 || s.Tunnel.Interface != "eth0" {
			t.Fatalf("after a change that changes nothing: up %d times, by %q", s.Ups, s.Tunnel.Interface)
		}

		k.change(func() { k.homes, k.route = nil, ip.Uplink{} })
		w.mu.Lock()
		w.noRoute = true
		w.mu.Unlock()
		b.uplinksChanged()
		synctest.Wait()
		if b.is(StateUp)() {
			t.Fatal("still up after the address was lost")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		s := b.allSites()[0].status()
		if s.State != StateWaiting || !strings.Contains(s.Reason, "network is unreachable") {
			t.Fatalf("state %s (%s)", s.State, s.Reason)
		}

		time.Sleep(time.Until(s.NextTry.Add(5 * time.Second))) // it has just tried, in vain
		k.change(func() {
			k.homes = map[netip.Addr]string{addrOf["beta"]: "eth0"}
			k.route = ip.Uplink{Way: ip.Way{Device: "eth0", Source: addrOf["beta"]}}
		})
		w.mu.Lock()
		w.noRoute = false
		w.mu.Unlock()
		b.uplinksChanged()
		if took := reaches(t, time.Minute, "both up again", both(a, b, StateUp)); took > 5*time.Second {
			t.Errorf("up %v after the way was there", took)
		}
		b.stop()
		if log := b.log.String(); !strings.Contains(log, "192.0.2.2 is no longer an address of this host") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	})
}

// waitingSite is a site whose peer is reached as the returned function says, and that
// fails to dial it.
func waitingSite(t *testing.T, fails error) (reach func(outlook), dials *atomic.Int32) {
	var mu sync.Mutex
	var now outlook
	dials = new(atomic.Int32)
	s := newSupervisor(discard, "a", "b", func(context.Context) (tunnel, error) {
		dials.Add(1)
		return nil, fails
	})
	s.outlook = func() outlook { mu.Lock(); defer mu.Unlock(); return now }
	runSite(t, s)
	return func(o outlook) {
		mu.Lock()
		now = o
		mu.Unlock()
		s.uplinkChanged()
		synctest.Wait()
	}, dials
}

func theOne(way ip.Uplink) outlook { way.Up = way.Device != ""; return outlook{addrOf["beta"]: way} }

func TestWayThatComesAndGoesIsNotDialledWithoutAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reach, dials := waitingSite(t, errors.New("network is unreachable"))
		synctest.Wait()
		reach(theOne(ip.Uplink{})) // before the first dial nothing was known
		time.Sleep(10 * time.Minute)
		before := dials.Load()
		for range 100 {
			reach(theOne(ip.Uplink{}))
			reach(theOne(wan1))
			time.Sleep(100 * time.Millisecond)
		}
		if n := dials.Load() - before; n < 8 || n > 12 {
			t.Errorf("%d dials in 10 s", n)
		}
	})
}

func TestRefusedSiteDoesNotDialForAnotherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reach, dials := waitingSite(t, &refusal{errors.New("bad password")})
		synctest.Wait()
		reach(theOne(ip.Uplink{}))
		reach(theOne(wan1))
		reach(theOne(wan2))
		time.Sleep(refused / 2)
		if n := dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

// A dial that hangs on an uplink that is gone begins anew on the other one.
func TestHangingDialMovesToTheOtherUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := make(chan time.Time, 10)
		s := newSupervisor(discard, "a", "b", func(ctx context.Context) (tunnel, error) {
			dials <- time.Now()
			if len(dials) == 2 {
				return newFake(true, true), nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		var way atomic.Pointer[outlook]
		leaves := func(by ip.Uplink) { o := theOne(by); way.Store(&o) }
		leaves(wan1)
		s.outlook = func() outlook { return *way.Load() }
		runSite(t, s)
		time.Sleep(3 * time.Second)
		s.uplinkChanged()
		synctest.Wait()
		if len(dials) != 1 {
			t.Fatalf("%d dials on one way", len(dials))
		}
		leaves(wan2)
		s.uplinkChanged()
		synctest.Wait()
		if v := s.snapshot(); v.State != StateUp {
			t.Errorf("state %s after %d dials", v.State, len(dials))
		}
	})
}

func TestAnsweringSiteWithoutItsAddressListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(discard, "a", "b", nil)
		runSite(t, s)
		f := newFake(false, true)
		if err := s.admit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		f.gone = noAddress(addr1)
		s.uplinkChanged()
		synctest.Wait()
		if v := s.snapshot(); v.State != StateListening || v.Reason != f.gone.Error() {
			t.Errorf("state %s, reason %q", v.State, v.Reason)
		}
	})
}
