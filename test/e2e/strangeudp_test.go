package e2e

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/control/gre"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// A forger sends UDP in anybody's name.
type forger struct {
	t  *testing.T
	fd int
}

func newForger(t *testing.T, ns *netlab.Namespace) *forger {
	t.Helper()
	f := &forger{t: t}
	err := ns.Do(func() (err error) {
		f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(f.fd) })
	return f
}

func (f *forger) send(from, to netip.AddrPort, payload []byte) {
	f.t.Helper()
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...) // without a checksum, which UDP allows
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if err := unix.Sendto(f.fd, b, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
		f.t.Fatal(err)
	}
}

// datagramsOf are the payloads that were sent in UDP between two addresses.
func datagramsOf(t *testing.T, pcap string, from, to netip.Addr) (all [][]byte) {
	t.Helper()
	for _, frame := range lab.Frames(t, pcap) {
		if len(frame) < 42 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[23] != unix.IPPROTO_UDP {
			continue
		}
		if netip.AddrFrom4([4]byte(frame[26:30])) == from && netip.AddrFrom4([4]byte(frame[30:34])) == to {
			all = append(all, frame[42:34+int(binary.BigEndian.Uint16(frame[38:]))])
		}
	}
	return all
}

// TestAttackG9G10StrangeUDP: somebody on the WAN sends to the daemon's UDP port nonsense,
// packets of calls that there are none of, what he has heard of a tunnel, from his own address,
// in the peer's name, from another port of the peer's, and the daemon's own back to it. Each is counted, under
// a name of its own, and draws no answer; the tunnel goes on.
func TestAttackG9G10StrangeUDP(t *testing.T) {
	t.Parallel()
	w := lab.Unjudged(t)
	c := w.AddSite("site-c", "192.0.2.3")
	cfg := lab.Config{IPX: "none", Site: `echo = { interval = "1h" }`}.Certified()
	for _, ns := range []*netlab.Namespace{w.SiteA, w.SiteB, c} {
		ns.Sysctl("net.ipv6.conf.all.disable_ipv6", "1")
	}
	stop := w.Capture(w.WAN, "site-a")
	a, b := w.Start(w.SiteA, cfg.A()), w.Start(w.SiteB, cfg.B())
	a.WaitUp("b")
	b.WaitUp("a")
	for range 5 {
		w.WantPing(w.HostA, lab.AddrB)
	}
	us, peer, him := netip.MustParseAddrPort(lab.WANA+":4754"), netip.MustParseAddrPort(lab.WANB+":4754"), netip.MustParseAddrPort("192.0.2.3:4754")
	w.WantPing(c, lab.WANA) // he is known to ARP
	pcap := stop()
	theirs, ours := datagramsOf(t, pcap, peer.Addr(), us.Addr()), datagramsOf(t, pcap, us.Addr(), peer.Addr())
	if len(theirs) < 10 || len(ours) < 10 {
		t.Fatalf("heard %d and %d datagrams", len(theirs), len(ours))
	}
	forge := newForger(t, c)
	id := a.Site("b").Tunnel.CallID
	packets := func(all [][]byte) (some [][]byte) { // those of the call, and numbered
		for _, p := range all {
			if h, _, err := gre.Parse(p); err == nil && h.HasSeq {
				some = append(some, p)
			}
		}
		return some
	}
	theirs, ours = packets(theirs), packets(ours)
	wrongID := gre.Header{PayloadLen: 4, CallID: id + 1, HasSeq: true}
	unknown := make([]byte, wrongID.Len()+4)
	wrongID.Put(unknown)
	for _, x := range []struct {
		name  string
		from  netip.AddrPort
		send  [][]byte
		count func(bridge.Status) uint64
	}{
		{"nonsense", him, [][]byte{nil, {1}, []byte("GET / HTTP/1.1"), make([]byte, 1400)}, func(s bridge.Status) uint64 {
			return s.GRE.Drops.ShortHeader + s.GRE.Drops.NotEnhanced
		}},
		{"probes", him, [][]byte{append([]byte{0xff, 7, 0x5b, 0x1d, 1, 1}, make([]byte, 34)...), append([]byte{0xff, 7, 0x5b, 0x1d, 1, 2}, make([]byte, 34)...)}, func(s bridge.Status) uint64 {
			return s.GRE.Drops.StrayProbe
		}},
		{"wrong call IDs", him, [][]byte{unknown, unknown}, func(s bridge.Status) uint64 { return s.GRE.Drops.UnknownCall }},
		{"wrong call IDs in the peer's name", peer, [][]byte{unknown, unknown}, func(s bridge.Status) uint64 { return s.GRE.Drops.UnknownCall }},
		{"replayed from elsewhere", him, theirs, func(s bridge.Status) uint64 { return s.GRE.Drops.WrongSource }},
		{"replayed in the peer's name", peer, theirs, func(s bridge.Status) uint64 {
			d := s.Sites[0].Tunnel.GRE.Drops
			return d.Duplicate + d.Late + d.FarAhead
		}},
		{"replayed from another port of the peer's", netip.AddrPortFrom(peer.Addr(), 4755), theirs, func(s bridge.Status) uint64 { return s.Sites[0].Tunnel.GRE.Drops.WrongPort }},
		{"reflected by the peer", peer, ours, func(s bridge.Status) uint64 { return s.GRE.Drops.UnknownCall }},
		{"reflected by a stranger", him, ours, func(s bridge.Status) uint64 { return s.GRE.Drops.UnknownCall }},
	} {
		t.Run(x.name, func(t *testing.T) {
			stop := w.Capture(w.WAN, "site-a")
			was := statusOf(t, a)
			for _, p := range x.send {
				forge.send(x.from, us, p)
			}
			var is bridge.Status
			lab.Wait(t, "all come", func() bool {
				is = statusOf(t, a)
				return is.UDP.Received-was.UDP.Received == uint64(len(x.send))
			})
			time.Sleep(100 * time.Millisecond) // an answer would take less
			is = statusOf(t, a)
			if got := x.count(is) - x.count(was); got != uint64(len(x.send)) {
				t.Errorf("%d of %d were counted: %+v, %+v", got, len(x.send), is.GRE, is.Sites[0].Tunnel.GRE)
			}
			if n := packetsFrom(t, stop(), us.Addr()); is.UDP.Sent != was.UDP.Sent || n != 0 {
				t.Errorf("%d datagrams and %d packets in answer", is.UDP.Sent-was.UDP.Sent, n)
			}
			if s := is.Sites[0]; s.Tunnel.CallID != id || s.Tunnel.GRE.Resyncs != 0 || s.Tunnel.GRE.Moves != 0 {
				t.Errorf("the tunnel suffered: %+v", s.Tunnel.GRE)
			}
		})
	}
	w.WantPing(w.HostA, lab.AddrB)
}

func statusOf(t *testing.T, d *lab.Daemon) bridge.Status {
	t.Helper()
	s, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// packetsFrom counts the IPv4 packets that an address sent, ICMP and all: the kernels' ARP
// among themselves is no answer.
func packetsFrom(t *testing.T, pcap string, from netip.Addr) (n int) {
	t.Helper()
	for _, frame := range lab.Frames(t, pcap) {
		if len(frame) >= 34 && binary.BigEndian.Uint16(frame[12:]) == 0x0800 && netip.AddrFrom4([4]byte(frame[26:30])) == from {
			n++
		}
	}
	return n
}
