package netlab

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab/fault"
)

// line is two hosts with a relay between them. The relay's A is west.
func line(t *testing.T) (lab *Lab, west, east *Namespace, r *Relay) {
	lab = New(t)
	west, east = lab.Namespace("west"), lab.Namespace("east")
	between := lab.Namespace("between")
	lab.Veth(west, "wan", between, "a")
	lab.Veth(east, "wan", between, "b")
	west.Plain("wan")
	east.Plain("wan")
	r = lab.Relay(between, "a", between, "b", 1)
	west.Addr("wan", "192.0.2.1/24")
	east.Addr("wan", "192.0.2.2/24")
	return lab, west, east, r
}

func TestGoodLineCarries(t *testing.T) {
	_, west, east, r := line(t)
	exchange(t, west, east, "192.0.2.2:7000")
	exchange(t, east, west, "192.0.2.1:7000")
	if a, b := r.Stats(AToB), r.Stats(BToA); a.Seen[fault.UDP] != 1 || b.Seen[fault.UDP] != 1 || a.Seen[fault.NotIP] == 0 {
		t.Errorf("%+v, %+v", a, b)
	}
}

// transfer sends octets by TCP and returns from where the connection came.
func transfer(t *testing.T, from, to *Namespace, addr string) (peer net.Addr) {
	t.Helper()
	var l net.Listener
	if err := to.Do(func() (err error) { l, err = net.Listen("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make([]byte, 300_000)
	rand.Read(sent)
	ended := make(chan error, 1)
	go func() {
		var c net.Conn
		err := from.Do(func() (err error) { c, err = net.Dial("tcp", addr); return err })
		if err == nil {
			_, err = c.Write(sent)
			c.Close()
		}
		ended <- err
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err = errors.Join(err, <-ended); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d octets of %d, %v", len(got), len(sent), err)
	}
	return c.RemoteAddr()
}

func TestTCPOverABadLine(t *testing.T) {
	_, west, east, r := line(t)
	r.Both(fault.Faults{Loss: 0.05, Delay: time.Millisecond, Jitter: time.Millisecond, Reorder: 0.05, Late: 2 * time.Millisecond, Corrupt: 0.05, Duplicate: 0.05})
	transfer(t, west, east, "192.0.2.2:7000")
	if s := r.Stats(AToB); s.Lost == 0 || s.Corrupted == 0 || s.Late == 0 || s.Duplicated == 0 {
		t.Errorf("the line was too good: %+v", s)
	}
}

func TestTCPByANAT(t *testing.T) {
	_, west, east, r := line(t)
	n := fault.NewNAT(netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.99"), 1)
	r.Hide(n)
	peer := transfer(t, east, west, "192.0.2.1:7000").(*net.TCPAddr)
	if peer.IP.String() != "192.0.2.99" {
		t.Errorf("it came from %v", peer)
	}
	r.Change(func() { n.Move(netip.MustParseAddr("192.0.2.98")) })
	if peer := transfer(t, east, west, "192.0.2.1:7001").(*net.TCPAddr); peer.IP.String() != "192.0.2.98" {
		t.Errorf("it came from %v after the move", peer)
	}
}

func TestDelayIsReal(t *testing.T) {
	_, west, east, r := line(t)
	const delay = 30 * time.Millisecond
	r.Both(fault.Faults{Delay: delay})
	began := time.Now()
	exchange(t, west, east, "192.0.2.2:7000")
	if took := time.Since(began); took < delay {
		t.Errorf("a datagram was under way for %v", took)
	}
}

// The kernel believes what the line says of its MTU, and what a silent one takes.
func TestSenderIsToldOfTheMTU(t *testing.T) {
	_, west, _, r := line(t)
	r.Set(AToB, fault.Faults{MTU: 1300})
	var out *net.UDPConn
	err := west.Do(func() (err error) {
		out, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 7000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	conn, err := out.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	})
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 1300-20-8+1)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err = out.Write(long); errors.Is(err, unix.EMSGSIZE) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the kernel still sends it: %v", err)
		}
	}
	out.Write(long[1:]) // may tell the error that came by ICMP
	if _, err := out.Write(long[1:]); err != nil {
		t.Errorf("one that fits: %v", err)
	}
}

func TestOneWayBlackhole(t *testing.T) {
	_, west, east, r := line(t)
	exchange(t, west, east, "192.0.2.2:7000")
	r.Set(BToA, fault.Faults{Block: fault.All})
	exchange(t, west, east, "192.0.2.2:7000") // that way is open
	var c net.Conn
	err := west.Do(func() (err error) { c, err = net.DialTimeout("tcp", "192.0.2.2:7001", 50*time.Millisecond); return err })
	if err == nil {
		c.Close()
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("it is refused, or not: %v", err)
	}
	if s := r.Stats(BToA); s.Blocked == 0 {
		t.Errorf("%+v", s)
	}
	r.Set(BToA, fault.Faults{})
	exchange(t, east, west, "192.0.2.1:7000")
}
