package cipx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// A line loses and reorders: what was sent arrives at most late packets after its turn.
type line struct {
	r     *rand.Rand
	loss  float64
	late  int
	queue []late
	n     int
}

type late struct {
	due int
	b   []byte
}

// send takes a packet and returns those that arrive now, some out of turn.
func (l *line) send(b []byte) (arrived [][]byte) {
	l.n++
	if l.r.Float64() >= l.loss {
		due := l.n
		if l.late > 0 && l.r.IntN(4) == 0 {
			due += l.r.IntN(l.late + 1)
		}
		l.queue = append(l.queue, late{due, b})
	}
	l.r.Shuffle(len(l.queue), func(i, j int) { l.queue[i], l.queue[j] = l.queue[j], l.queue[i] })
	kept := l.queue[:0]
	for _, q := range l.queue {
		if q.due <= l.n {
			arrived = append(arrived, q.b)
		} else {
			kept = append(kept, q)
		}
	}
	l.queue = kept
	return arrived
}

// traffic makes packets that all differ: of more flows than there are slots, with
// checksums and lengths of any kind. Each tells its number in its last octets.
func traffic(r *rand.Rand, flows, n int) []byte {
	var p []byte
	data := string(bytes.Repeat([]byte{byte(n)}, r.IntN(40)))
	flow := byte(r.IntN(flows) * r.IntN(2))
	if flow%3 == 0 {
		kind := []uint16{0x2222, 0x3333, 0x1111, 0x7777}[r.IntN(4)]
		p = ncp(kind, byte(r.IntN(256)), flow, byte(r.IntN(3)), 0, data)
	} else {
		p = pkt(flow, data)
	}
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	if r.IntN(4) == 0 {
		p = withChecksum(p, uint16(r.IntN(1<<16)))
	}
	return p
}

// TestNeverWrong: over a line that loses and reorders, in both directions, whatever
// arrives is octet for octet what was sent. What is dropped is counted.
func TestNeverWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		loss  float64
		late  int
		quiet int
		slots int
		flows int
	}{
		{"a good line", 0, 0, 1, 4, 8},
		{"loss", 0.2, 0, 1, 4, 8},
		{"out of order", 0, 16, 16, 4, 8},
		{"both", 0.2, 16, 16, 4, 8},
		{"both, one slot", 0.3, 8, 8, 1, 3},
		{"both, 256 slots", 0.1, 64, 64, 256, 120},
	} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 7))
				cfg := Config{Slots: c.slots, Quiet: c.quiet}
				neverWrong(t, r, cfg, &line{r: r, loss: c.loss, late: c.late}, &line{r: r, loss: c.loss, late: c.late}, c.flows)
			})
		}
	}
}

func neverWrong(t *testing.T, r *rand.Rand, cfg Config, there, back *line, flows int) {
	a, b := pair(cfg)
	sent, arrivals, delivered := map[uint32][]byte{}, 0, 0
	take := func(e *end, pkts [][]byte) {
		for _, l := range pkts {
			if e == b {
				arrivals++
			}
			got := e.in(l)
			if got == nil {
				continue
			}
			n := binary.BigEndian.Uint32(got[len(got)-4:])
			if want := sent[n]; !bytes.Equal(got, want) {
				t.Fatalf("packet %d arrived as\n% x, sent as\n% x", n, got, want)
			}
			if e == b {
				delivered++
			}
		}
	}
	for n := range uint32(2000) {
		p := traffic(r, flows, int(n))
		sent[n] = p
		take(b, there.send(a.out(p)))
		for _, reply := range b.takeReplies() {
			take(a, back.send(reply))
		}
		if r.IntN(3) == 0 { // packets the other way, among the confirms
			q := traffic(r, flows, int(n|1<<31))
			sent[n|1<<31] = q
			take(a, back.send(b.out(q)))
			for _, reply := range a.takeReplies() {
				take(b, there.send(reply))
			}
		}
	}
	s := b.Stats().In
	if s.Dropped.EmptySlot+s.Dropped.UnknownType+s.Dropped.BadSlot+s.Dropped.NotIPX+s.Dropped.BadLength != 0 {
		t.Errorf("dropped %+v", s.Dropped)
	}
	if uint64(arrivals) != uint64(delivered)+s.Control {
		t.Errorf("%d arrived, %d delivered, %d control", arrivals, delivered, s.Control)
	}
	if out := a.Stats().Out; out.Compressed < 100 {
		t.Errorf("hardly anything was compressed: %+v", out)
	}
}

// TestNCPAfterLoss is what an NCP slot does after a loss, as the package says:
// the session's next packet has the lost one's number, and one that was sent again puts it right.
func TestNCPAfterLoss(t *testing.T) {
	a, b := pair(Config{Slots: 4, NCP: true})
	request := func(seq byte) []byte { return ncp(0x2222, seq, 1, 1, 0, "abc") }
	b.in(a.out(request(1)))
	a.out(request(2)) // lost
	want(t, "the next", b.in(a.out(request(3))), request(2))
	want(t, "sent again", b.in(a.out(request(3))), request(3))
	want(t, "then", b.in(a.out(request(4))), request(4))
}

// FuzzIn: nothing that comes breaks anything; what is passed on is an IPX packet.
func FuzzIn(f *testing.F) {
	f.Add(append([]byte{3, 0, 0}, pkt(1, "abc")...), []byte{0x80, 0, 'x'})
	f.Add(append([]byte{7, 1}, ncp(0x2222, 1, 1, 1, 0, "abc")...), []byte{0x90, 1, 2, 'x'})
	f.Add(append([]byte{1}, pkt(1, "abc")...), unhex("a0 00 21 616263 0000"))
	f.Add([]byte{9, 0x80}, []byte{5, 0, 1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first) > packet.MaxLen || len(second) > packet.MaxLen {
			return
		}
		for _, slotID := range []bool{false, true} {
			e := newEnd(Config{Slots: 3, NCP: true, CompressSlotID: slotID}, Config{Slots: 3, CompressSlotID: slotID})
			e.out(pkt(1, "abc"))
			for i, b := range [][]byte{first, second, second, first} {
				got := e.in(b)
				if got != nil && ipx.Check(got) != nil {
					t.Fatalf("% x became % x", b, got)
				}
				if n := len(e.takeReplies()); n > 1 {
					t.Fatalf("%d answers to % x", n, b)
				}
				s := e.Stats().In
				d := s.Dropped
				counted := s.Compressed + s.Regular + s.Initial + s.Control + d.Truncated + d.UnknownType + d.BadSlot +
					d.EmptySlot + d.NoSlot + d.BadLength + d.NotIPX + d.NotNCP
				if counted < uint64(i+1) {
					t.Fatalf("% x was not counted: %+v", b, s)
				}
			}
			p := pkt(1, "xyz")
			e.out(p)
		}
	})
}

// FuzzThrough: any packets, in any order, arrive as they were.
func FuzzThrough(f *testing.F) {
	f.Add(pkt(1, "abc"), ncp(0x2222, 1, 1, 1, 0, "abc"), true)
	f.Add(pkt(1, "abc"), pkt(2, ""), false)
	f.Fuzz(func(t *testing.T, x, y []byte, options bool) {
		if len(x) > 1500 || len(y) > 1500 || ipx.Check(x) != nil || ipx.Check(y) != nil {
			return
		}
		a, b := pair(Config{Slots: 1, Quiet: 1, NCP: options, CompressSlotID: options})
		for i, p := range [][]byte{x, x, y, x, y, y, y, x, x} {
			want(t, fmt.Sprint(i), b.in(a.out(p)), p)
			for _, r := range b.takeReplies() {
				a.in(r)
			}
		}
	})
}

// TestBothDirectionsAtOnce is for the race detector: each half has its own lock.
func TestBothDirectionsAtOnce(t *testing.T) {
	a, b := pair(Config{Slots: 8})
	for i := range byte(5) {
		fill(t, a, b, pkt(i, "data"))
		fill(t, b, a, pkt(i, "data"))
	}
	there, back := make(chan []byte, 4096), make(chan []byte, 4096)
	var wait sync.WaitGroup
	for _, e := range []struct {
		*Codec
		out, in chan []byte
	}{{a.Codec, there, back}, {b.Codec, back, there}} {
		wait.Go(func() {
			for i := range 1000 {
				p := buffer(pkt(byte(i%5), "data"))
				e.Out([]*packet.Buffer{p})
				e.out <- p.Bytes()
				e.Stats()
			}
		})
		wait.Go(func() {
			for range 1000 {
				e.In([]*packet.Buffer{buffer(<-e.in)}, func(p *packet.Buffer) { e.out <- bytes.Clone(p.Bytes()) })
			}
		})
	}
	wait.Wait()
	if s := a.Stats(); s.Out.Compressed != 1000 || s.In.Compressed != 1000 {
		t.Errorf("%+v", s)
	}
}

func TestNoAllocation(t *testing.T) {
	if race.Enabled {
		return // sync.Pool forgets on purpose: test/run looks at it without
	}
	for name, cfg := range map[string]Config{"default": {Slots: 4}, "all": {Slots: 4, NCP: true, CompressSlotID: true}} {
		a, b := NewCodec(cfg, cfg), NewCodec(cfg, cfg)
		var pkts, replies []*packet.Buffer
		for range 8 {
			pkts, replies = append(pkts, new(packet.Buffer)), append(replies, new(packet.Buffer))
		}
		reply := func(p *packet.Buffer) { replies[0].Set(p.Bytes()) }
		drop := func(*packet.Buffer) {}
		src := [][]byte{pkt(1, "a"), pkt(2, "b"), pkt(3, "c"), pkt(4, "d"), pkt(5, "e"), ncp(0x2222, 1, 1, 1, 0, "f"), pkt(1, "g"), pkt(2, "h")}
		if n := testing.AllocsPerRun(200, func() {
			for i, p := range pkts {
				p.Set(src[i])
			}
			a.Out(pkts)
			b.In(pkts, reply)
			a.In(replies[:1], drop)
		}); n != 0 {
			t.Errorf("%s: %v allocations for 8 packets", name, n)
		}
	}
}

// TestRatioOnCaptures is what CIPX makes of real sessions. Both directions of a session
// go one way here, as if it were two. Of each packet's 30 octets of header two are left; how much that is
// of the whole depends on the data.
func TestRatioOnCaptures(t *testing.T) {
	sessions := []string{"01-samelan-8022-mars-slist-login.pcap", "02-samelan-8023raw.pcap", "05-routed-ipxd-lanB-8023.pcap"}
	for _, c := range []struct {
		name string
		cfg  Config
		most []float64 // percent left of each session
	}{
		{"64 slots", Config{Slots: 64}, []float64{61, 85, 72}},
		{"16 slots", Config{Slots: 16}, []float64{65, 87, 76}},
		{"64 slots and NCP", Config{Slots: 64, NCP: true}, []float64{58, 83, 70}},
		{"64 slots and NCP, slots left out", Config{Slots: 64, NCP: true, CompressSlotID: true}, []float64{58, 83, 70}},
	} {
		for i, session := range sessions {
			s := replay(t, c.cfg, ipxtest.Capture(t, filepath.Join("../testdata", session))).Out
			left := 100 * float64(s.After) / float64(s.Before)
			t.Logf("%s, %s: %d octets of IPX became %d, %.1f%%; %d packets compressed, %d regular, %d initial",
				session, c.name, s.Before, s.After, left, s.Compressed, s.Regular, s.Initial)
			if left > c.most[i] {
				t.Errorf("%s, %s: %.1f%% left, want %.0f%% at most", session, c.name, left, c.most[i])
			}
		}
	}
}

// replay sends a capture through a link, and compares what arrives.
func replay(t *testing.T, cfg Config, frames [][]byte) Stats {
	a, b := pair(cfg)
	for _, frame := range frames {
		_, _, _, p, err := ipx.Decapsulate(frame)
		if err != nil {
			continue
		}
		p = p[:ipx.Length(p)]
		want(t, "arrived", b.in(a.out(p)), p)
		for _, r := range b.takeReplies() {
			a.in(r)
		}
	}
	return a.Stats()
}

func BenchmarkOutIn(b *testing.B) {
	for _, slots := range []int{16, 256} {
		b.Run(fmt.Sprint(slots), func(b *testing.B) {
			x, y := pair(Config{Slots: slots})
			var src [][]byte
			for i := range min(slots, 200) {
				src = append(src, pkt(byte(i), "0123456789"))
			}
			p := []*packet.Buffer{new(packet.Buffer)}
			reply := func(r *packet.Buffer) { x.in(r.Bytes()) }
			for i := 0; b.Loop(); i++ {
				p[0].Set(src[i%len(src)])
				x.Out(p)
				y.In(p, reply)
			}
		})
	}
}
