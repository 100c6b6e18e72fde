package segment

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
)

// TestReplay plays what real peers said on one wire, station by station, to the
// wire of another site with each frame type, and compares. All of one station
// crosses, except what went to a station of its own wire.
func TestReplay(t *testing.T) {
	for name, frames := range ipxtest.Captures(t, "../testdata") {
		for station, said := range byStation(frames) {
			for enc := range ipx.Encapsulation(ipx.Encapsulations) {
				t.Run(fmt.Sprintf("%s/%v/%v", name, station, enc), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { replay(t, said, enc) })
				})
			}
		}
	}
}

// byStation sorts the frames of a capture by who sent them.
func byStation(frames [][]byte) map[ipx.Node][]port.Frame {
	said := make(map[ipx.Node][]port.Frame)
	for _, frame := range frames {
		enc, dst, src, pkt, err := ipx.Decapsulate(frame)
		if err == nil {
			said[src] = append(said[src], port.Frame{Packet: buffer(pkt), Encap: enc, Dst: dst, Src: src})
		}
	}
	return said
}

func replay(t *testing.T, said []port.Frame, enc ipx.Encapsulation) {
	near, far := New(Config{}), New(Config{})
	nearWire, farWire := &cable{mac: mac1}, &cable{mac: mac2}
	wire := near.lanPort("near", nearWire)
	far.lanPort("far", farWire, enc)
	var out *Port
	link := near.linkPort("to far", senderFunc(func(pkts []*packet.Buffer) error { out.InputPackets(pkts); return nil }), 0)
	out = far.linkPort("to near", link2(link), 0)
	wire.hear(said[0].Encap, ipx.Broadcast, announcement(said))
	farWire.take()
	for _, f := range said {
		want := bytes.Clone(f.Packet.Bytes())
		wire.InputFrames([]port.Frame{f})
		got := farWire.take()
		if len(want) > enc.MaxPacket() {
			if len(got) != 0 {
				t.Errorf("%d octets left in a frame for %d", len(want), enc.MaxPacket())
			}
			continue
		}
		if len(got) != 1 || got[0].enc != enc || !bytes.Equal(got[0].pkt, want) {
			t.Fatalf("packet %x came out as %v; near dropped %q, far %q", want, got, dropped(wire), dropped(out))
		}
		checkAddresses(t, far, got[0])
		time.Sleep(2 * time.Second) // nobody repeats himself faster
	}
	if got := nearWire.take(); len(got) != 0 {
		t.Errorf("%d frames echoed", len(got))
	}
}

// announcement is a RIP response of a router about the networks that it brings
// packets from: not every recording begins with one.
func announcement(said []port.Frame) []byte {
	m := rip.Message{Operation: rip.OpResponse}
	for _, f := range said {
		if h, _, err := ipx.Parse(f.Packet.Bytes()); err == nil && h.Src.Node != f.Src {
			m.Entries = append(m.Entries[:0], rip.Entry{Network: h.Src.Network, Hops: 1, Ticks: 2})
		}
	}
	src, dst := in(ipx.ThisNetwork, said[0].Src), in(ipx.ThisNetwork, ipx.Broadcast)
	src.Socket, dst.Socket = ipx.SocketRIP, ipx.SocketRIP
	return pkt(src, dst, string(m.Append(nil)))
}

// link2 carries packets the other way.
func link2(p *Port) Sender {
	return senderFunc(func(pkts []*packet.Buffer) error { p.InputPackets(pkts); return nil })
}

// checkAddresses: a sender on the segment keeps its address, and everybody
// stays everybody.
func checkAddresses(t *testing.T, s *Segment, f framed) {
	t.Helper()
	h, _, err := ipx.Parse(f.pkt)
	if err != nil {
		t.Fatal(err)
	}
	if native := s.native(h.Src.Network); native && f.src != h.Src.Node || !native && f.src != mac2 {
		t.Errorf("from %v in a frame from %v", h.Src, f.src)
	}
	if h.Dst.Node == ipx.Broadcast && f.dst != ipx.Broadcast {
		t.Errorf("to %v in a frame to %v", h.Dst, f.dst)
	}
}
