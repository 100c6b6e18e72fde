package mppe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sitebridge/internal/packet"
)

// A statefulSender is an end of stateful mode that sends.
type statefulSender interface {
	send(t testing.TB, plain []byte) []byte
	reset(now time.Time) // a Reset-Request came
}

// ourSender is what this package does.
type ourSender struct{ *Coder }

func (s ourSender) send(t testing.TB, plain []byte) []byte { return seal(t, s.Coder, plain) }
func (s ourSender) reset(now time.Time) {
	if s.MayFlush(now) {
		s.Flush()
	}
}

// A bsdSender does what RFC 3078 says and no more: the packet before which the
// key changes has no A bit.
type bsdSender struct{ ourSender }

func (s bsdSender) send(t testing.TB, plain []byte) []byte {
	asked := s.flush.Load()
	wire := seal(t, s.Coder, plain)
	if !asked {
		wire[0] &^= 0x80
	}
	return wire
}

// A linuxSender changes its key also when it flushes, and says A whenever it has
// changed it.
type linuxSender struct {
	chain
	rc4   stream
	n     uint64
	flush bool
}

func newLinuxSender(start key) *linuxSender {
	s := new(linuxSender)
	s.init(start)
	s.rc4.setKey(&s.session)
	return s
}

func (s *linuxSender) reset(time.Time) { s.flush = true }

func (s *linuxSender) send(_ testing.TB, plain []byte) []byte {
	h := encrypted | header(s.n)&countMask
	if s.flush || isFlag(s.n) {
		s.change()
		s.rc4.setKey(&s.session)
		h |= flushed
	}
	s.flush = false
	s.n++
	wire := append(binary.BigEndian.AppendUint16(nil, uint16(h)), plain...)
	s.rc4.xor(wire[headerLen:])
	return wire
}

// senders makes one of each with the same start key.
func senders(start key) map[string]statefulSender {
	ours, _ := oneWay(start, true)
	bsd, _ := oneWay(start, true)
	return map[string]statefulSender{"ours": ourSender{ours}, "as RFC 3078": bsdSender{ourSender{bsd}}, "Linux": newLinuxSender(start)}
}

const (
	way      = 20 // ticks that a packet is on its way; one is sent in each
	tripTime = 2 * way
)

// A line is a sender, a receiver and what lies between them, in ticks of a
// millisecond.
type line struct {
	from statefulSender
	to   *Coder
	dice *rand.Rand
	loss float64

	now      int
	sent     int
	got      int            // of these
	data     map[int][]byte // wires by when they arrive
	requests map[int]bool   // Reset-Requests by when they arrive
	asked    int            // when the last one was sent

	// An episode begins when the receiver finds itself out of step. It is fair
	// when neither its first Reset-Request nor the answer is lost.
	lostAt, answerAt int
	fair             bool
	episodes         int
	worst            int // ticks that a fair episode took

	opened []uint32
}

func newLine(from statefulSender, to *Coder, loss float64, seed uint64) *line {
	return &line{from: from, to: to, loss: loss, dice: rand.New(rand.NewPCG(seed, 7)),
		data: make(map[int][]byte), requests: make(map[int]bool), asked: -tripTime}
}

func (l *line) lost() bool { return l.dice.Float64() < l.loss }

func (l *line) tick(t *testing.T) {
	if l.requests[l.now] {
		l.from.reset(time.Unix(0, 0).Add(time.Duration(l.now) * time.Millisecond))
		l.answerAt = l.now
	}
	wire := l.from.send(t, ipPacket(uint32(l.sent), 60))
	l.sent++
	if l.lost() {
		l.fair = l.fair && l.answerAt != l.now
	} else {
		l.data[l.now+way] = wire
	}
	if wire := l.data[l.now]; wire != nil {
		delete(l.data, l.now)
		l.receive(t, wire)
	}
	l.request()
	l.now++
}

func (l *line) receive(t *testing.T, wire []byte) {
	was := l.to.OutOfStep()
	l.got++
	out, err := l.to.Open([]*packet.Buffer{buffer(t, wire)})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range out {
		number := binary.BigEndian.Uint32(b.Bytes()[6:])
		if !bytes.Equal(b.Bytes(), ipPacket(number, 60)) {
			t.Fatalf("packet %d came out changed", number)
		}
		l.opened = append(l.opened, number)
	}
	switch is := l.to.OutOfStep(); {
	case is && !was:
		l.lostAt, l.fair = l.now, true
		l.episodes++
	case was && !is && l.fair:
		l.worst = max(l.worst, l.now-l.lostAt)
	}
}

// request sends a Reset-Request when one is due, as a link would.
func (l *line) request() {
	if !l.to.OutOfStep() || l.now-l.asked < tripTime+2 && l.lostAt != l.now {
		return
	}
	l.asked = l.now
	if l.lost() {
		l.fair = false
	} else {
		l.requests[l.now+way] = true
	}
}

// TestAttackE5LossInStatefulMode: after a loss the receiver is in step again one
// round trip later, whichever way the peer does it. Nothing wrong comes out, and
// the link does not end.
func TestAttackE5LossInStatefulMode(t *testing.T) {
	for _, loss := range []float64{0.01, 0.05, 0.20} {
		for name := range senders(key{}) {
			t.Run(fmt.Sprintf("%s, %v %%", name, 100*loss), func(t *testing.T) {
				for seed := range uint64(2) {
					start := key{byte(seed), 1}
					_, to := oneWay(start, true)
					l := newLine(senders(start)[name], to, loss, seed)
					for range 8000 {
						l.tick(t)
					}
					wantRecovery(t, l)
				}
			})
		}
	}
}

func wantRecovery(t *testing.T, l *line) {
	t.Helper()
	if l.episodes < 20 {
		t.Errorf("only %d losses", l.episodes)
	}
	if l.worst > tripTime+1 {
		t.Errorf("%d ticks out of step, want at most the %d of a round trip", l.worst, tripTime+1)
	}
	for i, n := range l.opened[1:] {
		if n <= l.opened[i] {
			t.Fatalf("packet %d came after %d", n, l.opened[i])
		}
	}
	l.loss = 0
	for range 4 * tripTime {
		l.tick(t)
	}
	before := len(l.opened)
	for range 100 {
		l.tick(t)
	}
	if got := len(l.opened) - before; got != 100 {
		t.Errorf("%d of 100 packets opened once nothing is lost any more: %v", got, l.to.Counters())
	}
	if opened := l.to.Counters()["opened"]; dropped(l.to)+opened != uint64(l.got) {
		t.Errorf("%d received: %v", l.got, l.to.Counters())
	}
	if n := l.to.Events()["resynchronised"]; n < uint64(l.episodes)/2 {
		t.Errorf("%d times in step again after %d losses", n, l.episodes)
	}
}

// A linuxReceiver takes A for a change of the key, always.
type linuxReceiver struct {
	chain
	rc4     stream
	count   uint64 // of the last packet
	discard bool
}

func newLinuxReceiver(start key) *linuxReceiver {
	r := &linuxReceiver{count: 4095}
	r.init(start)
	r.rc4.setKey(&r.session)
	return r
}

func (r *linuxReceiver) open(wire []byte) []byte {
	h := parseHeader(wire)
	count := uint64(h & countMask)
	if count&0xff == 0xff && h&flushed == 0 {
		return nil
	}
	if !r.discard {
		r.count = (r.count + 1) % 4096
		if r.discard = count != r.count; r.discard {
			return nil
		}
	} else if h&flushed == 0 {
		return nil
	} else {
		for ; count&^0xff != r.count&^0xff; r.count = (r.count + 256) % 4096 {
			r.change()
		}
		r.discard, r.count = false, count
	}
	if h&flushed != 0 {
		r.change()
		r.rc4.setKey(&r.session)
	}
	plain := bytes.Clone(wire[headerLen:])
	r.rc4.xor(plain)
	return plain
}

// TestLinuxInStatefulMode: a peer that was seen to change its key when it
// flushes is understood from then on, and gets the same from us.
func TestLinuxInStatefulMode(t *testing.T) {
	in, out := key{1}, key{2}
	us := New(StartKeys{&directions{send: out, receive: in}}, true)
	them, theirs := newLinuxSender(in), newLinuxReceiver(out)
	for i := range 1000 {
		plain := ipPacket(uint32(i), 60)
		if got := open(t, us, them.send(t, plain)); !bytes.Equal(got, plain) {
			t.Fatalf("packet %d opened as % x", i, got)
		}
		if got := theirs.open(seal(t, us, plain)); !bytes.Equal(got, plain) {
			t.Fatalf("their packet %d opened as % x", i, got)
		}
	}
	them.send(t, ipPacket(0, 60)) // lost
	open(t, us, them.send(t, ipPacket(0, 60)))
	them.reset(time.Time{})
	if !us.OutOfStep() || open(t, us, them.send(t, ipPacket(0, 60))) == nil || us.OutOfStep() {
		t.Fatalf("not in step again: %v", us.Counters())
	}
	seal(t, us, ipPacket(0, 60)) // lost
	theirs.open(seal(t, us, ipPacket(0, 60)))
	us.Flush()
	for i := range 1000 {
		plain := ipPacket(uint32(i), 60)
		if got := theirs.open(seal(t, us, plain)); !bytes.Equal(got, plain) {
			t.Fatalf("their packet %d after a loss opened as % x", i, got)
		}
	}
}

// In stateful mode what is forged or damaged costs a round trip at most.
func TestStatefulForgeries(t *testing.T) {
	const salt = 0x15 // makes all of them nonsense
	noise := func(count uint64, bits byte) []byte {
		b := pattern(80)
		b[0], b[1] = bits|byte(count>>8&0xf), byte(count)
		b[2] ^= salt
		return b
	}
	for _, c := range []struct {
		name   string
		forged []byte
		lost   bool // the true stream is disturbed
	}{
		{"in step, fresh tables", noise(300, 0x90), false},
		{"in step, the tables run on", noise(300, 0x10), true},
		{"ahead, fresh tables", noise(302, 0x90), false},
		{"ahead, the tables run on", noise(302, 0x10), true},
		{"far ahead, fresh tables", noise(2347, 0x90), false},
		{"behind, fresh tables", noise(299, 0x90), false},
		{"behind, the tables run on", noise(299, 0x10), false},
		{"far behind", noise(300+2048, 0x90), false},
		{"not encrypted", noise(300, 0x80), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := oneWay(key{1}, true)
			for _, w := range sealed(t, from, 300) {
				if open(t, to, w) == nil {
					t.Fatal("dropped")
				}
			}
			if got := open(t, to, c.forged); got != nil {
				t.Fatalf("opened as % x", got)
			}
			wires := sealed(t, from, 2)
			if got := open(t, to, wires[0]); (got == nil) != c.lost || to.OutOfStep() != c.lost {
				t.Errorf("the next one: dropped %v, out of step %v, want %v; %v", got == nil, to.OutOfStep(), c.lost, to.Counters())
			}
			from.Flush()
			if open(t, to, seal(t, from, ipPacket(1, 60))) == nil || to.OutOfStep() {
				t.Errorf("not in step after a flush: %v", to.Counters())
			}
		})
	}
}

// TestStatefulSilence: more packets are lost than there are counts. As long as
// any are seen the place is kept.
func TestStatefulSilence(t *testing.T) {
	from, to := oneWay(key{1}, true)
	sealed(t, from, 2000)
	for i := range 20 {
		if open(t, to, sealed(t, from, 1000)[0]) != nil {
			t.Fatalf("opened after a loss, in round %d", i)
		}
	}
	from.Flush()
	if open(t, to, seal(t, from, ipPacket(1, 60))) == nil {
		t.Errorf("not in step after a flush: %v", to.Counters())
	}
}

// A count that was made up while packets were lost means nothing any more once
// the receiver is in step again.
func TestForgedCountWhileLost(t *testing.T) {
	from, to := oneWay(key{1}, true)
	lose := func() {
		seal(t, from, ipPacket(0, 60))
		if open(t, to, seal(t, from, ipPacket(0, 60))) != nil || !to.OutOfStep() {
			t.Fatal("not out of step")
		}
	}
	for _, count := range []uint16{2047, 4094} {
		lose()
		forged := append([]byte{0x10 | byte(count>>8), byte(count)}, pattern(60)...)
		if open(t, to, forged) != nil {
			t.Fatal("a forged packet was opened")
		}
		from.Flush()
		if open(t, to, seal(t, from, ipPacket(0, 60))) == nil {
			t.Fatalf("not in step after a flush: %v", to.Counters())
		}
	}
}

// TestAttackE4CostInStatefulMode: somebody leads a receiver that has lost packets
// ever further ahead. What one packet with fresh tables can have it do is bounded.
func TestAttackE4CostInStatefulMode(t *testing.T) {
	for _, c := range []struct {
		changes uint64 // of the key, until the packet with fresh tables
		opens   bool
	}{
		{1, true}, {2039, true}, {2040, true}, // and eight more are tried
		{2041, false}, {2048, false}, {4096, false},
	} {
		t.Run(fmt.Sprint(c.changes), func(t *testing.T) {
			from, to := oneWay(key{1}, true)
			for range c.changes {
				from.send.change()
			}
			from.send.n = 256 * c.changes
			for n := uint64(1); n < from.send.n; n += 2000 {
				forged := append([]byte{0x10 | byte(n>>8&0xf), byte(n)}, pattern(60)...)
				if open(t, to, forged) != nil || !to.OutOfStep() {
					t.Fatalf("the forged packet %d: out of step %v", n, to.OutOfStep())
				}
			}
			from.Flush()
			if got := open(t, to, seal(t, from, ipPacket(1, 60))); (got != nil) != c.opens || to.OutOfStep() == c.opens {
				t.Errorf("opened: %v, want %v; out of step %v", got != nil, c.opens, to.OutOfStep())
			}
			want := c.changes
			if !c.opens {
				want = 0
				wantCounter(t, to, "doubtful", 1)
			}
			wantEvents(t, to, "key_changes_ahead", want)
		})
	}
}
