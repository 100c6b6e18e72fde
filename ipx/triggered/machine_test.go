package triggered

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

var start = time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)

// An end is a machine with the table that it tells and the one that it has been
// told.
type end struct {
	*Machine[rip.Entry]
	name      string
	own, told map[ipx.Network]rip.Entry
	named     map[ipx.Network]bool // since the peer's last flush
	sent      [][]byte
	completed int
}

func newEnd(name string) *end {
	e := &end{name: name, own: map[ipx.Network]rip.Entry{}, told: map[ipx.Network]rip.Entry{}, named: map[ipx.Network]bool{}}
	e.Machine = New(Config[rip.Entry]{
		PerPacket: 3,
		Codec:     Routes(),
		Send:      func(p []byte) { e.sent = append(e.sent, p) },
		Snapshot: func() []rip.Entry {
			return slices.SortedFunc(maps.Values(e.own), func(a, b rip.Entry) int { return int(a.Network) - int(b.Network) })
		},
		Flushed: func() { clear(e.named) },
		Learn: func(entries []rip.Entry) {
			for _, r := range entries {
				e.named[r.Network] = true
				if e.told[r.Network] = r; r.Hops >= rip.Infinity {
					delete(e.told, r.Network)
				}
			}
		},
		Complete: func() {
			e.completed++
			maps.DeleteFunc(e.told, func(n ipx.Network, _ rip.Entry) bool { return !e.named[n] })
		},
	})
	return e
}

// set changes a route of the end's own, and says so.
func (e *end) set(n ipx.Network, hops uint16, now time.Time) {
	r := rip.Entry{Network: n, Hops: hops, Ticks: hops + 1}
	if e.own[n] = r; hops >= rip.Infinity {
		delete(e.own, n)
	}
	e.Changed([]rip.Entry{r}, now)
}

// take returns what was sent, in words.
func (e *end) take() (said []string) {
	for _, p := range e.sent {
		m, err := Parse(p)
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		text := m.Operation.String()
		if m.Flush {
			text += ", flush"
		}
		if n := len(m.Entries) / 8; n > 0 {
			text += fmt.Sprintf(", %d routes", n)
		}
		said = append(said, text)
	}
	e.sent = nil
	return said
}

// A line joins two ends in virtual time.
type line struct {
	a, b   *end
	now    time.Time
	random *rand.Rand
	lossy  bool
	onway  []parcel
	sent   int
}

type parcel struct {
	to  *end
	pkt []byte
	at  time.Time
}

func newLine(seed uint64) *line {
	return &line{a: newEnd("a"), b: newEnd("b"), now: start, random: rand.New(rand.NewPCG(seed, 1582))}
}

// collect puts what the ends sent on the line.
func (l *line) collect() {
	for _, e := range []*end{l.a, l.b} {
		to := l.a
		if e == l.a {
			to = l.b
		}
		for _, p := range e.sent {
			l.sent++
			copies, delay := 1, 10*time.Millisecond
			if l.lossy {
				copies = []int{0, 1, 1, 1, 1, 2}[l.random.IntN(6)]
			}
			for range copies {
				if l.lossy {
					delay = time.Duration(l.random.IntN(3000)) * time.Millisecond
				}
				l.onway = append(l.onway, parcel{to, p, l.now.Add(delay)})
			}
		}
		e.sent = nil
	}
}

// step goes on to what happens next, at most until until.
func (l *line) step(t *testing.T, until time.Time) bool {
	l.collect()
	next := earliest(l.a.Next(), l.b.Next(), until)
	for _, p := range l.onway {
		next = earliest(next, p.at)
	}
	if next.After(l.now) {
		l.now = next
	}
	waiting := l.onway
	l.onway = nil
	for _, p := range waiting {
		if p.at.After(l.now) {
			l.onway = append(l.onway, p)
		} else if err := p.to.Receive(p.pkt, l.now); err != nil {
			t.Fatalf("%s: %v", p.to.name, err)
		}
	}
	l.a.Tick(l.now)
	l.b.Tick(l.now)
	l.collect()
	return l.now.Before(until)
}

func (l *line) run(t *testing.T, d time.Duration) {
	t.Helper()
	for until, n := l.now.Add(d), 0; l.step(t, until); n++ {
		if n > 1_000_000 {
			t.Fatal("the machines do not rest")
		}
	}
}

func (l *line) up() { l.onway = nil; l.a.Up(l.now); l.b.Up(l.now) }

func (l *line) equal() bool { return maps.Equal(l.a.own, l.b.told) && maps.Equal(l.b.own, l.a.told) }

func (l *line) wantSynchronized(t *testing.T) {
	t.Helper()
	if l.a.State() != Synchronized || l.b.State() != Synchronized || !l.equal() {
		t.Fatalf("a is %v, b is %v;\na has %v, b knows %v;\nb has %v, a knows %v", l.a.State(), l.b.State(), l.a.own, l.b.told, l.b.own, l.a.told)
	}
}

func TestTwoMachines(t *testing.T) {
	l := newLine(1)
	for n := range ipx.Network(10) {
		l.a.set(0x100+n, 1, l.now)
		l.b.set(0x200+n, 2, l.now)
	}
	l.up()
	l.run(t, 3*time.Second)
	l.wantSynchronized(t)

	sent := l.sent
	l.run(t, 24*time.Hour)
	if l.sent != sent || !l.a.Next().IsZero() {
		t.Errorf("a silent day: %d packets, next at %v", l.sent-sent, l.a.Next())
	}
	l.a.set(0x100, rip.Infinity, l.now)
	l.a.set(0x101, 5, l.now)
	l.b.set(0x300, 1, l.now)
	l.run(t, time.Second)
	l.wantSynchronized(t)
	if l.sent-sent > 6 {
		t.Errorf("%d packets for three changes", l.sent-sent)
	}
}

// TestOneEndComesUpAgain: what it lost meanwhile, the other tells again.
func TestOneEndComesUpAgain(t *testing.T) {
	l := newLine(1)
	l.a.set(1, 1, l.now)
	l.b.set(2, 1, l.now)
	l.up()
	l.run(t, 3*time.Second)
	clear(l.a.told)
	l.a.Up(l.now)
	l.a.set(3, 1, l.now) // before there is contact
	if l.a.State() != Asking {
		t.Errorf("up again: %v", l.a.State())
	}
	l.run(t, 10*time.Second)
	l.wantSynchronized(t)
}

func TestWhatIsNotNamedIsGone(t *testing.T) {
	l := newLine(1)
	l.a.told[0x99] = rip.Entry{Network: 0x99, Hops: 1} // held from the last call
	l.b.set(2, 1, l.now)
	l.up()
	l.run(t, 3*time.Second)
	l.wantSynchronized(t)
	if l.a.completed != 1 {
		t.Errorf("Complete called %d times", l.a.completed)
	}
}

// TestPacing: packets of one update are a tick apart, or as far as the peer's
// acknowledgements.
func TestPacing(t *testing.T) {
	l := newLine(1)
	for n := range ipx.Network(30) {
		l.a.set(0x100+n, 1, l.now)
	}
	l.up()
	var last time.Time
	for l.now.Before(start.Add(5 * time.Second)) {
		before := l.a.tell.seq
		l.step(t, start.Add(5*time.Second))
		if l.a.tell.seq != before {
			if since := l.now.Sub(last); since < gap || l.a.tell.seq-before > 1 {
				t.Errorf("%d packets %v after the last one", l.a.tell.seq-before, since)
			}
			last = l.now
		}
	}
	l.wantSynchronized(t)
}

func TestNobodyAnswers(t *testing.T) {
	e := newEnd("a")
	now := start
	e.Up(now)
	var asked []time.Duration
	for now.Before(start.Add(12 * time.Minute)) {
		if len(e.take()) > 0 {
			asked = append(asked, now.Sub(start))
		}
		if late := now.Sub(start) >= 17*time.Second; late != (e.State() == Absent) {
			t.Fatalf("after %v: %v", now.Sub(start), e.State())
		}
		if err := e.Receive([]byte{0, 2}, now); !errors.Is(err, ErrPlain) {
			t.Fatalf("plain RIP: %v", err)
		}
		now = e.Next()
		e.Tick(now)
	}
	want := []time.Duration{0, 1e9, 3e9, 7e9, 12e9, 317e9, 617e9}
	if !slices.Equal(asked, want) {
		t.Errorf("asked at %v, want %v", asked, want)
	}
}

// TestAbsentComesBack: a late request, and a late answer.
func TestAbsentComesBack(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       []string
	}{
		{"request", "0009 01 00 0000", []string{"update response, flush", "update request"}},
		{"flush", "000a 01 01 0001", []string{"update acknowledge, flush", "update response, flush"}},
		{"response that we cannot place", "000a 01 00 0001", []string{"update request", "update response, flush"}},
		{"old acknowledgement", "000b 01 00 0001", []string{"update request", "update response, flush"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnd("a")
			e.Up(start)
			for e.State() != Absent {
				e.Tick(e.Next())
			}
			e.take()
			now := start.Add(time.Minute)
			if err := e.Receive(unhex(tt.wire), now); err != nil || e.State() == Absent {
				t.Fatalf("Receive: %v, state %v", err, e.State())
			}
			if got := e.take(); !slices.Equal(got, tt.want) {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPeerStopsAcknowledging: the response is repeated ten times, and then the
// peer is absent.
func TestPeerStopsAcknowledging(t *testing.T) {
	l := newLine(1)
	l.up()
	l.run(t, 3*time.Second)
	l.a.set(1, 1, l.now)
	said := l.a.take()
	began := l.now
	for l.a.State() != Absent {
		at := l.a.Next()
		l.a.Tick(at)
		said = append(said, l.a.take()...)
		if at.Sub(began) > time.Minute {
			t.Fatal("still repeating")
		}
	}
	if len(said) != tellTries || slices.ContainsFunc(said, func(s string) bool { return s != "update response, 1 routes" }) {
		t.Errorf("said %q", said)
	}
}

func TestReceiver(t *testing.T) {
	type step struct{ name, wire, want string }
	const ack, flushAck = "[update acknowledge]", "[update acknowledge, flush]"
	for _, tt := range []struct {
		name  string
		steps []step
		knows []ipx.Network
	}{
		{"before a flush", []step{
			{"response", "000a 01 00 0005 00000001 0001 0002", "[]"}, // the request is open
		}, nil},
		{"repetitions are acknowledged and not learned", []step{
			{"flush", "000a 01 01 ffff", flushAck},
			{"flush again", "000a 01 01 ffff", flushAck},
			{"1 is there", "000a 01 00 0000 00000001 0001 0002", ack},
			{"1 is gone", "000a 01 00 0001 00000001 0010 0002", ack},
			{"1 is there, again", "000a 01 00 0000 00000001 0001 0002", ack},
			{"flush, long ago", "000a 01 01 ffff", flushAck},
		}, nil},
		{"a sender that numbers its repetitions anew", []step{
			{"flush", "000a 01 01 0001", flushAck},
			{"1 is there, repeated", "000a 01 00 0003 00000001 0001 0002", ack},
			{"2 is there", "000a 01 00 0004 00000002 0001 0002", ack},
			{"end", "000a 01 00 0005", ack},
		}, []ipx.Network{1, 2}},
		{"something between was lost", []step{
			{"flush", "000a 01 01 0001", flushAck},
			{"1 is there", "000a 01 00 0003 00000001 0001 0002", ack},
			{"what was lost: not in order any more", "000a 01 00 0002 00000001 0010 0002", "[update request]"},
			{"once more", "000a 01 00 0002 00000001 0010 0002", "[]"},
			{"flush", "000a 01 01 0004", flushAck},
		}, []ipx.Network{1}}, // until the full update is whole
		{"a sender that counts from the start", []step{
			{"flush", "000a 01 01 8000", flushAck},
			{"end", "000a 01 00 8001", ack},
			{"a number from nowhere", "000a 01 00 0100 00000001 0001 0002", "[update request]"},
			{"flush", "000a 01 01 0101", flushAck},
			{"1 is there", "000a 01 00 0102 00000001 0001 0002", ack},
		}, []ipx.Network{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnd("a")
			e.Up(start)
			e.take()
			for _, s := range tt.steps {
				if err := e.Receive(unhex(s.wire), start); err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(e.take()); got != s.want {
					t.Errorf("%s: said %s, want %s", s.name, got, s.want)
				}
			}
			if got := slices.Sorted(maps.Keys(e.told)); !slices.Equal(got, tt.knows) {
				t.Errorf("knows %v, want %v", got, tt.knows)
			}
		})
	}
}

// TestForeignPeer has no mark at the end of its update, and does not ask.
func TestForeignPeer(t *testing.T) {
	e := newEnd("a")
	e.own[7] = rip.Entry{Network: 7, Hops: 1, Ticks: 2}
	e.told[9] = rip.Entry{Network: 9, Hops: 1, Ticks: 2}
	e.Up(start)
	for _, wire := range []string{"000a 01 01 0001", "000a 01 00 0002 00000001 0001 0002"} {
		if err := e.Receive(unhex(wire), start); err != nil {
			t.Fatal(err)
		}
	}
	e.take()
	now := start
	var said []string
	for e.State() != Synchronized {
		if now = e.Next(); now.Sub(start) > 20*time.Second {
			t.Fatalf("%v after %v", e.State(), now.Sub(start))
		}
		e.Tick(now)
		for _, p := range e.sent {
			m, _ := Parse(p)
			if err := e.Receive(Message{Operation: OpAcknowledge, Sequence: m.Sequence}.Append(nil), now); err != nil {
				t.Fatal(err)
			}
		}
		said = append(said, e.take()...)
	}
	if want := []string{"update response, flush", "update response, 1 routes", "update response"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if got := slices.Collect(maps.Keys(e.told)); !slices.Equal(got, []ipx.Network{1}) || now.Sub(start) != quiet {
		t.Errorf("knows %v after %v", got, now.Sub(start))
	}
}

// TestAttackX3Triggered: requests without end make one full update a second.
func TestAttackX3Triggered(t *testing.T) {
	e := newEnd("a")
	snapshots := 0
	e.cfg.Snapshot = func() []rip.Entry { snapshots++; return nil }
	e.Up(start)
	now := start
	for range 10_000 {
		now = now.Add(time.Millisecond)
		if err := e.Receive(unhex("0009"), now); err != nil {
			t.Fatal(err)
		}
		if err := e.Receive(Message{Operation: OpAcknowledge, Sequence: e.tell.seq}.Append(nil), now); err != nil {
			t.Fatal(err)
		}
		e.Tick(now)
	}
	if snapshots > 11 {
		t.Errorf("%d full updates in 10 s", snapshots)
	}
}

// TestBacklogIsBounded: what changes a thousand times while the peer is silent
// is told once.
func TestBacklogIsBounded(t *testing.T) {
	l := newLine(1)
	l.up()
	l.run(t, 3*time.Second)
	for i := range 10_000 {
		l.a.set(ipx.Network(1+i%10), uint16(1+i%15), l.now)
	}
	if n := l.a.tell.backlog.len(); n > 10 {
		t.Errorf("%d entries wait", n)
	}
	l.run(t, time.Second)
	l.wantSynchronized(t)
}

// TestAnyLine: over a line that loses, repeats and reorders, the tables are equal
// when both machines rest, or one of them says that the other is absent.
func TestAnyLine(t *testing.T) {
	var synchronized, absent int
	for seed := range uint64(300) {
		l := newLine(seed)
		l.lossy = true
		for n := range ipx.Network(l.random.IntN(20)) {
			l.a.set(0x100+n, 1, l.now)
		}
		l.up()
		for range 30 {
			l.run(t, time.Duration(l.random.IntN(8000))*time.Millisecond)
			e := []*end{l.a, l.b}[l.random.IntN(2)]
			switch l.random.IntN(12) {
			case 0:
				clear(e.told)
				l.up() // both ends of a link come up, and what was on it is gone
			default:
				e.set(ipx.Network(1+l.random.IntN(30)), uint16(1+l.random.IntN(16)), l.now)
			}
		}
		l.run(t, 4*time.Minute)
		switch {
		case l.a.State() == Absent || l.b.State() == Absent:
			absent++
		case l.a.State() == Synchronized && l.b.State() == Synchronized && l.equal():
			synchronized++
		default:
			t.Errorf("seed %d:", seed)
			l.wantSynchronized(t)
		}
		l.lossy = false // a good line heals all
		l.run(t, 6*time.Minute)
		l.wantSynchronized(t)
	}
	if synchronized < 200 {
		t.Errorf("%d runs synchronized, %d absent", synchronized, absent)
	}
}

// FuzzMachine: whatever comes, the machine goes on, sends a bounded number of
// packets and rests.
func FuzzMachine(f *testing.F) {
	f.Add([]byte("\x06\x00\x09\x01\x00\x00\x00\x06\x00\x0a\x01\x01\x00\x01\x06\x00\x0b\x01\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := newEnd("a")
		e.own[7] = rip.Entry{Network: 7, Hops: 1, Ticks: 2}
		now, messages := start, 0
		e.Up(now)
		for len(b) > 0 {
			n := min(int(b[0]), len(b)-1)
			if e.Receive(b[1:1+n], now) == nil {
				messages++
			}
			b = b[1+n:]
			now = now.Add(10 * time.Millisecond)
			e.Tick(now)
		}
		if len(e.sent) > 3+3*messages {
			t.Errorf("%d packets for %d", len(e.sent), messages)
		}
		for range 100 {
			if next := e.Next(); !next.IsZero() {
				e.Tick(next)
			}
		}
		if next := e.Next(); !next.IsZero() && e.State() != Absent {
			t.Errorf("%v, and not at rest", e.State())
		}
	})
}

// TestServices: SAP speaks the same, with entries of its own.
func TestServices(t *testing.T) {
	var told []sap.Service
	var a, b *Machine[sap.Service]
	var toA, toB [][]byte
	own := make([]sap.Service, 20)
	for i := range own {
		own[i] = server
		own[i].Name = fmt.Sprintf("FS-%02d", i)
	}
	end := func(out *[][]byte, snapshot []sap.Service, learn func([]sap.Service)) *Machine[sap.Service] {
		return New(Config[sap.Service]{
			PerPacket: sap.MaxServices, Codec: Services(),
			Send:     func(p []byte) { *out = append(*out, p) },
			Snapshot: func() []sap.Service { return snapshot },
			Learn:    learn, Complete: func() {},
		})
	}
	a = end(&toB, own, func([]sap.Service) { t.Error("a learned") })
	b = end(&toA, nil, func(s []sap.Service) { told = append(told, s...) })
	now := start
	a.Up(now)
	b.Up(now)
	for range 100 {
		now = now.Add(gap)
		var in [][]byte
		in, toA = toA, nil
		for _, p := range in {
			if err := a.Receive(p, now); err != nil {
				t.Fatal(err)
			}
		}
		in, toB = toB, nil
		for _, p := range in {
			if err := b.Receive(p, now); err != nil {
				t.Fatal(err)
			}
		}
		a.Tick(now)
		b.Tick(now)
	}
	if !slices.Equal(told, own) || a.State() != Synchronized || b.State() != Synchronized {
		t.Errorf("%v and %v, told %v", a.State(), b.State(), told)
	}
}
