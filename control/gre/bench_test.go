package gre

import (
	"fmt"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/internal/tap"
)

const benchFrame = 1400

// fullFrames returns a batch of full-size frames and a function that makes their
// headers' room free again.
func fullFrames() (frames []*packet.Buffer, rewind func()) {
	frames = packet.GetBatch().Buffers[:]
	rewind = func() {
		for _, b := range frames {
			b.Reset()
			b.SetLen(benchFrame)
		}
	}
	rewind()
	return frames, rewind
}

// aBatch returns packets of n channels in turn, and a function that brings them
// back into being, with the numbers that come next.
func aBatch(tb testing.TB, n int) (m *Mux, in []Datagram, next func()) {
	tb.Helper()
	m = NewMux(&sink{}, nil, nil)
	channels := make([]*Channel, n)
	for i := range channels {
		c, err := m.Open(host(1), ChannelConfig{})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.Close() })
		c.Connect(bare, 1, 64, func([]*packet.Buffer) {})
		channels[i] = c
	}
	in = make([]Datagram, packet.BatchLen)
	for i := range in {
		in[i] = Datagram{Path{Remote: host(1)}, new(packet.Buffer)}
	}
	seqs, turn := make([]uint32, n), 0
	next = func() {
		for i := range in {
			c := turn % n
			turn++
			h := Header{PayloadLen: benchFrame, CallID: channels[c].ID(), HasSeq: true, Seq: seqs[c]}
			seqs[c]++
			in[i].Buffer.Reset()
			in[i].Buffer.SetLen(h.Len() + benchFrame)
			h.Put(in[i].Buffer.Bytes())
		}
	}
	next()
	return m, in, next
}

func TestSendDoesNotAllocate(t *testing.T) {
	for _, pacing := range []bool{false, true} {
		m := NewMux(&sink{}, nil, nil)
		c, err := m.Open(host(1), ChannelConfig{Pacing: pacing, Tap: tap.New(host(1), host(2), new(tap.Board), true)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Connect(bare, 1, 64, nil)
		frames, rewind := fullFrames()
		send := func() {
			rewind()
			if err := c.Send(frames, true); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			send() // fills the queue of what waits for the peer's window
		}
		if n := testing.AllocsPerRun(100, send); n != 0 && !race.Enabled {
			t.Errorf("pacing %t: %v allocations per batch sent", pacing, n)
		}
	}
}

func TestReceiveDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrange func(in []Datagram)
	}{
		{"in order", func([]Datagram) {}},
		{"out of order", func(in []Datagram) {
			for i := 2; i+1 < len(in); i += 2 {
				in[i], in[i+1] = in[i+1], in[i]
			}
		}},
	} {
		for _, channels := range []int{1, 30} {
			m, in, next := aBatch(t, channels)
			if n := testing.AllocsPerRun(100, func() {
				c.arrange(in)
				m.raw.dispatch(in, time.Now())
				next()
			}); n != 0 && !race.Enabled {
				t.Errorf("%s, %d channels: %v allocations per batch received", c.name, channels, n)
			}
			if s := m.Stats(); s.Drops != (MuxDrops{}) {
				t.Errorf("%s, %d channels: %+v", c.name, channels, s)
			}
		}
	}
}

func TestAcknowledgingDoesNotAllocate(t *testing.T) {
	m, in, next := aBatch(t, 1)
	sent := &m.raw.carrier.(*sink).sent
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(ackPause)
		m.raw.dispatch(in, now) // 64 packets: acknowledged at once
		next()
	}); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per batch acknowledged", n)
	}
	if sent.Load() < 100 { // of 101 batches: a stream's first packet alone is not many
		t.Errorf("%d acknowledgements for 101 batches", sent.Load())
	}
}

func BenchmarkSend(b *testing.B) {
	m := NewMux(&sink{}, nil, nil)
	c, err := m.Open(host(1), ChannelConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.Connect(bare, 1, 64, nil)
	frames, rewind := fullFrames()
	b.SetBytes(benchFrame)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(frames) {
		rewind()
		if err := c.Send(frames, true); err != nil {
			b.Fatal(err)
		}
	}
}

// The time of one packet through mux and channel, with few and many calls.
func BenchmarkReceive(b *testing.B) {
	for _, channels := range []int{1, 8, 64, 1000} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			m, in, next := aBatch(b, channels)
			b.ResetTimer()
			b.SetBytes(benchFrame)
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(in) {
				m.raw.dispatch(in, time.Now())
				next()
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	p := encode(Header{PayloadLen: benchFrame, CallID: 7, HasSeq: true, HasAck: true}, make([]byte, benchFrame))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(p); err != nil {
			b.Fatal(err)
		}
	}
}
