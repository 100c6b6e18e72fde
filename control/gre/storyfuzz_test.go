package gre

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
)

// Whatever comes by both carriers in whatever order, while calls begin, choose their
// carrier, move, send and end: what a call is given came from its peer, by its carrier and
// with its ID, in the order of the numbers and no number twice; what is kept stays within
// its bounds; a probe draws one reply at most, of its own length, to where it came from;
// and nothing is acknowledged that did not come.
func FuzzCalls(f *testing.F) {
	const raw, udp = 0, 1
	packets := func(call, via byte, deltas ...byte) (all []byte) {
		for _, d := range deltas {
			all = append(all, opArrive, call, 0, via, d, 0)
		}
		return all
	}
	open := []byte{opOpen, 0, 0}
	f.Add(slices.Concat(open, []byte{opConnect, 0}, packets(0, raw, 1, 1, 1, 3, 0xfe, 1, 0xff, 1), []byte{opSend, 0, 5, opTime, 3}))
	f.Add(slices.Concat(open, packets(0, raw, 1, 1, 1), []byte{opConnect, 0, opAck, 0, 0, 4, opTime, 4, opClose, 0}))
	f.Add(slices.Concat(open, []byte{opExpect, 0, opProbed, 0, udp, 0, opProbed, 0, 2, 0}, packets(0, udp, 1, 1), []byte{opConnect, 0}, packets(0, 2, 1, 1)))
	f.Add(slices.Concat(open, []byte{opExpect, 0, opProbed, 0, udp, 0}, packets(0, udp, 1, 1), []byte{opConnect, 0, opMover, 0}, packets(0, 2, 1, 1), packets(0, 3, 1)))
	f.Add(slices.Concat(open, []byte{opProbe, 0, 2, opReplied, 0, udp, 0, opConnect, 0}, packets(0, udp, 1, 2, 1), packets(0, raw, 1)))
	f.Add(slices.Concat([]byte{opOpen, 0, 1, opOpen, 1, 2, opConnect, 0, opConnect, 1}, packets(0, raw, 1, 1), packets(1, raw, 1, 100, 100, 100, 100), []byte{opSend, 0, 40, opSend, 1, 40, opTime, 4}))
	f.Add(slices.Concat(open, []byte{opConnect, 0, opBatch}, packets(0, raw, 5, 0xff, 0xff, 0xff), []byte{opBatch, opReorder, 0, 0}, packets(0, raw, 1, 9, 0xf0)))
	for _, v := range vectors(f) {
		f.Add(slices.Concat(open, []byte{opConnect, 0, opOctets, 0, byte(len(unhex(v.Hex)))}, unhex(v.Hex)))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2048 {
			return
		}
		virtual(t, func(t *testing.T) {
			s := newSwitchboard(t, script)
			for len(s.script) > 0 {
				s.step()
				s.check()
			}
			s.finish()
		})
	})
}

// The scripts go where they should: calls by both carriers are given what came, and one
// that may move does.
func TestScriptedCallsGetThere(t *testing.T) {
	arrive := []byte{opArrive, 0, 0, 1, 1, 0, opArrive, 0, 0, 1, 1, 0}
	for _, c := range []struct {
		name         string
		script       []byte
		given, moved int
	}{
		{name: "raw", script: []byte{opOpen, 0, 0, opConnect, 0, opArrive, 0, 0, 0, 1, 0, opArrive, 0, 0, 0, 1, 0}, given: 2},
		{name: "answered by UDP", script: slices.Concat([]byte{opOpen, 0, 0, opExpect, 0, opProbed, 0, 1, 0}, arrive, []byte{opConnect, 0}), given: 2},
		{name: "asked by UDP", script: slices.Concat([]byte{opOpen, 0, 0, opProbe, 0, 2, opReplied, 0, 1, 0, opConnect, 0}, arrive), given: 2},
		{name: "moves", script: slices.Concat([]byte{opOpen, 0, 0, opExpect, 0, opProbed, 0, 1, 0}, arrive, []byte{opConnect, 0, opMover, 0, opArrive, 0, 0, 2, 1, 0}), given: 2, moved: 1},
		{name: "does not move for a forgery", script: slices.Concat([]byte{opOpen, 0, 0, opExpect, 0, opProbed, 0, 1, 0}, arrive, []byte{opConnect, 0, opMover, 0, opArrive, 0, 4, 2, 1, 0}), given: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				s := newSwitchboard(t, c.script)
				for len(s.script) > 0 {
					s.step()
					s.check()
				}
				if x := s.calls[0]; len(x.given) != c.given || x.moved != c.moved {
					t.Errorf("given %v, moved %d times, want %d and %d", x.given, x.moved, c.given, c.moved)
				}
				s.finish()
			})
		})
	}
}

// What a step is.
const (
	opOpen = iota
	opConnect
	opClose
	opExpect
	opProbed  // a probe of the peer's
	opProbe   // one of ours
	opReplied // the reply to it
	opArrive
	opAck
	opBatch // what comes until the next of these comes at once
	opOctets
	opSend
	opMover
	opReorder
	opTime
	opEnd
)

// A switchboard is a mux with its calls in the hands of a script.
type switchboard struct {
	t      *testing.T
	script []byte
	mux    *Mux
	calls  []*scripted
	batch  []Datagram
	now    Path // of the packet that arrives
	corked bool
	probes int // that came
	out    [2]outbound
}

// A scripted call is a channel with what came for it and what it was given.
type scripted struct {
	*Channel
	s            *switchboard
	mine, theirs Token
	connected    bool
	closed       bool
	mover        bool
	accepted     uint64
	seq          uint32          // of the packet that came last
	came         map[uint32]bool // numbers
	given        []uint32
	resyncs      uint64
	cancel       []context.CancelFunc
	next         uint32 // number of what it sends
	moved        int
	deaf         bool // the peer has not acknowledged anything for long
}

// outbound is a carrier that only looks at what is sent.
type outbound struct {
	sink
	s   *switchboard
	udp bool
}

func newSwitchboard(t *testing.T, script []byte) *switchboard {
	s := &switchboard{t: t, script: script}
	s.out = [2]outbound{{s: s}, {s: s, udp: true}}
	s.mux = NewMux(&s.out[0], &s.out[1], nil)
	return s
}

func (o *outbound) Send(path Path, pkts []*packet.Buffer, _ bool) error {
	s := o.s
	if (path.Port != 0) != o.udp {
		s.t.Errorf("to port %d by the wrong carrier", path.Port)
	}
	for _, b := range pkts {
		if isProbe(b.Bytes()) {
			s.sentProbe(path, b.Bytes())
			continue
		}
		h, _, err := Parse(b.Bytes())
		i := slices.IndexFunc(s.calls, func(c *scripted) bool { return c.tx.peerID == h.CallID && c.connected && c.peer == path.Remote })
		if err != nil || i < 0 {
			s.t.Errorf("sent % x to %v: %v", b.Bytes(), path, err)
			continue
		}
		c := s.calls[i]
		if h.HasSeq && h.Seq != c.next {
			s.t.Errorf("sent number %d, want %d", h.Seq, c.next)
		} else if h.HasSeq {
			c.next++
		}
		if h.HasAck && !c.came[h.Ack] {
			s.t.Errorf("acknowledged %d, which never came", h.Ack)
		}
	}
	return nil
}

func (s *switchboard) sentProbe(path Path, b []byte) {
	p, err := parseProbe(b)
	if err != nil || p.kind == probeReplies && (path.Remote != s.now.Remote || path.Port != s.now.Port) {
		s.t.Errorf("sent % x to %v, what came is from %v: %v", b, path, s.now, err)
	}
	if p.kind == probeReplies {
		if s.probes--; s.probes < 0 {
			s.t.Error("more replies than probes")
		}
	}
}

func (s *switchboard) octet() byte {
	if len(s.script) == 0 {
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return b
}

// one is one of the calls; nil: there is none.
func (s *switchboard) one() *scripted {
	n := int(s.octet())
	if len(s.calls) == 0 {
		return nil
	}
	return s.calls[n%len(s.calls)]
}

func (s *switchboard) step() {
	op := s.octet() % opEnd
	switch op {
	case opOpen:
		s.open(s.octet(), s.octet())
		return
	case opBatch:
		if s.corked = !s.corked; !s.corked {
			s.flush()
		}
		return
	case opOctets:
		from, n := s.octet(), min(int(s.octet()), len(s.script))
		s.arrive(from, from>>2, s.script[:n])
		s.script = s.script[n:]
		return
	case opTime:
		time.Sleep([]time.Duration{time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 3 * time.Second, 3 * time.Minute}[s.octet()%7])
		synctest.Wait()
		return
	}
	if c := s.one(); c != nil {
		c.step(op)
		synctest.Wait()
	}
}

func (s *switchboard) open(peer, how byte) {
	if len(s.calls) == 8 {
		return
	}
	cfg := ChannelConfig{Pacing: how&1 != 0, Unpaced: how&2 != 0, FirstSequence: uint32(0) - uint32(how>>6)}
	if how&4 != 0 {
		cfg.ReorderPackets = -1
	}
	ch, err := s.mux.Open(host(1+peer%2), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &scripted{Channel: ch, s: s, came: map[uint32]bool{}, mine: Token{1, byte(len(s.calls))}, theirs: Token{2, byte(len(s.calls))}, next: cfg.FirstSequence}
	c.seq = uint32(0) - uint32(how>>4&3)
	s.calls = append(s.calls, c)
}

func (c *scripted) step(op byte) {
	s := c.s
	switch op {
	case opConnect:
		if !c.connected && !c.closed {
			c.connected = true
			c.Connect(netip.Addr{}, uint16(slices.Index(s.calls, c)), 64, c.receive)
		}
	case opClose:
		c.close()
	case opExpect:
		if !c.connected && !c.closed && c.rx.via == 0 && c.rx.chosen == nil && !c.rx.window.begun && c.cancel == nil {
			c.Expect(c.mine, c.theirs)
		}
	case opProbed:
		p := probe{probeAsks, uint16(slices.Index(s.calls, c)), c.mine, c.theirs}
		s.arriveProbe(c, p)
	case opReplied:
		s.arriveProbe(c, probe{probeReplies, c.id, c.mine, c.theirs})
	case opProbe:
		c.probe(time.Duration(s.octet()%4) * time.Second)
	case opArrive:
		how, via, delta, ack := s.octet(), s.octet(), s.octet(), s.octet()
		c.seq += uint32(int8(delta))
		if how&8 != 0 {
			c.seq += 1 << 20
		}
		h := Header{PayloadLen: 8, CallID: c.id, HasSeq: true, Seq: c.seq}
		if how&16 != 0 {
			h.HasAck, h.Ack = true, c.next-uint32(ack)
		}
		s.arrive(how&3, via, encode(h, frame(c.seq, how&4 != 0)))
	case opAck:
		s.arrive(0, s.octet(), ackOnly(c.id, c.next-uint32(s.octet())))
	case opSend:
		frames := numbered(0, int(s.octet()%100))
		err := c.Send(frames, false)
		if (err == nil) != (c.connected && !c.closed) {
			s.t.Errorf("Send = %v", err)
		}
	case opMover:
		if !c.closed {
			c.mover = true
			c.SetMover(Mover{
				Accepted: func() uint64 { return c.accepted },
				Sealed:   sealedFrame,
				Moved:    func(_, _ Path) { c.moved++ },
			})
		}
	case opReorder:
		c.SetReorder(int(int8(s.octet())), 0)
	}
}

// frame is one with a number, that is sealed as ours are or as a stranger's would be.
func frame(seq uint32, forged bool) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0x53, 0, 0}, seq)
	if forged {
		b[2] = 1
	}
	return b
}

func sealedFrame(b []byte) bool { return len(b) == 8 && b[1] == 0x53 }
func isForged(b []byte) bool    { return len(b) < 3 || b[2] != 0 }

// receive is what the call is given. A sealed one from a strange port is for the cipher,
// which refuses what is forged and what it has had.
func (c *scripted) receive(frames []*packet.Buffer) {
	s := c.s
	if c.closed || len(frames) == 0 || len(frames) > packet.BatchLen {
		s.t.Errorf("given %d frames, closed %v", len(frames), c.closed)
	}
	for _, b := range frames {
		if !sealedFrame(b.Bytes()) {
			continue // of octets without a plan
		}
		seq := binary.BigEndian.Uint32(b.Bytes()[4:])
		if !c.came[seq] {
			s.t.Errorf("given %d, which did not come", seq)
		}
		fresh := !slices.Contains(c.given, seq)
		if !isForged(b.Bytes()) && fresh {
			c.accepted++
		}
		if n := c.counters.resyncs.Load() + uint64(c.rx.window.tally.resyncs); n != c.resyncs {
			c.given, c.resyncs = nil, n
			fresh = true
		}
		if c.mover {
			continue // what the cipher refuses may come again
		}
		if n := len(c.given); !fresh || n > 0 && int32(seq-c.given[n-1]) < 0 {
			s.t.Errorf("given %d after %v", seq, c.given)
		}
		c.given = append(c.given, seq)
	}
}

func (c *scripted) probe(patience time.Duration) {
	if c.connected || c.closed || c.rx.via != 0 || c.cancel != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.cancel = append(c.cancel, cancel)
	go c.Probe(ctx, Path{Remote: c.peer, Port: 4001}, c.mine, c.theirs)
}

func (c *scripted) close() {
	c.closed = true
	c.Close()
	for _, cancel := range c.cancel {
		cancel()
	}
}

// arrive has a packet come from one of the peers, or from elsewhere, by raw GRE or from
// one of three ports.
func (s *switchboard) arrive(from, via byte, p []byte) {
	remote := host(1 + from&3)
	if len(s.calls) > 0 && from&3 == 0 {
		if h, _, err := Parse(p); err == nil {
			for _, c := range s.calls {
				if c.id == h.CallID {
					remote = c.peer
				}
			}
		}
	}
	port := [4]uint16{0, 4001, 4002, 4003}[via&3]
	if h, _, err := Parse(p); err == nil && h.HasSeq {
		for _, c := range s.calls {
			if c.id == h.CallID && c.peer == remote {
				c.came[h.Seq] = true
			}
		}
	}
	s.batch = append(s.batch, Datagram{Path{Remote: remote, Port: port}, buffer(p)})
	if !s.corked || len(s.batch) == packet.BatchLen {
		s.flush()
	}
}

func (s *switchboard) arriveProbe(c *scripted, p probe) {
	via, change := s.octet(), s.octet()
	b := p.append(nil)
	if change != 0 {
		b[int(change)%len(b)] ^= 0xff
	}
	port := [4]uint16{4001, 4001, 4002, 4003}[via&3]
	s.batch = append(s.batch, Datagram{Path{Remote: c.peer, Port: port}, buffer(b)})
	s.flush()
}

// flush has the batch arrive, each carrier's packets at once, as from its own socket.
func (s *switchboard) flush() {
	for i, l := range []*loop{s.mux.raw, s.mux.udp} {
		var mine []Datagram
		for _, d := range s.batch {
			if (d.Path.Port != 0) == (i == 1) {
				mine = append(mine, d)
			}
		}
		for len(mine) > 0 {
			n := 1
			if !slices.ContainsFunc(mine, func(d Datagram) bool { return isProbe(d.Buffer.Bytes()) }) {
				n = len(mine)
			}
			s.now = mine[0].Path
			if isProbe(mine[0].Buffer.Bytes()) {
				s.probes++
			}
			l.dispatch(mine[:n], time.Now())
			mine = mine[n:]
		}
	}
	s.batch = nil
	synctest.Wait()
}

// check is what holds after each step.
func (s *switchboard) check() {
	s.t.Helper()
	live := 0
	for _, c := range s.calls {
		s.holds(c)
		if !c.closed {
			live++
		}
	}
	if t := s.mux.table.Load(); len(t.calls) != live || len(s.mux.expected) > live {
		s.t.Fatalf("%d calls in the table and %d expected, of %d", len(t.calls), len(s.mux.expected), live)
	}
}

// holds looks at one call, with its locks held: its timers run beside the story.
func (s *switchboard) holds(c *scripted) {
	s.t.Helper()
	path := c.Path()
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	c.flow.mu.Lock()
	defer c.flow.mu.Unlock()
	w := &c.rx.window
	if w.waiting > max(w.size, 0) || len(c.rx.early) > maxEarly || c.rx.replies > maxReplies || len(w.ready) != 0 {
		s.t.Fatalf("%d wait of %d, %d early, %d replies, %d ready", w.waiting, w.size, len(c.rx.early), c.rx.replies, len(w.ready))
	}
	if len(c.tx.queue.frames) > maxQueue || c.closed && (w.waiting > 0 || len(c.rx.early) > 0 || len(c.tx.queue.frames) > 0) {
		s.t.Fatalf("%d in the queue", len(c.tx.queue.frames))
	}
	p := &c.flow.pacer
	c.deaf = p.silent >= deafAfter || c.deaf && p.flying() > p.limit // then nothing is paced
	if c.tx.pacing && !c.deaf && p.flying() > p.limit {
		s.t.Fatalf("%d on their way, the peer's window is %d", p.flying(), p.limit)
	}
	if c.connected && !c.closed && path.Port != uint16(c.rx.via) {
		s.t.Fatalf("sends to port %d and takes from %d", path.Port, c.rx.via)
	}
	if !c.mover && c.moved > 0 {
		s.t.Fatal("moved")
	}
}

// finish ends all calls: nothing is sent or given after that.
func (s *switchboard) finish() {
	s.t.Helper()
	s.flush()
	for _, c := range s.calls {
		c.close()
	}
	synctest.Wait()
	s.check()
	time.Sleep(time.Minute)
}
