package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

func anyState(bridge.SiteStatus) bool { return true }

// TestAddresses: an address from the peer, and none. TestRemoteComputers has pools.
func TestAddresses(t *testing.T) {
	for name, test := range map[string]struct {
		a, b     string // without routes
		local    string // what b's end then is
		firstOwn string // what `ip addr` says of its interface
	}{
		"from the peer": {
			a:     "address = \"10.255.0.1\"\npeer = \"10.255.0.7\"",
			b:     "address = \"from-peer\"",
			local: "10.255.0.7", firstOwn: "inet 10.255.0.7 peer 10.255.0.1/32",
		},
		"unnumbered": {a: "", b: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a := w.Start(w.SiteA, lab.Config{IPX: "none", IP: test.a + "\nroutes = [\"10.2.0.0/16\"]"}.A())
			b := w.Start(w.SiteB, lab.Config{IPX: "none", IP: test.b + "\nroutes = [\"10.1.0.0/16\"]"}.B())
			s := b.WaitUp("a")
			a.WaitUp("b")
			want, _ := netip.ParseAddr(test.local)
			if s.IP.Local != want {
				t.Errorf("status says that our address is %v, want %v", s.IP.Local, want)
			}
			own := w.IP(w.SiteB, "-4", "-o", "addr", "show", "dev", "sb-a")
			if !strings.Contains(own, test.firstOwn) || test.firstOwn == "" && own != "" {
				t.Errorf("the interface has %q, want %q", own, test.firstOwn)
			}
			w.WantPing(w.HostA, lab.AddrB)
			w.WantPing(w.HostB, lab.AddrA)
			if test.local != "" {
				w.WantPing(w.HostA, test.local)
			}
			// The same address after a redial, and the interface has stayed.
			index := w.IP(w.SiteB, "-o", "link", "show", "dev", "sb-a")
			b.Run("down", "a")
			b.Run("up", "a")
			if s := b.WaitUp("a"); s.IP.Local != want {
				t.Errorf("after a redial our address is %v, want %v", s.IP.Local, want)
			}
			if now := w.IP(w.SiteB, "-o", "link", "show", "dev", "sb-a"); strings.Fields(now)[0] != strings.Fields(index)[0] {
				t.Errorf("the interface was made anew:\n%s%s", index, now)
			}
			w.WantPing(w.HostB, lab.AddrA)
		})
	}
}

// TestAnswersFromTheAddressThatWasCalled: site a has two addresses on the WAN, and
// b calls the second one.
func TestAnswersFromTheAddressThatWasCalled(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	const second = "192.0.2.11"
	w.SiteA.Addr("wan", second+"/24")
	stop := w.Capture(w.SiteB, "wan")
	a := w.Start(w.SiteA, lab.Config{}.A())
	b := w.Start(w.SiteB, strings.Replace(lab.Config{}.B(), lab.WANA, second, 1))
	a.WaitUp("b")
	s := b.WaitUp("a")
	if s.Tunnel.Peer.String() != second {
		t.Errorf("the peer is %v, want %s", s.Tunnel.Peer, second)
	}
	w.WantPing(w.HostA, lab.AddrB)
	pcap := stop()
	if n := judge.Count(t, pcap, "ip.src == "+lab.WANA); n != 0 {
		t.Errorf("%d packets came from site a's first address", n)
	}
	if n := judge.Count(t, pcap, "gre && ip.src == "+second); n == 0 {
		t.Error("no GRE came from the address that was called: does the filter work?")
	}
}
