package ip

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

func TestInnerMTU(t *testing.T) {
	for _, c := range []struct {
		name                     string
		outer, overhead, peerMRU int
		mtu                      int
		text                     string
	}{
		{"no compression", 1500, 4, 0, 1460, "1500 - 20 IP - 16 GRE - 4 PPP = 1460"},
		{"ACFC and PFC", 1500, 1, 1500, 1463, "1500 - 20 IP - 16 GRE - 1 PPP = 1463"},
		{"MPPE", 1500, 8, 1500, 1456, "1500 - 20 IP - 16 GRE - 8 PPP = 1456"},
		{"PPPoE and MPPE", 1492, 8, 1500, 1448, "1492 - 20 IP - 16 GRE - 8 PPP = 1448"},
		{"small peer", 1500, 4, 1400, 1400, "1500 - 20 IP - 16 GRE - 4 PPP = 1460, peer takes 1400"},
		{"no path", 30, 4, 1400, 0, "30 - 20 IP - 16 GRE - 4 PPP = -10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := InnerMTU(c.outer, c.overhead, c.peerMRU)
			if s.InnerMTU != c.mtu || s.String() != c.text {
				t.Errorf("got %d, %q, want %d, %q", s.InnerMTU, s, c.mtu, c.text)
			}
		})
	}
}

func TestInnerMTUInUDP(t *testing.T) {
	s := InnerMTU(1500, 30, 1500).InUDP()
	if want := "1500 - 20 IP - 8 UDP - 16 GRE - 30 PPP = 1426"; s.InnerMTU != 1426 || s.String() != want || s.Around() != 74 {
		t.Errorf("got %d, %q, want %q", s.InnerMTU, s, want)
	}
	s = InnerMTU(1500, 4, 1400).InUDP()
	if want := "1500 - 20 IP - 8 UDP - 16 GRE - 4 PPP = 1452, peer takes 1400"; s.InnerMTU != 1400 || s.String() != want {
		t.Errorf("got %d, %q, want %q", s.InnerMTU, s, want)
	}
}

// A site's own mtu must not be told as what the peer takes.
func TestSumWithSetMTU(t *testing.T) {
	for set, want := range map[int]string{
		1400: "1500 - 20 IP - 16 GRE - 1 PPP = 1463, set to 1400",
		1463: "1500 - 20 IP - 16 GRE - 1 PPP = 1463",
		1500: "1500 - 20 IP - 16 GRE - 1 PPP = 1463, set to 1500",
	} {
		s := InnerMTU(1500, 1, 1500)
		s.InnerMTU = set
		if s.String() != want {
			t.Errorf("set to %d: %q, want %q", set, s, want)
		}
	}
}

func TestPathMTU(t *testing.T) {
	hub, isp := newHubAndISP(t)
	peer, near := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.1")
	isp.Addr("lo", "198.51.100.1/32")
	want := func(name string, local, remote netip.Addr, want int) {
		t.Helper()
		if got, err := hub.host.PathMTU(local, remote, 0); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", name, got, err, want)
		}
	}
	want("interface", netip.Addr{}, peer, 1500)
	want("with source", netip.MustParseAddr("192.0.2.2"), peer, 1500)
	hub.MTU("wan", 1400)
	want("interface of 1400", netip.Addr{}, near, 1400)
	want("loopback", netip.Addr{}, netip.MustParseAddr("127.0.0.1"), 65535)

	// A full tunnel up, whose own way it must not take.
	mustUndo(t)(hub.host.ProtectMarked(parsePrefixes("0.0.0.0/0")))
	hub.route(t, 100, "0.0.0.0/0")
	want("under a full tunnel", netip.Addr{}, peer, 1400)

	if _, err := hub.host.PathMTU(netip.MustParseAddr("203.0.113.1"), peer, 0); err == nil {
		t.Error("a source that is not ours has a path")
	}
}

// learnMTU sends a datagram that is too big from one host to another, waits for
// the ICMP message, and returns the path MTU that the sender then knows.
func learnMTU(t *testing.T, from *netlab.Namespace, network, to string, size int) int {
	t.Helper()
	level, discover, get, do := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_MTU, unix.IP_PMTUDISC_DO
	if network == "udp6" {
		level, discover, get, do = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_MTU, unix.IPV6_PMTUDISC_DO
	}
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, discover, do) })
		return err
	}}
	var c net.Conn
	must(t, from.Do(func() (err error) { c, err = dialer.Dial(network, to); return err }))
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatalf("write: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.EMSGSIZE) {
		t.Fatalf("read = %v, want %v", err, unix.EMSGSIZE)
	}
	raw, err := c.(*net.UDPConn).SyscallConn()
	must(t, err)
	var mtu int
	raw.Control(func(fd uintptr) { mtu, err = unix.GetsockoptInt(int(fd), level, get) })
	must(t, err)
	return mtu
}

// TestSendersLearnTheMTU has MTUs that the interface's own cannot express: less
// than IPv6 needs, or less for IPv6 than for IPv4.
func TestSendersLearnTheMTU(t *testing.T) {
	for _, c := range []struct {
		name           string
		mtu4, mtu6     int
		network, to    string
		size           int
		learned        int
		ours           uint64 // messages that we sent, and not the kernel
		fromTheGateway bool
	}{
		{"IPv4, by us", 1200, 0, "udp4", "10.2.0.2:9", 1240, 1200, 1, false},
		{"IPv4, by us, own host", 1200, 0, "udp4", "10.2.0.2:9", 1240, 1200, 1, true},
		{"IPv4, by the kernel", 1400, 0, "udp4", "10.2.0.2:9", 1440, 1400, 0, false},
		{"IPv6, by us", 1450, 1300, "udp6", "[2001:db8:2::2]:9", 1380, 1300, 1, false},
		{"IPv6, by us, own host", 1450, 1300, "udp6", "[2001:db8:2::2]:9", 1380, 1300, 1, true},
		{"IPv6, by the kernel", 1300, 1400, "udp6", "[2001:db8:2::2]:9", 1440, 1400, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newTwoSites(t, c.mtu4, c.mtu6)
			from := s.left
			if c.fromTheGateway {
				from = s.west.Namespace
			}
			if got := learnMTU(t, from, c.network, c.to, c.size); got != c.learned {
				t.Errorf("learned %d, want %d", got, c.learned)
			}
			waitFor(t, "our messages", func() bool { return s.west.dev.Stats().TooBigSent == c.ours })
		})
	}
}

// TestPathMTUIsLearned has a router on the way that says "too big".
func TestPathMTUIsLearned(t *testing.T) {
	lab := netlab.New(t, cloneDevice)
	ns, router, far := lab.Namespace("hub"), lab.Namespace("router"), lab.Namespace("far")
	lab.Veth(ns, "wan", router, "near")
	lab.Veth(router, "far", far, "eth0")
	ns.Addr("wan", "192.0.2.2/24")
	router.Addr("near", "192.0.2.1/24")
	router.Addr("far", "198.51.100.254/24")
	far.Addr("eth0", "198.51.100.1/24")
	ns.Route("default", "192.0.2.1")
	router.Forward()
	router.MTU("far", 1300)
	hub := newGateway(t, ns, "sb-far")
	peer := netip.MustParseAddr("198.51.100.1")
	for _, want := range []int{1500, 1300} {
		if got, err := hub.host.PathMTU(netip.Addr{}, peer, 0); err != nil || got != want {
			t.Errorf("PathMTU = %d, %v, want %d", got, err, want)
		}
		if want == 1500 {
			learnMTU(t, ns, "udp4", "198.51.100.1:9", 1400)
		}
	}
}
