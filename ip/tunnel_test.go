package ip

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
)

// transfer sends a file by TCP from one host to another, and returns the
// largest segment that the sender uses.
func transfer(t *testing.T, from, to *netlab.Namespace, addr string, size int) (mss int) {
	t.Helper()
	var l net.Listener
	if err := to.Do(func() (err error) { l, err = net.Listen("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- nil
			return
		}
		defer c.Close()
		h := sha256.New()
		io.Copy(h, c)
		got <- h.Sum(nil)
	}()
	var c net.Conn
	if err := from.Do(func() (err error) { c, err = net.Dial("tcp", l.Addr().String()); return err }); err != nil {
		t.Fatal(err)
	}
	file := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	random.Read(file)
	if _, err := c.Write(file); err != nil {
		t.Fatal(err)
	}
	raw, _ := c.(*net.TCPConn).SyscallConn()
	raw.Control(func(fd uintptr) { mss, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
	c.Close()
	want := sha256.Sum256(file)
	if sum := <-got; !bytes.Equal(sum, want[:]) {
		t.Errorf("file arrived as %x, want %x", sum, want)
	}
	return mss
}

func TestFilesCrossTheTunnel(t *testing.T) {
	s := newTwoSites(t, 1460, 1460)
	const size = 8 << 20
	for _, c := range []struct {
		name     string
		from, to *netlab.Namespace
		addr     string
	}{
		{"IPv4 from LAN to LAN", s.left, s.right, "10.2.0.2:0"},
		{"IPv4 back", s.right, s.left, "10.1.0.2:0"},
		{"IPv4 from gateway to LAN", s.west.Namespace, s.right, "10.2.0.2:0"},
		{"IPv4 from gateway to gateway", s.west.Namespace, s.east.Namespace, "10.255.0.2:0"},
		{"IPv6 from LAN to LAN", s.left, s.right, "[2001:db8:2::2]:0"},
		{"IPv6 back", s.right, s.left, "[2001:db8:1::2]:0"},
	} {
		t.Run(c.name, func(t *testing.T) { transfer(t, c.from, c.to, c.addr, size) })
	}
	t.Run("IPv6 between the link-local addresses", func(t *testing.T) { greetLinkLocal(t, s) })
	for _, g := range []*gateway{s.west, s.east} {
		stats := g.dev.Stats()
		stats.Drops.LinkDown = 0 // what the kernel says on an interface that comes up
		if want := (Drops{SourceNotBehindPeer: g.nameless.Load()}); stats.Drops != want {
			t.Errorf("%s drops %+v, want %+v", g.Name(), stats.Drops, want)
		}
		if stats.OctetsIn < 2*size || stats.OctetsOut < 2*size {
			t.Errorf("%s counts %d octets in, %d out", g.Name(), stats.OctetsIn, stats.OctetsOut)
		}
	}
}

func greetLinkLocal(t *testing.T, s *twoSites) {
	t.Helper()
	var in net.PacketConn
	if err := s.east.Do(func() (err error) { in, err = net.ListenPacket("udp6", "[fe80::2%sb-west]:7000"); return err }); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := s.west.Do(func() error {
		c, err := net.Dial("udp6", "[fe80::2%sb-east]:7000")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, from, err := in.ReadFrom(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("read %q from %v, %v", b[:n], from, err)
	}
}

// TestHandshakeIsClamped looks at the segments of real connections: neither end
// ever sends one that would not fit.
func TestHandshakeIsClamped(t *testing.T) {
	s := newTwoSites(t, 1300, 1320)
	var mu sync.Mutex // guards longest
	longest := map[uint16]int{}
	s.up(t, 1300, 1320, func(protocol uint16, pkts []*packet.Buffer, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range pkts {
			longest[protocol] = max(longest[protocol], b.Len())
		}
	})
	const timestamps = 12 // TCP option in every segment
	for _, c := range []struct {
		addr string
		want int
	}{{"10.2.0.2:0", 1300 - 40 - timestamps}, {"[2001:db8:2::2]:0", 1320 - 60 - timestamps}} {
		if mss := transfer(t, s.left, s.right, c.addr, 1<<20); mss != c.want {
			t.Errorf("%s: segments of %d octets, want %d", c.addr, mss, c.want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got, want := fmt.Sprint(longest), fmt.Sprint(map[uint16]int{ProtocolIPv4: 1300, ProtocolIPv6: 1320}); got != want {
		t.Errorf("longest packets %s, want %s", got, want)
	}
	for _, g := range []*gateway{s.west, s.east} {
		// Each end clamps what comes and what goes, and the first leaves the
		// second nothing to do: one SYN or SYN-ACK of each connection at each end.
		if n := g.dev.Stats().Clamped; n != 2 {
			t.Errorf("%s clamped %d, want 2", g.Name(), n)
		}
		if n := g.dev.Stats().Drops.TooBig; n != 0 {
			t.Errorf("%s dropped %d packets as too big", g.Name(), n)
		}
	}
}
