package gre

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
)

func mustSend(t *testing.T, e *end, frames []*packet.Buffer) {
	t.Helper()
	if err := e.Send(frames, false); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func wantFrames(t *testing.T, e *end, want []uint32) {
	t.Helper()
	synctest.Wait()
	if got := e.inbox.take(); !slices.Equal(got, want) {
		t.Errorf("received %d frames %v, want %d %v", len(got), got, len(want), want)
	}
}

// Whatever number comes first, and across both wraps.
func TestFramesArriveInOrder(t *testing.T) {
	for _, first := range starts {
		t.Run(fmt.Sprintf("%#x", first), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{FirstSequence: first}, ChannelConfig{})
				for i := range 10 {
					mustSend(t, a, numbered(100*i, 100))
					wantFrames(t, b, numbers(100*i, 100))
				}
				time.Sleep(time.Second)
				s := a.Stats()
				if s.PacketsSent != 1000 || s.OctetsSent != 4000 || s.AcksReceived == 0 {
					t.Errorf("sender counted %+v", s)
				}
				if _, waiting := a.flow.timeout(); waiting {
					t.Error("not all was acknowledged in a second")
				}
				s = b.Stats()
				if s.PacketsReceived != 1000 || s.OctetsReceived != 4000 || s.Lost != 0 || s.Drops != (Drops{}) {
					t.Errorf("receiver counted %+v", s)
				}
			})
		})
	}
}

func TestFramesStayInOrderOnABadLine(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    Fault
		complete bool
	}{
		{"reordered", Reorder(1, 0.2, 8), true},
		{"doubled", Duplicate(2, 0.3), true},
		{"reordered and doubled", Chain(Duplicate(3, 0.3), Reorder(4, 0.2, 8)), true},
		{"lost", Lose(5, 0.1), false},
		{"all of it", Chain(Lose(6, 0.1), Duplicate(7, 0.1), Reorder(8, 0.2, 50)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				var log bytes.Buffer
				logs := ChannelConfig{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
				a, b := dial(t, logs, logs)
				mustSend(t, a, numbered(0, 1)) // the first sets the number
				a.carrier.SetLine(Line{Fault: c.fault, Delay: 5 * time.Millisecond})
				for i := range 500 {
					mustSend(t, a, numbered(1+4*i, 4))
					time.Sleep(time.Millisecond)
				}
				a.carrier.SetLine(Line{})
				mustSend(t, a, numbered(2001, 1))
				time.Sleep(time.Second)
				got := b.inbox.take()
				if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
					t.Fatalf("out of order or doubled: %v", got)
				}
				s := b.Stats()
				if lost := 2002 - len(got); uint64(lost) != s.Lost {
					t.Errorf("%d are missing, %d counted as lost", lost, s.Lost)
				}
				// A packet that is overtaken by others which stay away in turn
				// may be the exception to complete.
				if c.complete && s.Lost > 5 {
					t.Errorf("%d lost of a line that loses none", s.Lost)
				}
				if log.Len() > 0 {
					t.Errorf("the log tells of packets:\n%s", &log)
				}
			})
		})
	}
}

func TestGapIsGivenUpInTime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{ReorderTime: 40 * time.Millisecond})
		mustSend(t, a, numbered(0, 1))
		a.carrier.SetLine(Line{Fault: Lose(1, 1)})
		mustSend(t, a, numbered(1, 1))
		a.carrier.SetLine(Line{})
		mustSend(t, a, numbered(2, 2))
		wantFrames(t, b, []uint32{0})
		time.Sleep(40*time.Millisecond - time.Nanosecond)
		wantFrames(t, b, nil)
		time.Sleep(time.Nanosecond)
		wantFrames(t, b, []uint32{2, 3})
	})
}

func TestReorderingOff(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{ReorderPackets: -1})
		for _, seq := range []uint32{5, 7, 6, 8} {
			b.inject(t, a.carrier.Addr(), b.peerPacket(seq))
		}
		wantFrames(t, b, []uint32{5, 7, 8})
	})
}

func TestReorderingIsChangedOnTheWay(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, b := dial(t, ChannelConfig{}, ChannelConfig{})
		inject := func(seqs ...uint32) {
			for _, seq := range seqs {
				b.inject(t, b.Peer(), b.peerPacket(seq))
			}
			synctest.Wait()
		}
		inject(0, 2, 3)
		b.SetReorder(-1, 0)
		wantFrames(t, b, []uint32{0, 2, 3})
		inject(5, 4, 6)
		wantFrames(t, b, []uint32{5, 6})
		b.SetReorder(50, time.Second)
		inject(57, 8, 7)
		wantFrames(t, b, []uint32{7, 8})
		time.Sleep(time.Second)
		wantFrames(t, b, []uint32{57})
		b.Close()
		b.SetReorder(0, 0)
	})
}

// A sniffer counts what leaves a Memory.
type sniffer struct{ data, withAck, alone atomic.Int64 }

func (s *sniffer) fault(pkt []byte) [][]byte {
	switch h, _, _ := Parse(pkt); {
	case h.HasSeq && h.HasAck:
		s.withAck.Add(1)
	case h.HasSeq:
		s.data.Add(1)
	default:
		s.alone.Add(1)
	}
	return [][]byte{pkt}
}

func (s *sniffer) want(t *testing.T, data, withAck, alone int64) {
	t.Helper()
	synctest.Wait()
	d, w, a := s.data.Swap(0), s.withAck.Swap(0), s.alone.Swap(0)
	if d != data || w != withAck || a != alone {
		t.Errorf("sent %d data, %d with ack, %d acks alone; want %d, %d, %d", d, w, a, data, withAck, alone)
	}
}

func TestAcknowledgementsAreDelayed(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		var sent sniffer
		b.carrier.SetLine(Line{Fault: sent.fault})

		mustSend(t, a, numbered(0, 1))
		time.Sleep(25*time.Millisecond - time.Nanosecond) // a quarter of the first round trip
		sent.want(t, 0, 0, 0)
		time.Sleep(time.Nanosecond)
		sent.want(t, 0, 0, 1)
		time.Sleep(time.Minute) // and never again
		sent.want(t, 0, 0, 0)

		mustSend(t, a, numbered(1, 1))
		synctest.Wait()
		mustSend(t, b, numbered(0, 3)) // takes it along, once
		sent.want(t, 2, 1, 0)
		time.Sleep(time.Minute)
		sent.want(t, 0, 0, 0)

		mustSend(t, a, numbered(2, 16)) // a quarter of our window of 64: at once
		sent.want(t, 0, 0, 1)
		if got := b.Stats(); got.AcksSent != 2 || got.AcksPiggybacked != 1 {
			t.Errorf("counted %+v", got)
		}
	})
}

// A peer that does not wait for acknowledgements gets few, and in the usual time.
func TestPeerThatDoesNotPace(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{Unpaced: true})
		var sent sniffer
		b.carrier.SetLine(Line{Fault: sent.fault})

		for i := range 15 {
			mustSend(t, a, numbered(64*i, 64))
		}
		sent.want(t, 0, 0, 0)
		time.Sleep(25 * time.Millisecond)
		sent.want(t, 0, 0, 1)
		time.Sleep(ackPause)

		for i := range 16 {
			mustSend(t, a, numbered(64*(15+i), 64))
		}
		sent.want(t, 0, 0, 1) // at once
	})
}

// A reply made while frames are delivered takes the acknowledgement along.
func TestRepliesTakeAcknowledgementsAlong(t *testing.T) {
	virtual(t, func(t *testing.T) {
		ma, mb := NewPair()
		a, b := &end{carrier: ma, mux: runMux(t, ma), inbox: &inbox{t: t}}, &end{carrier: mb, mux: runMux(t, mb)}
		a.open(t, mb.Addr(), ChannelConfig{})
		b.open(t, ma.Addr(), ChannelConfig{})
		var sent sniffer
		mb.SetLine(Line{Fault: sent.fault})
		a.Connect(bare, b.ID(), 64, a.inbox.receive)
		b.Connect(bare, a.ID(), 64, func(frames []*packet.Buffer) {
			if err := b.Send(frames, false); err != nil {
				t.Errorf("Send from receive: %v", err)
			}
		})
		mustSend(t, a, numbered(0, 40))
		wantFrames(t, a, numbers(0, 40))
		time.Sleep(time.Second)
		synctest.Wait()
		// One for each batch that the receiver was given, of which there may be a few.
		d, w, alone := sent.data.Load(), sent.withAck.Load(), sent.alone.Load()
		if d+w != 40 || w == 0 || alone != 0 {
			t.Errorf("sent %d data, %d with ack, %d acks alone; want 40 in all, some with ack, none alone", d, w, alone)
		}
	})
}

func TestPeerThatNeverAcknowledges(t *testing.T) {
	for _, pacing := range []bool{false, true} {
		t.Run(fmt.Sprintf("pacing %t", pacing), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{Pacing: pacing}, ChannelConfig{Window: 16})
				b.carrier.SetLine(Line{Fault: Lose(1, 1)})
				start := time.Now()
				for i := range 50 {
					mustSend(t, a, numbered(20*i, 20))
					time.Sleep(100 * time.Millisecond)
				}
				mustSend(t, a, numbered(1000, 1))
				time.Sleep(time.Second)
				got := b.inbox.take()
				if full := a.Stats().Drops.PeerWindowIsFull; uint64(len(got))+full != 1001 {
					t.Errorf("%d arrived and %d were dropped of 1001", len(got), full)
				}
				if len(got) < 800 || got[len(got)-1] != 1000 {
					t.Errorf("%d of 1001 arrived in %v, the last is %v: stalled", len(got), time.Since(start), got[len(got)-1])
				}
			})
		})
	}
}

// onlyPiggyback makes acknowledgements wait for data, as ipxbox does.
func onlyPiggyback() Fault {
	var last Header
	return func(pkt []byte) [][]byte {
		h, payload, err := Parse(pkt)
		if err != nil || !h.HasSeq {
			last = h
			return nil
		}
		if !h.HasAck {
			h.HasAck, h.Ack = last.HasAck, last.Ack
		}
		last = Header{}
		return [][]byte{encode(h, payload)}
	}
}

func TestPeerThatOnlyPiggybacks(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{Pacing: true}, ChannelConfig{})
		b.carrier.SetLine(Line{Fault: onlyPiggyback()})
		for i := range 100 {
			mustSend(t, a, numbered(4*i, 4))
			time.Sleep(5 * time.Millisecond)
			mustSend(t, b, numbered(i, 1))
			time.Sleep(5 * time.Millisecond)
		}
		wantFrames(t, b, numbers(0, 400))
		wantFrames(t, a, numbers(0, 100))
		if a.Stats().AcksReceived == 0 {
			t.Error("no acknowledgement was received")
		}
	})
}

func TestPacingHonoursThePeersWindow(t *testing.T) {
	for window, want := range map[uint16]int{0: 32, 1: 1, 4: 2, 200: 100} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{Pacing: true}, ChannelConfig{})
				a.flow.connect(window)
				b.carrier.SetLine(Line{Delay: 50 * time.Millisecond})
				mustSend(t, a, numbered(0, want+20))
				wantFrames(t, b, numbers(0, want))
				time.Sleep(3 * time.Second) // the queue moves when acknowledgements come
				wantFrames(t, b, numbers(want, 20))
			})
		})
	}
}

func TestPacingDropsWhatItCannotQueue(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{Pacing: true}, ChannelConfig{})
		mustSend(t, a, numbered(0, 32+maxQueue+7))
		if got := a.Stats().Drops.PeerWindowIsFull; got != 7 {
			t.Errorf("counted %d dropped, want 7", got)
		}
		time.Sleep(5 * time.Second)
		wantFrames(t, b, numbers(0, 32+maxQueue))
	})
}

// Queued frames keep their df, and a frame too short to send holds up none.
func TestPacingQueueIsMixed(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{Pacing: true}, ChannelConfig{})
		a.flow.connect(1)
		a.carrier.SetLine(Line{MTU: 100})
		mustSend(t, a, numbered(0, 1))
		mustSend(t, a, []*packet.Buffer{buffer(nil), buffer([]byte{1})})
		long := binary.BigEndian.AppendUint32(nil, 1)
		long = append(long, make([]byte, 200)...)
		if err := a.Send([]*packet.Buffer{buffer(long)}, true); err != nil {
			t.Errorf("Send into the queue: %v", err)
		}
		long[3] = 2
		mustSend(t, a, []*packet.Buffer{buffer(long)})
		mustSend(t, a, numbered(3, 1))
		time.Sleep(5 * time.Second)
		wantFrames(t, b, []uint32{0, 2, 3})
		if got := a.Stats().Drops; got.TooBig != 1 || got.ShortFrameSent != 2 {
			t.Errorf("counted %+v, want 1 too big and 2 short", got)
		}
	})
}

// rewrite is a NAT that changes one call ID into another.
func rewrite(from, to uint16) Fault {
	return func(pkt []byte) [][]byte {
		if binary.BigEndian.Uint16(pkt[6:]) == from {
			binary.BigEndian.PutUint16(pkt[6:], to)
		}
		return [][]byte{pkt}
	}
}

// The call ID that the peer's reply names is used as it is, be it 0 as Windows
// sends or another than the peer assigned, since a NAT changed it on the way.
func TestPeersCallIDIsUsedAsItIs(t *testing.T) {
	for _, named := range []uint16{0, 1, 0xffff} {
		t.Run(fmt.Sprint(named), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				ma, mb := NewPair()
				a, b := &end{carrier: ma, mux: runMux(t, ma), inbox: &inbox{t: t}}, &end{carrier: mb, mux: runMux(t, mb), inbox: &inbox{t: t}}
				a.open(t, mb.Addr(), ChannelConfig{})
				b.open(t, ma.Addr(), ChannelConfig{})
				ma.SetLine(Line{Fault: rewrite(named, b.ID())})
				a.Connect(bare, named, 64, a.inbox.receive)
				b.Connect(bare, a.ID(), 64, b.inbox.receive)
				mustSend(t, a, numbered(0, 20))
				mustSend(t, b, numbered(0, 20))
				wantFrames(t, b, numbers(0, 20))
				wantFrames(t, a, numbers(0, 20))
				time.Sleep(time.Second)
				if s := b.Stats(); s.AcksReceived == 0 {
					t.Errorf("no acknowledgement through the NAT: %+v", s)
				}
			})
		})
	}
}

func TestFramesBeforeConnectAreKept(t *testing.T) {
	virtual(t, func(t *testing.T) {
		ma, mb := NewPair()
		a, b := &end{carrier: ma, mux: runMux(t, ma), inbox: &inbox{t: t}}, &end{carrier: mb, mux: runMux(t, mb), inbox: &inbox{t: t}}
		a.open(t, mb.Addr(), ChannelConfig{})
		b.open(t, ma.Addr(), ChannelConfig{})
		if err := b.Send(numbered(0, 1), false); !errors.Is(err, ErrNotConnected) {
			t.Errorf("Send before Connect = %v, want ErrNotConnected", err)
		}
		a.Connect(bare, b.ID(), 64, a.inbox.receive)
		mustSend(t, a, numbered(0, 10))
		mustSend(t, a, numbered(10, 10))
		synctest.Wait()
		b.Connect(bare, a.ID(), 64, b.inbox.receive)
		if got := b.inbox.take(); !slices.Equal(got, numbers(0, 16)) {
			t.Errorf("kept %v, want 16 frames", got)
		}
		if got := b.Stats().Drops.NotConnected; got != 4 {
			t.Errorf("counted %d dropped, want 4", got)
		}
		mustSend(t, a, numbered(20, 1))
		wantFrames(t, b, []uint32{20})
	})
}

func TestNothingIsReceivedAfterClose(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		mustSend(t, a, numbered(0, 1))
		b.inject(t, a.carrier.Addr(), b.peerPacket(5)) // held, its timer runs
		wantFrames(t, b, []uint32{0})
		for range 2 {
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		mustSend(t, a, numbered(1, 5))
		time.Sleep(time.Minute)
		wantFrames(t, b, nil)
		if err := b.Send(numbered(0, 1), false); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close = %v, want net.ErrClosed", err)
		}
		if got := b.mux.Stats().Drops.UnknownCall; got != 5 {
			t.Errorf("counted %d for unknown calls, want 5", got)
		}
	})
}

func TestTooBigFramesAreReported(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		a.carrier.SetLine(Line{MTU: 1400})
		long := binary.BigEndian.AppendUint32(nil, 1)
		long = append(long, make([]byte, 1400)...)
		frames := append(numbered(0, 1), buffer(long))
		frames = append(frames, numbered(2, 70)...)
		frames = append(frames, buffer(long))
		var e *TooBigError
		err := a.Send(frames, true)
		if !errors.Is(err, ErrTooBig) || !errors.As(err, &e) || e.MTU != 1400 || e.Packets != 2 {
			t.Errorf("Send = %v, want 2 packets too big for 1400", err)
		}
		if !strings.Contains(err.Error(), "1400") {
			t.Errorf("error %q does not name the MTU", err)
		}
		time.Sleep(time.Second)
		wantFrames(t, b, append([]uint32{0}, numbers(2, 70)...))
		mustSend(t, a, []*packet.Buffer{buffer(long)}) // without df it goes
		time.Sleep(time.Second)
		wantFrames(t, b, []uint32{1})
		if s := a.Stats(); s.Drops.TooBig != 2 {
			t.Errorf("counted %+v, want 2 too big", s.Drops)
		}
	})
}

func TestReceiveTimes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		if first, last := b.FirstReceive(), b.LastReceive(); !first.IsZero() || !last.IsZero() {
			t.Errorf("received at %v and %v before anything came", first, last)
		}
		time.Sleep(time.Second)
		began := time.Now()
		mustSend(t, a, numbered(0, 1))
		time.Sleep(time.Minute)
		b.inject(t, a.carrier.Addr(), ackOnly(b.ID(), 0)) // no data, but a sign of life
		synctest.Wait()
		if got := b.FirstReceive(); !got.Equal(began) {
			t.Errorf("first received at %v, want %v", got, began)
		}
		if got := b.LastReceive(); !got.Equal(began.Add(time.Minute)) {
			t.Errorf("last received at %v, want a minute after %v", got, began)
		}
	})
}

func TestRoundTripIsMeasured(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		a.carrier.SetLine(Line{Delay: 150 * time.Millisecond})
		b.carrier.SetLine(Line{Delay: 150 * time.Millisecond})
		for i := range 100 {
			mustSend(t, a, numbered(i, 1))
			time.Sleep(time.Second)
		}
		if got := a.RTT(); got < 300*time.Millisecond || got > 350*time.Millisecond {
			t.Errorf("round trip %v, want 300 ms and the acknowledgement's delay", got)
		}
	})
}

// A gap that closes lets go of more frames than a batch may have.
func TestBatchesStaySmall(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{ReorderPackets: 200})
		mustSend(t, a, numbered(0, 1))
		wantFrames(t, b, []uint32{0})
		for seq := range uint32(150) {
			b.inject(t, b.Peer(), b.peerPacket(2+seq))
		}
		wantFrames(t, b, nil)
		b.inject(t, b.Peer(), b.peerPacket(1))
		wantFrames(t, b, numbers(1, 151)) // the inbox looks at each call
		if b.inbox.calls != 1+3 {
			t.Errorf("%d calls for 151 frames, want 3", b.inbox.calls-1)
		}
	})
}

// Many senders at once, in both directions, with timers that deliver as well:
// for the race detector, and for the promise of one receive call at a time.
func TestSendersAndTimersTogether(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		a.carrier.SetLine(Line{Fault: Reorder(1, 0.3, 20), Delay: time.Millisecond})
		b.carrier.SetLine(Line{Fault: Chain(Lose(2, 0.05), Reorder(3, 0.3, 20)), Delay: time.Millisecond})
		done := make(chan error)
		for _, e := range []*end{a, a, b, b} {
			go func() {
				var err error
				for i := range 200 {
					err = errors.Join(err, e.Send(numbered(i, 8), false))
					time.Sleep(time.Millisecond)
				}
				done <- err
			}()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		for _, e := range []*end{a, b} {
			if s := e.Stats(); s.PacketsReceived+s.Lost < 3100 || s.PacketsReceived < 2800 {
				t.Errorf("counted %+v", s)
			}
		}
	})
}
