package control

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever peer, clock and this end do in whatever order, a control connection comes up
// by a legal handshake only, answers a message with one at most, holds no more than its
// bounds, and ends with a reason, in time, with all its calls and goroutines.
func FuzzConnection(f *testing.F) {
	start, reply := storyMessage(0, TypeStartRequest, 0), storyMessage(0, TypeStartReply, 0)
	ocrq, ocrp := storyMessage(0, TypeOutgoingCallRequest, 1), storyMessage(0, TypeOutgoingCallReply, 1)
	f.Add(byte(0), join(start, ocrq, storyMessage(0, TypeCallClearRequest, 1), []byte{opTime, 5}))
	f.Add(byte(1), join(reply, []byte{opCall, 1, 0}, ocrp, []byte{opClear, 0}, storyMessage(0, TypeCallDisconnectNotify, 1)))
	f.Add(byte(1), join(reply, []byte{opCall, 1, 3}, []byte{opTime, 7, opEcho, 1, opTime, 4}, storyMessage(0, TypeEchoReply, 1)))
	f.Add(byte(2), join(start, ocrq, []byte{opCall, 2, 1, opCut}))
	f.Add(byte(3), join(reply, storyMessage(0, TypeStopRequest, 0)))
	f.Add(byte(4), join([]byte{opCork}, start, ocrq, ocrq, storyMessage(0, TypeEchoRequest, 0), []byte{opCork, opClose, opTime, 2}))
	f.Add(byte(4), join(start, []byte{opDeaf}, storyMessage(0, TypeEchoRequest, 0), []byte{opRepeat, 0xff, opTime, 3, opDeaf}))
	f.Add(byte(0), join([]byte{opPieces, 5}, start, []byte{opHeader, byte(TypeEchoRequest), 0, 4, 0xff}))
	f.Add(byte(0), join([]byte{opPart, byte(TypeStartRequest), 0, 100, opTime, 5, opRaw, 8, 0, 16, 0, 1}))
	f.Add(byte(5), join(reply, []byte{opCall, 1, 0, opCancel, opTime, 2}))
	for _, v := range vectors(f) {
		f.Add(byte(4), join(start, []byte{opRaw, byte(len(v.octets))}, v.octets))
	}
	f.Fuzz(func(t *testing.T, kind byte, octets []byte) {
		if len(octets) > 4096 {
			return
		}
		bubble(t, func(t *testing.T) {
			p := newPlay(t, kind, octets)
			for p.more() && p.ended() == "" {
				p.step()
				p.check()
			}
			p.finish()
		})
	})
}

// What a step of a story is.
const (
	opMessage = iota // 0 to 5: a message of the peer, whole
	opHeader  = iota + 5
	opPart
	opRaw
	opCork
	opPieces
	opRepeat
	opTime
	opCall
	opClear
	opEcho
	opDeaf
	opClose
	opCancel
	opCut
	opEnd
)

// storyMessage is the step in which the peer sends a message, with the same ID in all
// places.
func storyMessage(patches byte, mt MessageType, id byte) []byte {
	return []byte{opMessage, byte(mt), id, patches}
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// A play is one connection in the hands of a story.
type play struct {
	t      *testing.T
	script []byte
	conn   *Conn
	dialed bool
	peer   net.Conn
	began  time.Time
	cancel context.CancelFunc
	ears   chan struct{} // holds one while the peer reads
	back   chan error    // how what came back ended

	fed     []byte // what the connection has read
	unsent  []byte // while corked
	corked  bool
	pieces  int // in which what the peer sends is cut; 0: whole
	last    []byte
	locals  int // what this end was asked for
	answers []*Call
	asked   []*Call // calls that this end has begun and that came up
	count   int     // of calls, as a listener is told
	grave   bool    // somebody has ended it
}

func newPlay(t *testing.T, kind byte, script []byte) *play {
	ours, theirs := net.Pipe()
	p := &play{
		t: t, script: script, peer: theirs, began: time.Now(), dialed: kind&1 != 0,
		ears: make(chan struct{}, 1), back: make(chan error, 1),
	}
	cfg := Config{MaxCalls: 4, Admit: storyAdmits, Answer: p.answer}
	p.conn = newConn(ours, cfg, options{callCount: func(n int) { p.count = n }})
	opened, ctx := evAccepted, context.Background()
	if p.dialed {
		opened = evDialled
	}
	ctx, p.cancel = context.WithCancel(ctx)
	p.ears <- struct{}{}
	go p.listen()
	go p.conn.run(ctx, opened)
	if kind&4 == 0 {
		p.script = append([]byte{opTime, 0}, script...)
	}
	synctest.Wait()
	return p
}

// storyAdmits is as the firmware says: 0 is admitted.
func storyAdmits(p Peer) Admission { return Admission(p.Firmware & 3) }

func (p *play) answer(o *Offer) {
	switch o.Request.WindowSize & 3 {
	case 1:
		o.Refuse(Busy, NoError)
	case 2: // says nothing
	default:
		id := uint16(0)
		for p.conn.session.idInUse(id) {
			id++
		}
		p.answers = append(p.answers, o.Accept(id, 64))
	}
}

// listen is the peer's ear: what comes must be whole messages.
func (p *play) listen() {
	in := stream{r: p.peer}
	for {
		<-p.ears
		p.ears <- struct{}{}
		if _, err := in.next(); err != nil {
			p.back <- err
			return
		}
	}
}

func (p *play) more() bool { return len(p.script) > 0 }

func (p *play) octet() byte {
	if len(p.script) == 0 {
		return 0
	}
	b := p.script[0]
	p.script = p.script[1:]
	return b
}

func (p *play) take(n int) []byte {
	n = min(n, len(p.script))
	b := p.script[:n]
	p.script = p.script[n:]
	return b
}

func (p *play) step() {
	switch op := p.octet() % opEnd; op {
	default:
		b := p.message()
		for range p.octet() % 8 {
			at, x := int(p.octet()), p.octet()
			b[headerLen+at%(len(b)-headerLen)] = x
		}
		p.send(b)
	case opHeader:
		b := p.message()
		b[p.octet()%headerLen] = p.octet()
		p.send(b)
	case opPart:
		b := p.message()
		p.send(b[:int(p.octet())%len(b)])
	case opRaw:
		p.send(p.take(int(p.octet())))
	case opCork:
		if p.corked = !p.corked; !p.corked {
			p.send(nil)
		}
	case opPieces:
		p.pieces = int(p.octet())
	case opRepeat:
		for range p.octet() {
			p.write(p.last)
		}
	case opTime:
		p.wait(p.octet())
	case opCall:
		p.call(uint16(p.octet()%8), p.octet())
	case opClear:
		p.clear(p.octet())
	case opEcho:
		p.echo(p.octet())
	case opDeaf:
		select {
		case <-p.ears:
		default:
			p.ears <- struct{}{}
		}
	case opClose:
		p.grave = true
		p.locals++
		go p.conn.Close()
	case opCancel:
		p.grave = true
		p.locals++
		p.cancel()
	case opCut:
		p.grave = true
		p.peer.Close()
	}
	synctest.Wait()
}

// message is one of the peer's, of any type, with one ID in all places.
func (p *play) message() []byte {
	mt, id := MessageType(p.octet()%20), uint16(p.octet()%8)
	var m Message
	switch mt {
	case TypeStartRequest, TypeStartReply, TypeStopRequest, TypeStopReply:
		m = message(mt, id == 0)
		if q, ok := m.(StartRequest); ok {
			q.Firmware = id
			m = q
		}
	case TypeEchoRequest:
		m = EchoRequest{Identifier: uint32(id)}
	case TypeEchoReply:
		m = EchoReply{Identifier: uint32(id), Result: EchoOK}
	case TypeOutgoingCallRequest:
		m = OutgoingCallRequest{CallID: id, WindowSize: 64}
	case TypeOutgoingCallReply:
		m = OutgoingCallReply{CallID: id, PeerCallID: id, Result: Connected, WindowSize: 64}
	case TypeIncomingCallRequest:
		m = IncomingCallRequest{CallID: id}
	case TypeIncomingCallReply:
		m = IncomingCallReply{CallID: id, PeerCallID: id, Result: IncomingConnect}
	case TypeIncomingCallConnected:
		m = IncomingCallConnected{PeerCallID: id}
	case TypeCallClearRequest:
		m = CallClearRequest{CallID: id}
	case TypeCallDisconnectNotify:
		m = CallDisconnectNotify{CallID: id, Result: LostCarrier}
	case TypeWANErrorNotify:
		m = WANErrorNotify{PeerCallID: id}
	case TypeSetLinkInfo:
		m = SetLinkInfo{PeerCallID: id}
	default:
		m = Unknown{MessageType: mt, Body: make([]byte, 1+id)}
	}
	return Append(nil, m)
}

// send has the peer send b, at once or with what it sends after that.
func (p *play) send(b []byte) {
	p.unsent = append(p.unsent, b...)
	if p.corked && len(p.unsent) < 8192 {
		return
	}
	b, p.unsent = p.unsent, nil
	p.last = b
	if p.pieces == 0 || len(b)/p.pieces > 200 {
		p.write(b)
		return
	}
	for len(b) > 0 {
		n := min(p.pieces, len(b))
		p.write(b[:n])
		b = b[n:]
	}
}

// write gives up when the connection takes nothing for a second.
func (p *play) write(b []byte) {
	p.peer.SetWriteDeadline(time.Now().Add(time.Second))
	n, _ := p.peer.Write(b)
	p.fed = append(p.fed, b[:n]...)
	synctest.Wait()
}

func (p *play) wait(how byte) {
	long := []time.Duration{time.Millisecond, time.Second, 3 * time.Second, 30 * time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second}
	if int(how) < len(long) {
		time.Sleep(long[how])
		return
	}
	var at time.Time
	p.look(func(s *session) { at = s.deadline() })
	if !at.IsZero() {
		time.Sleep(time.Until(at))
	}
}

// look has f see the session where nobody changes it: in the connection's goroutine, or
// after its end.
func (p *play) look(f func(*session)) {
	seen := false
	p.conn.do(func(s *session) error {
		seen = true
		f(s)
		return nil
	})
	if !seen {
		f(p.conn.session)
	}
}

// up reports whether the connection has been established: before that nobody has it to
// ask something of it.
func (p *play) up() bool {
	select {
	case <-p.conn.up:
		return true
	default:
		return false
	}
}

func (p *play) call(id uint16, patience byte) {
	if !p.up() {
		return
	}
	p.locals += 2 // the request, and a request to clear it
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(patience)*time.Second)
	go func() {
		defer cancel()
		c, err := p.conn.Call(ctx, CallRequest{ID: id, Window: 64})
		if (c == nil) == (err == nil) {
			p.t.Errorf("Call = %v, %v", c, err)
		}
		if c != nil {
			p.conn.do(func(*session) error {
				p.asked = append(p.asked, c)
				return nil
			})
		}
	}()
}

func (p *play) clear(which byte) {
	var all []*Call
	p.look(func(*session) { all = append(append(all, p.asked...), p.answers...) })
	if len(all) > 0 {
		p.locals++
		c := all[int(which)%len(all)]
		go c.Clear(context.Background())
	}
}

func (p *play) echo(patience byte) {
	if !p.up() {
		return
	}
	p.locals++
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(patience)*time.Second)
		defer cancel()
		p.conn.Echo(ctx)
	}()
}

// ended is why the connection is over; "": it is not.
func (p *play) ended() string {
	if err := p.conn.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// check is what holds after each step.
func (p *play) check() {
	p.t.Helper()
	p.look(p.holds)
	if p.up() && !p.handshaken() {
		p.t.Fatalf("up after % x", p.fed)
	}
}

func (p *play) holds(s *session) {
	if most := maxBacklog + 1 + p.locals; len(s.out) > most {
		p.t.Errorf("%d messages wait to be sent, want %d at most", len(s.out), most)
	}
	if len(s.calls) > 4+p.locals {
		p.t.Errorf("%d calls", len(s.calls))
	}
	stats := p.conn.Stats()
	byTime := 2 + int(time.Since(p.began)/(60*time.Second))
	if in, out := int(stats.In.Total()), int(stats.Out.Total()); out > in+p.locals+byTime {
		p.t.Errorf("%d messages for %d of the peer, %d requests here and %v", out, in, p.locals, time.Since(p.began))
	}
	ids := map[uint16]bool{}
	for _, c := range s.calls {
		if ids[c.id] || c.auto.state == callIdle {
			p.t.Errorf("call %d is there twice, or is idle", c.id)
		}
		ids[c.id] = true
	}
	if p.up() && p.count != len(s.calls) {
		p.t.Errorf("%d calls were told of, of %d", p.count, len(s.calls))
	}
}

// handshaken reports whether what the peer has said may make a connection.
func (p *play) handshaken() bool {
	heard, _ := readAll(strings.NewReader(string(p.fed)))
	for _, m := range heard {
		switch m := m.(type) {
		case StartRequest:
			verdict := storyAdmits(Peer{Firmware: m.Firmware})
			if p.dialed || m.Version < version1 || verdict != Hold {
				return !p.dialed && m.Version >= version1 && verdict == Admit
			}
		case StartReply:
			return p.dialed && m.Result == Started && m.Version>>8 == 1
		case StopRequest:
			return false
		case Unknown: // skipped in any state
		default:
			if !p.dialed {
				return false
			}
		}
	}
	return false
}

// finish waits for the end: of whoever has ended it, or of a connection whose peer says
// nothing any more.
func (p *play) finish() {
	p.t.Helper()
	patience := 3 * time.Minute
	if p.grave {
		patience = 10 * time.Second
	}
	select {
	case <-p.conn.gone:
	case <-time.After(patience):
		p.look(func(s *session) { p.t.Errorf("still %v after %v, deadline %v", s.auto.state, patience, s.deadline()) })
	}
	p.cancel()
	p.peer.Close()
	select {
	case p.ears <- struct{}{}:
	default:
	}
	<-p.back
	synctest.Wait()
	p.check()
	if why := p.ended(); why == "" || strings.ContainsFunc(why, func(r rune) bool { return !strconv.IsPrint(r) }) {
		p.t.Errorf("ended for the reason %q", why)
	}
	if n := len(p.conn.session.calls); n != 0 || p.count != 0 {
		p.t.Errorf("%d calls are left, %d were told of", n, p.count)
	}
	for _, c := range append(p.answers, p.asked...) {
		if c.Err() == nil {
			p.t.Errorf("call %d has not ended", c.id)
		}
	}
}
