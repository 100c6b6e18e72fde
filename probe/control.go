package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"sitebridge/control"
)

// controlAttacks need TCP alone.
var controlAttacks = []attack{
	{"C1", "length fields below the header's own", shortLengths},
	{"C2", "each message too short and too long", wrongLengths},
	{"C3", "types that do not exist", unknownTypes},
	{"C5", "many messages in one segment, and one octet in each", segments},
	{"C6", "each message after each other one", pairs},
	{"C9", "an Incoming-Call-Request to a server", incoming},
	{"C10", "a call that is cleared", cleared},
	{"C11", "connections that say nothing", halfOpen},
	{"C12", "names of 64 octets without an end", longNames},
}

// header is a message's first 12 octets, whatever they promise.
func header(length int, of control.MessageType) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(length))
	b = append(b, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d)
	b = binary.BigEndian.AppendUint16(b, uint16(of))
	return append(b, 0, 0)
}

func shortLengths(ctx context.Context, p *prober) (Verdict, string) {
	var t tally
	for _, n := range []int{0, 1, 11} {
		p.after(ctx, &t, fmt.Sprintf("length %d", n), header(n, control.TypeEchoRequest), make([]byte, 4))
	}
	return t.verdict()
}

// sizes are the lengths of the messages.
func sizes() map[control.MessageType]int {
	all := map[control.MessageType]int{}
	for _, m := range messages {
		all[m.Type()] = len(message(m))
	}
	return all
}

// messages are one of each type.
var messages = []control.Message{
	startRequest, control.StartReply{}, control.StopRequest{}, control.StopReply{}, control.EchoRequest{}, control.EchoReply{},
	control.OutgoingCallRequest{CallID: 77, MinimumBPS: 300, MaximumBPS: 100e6, BearerType: 3, FramingType: 3, WindowSize: 64},
	control.OutgoingCallReply{}, control.IncomingCallRequest{}, control.IncomingCallReply{}, control.IncomingCallConnected{},
	control.CallClearRequest{CallID: 77}, control.CallDisconnectNotify{}, control.WANErrorNotify{}, control.SetLinkInfo{},
}

func wrongLengths(ctx context.Context, p *prober) (Verdict, string) {
	var t tally
	for of, size := range sizes() {
		for _, n := range []int{12, size - 1, size + 1, size + 8} {
			p.after(ctx, &t, fmt.Sprintf("%v of %d octets", of, n), header(n, of), make([]byte, n-12))
		}
	}
	return t.verdict()
}

func unknownTypes(ctx context.Context, p *prober) (Verdict, string) {
	var t tally
	for _, of := range []control.MessageType{0, 16, 255, 65535} {
		for _, n := range []int{0, 12, 300} {
			p.after(ctx, &t, fmt.Sprintf("type %d, length %d", uint16(of), n), header(n, of), make([]byte, max(0, n-12)))
		}
	}
	return t.verdict()
}

// echoes are n questions.
func echoes(n int) (b []byte) {
	for i := range n {
		b = control.Append(b, control.EchoRequest{Identifier: uint32(i)})
	}
	return b
}

func segments(ctx context.Context, p *prober) (Verdict, string) {
	const n = 10
	all := echoes(n)
	for name, size := range map[string]int{"in one segment": len(all), "an octet in each segment": 1} {
		w, err := p.started(ctx)
		if err != nil {
			return Broken, err.Error()
		}
		defer w.Close()
		for segment := range slices.Chunk(all, size) {
			if err := w.say(segment); err != nil {
				return Broken, fmt.Sprintf("%s: %v", name, err)
			}
		}
		for i := range n {
			m, err := w.next()
			if err != nil {
				return Broken, fmt.Sprintf("%s: %d of %d questions were answered: %v", name, i, n, err)
			}
			if r, ok := m.(control.EchoReply); !ok || r.Identifier != uint32(i) {
				return Broken, fmt.Sprintf("%s: question %d was answered with %v", name, i, m.Type())
			}
		}
	}
	return Held, "all were answered, in order"
}

func pairs(ctx context.Context, p *prober) (Verdict, string) {
	var t tally
	for _, a := range messages {
		for _, b := range messages {
			if ctx.Err() != nil {
				return Unsure, "interrupted"
			}
			p.after(ctx, &t, fmt.Sprintf("%v, %v", a.Type(), b.Type()), message(a), message(b))
		}
	}
	return t.verdict()
}

func incoming(ctx context.Context, p *prober) (Verdict, string) {
	w, err := p.started(ctx)
	if err != nil {
		return Broken, err.Error()
	}
	defer w.Close()
	if err := w.say(message(control.IncomingCallRequest{CallID: 77, SerialNumber: 1, BearerType: 1})); err != nil {
		return Held, "closed"
	}
	m, err := w.next()
	if r, ok := m.(control.IncomingCallReply); ok {
		if r.Result == control.IncomingConnect {
			return Weak, "it takes the call"
		}
		return Held, "refused: " + r.Result.String()
	}
	if err == nil {
		return Broken, "it answers with " + m.Type().String()
	}
	var t tally
	t.add(w.reaction(), "after it")
	return t.verdict()
}

func cleared(ctx context.Context, p *prober) (Verdict, string) {
	w, err := p.started(ctx)
	if err != nil {
		return Broken, err.Error()
	}
	defer w.Close()
	const ours = 0x1234
	r, err := w.call(ours)
	if err != nil {
		return Unsure, "no call: " + err.Error()
	}
	if r.PeerCallID != ours {
		return Broken, fmt.Sprintf("the reply is for call %d, and ours was %d", r.PeerCallID, ours)
	}
	if err := w.say(message(control.CallClearRequest{CallID: ours})); err != nil {
		return Broken, "closed instead of Call-Disconnect-Notify"
	}
	for {
		m, err := w.next()
		if err != nil {
			return Weak, fmt.Sprintf("no Call-Disconnect-Notify: %v", err)
		}
		if d, ok := m.(control.CallDisconnectNotify); ok {
			if d.CallID != r.CallID {
				return Weak, fmt.Sprintf("Call-Disconnect-Notify for call %d instead of its own, %d", d.CallID, r.CallID)
			}
			return Held, "each message has the call ID that belongs there"
		}
	}
}

// call asks for a call and returns the reply.
func (w *wire) call(id uint16) (r control.OutgoingCallReply, err error) {
	err = w.say(message(control.OutgoingCallRequest{
		CallID: id, SerialNumber: 1, MinimumBPS: 300, MaximumBPS: 100e6, BearerType: 3, FramingType: 3, WindowSize: 64,
	}))
	if err != nil {
		return r, err
	}
	for {
		m, err := w.next()
		if err != nil {
			return r, err
		}
		if r, ok := m.(control.OutgoingCallReply); ok {
			if r.Result != control.Connected {
				return r, fmt.Errorf("refused: %v", r.Result)
			}
			return r, nil
		}
	}
}

func halfOpen(ctx context.Context, p *prober) (Verdict, string) {
	for i := range p.cfg.HalfOpen {
		w, err := p.dial(ctx)
		if err != nil {
			return Weak, fmt.Sprintf("%d of them keep everybody else out: %v", i, err)
		}
		defer w.Close()
	}
	began := time.Now()
	if err := p.alive(ctx); err != nil {
		return Weak, fmt.Sprintf("with %d of them open nobody else gets in: %v", p.cfg.HalfOpen, err)
	}
	took := time.Since(began).Round(time.Millisecond)
	if took > 2*time.Second {
		return Weak, fmt.Sprintf("with %d of them open another one waits %v", p.cfg.HalfOpen, took)
	}
	return Held, fmt.Sprintf("with %d of them open another one gets in within 2 s", p.cfg.HalfOpen)
}

func longNames(ctx context.Context, p *prober) (Verdict, string) {
	var t tally
	for _, filler := range []string{"\xff", "\x1b[2J", "<b>", "%n%s"} {
		w, err := p.dial(ctx)
		if err != nil {
			return Broken, err.Error()
		}
		defer w.Close()
		request := startRequest
		full := bytes.Repeat([]byte(filler), 64)
		copy(request.Host[:], full)
		copy(request.Vendor[:], full)
		if w.say(message(request)) != nil {
			t.add(closes, filler)
			continue
		}
		_, _ = w.next() // refused or not: the next question tells whether it lives
		t.add(w.reaction(), fmt.Sprintf("%q", filler))
	}
	return t.verdict()
}
