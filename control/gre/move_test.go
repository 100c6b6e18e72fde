package gre

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// A cipher accepts frames whose number it has not seen and that are not marked as
// forged; so much an authenticated one does for real.
type cipher struct {
	inbox    *inbox
	accepted uint64
	last     uint32
}

const (
	forgedBit = 1 << 30
	plainBit  = 1 << 29 // not encrypted at all
)

func (c *cipher) receive(frames []*packet.Buffer) {
	for _, b := range frames {
		n := binary.BigEndian.Uint32(b.Bytes())
		if n&plainBit != 0 {
			c.inbox.receive([]*packet.Buffer{b})
		} else if n&forgedBit == 0 && n >= c.last {
			c.last = n + 1
			c.accepted++
			c.inbox.receive([]*packet.Buffer{b})
		}
	}
}

func (c *cipher) mover(moves *[]uint16) Mover {
	return Mover{
		Accepted: func() uint64 { return c.accepted },
		Sealed:   func(frame []byte) bool { return binary.BigEndian.Uint32(frame)&plainBit == 0 },
		Moved:    func(_, to Path) { *moves = append(*moves, to.Port) },
	}
}

// byUDP is a call by UDP whose east knows where a frame is from; moves are its ports.
func byUDP(t *testing.T) (w *wire, moves *[]uint16) {
	t.Helper()
	w, moves = newWire(t), new([]uint16)
	w.expect()
	if err := w.probe(t); err != nil {
		t.Fatal(err)
	}
	w.connectWest()
	mustSend(t, w.west, numbered(0, 3))
	synctest.Wait()
	c := &cipher{inbox: w.east.inbox}
	w.east.SetMover(c.mover(moves))
	w.east.Connect(bare, w.west.ID(), 64, c.receive)
	wantFrames(t, w.east, numbers(0, 3))
	return w, moves
}

// A NAT that has begun anew gives the peer another port: the call goes on at once.
func TestPathFollowsThePeer(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w, moves := byUDP(t)
		w.Translate(netip.AddrPortFrom(host(1), udpPort), netip.AddrPortFrom(host(1), 40000))
		mustSend(t, w.west, numbered(3, 20))
		wantFrames(t, w.east, numbers(3, 20))
		mustSend(t, w.east, numbered(0, 5)) // back to the new port
		wantFrames(t, w.west, numbers(0, 5))
		w.Translate(netip.AddrPortFrom(host(1), udpPort), netip.AddrPortFrom(host(1), 40001))
		mustSend(t, w.west, numbered(23, 2))
		wantFrames(t, w.east, numbers(23, 2))
		if !slices.Equal(*moves, []uint16{40000, 40001}) {
			t.Errorf("moved to %v", *moves)
		}
		if s := w.east.Stats(); s.Moves != 2 || s.PacketsReceived != 25 || s.Lost != 0 || s.Drops != (Drops{}) {
			t.Errorf("counted %+v", s)
		}
		wantPort(t, w.east.Channel, 40001)
	})
}

// The acknowledgement that such a packet brings counts, and what was lost on the way is.
func TestPathFollowsPastAGap(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w, _ := byUDP(t)
		mustSend(t, w.east, numbered(0, 1))
		synctest.Wait()
		before := w.east.Stats().AcksReceived
		w.injectUDP(50000, encode(Header{PayloadLen: 4, CallID: w.east.ID(), HasSeq: true, Seq: 7, HasAck: true, Ack: 0},
			binary.BigEndian.AppendUint32(nil, 7)))
		wantFrames(t, w.east, []uint32{7})
		if s := w.east.Stats(); s.Lost != 4 || s.Moves != 1 || s.AcksReceived != before+1 {
			t.Errorf("counted %+v, want four lost", s)
		}
		far := uint32(100000) // the peer sent a lot into the void
		w.injectUDP(50001, w.east.peerPacket(far))
		w.injectUDP(50001, w.east.peerPacket(far+1))
		wantFrames(t, w.east, []uint32{far, far + 1})
		if s := w.east.Stats(); s.Resyncs != 1 || s.Moves != 2 {
			t.Errorf("counted %+v, want one resync", s)
		}
	})
}

// Strangers from the peer's own address that know the call ID neither move the path nor
// make anything late, whatever they send.
func TestAttackG10StrangePorts(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w, moves := byUDP(t)
		unsealed := encode(Header{PayloadLen: 4, CallID: w.east.ID(), HasSeq: true, Seq: 3}, binary.BigEndian.AppendUint32(nil, 3|plainBit))
		forged := encode(Header{PayloadLen: 4, CallID: w.east.ID(), HasSeq: true, Seq: 400}, binary.BigEndian.AppendUint32(nil, forgedBit))
		attacks := [][]byte{
			w.east.peerPacket(2), // replayed: its number is old
			forged, unsealed,
			encode(Header{PayloadLen: 4, CallID: w.east.ID(), HasSeq: true, Seq: 3}, binary.BigEndian.AppendUint32(nil, 2)), // replayed, with a new number
			encode(Header{CallID: w.east.ID(), HasAck: true, Ack: 5000}, nil),
			encode(Header{PayloadLen: 4, CallID: w.east.ID()}, make([]byte, 4)),
			encode(Header{CallID: w.east.ID(), HasSeq: true, Seq: 3}, nil),
		}
		for i, p := range attacks {
			w.injectUDP(uint16(60000+i), p)
		}
		heard := w.east.LastReceive()
		time.Sleep(time.Second)
		for _, p := range attacks {
			w.injectUDP(60000, p)
		}
		synctest.Wait()
		if got := w.east.LastReceive(); got != heard {
			t.Error("a stranger's packet counts as a sign of life")
		}
		mustSend(t, w.west, numbered(3, 3))
		wantFrames(t, w.east, numbers(3, 3))
		want := Drops{WrongPort: uint64(2 * len(attacks))}
		if s := w.east.Stats(); len(*moves) != 0 || s.Lost != 0 || s.Resyncs != 0 || s.Drops != want {
			t.Errorf("moved to %v, counted %+v", *moves, s)
		}
		wantPort(t, w.east.Channel, udpPort)
	})
}

// While packets wait for their turn, one from another port does not take theirs away.
func TestStrangePortDoesNotOvertake(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w, moves := byUDP(t)
		w.injectUDP(udpPort, w.east.peerPacket(4)) // 3 is on its way
		w.injectUDP(50000, w.east.peerPacket(5))
		synctest.Wait()
		w.injectUDP(udpPort, w.east.peerPacket(3))
		wantFrames(t, w.east, numbers(3, 2))
		if s := w.east.Stats(); len(*moves) != 0 || s.Drops != (Drops{WrongPort: 1}) {
			t.Errorf("moved to %v, counted %+v", *moves, s)
		}
		w.injectUDP(50000, w.east.peerPacket(6))
		wantFrames(t, w.east, []uint32{6})
		if len(*moves) != 1 {
			t.Error("the path did not move when nothing waited any more")
		}
	})
}

// Without a cipher that proves who sends, the port stays.
func TestPortStaysWithoutMover(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		w.connectWest()
		mustSend(t, w.west, numbered(0, 1))
		synctest.Wait()
		w.connectEast()
		w.injectUDP(50000, w.east.peerPacket(1))
		wantFrames(t, w.east, numbers(0, 1))
		if s := w.east.Stats(); s.Drops != (Drops{WrongPort: 1}) {
			t.Errorf("counted %+v", s)
		}
	})
}

// A move and whatever is dropped cost no allocation.
func TestStrangePortsDoNotAllocate(t *testing.T) {
	m := NewMux(&sink{}, &sink{}, nil)
	c, err := m.Open(host(1), ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var accepted uint64
	c.SetMover(Mover{
		Accepted: func() uint64 { return accepted },
		Sealed:   func([]byte) bool { return true },
		Moved:    func(from, to Path) {},
	})
	c.rx.via = 1000
	c.Connect(bare, 1, 64, func(frames []*packet.Buffer) {
		if binary.BigEndian.Uint32(frames[0].Bytes())&forgedBit == 0 {
			accepted++
		}
	})
	in := []Datagram{{Buffer: new(packet.Buffer)}, {Buffer: new(packet.Buffer)}, {Buffer: new(packet.Buffer)}}
	seq, now := uint32(0), time.Now()
	run := func() {
		port := uint16(1000 + seq%2)
		for i, number := range []uint32{forgedBit, seq, seq + 1} {
			h := Header{PayloadLen: 4, CallID: c.ID(), HasSeq: true, Seq: max(seq, seq+uint32(i)-1)}
			b := in[i].Buffer
			b.Reset()
			b.SetLen(h.Len() + 4)
			h.Put(b.Bytes())
			binary.BigEndian.PutUint32(b.Bytes()[h.Len():], number)
			in[i].Path = Path{Remote: host(1), Port: port}
		}
		in[0].Path.Port = 2000
		seq++
		m.udp.dispatch(in, now)
	}
	if n := testing.AllocsPerRun(100, run); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per move", n)
	}
	if s := c.Stats(); s.Moves < 90 || s.Drops.WrongPort < 90 {
		t.Errorf("counted %+v: nothing was measured", s)
	}
}
