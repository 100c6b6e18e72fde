package ipxwan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
)

var start = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

const time7 = 7 * time.Second

// bench is one machine whose peer is the test.
type bench struct {
	*Machine
	t       *testing.T
	now     time.Time
	sent    [][]byte
	changed int
}

func newBench(t *testing.T, cfg Config) *bench {
	b := &bench{t: t, now: start}
	cfg.Send = func(pkt []byte) { b.sent = append(b.sent, bytes.Clone(pkt)) }
	cfg.Changed = func() { b.changed++ }
	if cfg.Pad == nil {
		cfg.Pad = vectorPad
	}
	b.Machine = New(cfg)
	return b
}

// vectorPad is the pad of the vectors.
func vectorPad(b []byte) {
	for i := range b {
		b[i] = byte(i*73 + 41)
	}
}

func (b *bench) give(p Packet) *bench { b.Receive(p.Append(nil), b.now); return b }

// pass lets time go by, with the ticks that fall into it.
func (b *bench) pass(d time.Duration) *bench {
	end := b.now.Add(d)
	for !b.Next().IsZero() && !b.Next().After(end) {
		b.now = b.Next()
		b.Tick(b.now)
	}
	b.now = end
	return b
}

// take returns the packets sent since the last take.
func (b *bench) take() (out []Packet) {
	b.t.Helper()
	for _, pkt := range b.sent {
		p, err := Parse(pkt)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, p)
	}
	b.sent = nil
	return out
}

func (b *bench) want(s State, sent ...Type) []Packet {
	b.t.Helper()
	got := b.take()
	var types []Type
	for _, p := range got {
		types = append(types, p.Type)
	}
	if b.State() != s || fmt.Sprint(types) != fmt.Sprint(sent) && len(types)+len(sent) > 0 {
		b.t.Fatalf("%v (%v), sent %v, want %v and %v", b.State(), b.Err(), types, s, sent)
	}
	return got
}

func (b *bench) wantClosed(words string) {
	b.t.Helper()
	if b.State() != Closed || b.Err() == nil || !strings.Contains(b.Err().Error(), words) || !b.Next().IsZero() {
		b.t.Fatalf("%v because of %v, want %q", b.State(), b.Err(), words)
	}
	if b.changed == 0 {
		b.t.Error("nobody was told")
	}
}

func timer(kind Type, id ipx.Network, seq byte, opts ...Option) Packet {
	return Packet{Type: kind, NodeID: id, Sequence: seq, Options: opts}
}

func inform(kind Type, id ipx.Network, seq byte, network ipx.Network, more ...Option) Packet {
	return Packet{Type: kind, NodeID: id, Sequence: seq,
		Options: append([]Option{info{delay: 330, network: network, name: []byte("PEER")}.option()}, more...)}
}

var (
	yes0, no0 = routingOption(0, Yes), routingOption(0, No)
	yes2, no2 = routingOption(2, Yes), routingOption(2, No)
	yes4      = routingOption(4, Yes)
)

// TestExchange1 and 2 are the vectors' sessions from both sides, octet for octet.
func TestExchange1Numbered(t *testing.T) { exchange(t, "1", 0xC0DE0002) }
func TestExchange2Unnumbered(t *testing.T) {
	exchange(t, "2", 0)
}

func exchange(t *testing.T, n string, network ipx.Network) {
	v := vectors(t)
	wantOctets := func(b *bench, names ...string) {
		t.Helper()
		if len(b.sent) != len(names) {
			t.Fatalf("%d packets sent, want %v", len(b.sent), names)
		}
		for i, name := range names {
			if !bytes.Equal(b.sent[i], v[n+name]) {
				t.Fatalf("sent\n% x, want %s\n% x", b.sent[i], name, v[n+name])
			}
		}
		b.sent = nil
	}
	a := newBench(t, Config{NodeID: 0xC001, Name: "Site-A", Network: network})
	a.Up(a.now)
	wantOctets(a, "a")
	a.Receive(v[n+"b"], a.now)
	wantOctets(a)
	a.Receive(v[n+"c"], a.now)
	wantOctets(a, "d")
	a.Receive(v[n+"e"], a.now)
	r, ok := a.Result()
	routing := UnnumberedRIP
	if network != 0 {
		routing = NumberedRIP
	}
	want := Result{Network: network, Local: ipx.Node{0, 0, 0xC0, 1}, Peer: ipx.Node{0, 0, 0xB0, 1}, PeerName: "SITE-B",
		Ticks: 6, Numbered: network != 0, Routing: routing, Master: true, Generation: 1}
	if !ok || r != want || a.changed != 1 {
		t.Errorf("A agreed to %+v, want %+v", r, want)
	}

	b := newBench(t, Config{NodeID: 0xB001, Name: "SITE-B", Network: network})
	b.Up(b.now)
	if network != 0 { // that B can number too, and prefers not to; we cannot say that
		b.sent = nil
	} else {
		wantOctets(b, "b")
	}
	b.Receive(v[n+"a"], b.now)
	wantOctets(b, "c")
	b.Receive(v[n+"d"], b.now)
	wantOctets(b, "e")
	r, ok = b.Result()
	want.Local, want.Peer, want.PeerName, want.Master = want.Peer, want.Local, "SITE-A", false
	if !ok || r != want || b.changed != 1 {
		t.Errorf("B agreed to %+v, want %+v", r, want)
	}
	b.Receive(v[n+"d"], b.now) // the answer was lost
	wantOctets(b, "e")
	if again, _ := b.Result(); again != r {
		t.Errorf("then %+v", again)
	}
}

// TestElect is every row of section 8's table.
func TestElect(t *testing.T) {
	id := func(node, ext ipx.Network) Packet {
		p := Packet{NodeID: node}
		if ext != 0 {
			p.Options = []Option{extendedOption(ext)}
		}
		return p
	}
	for _, c := range []struct {
		name         string
		ours, theirs Packet
		want         role
		words        string
	}{
		{"higher node ID", id(2, 0), id(1, 0), master, ""},
		{"lower node ID", id(1, 0), id(2, 0), slave, ""},
		{"no sign", id(0x80000000, 0), id(0x7FFFFFFF, 0), master, ""},
		{"big-endian", id(0x00000100, 0), id(0x00000002, 0), master, ""},
		{"one is 0", id(1, 0), id(0, 0xFFFF), master, ""},
		{"ours is 0", id(0, 0xFFFF), id(1, 0), slave, ""},
		{"a workstation that comes again", id(0xFFFFFFFE, 0), id(0xFFFFFFFF, 0), slave, ""},
		{"higher extended ID", id(0, 3), id(0, 2), master, ""},
		{"lower extended ID", id(0, 2), id(0, 3), slave, ""},
		{"only we have one", id(0, 2), id(0, 0), master, ""},
		{"only the peer has one", id(0, 0), id(0, 2), slave, ""},
		{"nobody has any", id(0, 0), id(0, 0), nobody, "no master"},
		{"equal node IDs", id(7, 0), id(7, 0), nobody, "same IPXWAN primary network 00000007"},
		{"equal extended IDs", id(0, 7), id(0, 7), nobody, "same IPXWAN extended node ID 00000007"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := elect(c.ours, c.theirs)
			if got != c.want || (err != nil) != (c.words != "") || err != nil && !strings.Contains(err.Error(), c.words) {
				t.Errorf("%d, %v, want %d, %q", got, err, c.want, c.words)
			}
		})
	}
}

// TestTimerResponse is what a slave says to each option.
func TestTimerResponse(t *testing.T) {
	opt := func(r Routing) Option { return routingOption(r, Yes) }
	for _, c := range []struct {
		name    string
		cfg     Config
		options []Option
		want    string // accepts; empty: closed
	}{
		{"numbered first", Config{}, []Option{yes0, yes2}, "1 0"},
		{"unnumbered first", Config{}, []Option{yes2, yes0}, "1 0"},
		{"NLSP first", Config{}, []Option{opt(NLSP), yes2}, "0 1"},
		{"NLSP only", Config{}, []Option{opt(NLSP)}, ""},
		{"on demand only", Config{}, []Option{opt(OnDemand)}, "1"},
		{"an unknown type", Config{}, []Option{opt(9), yes2}, "0 1"},
		{"one that its sender itself refuses", Config{}, []Option{no0, yes2}, "0 1"},
		{"workstation, none wanted", Config{Network: 5}, []Option{yes4}, ""},
		{"workstation", Config{Network: 5, Workstation: true}, []Option{yes4}, "1"},
		{"workstation, no number to give", Config{Workstation: true}, []Option{yes4}, ""},
		{"two of one type", Config{}, []Option{yes0, yes0}, "1 0"},
		{"routing of two octets", Config{}, []Option{{Data: []byte{0, 0}, Accept: Yes}, yes2}, "0 1"},
		{"routing of no octets", Config{}, []Option{{Accept: Yes}, yes2}, "0 1"},
		{"header compression", Config{}, []Option{yes2, {Number: 0x80, Accept: Yes, Data: []byte{0, 0, 16}}}, "1 0"},
		{"unknown option", Config{}, []Option{{Number: 0x33, Accept: Yes}, yes2}, "0 1"},
		{"extended ID and pad", Config{}, []Option{yes2, extendedOption(9), {Number: optPad, Accept: Yes, Data: []byte{1}}}, "1 1 1"},
		{"no options", Config{}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.NodeID = 0xB001
			b := newBench(t, c.cfg)
			b.Up(b.now)
			b.take()
			b.give(timer(TimerRequest, 0xC001, 77, c.options...))
			if c.want == "" {
				b.wantClosed("none of the IPXWAN routing types")
				return
			}
			p := b.want(Answered, TimerResponse)[0]
			var got []string
			for i, o := range p.Options {
				got = append(got, fmt.Sprint(o.Accept))
				if o.Number != c.options[i].Number || !bytes.Equal(o.Data, c.options[i].Data) {
					t.Errorf("option %d came back as %+v", i, o)
				}
			}
			if s := strings.Join(got, " "); s != c.want || p.Sequence != 77 || p.NodeID != 0xB001 {
				t.Errorf("accepts %s with sequence %d and node ID %v", s, p.Sequence, p.NodeID)
			}
		})
	}
}

// TestMaster is what a master makes of each answer.
func TestMaster(t *testing.T) {
	used := func(n ipx.Network) bool { return n == 0xDEAD }
	for _, c := range []struct {
		name   string
		cfg    Config
		answer Packet
		want   string // why it closes; empty: it informs
	}{
		{"numbered", Config{Network: 5}, timer(TimerResponse, 9, 0, yes0, no2), ""},
		{"unnumbered", Config{Network: 5}, timer(TimerResponse, 9, 0, no0, yes2), ""},
		{"two types", Config{Network: 5}, timer(TimerResponse, 9, 0, yes0, yes2), "accepted 2"},
		{"none", Config{Network: 5}, timer(TimerResponse, 9, 0, no0, no2), "none of the IPXWAN"},
		{"one that we did not offer", Config{Network: 5}, timer(TimerResponse, 9, 0, yes4), "did not offer: workstation"},
		{"NLSP", Config{Network: 5}, timer(TimerResponse, 9, 0, routingOption(NLSP, Yes)), "did not offer: NLSP"},
		{"numbered, no number", Config{}, timer(TimerResponse, 9, 0, yes0, no2), "no number for it"},
		{"our number is in use", Config{Network: 0xDEAD}, timer(TimerResponse, 9, 0, yes0, no2), "in use here"},
		{"unnumbered, then ours does not matter", Config{Network: 0xDEAD}, timer(TimerResponse, 9, 0, no0, yes2), ""},
		{"no node ID", Config{Network: 5}, timer(TimerResponse, 0, 0, yes0), "did not tell its primary network"},
		{"our node ID", Config{Network: 5}, timer(TimerResponse, 0xC001, 0, yes0), "both ends"},
		{"workstation", Config{Network: 5, Workstation: true}, timer(TimerResponse, 0, 0, no0, no2, yes4), ""},
		{"a Nak", Config{Network: 5}, timer(Nak, 0, 0), "refuses IPXWAN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.NodeID, c.cfg.InUse = 0xC001, used
			b := newBench(t, c.cfg)
			b.Up(b.now)
			b.take()
			b.give(c.answer)
			if c.want != "" {
				b.wantClosed(c.want)
				return
			}
			b.want(Informing, InformationRequest)
		})
	}
}

// TestStaleResponse is section 10, row 14: only an answer to the last request counts,
// since the time of another says nothing.
func TestStaleResponse(t *testing.T) {
	b := newBench(t, Config{NodeID: 0xC001, Network: 5})
	b.Up(b.now)
	b.pass(20 * time.Second)
	if got := b.want(Asking, TimerRequest, TimerRequest); got[1].Sequence != 1 {
		t.Errorf("sequences %d and %d", got[0].Sequence, got[1].Sequence)
	}
	b.give(timer(TimerResponse, 9, 0, yes0))
	b.want(Asking)
	b.pass(200 * time.Millisecond)
	b.give(timer(TimerResponse, 9, 1, yes0))
	i, _ := b.want(Informing, InformationRequest)[0].info()
	if b.Stats().Stale != 1 || i.delay != 3*6*55 {
		t.Errorf("delay %d, %+v", i.delay, b.Stats())
	}
	b.give(inform(InformationResponse, 9, 1, 5))
	b.want(Informing)
	b.give(inform(InformationResponse, 9, 0, 5))
	if r, ok := b.Result(); !ok || r.Ticks != 18 || b.Stats().Stale != 2 {
		t.Errorf("%+v, %+v", r, b.Stats())
	}
}

func TestDelay(t *testing.T) {
	for _, c := range []struct {
		roundTrip time.Duration
		delay     uint16
		ticks     uint16
	}{
		{0, 330, 6}, {50 * time.Millisecond, 330, 6}, {112 * time.Millisecond, 660, 12},
		{time.Second, 18 * 330, 108}, {20 * time.Second, 65535, 1192}, {-time.Second, 330, 6},
	} {
		if d := delayOf(c.roundTrip); d != c.delay || ticks(d) != c.ticks {
			t.Errorf("%v: delay %d, %d ticks, want %d, %d", c.roundTrip, d, ticks(d), c.delay, c.ticks)
		}
	}
	for delay, want := range map[uint16]uint16{0: 1, 1: 1, 55: 1, 56: 2, 110: 2, 65535: 1192} {
		if got := ticks(delay); got != want {
			t.Errorf("%d ms are %d ticks, want %d", delay, got, want)
		}
	}
}

// TestPadIsRandom is section 10, row 13, and the length of every Timer packet.
func TestPadIsRandom(t *testing.T) {
	for _, cfg := range []Config{{NodeID: 1, Network: 5}, {NodeID: 1}, {NodeID: 1, Network: 5, Workstation: true, Static: true}, {}} {
		cfg.Pad = randomPad
		b := newBench(t, cfg)
		b.Up(b.now)
		b.pass(interval)
		if len(b.sent) != 2 || len(b.sent[0]) != 576 || len(b.sent[1]) != 576 {
			t.Fatalf("%d packets", len(b.sent))
		}
		if tail := b.sent[0][100:]; bytes.Equal(tail, b.sent[1][100:]) || bytes.Count(tail, []byte{0}) > 30 {
			t.Error("the pad is not random")
		}
	}
}

// TestTimers: nobody is there, or goes away in the middle.
func TestTimers(t *testing.T) {
	t.Run("no answer to Timer Requests", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 1, Network: 5})
		b.Up(b.now)
		b.pass(59 * time.Second)
		b.want(Asking, TimerRequest, TimerRequest, TimerRequest)
		b.pass(time.Second)
		b.wantClosed("does not answer IPXWAN's Timer Requests")
		b.give(timer(TimerRequest, 9, 0, yes0)) // closed is closed
		b.want(Closed)
		b.Up(b.now)
		b.want(Asking, TimerRequest)
		if b.Err() != nil {
			t.Error(b.Err())
		}
	})
	t.Run("no Information Request", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 1, Network: 5})
		b.give(timer(TimerRequest, 9, 0, yes0))
		b.want(Answered, TimerRequest, TimerResponse)
		b.pass(60 * time.Second)
		b.want(Closed)
		b.wantClosed("sends no Information Request")
	})
	t.Run("Timer Requests without end", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 1, Network: 5})
		for n := range 17 {
			b.give(timer(TimerRequest, 9, byte(n), yes0))
			b.pass(20 * time.Second)
		}
		b.wantClosed("sends no Information Request")
	})
	t.Run("unnumbered: the Information Request is repeated", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 10})
		b.Up(b.now)
		b.give(timer(TimerResponse, 9, 0, yes2))
		b.pass(45 * time.Second)
		got := b.want(Informing, TimerRequest, InformationRequest, InformationRequest, InformationRequest)
		if got[1].Sequence != 0 || got[3].Sequence != 2 {
			t.Errorf("sequences %d to %d", got[1].Sequence, got[3].Sequence)
		}
		b.pass(15 * time.Second)
		b.wantClosed("does not answer IPXWAN's Information Request")
	})
	t.Run("numbered: it never is", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 10, Network: 5})
		b.Up(b.now)
		b.give(timer(TimerResponse, 9, 0, yes0))
		b.pass(59 * time.Second)
		b.want(Informing, TimerRequest, InformationRequest)
		b.pass(time.Second)
		b.wantClosed("does not answer IPXWAN's Information Request")
	})
	t.Run("the peer came later than our request", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 10, Network: 5})
		b.Up(b.now)
		b.pass(7 * time.Second)
		b.give(timer(TimerRequest, 9, 0, yes0))
		if got := b.want(Asking, TimerRequest, TimerRequest); got[1].Sequence != 1 {
			t.Errorf("sequence %d", got[1].Sequence)
		}
		for n := range 100 { // no flood
			b.pass(time.Second)
			b.give(timer(TimerRequest, 9, byte(n), yes0))
		}
		if n := len(b.take()); n > 14 || b.State() != Closed {
			t.Errorf("%d more, %v", n, b.State())
		}
	})
	t.Run("Down", func(t *testing.T) {
		b := newBench(t, Config{NodeID: 10, Network: 5})
		b.Up(b.now)
		b.Down()
		if !b.Next().IsZero() {
			t.Error("something is due")
		}
		b.pass(time.Hour)
		b.want(Idle, TimerRequest)
	})
}

// TestInformationRequest is what a slave makes of the master's word.
func TestInformationRequest(t *testing.T) {
	used := func(n ipx.Network) bool { return n == 0xDEAD }
	for _, c := range []struct {
		name    string
		request Option // the routing type
		inform  Packet
		want    string
	}{
		{"numbered", yes0, inform(InformationRequest, 9, 0, 5), ""},
		{"unnumbered", yes2, inform(InformationRequest, 9, 0, 0), ""},
		{"on demand", routingOption(OnDemand, Yes), inform(InformationRequest, 9, 0, 0), ""},
		{"further options", yes0, inform(InformationRequest, 9, 0, 5, Option{Number: 0x77}), ""},
		{"no option 01", yes0, timer(InformationRequest, 9, 0), "no RIP/SAP information"},
		{"option 01 too short", yes0, timer(InformationRequest, 9, 0, Option{Number: 1, Accept: 1, Data: make([]byte, 53)}), "no RIP/SAP information"},
		{"numbered with 0", yes0, inform(InformationRequest, 9, 0, 0), "cannot have network number 00000000"},
		{"numbered with FFFFFFFE", yes0, inform(InformationRequest, 9, 0, 0xFFFFFFFE), "cannot have network number"},
		{"numbered with FFFFFFFF", yes0, inform(InformationRequest, 9, 0, 0xFFFFFFFF), "cannot have network number"},
		{"in use", yes0, inform(InformationRequest, 9, 0, 0xDEAD), "in use here"},
		{"unnumbered with a number", yes2, inform(InformationRequest, 9, 0, 5), "is to have none (unnumbered RIP)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{NodeID: 1, InUse: used})
			b.give(timer(TimerRequest, 9, 0, c.request))
			b.take()
			b.give(c.inform)
			if c.want != "" {
				b.wantClosed(c.want)
				return
			}
			b.want(Connected, InformationResponse)
			if r, _ := b.Result(); r.PeerName != "PEER" || r.Ticks != 6 || r.Peer != nodeOf(9) || r.Master {
				t.Errorf("%+v", r)
			}
			b.give(inform(InformationRequest, 9, 1, 6)) // another number, once agreed
			b.wantClosed("changed the link's number")
		})
	}
}

func TestInformationResponse(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Packet
		want   string
	}{
		{"another number", inform(InformationResponse, 9, 0, 6), "answered network 00000005 for the link with 00000006"},
		{"no option 01", timer(InformationResponse, 9, 0), "no RIP/SAP information"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{NodeID: 10, Network: 5})
			b.Up(b.now)
			b.give(timer(TimerResponse, 9, 0, yes0))
			b.give(c.answer)
			b.wantClosed(c.want)
		})
	}
}

// TestUnexpected packets change nothing.
func TestUnexpected(t *testing.T) {
	packets := map[Type]Packet{
		TimerResponse:       timer(TimerResponse, 9, 0, yes0),
		InformationRequest:  inform(InformationRequest, 9, 0, 5),
		InformationResponse: inform(InformationResponse, 9, 0, 5),
		Nak:                 timer(Nak, 9, 0),
	}
	for _, c := range []struct {
		name    string
		arrange func(b *bench)
		state   State
		types   []Type
	}{
		{"idle", func(b *bench) {}, Idle, []Type{TimerResponse, InformationRequest, InformationResponse, Nak}},
		{"asking", func(b *bench) { b.Up(b.now) }, Asking, []Type{InformationRequest, InformationResponse}},
		{"answered", func(b *bench) { b.give(timer(TimerRequest, 99, 0, yes0)) }, Answered, []Type{TimerResponse, InformationResponse}},
		{"informing", func(b *bench) { b.Up(b.now); b.give(timer(TimerResponse, 9, 0, yes0)) }, Informing, []Type{TimerResponse, InformationRequest}},
		{"master", func(b *bench) {
			b.Up(b.now)
			b.give(timer(TimerResponse, 9, 0, yes0)).give(inform(InformationResponse, 9, 0, 5))
		}, Connected, []Type{TimerResponse, InformationRequest, InformationResponse, Nak}},
		{"closed", func(b *bench) { b.give(timer(TimerRequest, 10, 0, yes0)) }, Closed, []Type{TimerRequest, TimerResponse, InformationRequest, InformationResponse, Nak}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{NodeID: 10, Network: 5})
			c.arrange(b)
			b.take()
			changed := b.changed
			for _, kind := range c.types {
				b.give(packets[kind])
			}
			b.want(c.state)
			if n := b.Stats().Unexpected; n != uint64(len(c.types)) || b.changed != changed {
				t.Errorf("%d counted, changed %d times", n, b.changed-changed)
			}
		})
	}
}

// TestAnew: a Timer Request while connected takes the result back and tells.
func TestAnew(t *testing.T) {
	b := newBench(t, Config{NodeID: 1})
	b.give(timer(TimerRequest, 9, 0, yes2)).give(inform(InformationRequest, 9, 0, 0))
	b.want(Connected, TimerRequest, TimerResponse, InformationResponse)
	b.give(timer(TimerRequest, 9, 0, yes0))
	b.want(Answered, TimerRequest, TimerResponse)
	if _, ok := b.Result(); ok || b.changed != 2 {
		t.Errorf("a result still, told %d times", b.changed)
	}
	b.give(inform(InformationRequest, 9, 0, 5))
	if r, ok := b.Result(); !ok || r.Generation != 2 || r.Network != 5 || b.changed != 3 {
		t.Errorf("%+v, told %d times", r, b.changed)
	}
}

// TestWorkstation: a new one has neither node ID nor extended ID, one that comes
// again says FFFFFFFF and is master, and what it wishes is put right.
func TestWorkstation(t *testing.T) {
	cfg := Config{NodeID: 0xC001, Network: 5, Workstation: true, Assign: func() ipx.Node { return ipx.Node{2, 5: 7} }}
	t.Run("new", func(t *testing.T) {
		b := newBench(t, cfg)
		b.give(timer(TimerRequest, 0, 0, yes4))
		b.want(Asking, TimerRequest)
		b.give(timer(TimerResponse, 0, 0, no0, no2, yes4))
		p := b.take()[0]
		if i, _ := p.info(); i.network != 5 || p.nic() != (ipx.Node{2, 5: 7}) || len(p.Append(nil)) != 109 {
			t.Errorf("told %+v and node %v", i, p.nic())
		}
		b.give(inform(InformationResponse, 0, 0, 5))
		if r, ok := b.Result(); !ok || r.Peer != (ipx.Node{2, 5: 7}) || r.Routing != Workstation || !r.Numbered {
			t.Errorf("%+v", r)
		}
	})
	for _, c := range []struct {
		name       string
		wish, want ipx.Node
	}{
		{"a good node", ipx.Node{2, 1, 1, 1, 1, 1}, ipx.Node{2, 1, 1, 1, 1, 1}},
		{"a universal node", ipx.Node{0, 1, 1, 1, 1, 1}, ipx.Node{2, 5: 7}},
		{"none", ipx.Node{}, ipx.Node{2, 5: 7}},
		{"everybody", ipx.Broadcast, ipx.Node{2, 5: 7}},
	} {
		t.Run("again, with "+c.name, func(t *testing.T) {
			b := newBench(t, cfg)
			b.give(timer(TimerRequest, 0xFFFFFFFF, 0, yes4))
			b.want(Answered, TimerRequest, TimerResponse)
			for range 2 { // the second as if our answer were lost
				b.give(inform(InformationRequest, 0xFFFFFFFF, 0, 0x4711, nicOption(c.wish)))
				p := b.want(Connected, InformationResponse)[0]
				if i, _ := p.info(); i.network != 5 || p.nic() != c.want {
					t.Errorf("told %+v and node %v", i, p.nic())
				}
			}
			if r, _ := b.Result(); r.Peer != c.want || r.Network != 5 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("a node that is ours", func(t *testing.T) {
		cfg := cfg
		cfg.NodeID, cfg.Assign = 0x02000000, func() ipx.Node { return nodeOf(0x02000000) }
		if n := newBench(t, cfg).goodNode(ipx.Node{}); n == nodeOf(0x02000000) || n[0] != 2 {
			t.Errorf("%v", n)
		}
	})
}

// TestPeerName is row P4 here: a name of any octets is shown escaped.
func TestPeerName(t *testing.T) {
	for name, want := range map[string]string{"HQ\x00junk": "HQ", "": "", "\x1b[2J\"": `\x1b[2J\"`, "é": `\u00e9`} {
		if got := peerName([]byte(name)); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
	if got := string(routerName("hq.example é" + strings.Repeat("x", 60))); !strings.HasPrefix(got, "HQ_EXAMPLE__XXX") || len(got) != 47 {
		t.Errorf("sent as %q", got)
	}
}

// wire joins two machines in virtual time.
type wire struct {
	a, b   *Machine
	now    time.Time
	flight []flight
	lose   func() bool
}

type flight struct {
	at  time.Time
	to  *Machine
	pkt []byte
}

func join(ca, cb Config, delay time.Duration, lose func() bool) *wire {
	w := &wire{now: start, lose: lose}
	post := func(to **Machine) func([]byte) {
		return func(pkt []byte) {
			if !w.lose() {
				w.flight = append(w.flight, flight{w.now.Add(delay), *to, bytes.Clone(pkt)})
			}
		}
	}
	ca.Send, cb.Send = post(&w.b), post(&w.a)
	w.a, w.b = New(ca), New(cb)
	return w
}

// run goes on for d, or until both ends have come to rest.
func (w *wire) run(d time.Duration) {
	end := w.now.Add(d)
	for w.now.Before(end) {
		next := end
		for _, t := range []time.Time{w.a.Next(), w.b.Next()} {
			if !t.IsZero() && t.Before(next) {
				next = t
			}
		}
		if len(w.flight) > 0 && w.flight[0].at.Before(next) {
			f := w.flight[0]
			w.now, w.flight = f.at, w.flight[1:]
			f.to.Receive(f.pkt, w.now)
			continue
		}
		w.now = next
		for _, m := range []*Machine{w.a, w.b} {
			if t := m.Next(); !t.IsZero() && !w.now.Before(t) {
				m.Tick(w.now)
			}
		}
	}
}

// ends are all kinds of configuration.
var ends = map[string]Config{
	"numbers":            {Network: 0xF00D},
	"does not":           {},
	"static":             {Static: true},
	"numbers, static":    {Network: 0xF00D, Static: true},
	"takes workstations": {Network: 0xF00D, Workstation: true},
}

// TestPairs is two machines of all pairs of configurations, the first with the higher
// primary network and then with the lower, begun together or one later, on lines that
// lose nothing or a third. Whatever was lost, two that both say they are connected agree.
func TestPairs(t *testing.T) {
	for nameA, ca := range ends {
		for nameB, cb := range ends {
			for _, higher := range []bool{true, false} {
				for _, loss := range []float64{0, 0.3} {
					name := fmt.Sprintf("%s and %s, higher %v, loss %v", nameA, nameB, higher, loss)
					t.Run(name, func(t *testing.T) { pairs(t, ca, cb, higher, loss) })
				}
			}
		}
	}
}

func pairs(t *testing.T, ca, cb Config, higher bool, loss float64) {
	ca.NodeID, cb.NodeID, ca.Name, cb.Name = 0xC001, 0xB001, "A", "B"
	if !higher {
		ca.NodeID, cb.NodeID = cb.NodeID, ca.NodeID
	}
	good := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := join(ca, cb, 30*time.Millisecond, func() bool { return r.Float64() < loss })
		w.a.Up(w.now)
		w.run(time.Duration(seed%5) * 400 * time.Millisecond)
		w.b.Up(w.now)
		w.run(5 * time.Minute)
		ra, oka := w.a.Result()
		rb, okb := w.b.Result()
		if oka && okb {
			good++
			checkPair(t, w, ra, rb)
		}
		for _, m := range []*Machine{w.a, w.b} {
			if s := m.State(); s != Connected && s != Closed {
				t.Fatalf("seed %d: %v after five minutes", seed, s)
			}
		}
	}
	if want := 40; loss == 0 && good != want || good < 4 {
		t.Errorf("%d of 40 came up", good)
	}
}

func checkPair(t *testing.T, w *wire, ra, rb Result) {
	t.Helper()
	if ra.Network != rb.Network || ra.Local != rb.Peer || rb.Local != ra.Peer || ra.Ticks != rb.Ticks ||
		ra.Routing != rb.Routing || ra.Master == rb.Master || ra.PeerName != "B" || rb.PeerName != "A" {
		t.Fatalf("A agreed to\n%+v, B to\n%+v", ra, rb)
	}
	master := w.a
	if rb.Master {
		master = w.b
	}
	if numbered := ra.Routing == NumberedRIP; numbered != ra.Numbered || numbered && ra.Network != master.cfg.Network {
		t.Fatalf("A agreed to\n%+v", ra)
	}
	if ra.Ticks < 6 {
		t.Fatalf("%d ticks", ra.Ticks)
	}
}

// TestPairsThatCannot: the configuration of two ends is wrong; both say so.
func TestPairsThatCannot(t *testing.T) {
	used := func(ipx.Network) bool { return true }
	for _, c := range []struct {
		name   string
		a, b   Config
		wa, wb string
	}{
		{"equal node IDs", Config{NodeID: 1, Network: 5}, Config{NodeID: 1, Network: 6}, "same IPXWAN primary network", "same IPXWAN primary network"},
		{"equal extended IDs", Config{NodeID: 1}, Config{NodeID: 1}, "same IPXWAN extended", "same IPXWAN extended"},
		{"equal, one numbers", Config{NodeID: 1, Network: 5}, Config{NodeID: 1}, "both ends of the link", "sends no Information Request"},
		{"both zero", Config{}, Config{}, "neither end", "neither end"},
		{"one zero", Config{NodeID: 1, Network: 5}, Config{}, "does not answer", "no internal network number"},
		{"one zero, extended", Config{NodeID: 1}, Config{}, "does not answer", "no internal network number"},
		{"the number is in use at the slave", Config{NodeID: 2, Network: 5}, Config{NodeID: 1, InUse: used}, "does not answer", "in use here"},
		{"at the master", Config{NodeID: 2, Network: 5, InUse: used}, Config{NodeID: 1}, "in use here", "sends no Information Request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := join(c.a, c.b, 20*time.Millisecond, func() bool { return false })
			w.a.Up(w.now)
			w.b.Up(w.now)
			w.run(3 * time.Minute)
			for i, m := range []*Machine{w.a, w.b} {
				if words := []string{c.wa, c.wb}[i]; m.State() != Closed || !strings.Contains(m.Err().Error(), words) {
					t.Errorf("%c: %v because of %v, want %q", 'A'+i, m.State(), m.Err(), words)
				}
			}
		})
	}
}

// TestOneStartsAnew: one end forgets everything while connected; both come up again.
func TestOneStartsAnew(t *testing.T) {
	for _, who := range []string{"master", "slave"} {
		t.Run(who, func(t *testing.T) {
			w := join(Config{NodeID: 2, Network: 5, Name: "A"}, Config{NodeID: 1, Name: "B"}, 20*time.Millisecond, func() bool { return false })
			w.a.Up(w.now)
			w.b.Up(w.now)
			w.run(time.Second)
			if who == "master" {
				w.a.Up(w.now)
			} else {
				w.b.Up(w.now)
			}
			w.run(3 * time.Minute)
			ra, oka := w.a.Result()
			rb, okb := w.b.Result()
			if !oka || !okb || ra.Generation != 2 || rb.Generation != 2 {
				t.Fatalf("%v (%v) with %+v, %v (%v) with %+v", w.a.State(), w.a.Err(), ra, w.b.State(), w.b.Err(), rb)
			}
			checkPair(t, w, ra, rb)
		})
	}
}
