package gre

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
)

// A blind attacker tries every call ID. From a wrong address none gets in; from
// the right one, only a packet with the right ID and a number the window expects
// can be told from the peer's by nothing at all, and it moves the window by no
// more than it is ahead.
func TestAttackG1BlindInjection(t *testing.T) {
	attacker := host(66)
	for _, c := range []struct {
		name    string
		spoofed bool
		ahead   uint32
		in      []uint32 // what reaches PPP, relative to the next true number
		late    uint64   // true packets lost for it
	}{
		{name: "wrong source, next number", ahead: 1},
		{name: "wrong source, ahead by 2^16", ahead: 1 << 16},
		{name: "wrong source, ahead by 2^31", ahead: 1 << 31},
		{name: "right source, ahead by 2^16", spoofed: true, ahead: 1 << 16},
		{name: "right source, ahead by 2^31", spoofed: true, ahead: 1 << 31},
		{name: "right source, ahead by -2^16", spoofed: true, ahead: 1<<32 - 1<<16},
		{name: "right source, next number", spoofed: true, ahead: 1, in: []uint32{0xdead}, late: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{}, ChannelConfig{})
				mustSend(t, a, numbered(0, 100))
				wantFrames(t, b, numbers(0, 100))
				from := attacker
				if c.spoofed {
					from = a.carrier.Addr()
				}
				for id := range 1 << 16 {
					h := Header{PayloadLen: 4, CallID: uint16(id), HasSeq: true, Seq: 99 + c.ahead}
					b.inject(t, from, encode(h, []byte{0, 0, 0xde, 0xad}))
					if id%1024 == 0 {
						synctest.Wait() // the carrier's queue is not without end
					}
				}
				wantFrames(t, b, c.in)
				mux, s := b.mux.Stats().Drops, b.Stats()
				if mux.UnknownCall != 1<<16-1 {
					t.Errorf("%d for unknown calls, want all but one", mux.UnknownCall)
				}
				if wrong := mux.WrongSource; c.spoofed == (wrong == 1) {
					t.Errorf("%d from a wrong source", wrong)
				}
				if far := s.Drops.FarAhead; far != 1 == (c.spoofed && c.in == nil) {
					t.Errorf("%d far ahead", far)
				}
				mustSend(t, a, numbered(100, 100))
				wantFrames(t, b, numbers(100+int(c.late), 100-int(c.late)))
				if s := b.Stats(); s.Lost != 0 || s.Resyncs != 0 || s.Drops.Duplicate != c.late {
					t.Errorf("the true stream suffered: %+v", s)
				}
			})
		})
	}
}

// How far one forged packet moves the window at most.
func TestAttackG1WindowMovesNoFurtherThanItsBound(t *testing.T) {
	for _, ahead := range []int{2, 33, 34, 500, maxAhead, maxAhead + 1, 1 << 20} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{}, ChannelConfig{})
				mustSend(t, a, numbered(0, 100))
				wantFrames(t, b, numbers(0, 100))
				b.inject(t, a.carrier.Addr(), b.peerPacket(99+uint32(ahead)))
				time.Sleep(time.Second)
				b.inbox.take()
				const sent = maxAhead + 50
				mustSend(t, a, numbered(100, sent))
				synctest.Wait()
				got := b.inbox.take()
				missed := sent - len(got)
				if missed > min(ahead, maxAhead) || ahead > maxAhead && missed != 0 {
					t.Errorf("%d true packets missed for one forged %d ahead", missed, ahead)
				}
				if len(got) == 0 || got[len(got)-1] != 100+sent-1 {
					t.Error("the true stream did not recover")
				}
			})
		})
	}
}

func TestAttackG2OneFrameFarAhead(t *testing.T) {
	forged := func(t *testing.T, a, b *end, seq uint32) {
		h := Header{PayloadLen: 4, CallID: b.ID(), HasSeq: true, Seq: seq}
		b.inject(t, a.carrier.Addr(), encode(h, []byte{0, 0, 0xde, 0xad}))
	}
	t.Run("once", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			a, b := dial(t, ChannelConfig{}, ChannelConfig{})
			mustSend(t, a, numbered(0, 50))
			synctest.Wait()
			forged(t, a, b, 49+1<<20)
			synctest.Wait()
			mustSend(t, a, numbered(50, 50))
			wantFrames(t, b, numbers(0, 100))
			if s := b.Stats(); s.Drops.FarAhead != 1 || s.Resyncs != 0 || s.Lost != 0 {
				t.Errorf("counted %+v, want one far ahead", s)
			}
		})
	})
	t.Run("before the first true frame", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			a, b := dial(t, ChannelConfig{}, ChannelConfig{})
			forged(t, a, b, 1<<20)
			synctest.Wait()
			b.inbox.take()
			time.Sleep(settled)
			mustSend(t, a, numbered(0, 50))
			wantFrames(t, b, numbers(confirmations-1, 50-confirmations+1))
			if s := b.Stats(); s.Resyncs != 1 {
				t.Errorf("counted %+v, want one resync", s)
			}
		})
	})
	t.Run("between all true frames", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			a, b := dial(t, ChannelConfig{}, ChannelConfig{})
			for i := range 100 {
				mustSend(t, a, numbered(i, 1))
				synctest.Wait()
				for j := range uint32(confirmations - 1) {
					forged(t, a, b, 1<<20+4*uint32(i)+j)
				}
				synctest.Wait()
			}
			wantFrames(t, b, numbers(0, 100))
			if got := b.Stats().Drops.FarAhead; got != 100*(confirmations-1) {
				t.Errorf("counted %d far ahead", got)
			}
		})
	})
	t.Run("a whole run of them", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			a, b := dial(t, ChannelConfig{}, ChannelConfig{})
			mustSend(t, a, numbered(0, 1))
			for j := range uint32(20) {
				forged(t, a, b, 1<<20+j)
			}
			synctest.Wait()
			b.inbox.take()
			for i := range 200 { // two seconds of the true stream
				mustSend(t, a, numbered(1+i, 1))
				time.Sleep(10 * time.Millisecond)
			}
			got := b.inbox.take()
			if len(got) < 200-100-confirmations || got[len(got)-1] != 200 || !slices.IsSorted(got) {
				t.Errorf("of two seconds %d frames arrived: %v", len(got), got)
			}
			if s := b.Stats(); s.Resyncs != 2 {
				t.Errorf("counted %d resyncs, want one there and one back", s.Resyncs)
			}
		})
	})
}

func TestAttackG3CallIDs(t *testing.T) {
	virtual(t, func(t *testing.T) {
		const calls = 1000
		m := NewMux(&sink{}, nil, nil)
		open := func() (ids []uint16, channels []*Channel) {
			for range calls {
				c, err := m.Open(host(1), ChannelConfig{})
				if err != nil {
					t.Fatal(err)
				}
				ids, channels = append(ids, c.ID()), append(channels, c)
			}
			return ids, channels
		}
		ids, channels := open()
		seen := make(map[uint16]bool)
		successors, lower := 0, 0
		for i, id := range ids {
			if id == 0 || seen[id] {
				t.Errorf("ID %d is 0 or was given twice", id)
			}
			seen[id] = true
			if i > 0 && id-ids[i-1] < 16 {
				successors++
			}
			if id < 1<<15 {
				lower++
			}
		}
		// 1000 draws of a fair generator: 0.24 expected, and 500 +- 16.
		if successors > 8 || lower < 400 || lower > 600 {
			t.Errorf("IDs are not random: %d follow their predecessor, %d in the lower half", successors, lower)
		}
		for _, c := range channels {
			c.Close()
		}
		time.Sleep(reuseAfter - 1)
		again, channels := open()
		for _, id := range again {
			if seen[id] {
				t.Errorf("ID %d was used again within two minutes", id)
			}
		}
		for _, c := range channels {
			c.Close()
		}
	})
}

func TestAttackG4PayloadLength(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		const size = 40
		bad := uint64(0)
		for _, hasAck := range []bool{false, true} {
			for n := range 1 << 16 {
				if n == size {
					continue
				}
				h := Header{PayloadLen: uint16(n), CallID: b.ID(), HasSeq: true, HasAck: hasAck}
				b.inject(t, a.carrier.Addr(), encode(h, make([]byte, size)))
				if bad++; n%1024 == 0 {
					synctest.Wait()
				}
			}
		}
		wantFrames(t, b, nil)
		if d := b.mux.Stats().Drops; d.PayloadShort+d.PayloadLong != bad || d.PayloadLong != 2*size {
			t.Errorf("counted %+v of %d", d, bad)
		}
		mustSend(t, a, numbered(0, 5))
		wantFrames(t, b, numbers(0, 5))
	})
}

func TestAttackG5Acknowledgements(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{Pacing: true}, ChannelConfig{})
		var fromA sniffer
		a.carrier.SetLine(Line{Fault: fromA.fault})
		b.carrier.SetLine(Line{Fault: Lose(1, 1)}) // only forged ones reach a
		forge := func(acks ...uint32) {
			for _, ack := range acks {
				a.inject(t, b.carrier.Addr(), ackOnly(a.ID(), ack))
			}
			synctest.Wait()
		}
		state := func() [4]int {
			p := &a.flow.pacer
			return [4]int{p.window, p.flying(), p.full, int(p.rtt)}
		}
		before := state()
		forge(1<<32-1, 0, 1, 1<<31-2, 5, 1<<30, 1) // nothing was sent at all
		if got := state(); got != before {
			t.Errorf("before anything was sent: window, flight, progress, rtt %v, were %v", got, before)
		}
		if got := a.Stats().Drops.AckNeverSent; got != 6 {
			t.Errorf("counted %d of packets never sent, want 6", got)
		}
		mustSend(t, a, numbered(0, 10))
		forge(9) // a true one
		before = state()
		forge(1<<32-1, 10, 8, 7, 6, 0, 1<<31, 9, 9, 9) // never sent, decreasing, repeated
		if got := state(); got != before {
			t.Errorf("after forged ones: window, flight, progress, rtt %v, were %v", got, before)
		}
		fromA.want(t, 10, 0, 0)
		for range 10000 { // a storm is not answered
			forge(9)
		}
		time.Sleep(time.Minute)
		fromA.want(t, 0, 0, 0)
	})
}

func TestAttackG6ShortFrames(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		mustSend(t, a, numbered(0, 1))
		wantFrames(t, b, []uint32{0})
		for n := range 4 { // 0 to 3 octets, from the network
			h := Header{PayloadLen: uint16(n), CallID: b.ID(), HasSeq: true, Seq: uint32(1 + n)}
			b.inject(t, a.carrier.Addr(), encode(h, []byte{0xff, 0x03, 0xc0}[:n]))
		}
		wantFrames(t, b, nil)
		if s := b.Stats(); s.Drops.ShortFrame != 4 || s.Lost != 0 {
			t.Errorf("counted %+v, want 4 short and their numbers used", s)
		}
		b.inject(t, a.carrier.Addr(), b.peerPacket(5))
		wantFrames(t, b, []uint32{5})

		frames := numbered(6, 3) // and to the network, among others
		frames = slices.Insert(frames, 1, buffer(nil), buffer([]byte{1}))
		frames = append(frames, buffer([]byte{1, 2}), buffer([]byte{1, 2, 3}))
		var sent sniffer
		a.carrier.SetLine(Line{Fault: sent.fault})
		if err := a.Send(frames, true); err != nil {
			t.Errorf("Send: %v", err)
		}
		sent.want(t, 3, 0, 0)
		if got := a.Stats().Drops.ShortFrameSent; got != 4 {
			t.Errorf("counted %d short ones sent, want 4", got)
		}
		if err := a.Send([]*packet.Buffer{buffer(nil)}, true); err != nil {
			t.Errorf("Send of an empty frame: %v", err)
		}
		sent.want(t, 0, 0, 0)
	})
}

// Whatever the octets, a packet changes nothing for the stream but what a packet
// of the peer's could.
func FuzzArrival(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(unhex(v.Hex), true)
	}
	f.Add(unhex("3081 880b 0000 0b02 00000000 ffffffff"), true)
	f.Fuzz(func(t *testing.T, p []byte, known bool) {
		if len(p) > packet.MaxLen {
			return
		}
		m := NewMux(&sink{}, nil, nil)
		c, err := m.Open(host(1), ChannelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in := &inbox{}
		c.Connect(bare, 1, 64, func(frames []*packet.Buffer) {
			for _, b := range frames {
				if b.Len() < minFrame || b.Room() < MaxHeaderLen-4 {
					t.Errorf("delivered %d octets with room for %d", b.Len(), b.Room())
				}
				in.calls++
			}
		})
		now := time.Now()
		if known && len(p) >= 8 {
			binary.BigEndian.PutUint16(p[6:], c.ID())
		}
		m.raw.dispatch([]Datagram{{Path{Remote: host(1)}, buffer(p)}}, now)
		d, s := m.Stats().Drops, c.Stats()
		dropped := d.ShortHeader + d.NotEnhanced + d.PayloadShort + d.PayloadLong + d.UnknownCall +
			s.Drops.ShortFrame + s.Drops.UnnumberedFrame
		if in.calls > 1 || in.calls == 1 && dropped != 0 {
			t.Errorf("delivered %d frames of % x, dropped %d", in.calls, p, dropped)
		}
	})
}
