package port

import (
	"bytes"
	"net"
	"testing"
	"time"

	mdpacket "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
)

// A wire is a cable between our host and a station's:
//
//	us.lan ========== them.eth0
type wire struct {
	us, them *netlab.Namespace
	lab      *netlab.Lab
}

func newWire(tb testing.TB) wire {
	tb.Helper()
	lab := netlab.New(tb)
	w := wire{lab.Namespace("us"), lab.Namespace("them"), lab}
	w.plug()
	return w
}

// plug lays the cable, with macA at our end and macB at theirs.
func (w wire) plug() {
	w.lab.Veth(w.us, "lan", w.them, "eth0")
	w.us.MAC("lan", mac(macA))
	w.them.MAC("eth0", mac(macB))
}

func mac(n ipx.Node) string { return net.HardwareAddr(n[:]).String() }

// openLAN opens a port inside a namespace.
func openLAN(tb testing.TB, ns *netlab.Namespace, cfg LANConfig) Port {
	tb.Helper()
	var p Port
	if err := ns.Do(func() (err error) { p, err = OpenLAN(cfg); return err }); err != nil {
		tb.Fatal(err)
	}
	return p
}

// A station sends and receives whole frames, as any program could.
type station struct {
	conn *mdpacket.Conn
	addr *mdpacket.Addr
}

func newStation(tb testing.TB, ns *netlab.Namespace, name string) station {
	tb.Helper()
	var s station
	err := ns.Do(func() error {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		s.addr = &mdpacket.Addr{HardwareAddr: ifi.HardwareAddr}
		s.conn, err = mdpacket.Listen(ifi, mdpacket.Raw, unix.ETH_P_ALL, nil)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.conn.Close() })
	return s
}

func (s station) send(tb testing.TB, frame []byte) {
	tb.Helper()
	if _, err := s.conn.WriteTo(frame, s.addr); err != nil {
		tb.Fatalf("send % x: %v", frame, err)
	}
}

// receive returns the next frame from src, but for the kernel's own IPv6.
func (s station) receive(tb testing.TB, src ipx.Node) []byte {
	tb.Helper()
	s.conn.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 4096)
	for {
		n, _, err := s.conn.ReadFrom(b)
		if err != nil {
			tb.Fatal(err)
		}
		if n >= 14 && ipx.Node(b[6:12]) == src && !bytes.Equal(b[12:14], []byte{0x86, 0xDD}) {
			return b[:n]
		}
	}
}

// eventually waits until ok holds.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not: %s", what)
		}
	}
}

// sentinel is a packet whose arrival shows that what was sent before it did not
// get through.
var sentinel = packetOf(99, macA, macB)

func (s station) sendSentinel(tb testing.TB) {
	tb.Helper()
	s.send(tb, frameOf(tb, ipx.EthernetII, macA, macB, sentinel))
}

func wantSentinel(tb testing.TB, arrivals <-chan arrival) {
	tb.Helper()
	if got := next(tb, arrivals); !bytes.Equal(got.packet, sentinel) {
		tb.Errorf("arrived: %v from %v to %v: % x", got.encap, got.src, got.dst, got.packet)
	}
}
