package watchdog

import (
	"bytes"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A remote printer's connection: the near end is a print server.
var (
	spxNear = addr("5EA1:000000000001:8060")
	spxFar  = addr("B0B0:020000000C01:4010")
)

const nearID, farID = 0x1234, 0x5678

// spx has one end say something.
func (l *link) spx(out bool, p spxHead, data string) {
	from, to := spxFar, spxNear
	p.source, p.dest = farID, nearID
	if out {
		from, to, p.source, p.dest = spxNear, spxFar, nearID, farID
	}
	l.cross(out, ipx.TypeSPX, from, to, append(p.append(nil), data...)...)
}

// spxTalk has both ends exchange data: the near end's packet 7, the far end's
// packet FFFF, each acknowledged. Numbers wrap on the way.
func (l *link) spxTalk() {
	l.spx(out, spxHead{control: 0x40, sequence: 7, ack: 0xFFFF, alloc: 2}, "status?")
	l.spx(in, spxHead{control: 0x80, sequence: 0xFFFF, ack: 8, alloc: 11}, "")
	l.spx(in, spxHead{control: 0x50, sequence: 0xFFFF, ack: 8, alloc: 12}, "ready")
	l.spx(out, spxHead{control: 0x80, sequence: 8, ack: 0, alloc: 3}, "")
}

var nearKeepalive = spxHead{control: 0xC0, source: nearID, dest: farID, sequence: 8, ack: 0, alloc: 3}

func (l *link) spxKeepalive() []byte { return spxPacket(nearKeepalive, "") }

func spxPacket(p spxHead, data string) []byte {
	return pkt(ipx.TypeSPX, spxNear, spxFar, append(p.append(nil), data...)...)
}

// answerTo returns the header of the answer to a packet of the near end.
func (l *link) answerTo(b []byte) (a spxHead, ok bool) {
	l.Helper()
	reply := packet.Get()
	defer packet.Put(reply)
	if !l.Answer(b, reply, l.now) {
		return a, false
	}
	h, data, err := ipx.Parse(reply.Bytes())
	if err != nil || h.Src != spxFar || h.Dst != spxNear || h.Type != ipx.TypeSPX || h.Hops != 0 || len(data) != spxHeadLen {
		l.Errorf("answer %x: %v", reply.Bytes(), err)
	}
	return parseSPX(data)
}

func (l *link) wantNoSPX(what string, b []byte, reason refusal) {
	l.Helper()
	before := l.count.refused[reason]
	if a, ok := l.answerTo(b); ok {
		l.Errorf("%s: answered with %+v", what, a)
	}
	if reason != answered && l.count.refused[reason] != before+1 {
		l.Errorf("%s: refused for another reason: %+v", what, l.Stats().Refused)
	}
}

func TestAttackX6SPXAnswerIsWhatTheFarEndSaidLast(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.spxTalk()
	l.lose()
	a, ok := l.answerTo(l.spxKeepalive())
	// Packet FFFF was the far end's last with data, so its next one is 0.
	if want := (spxHead{control: 0x80, source: farID, dest: nearID, sequence: 0, ack: 8, alloc: 12}); !ok || a != want {
		t.Errorf("answer %+v, %v, want %+v", a, ok, want)
	}
}

// Both ends ask, so both tables answer.
func TestSPXFromEitherEnd(t *testing.T) {
	here, there := newLink(t, Config{Limit: hold}), newLink(t, Config{Limit: hold})
	for _, p := range []spxHead{
		{control: 0x80, source: nearID, dest: farID, sequence: 1, ack: 1, alloc: 5},
		{control: 0x80, source: farID, dest: nearID, sequence: 1, ack: 1, alloc: 6},
		{control: 0x80, source: nearID, dest: farID, sequence: 1, ack: 1, alloc: 5},
	} {
		b := spxPacket(p, "")
		if p.source == farID {
			b = pkt(ipx.TypeSPX, spxFar, spxNear, p.append(nil)...)
		}
		here.Observe(b, p.source == nearID, start)
		there.Observe(b, p.source == farID, start)
	}
	here.lose()
	there.lose()
	if a, ok := here.answerTo(spxPacket(spxHead{control: 0xC0, source: nearID, dest: farID, sequence: 1, ack: 1, alloc: 5}, "")); !ok || a.alloc != 6 {
		t.Errorf("here: %+v, %v", a, ok)
	}
	reply := packet.Get()
	defer packet.Put(reply)
	question := spxHead{control: 0xC0, source: farID, dest: nearID, sequence: 1, ack: 1, alloc: 6}
	if !there.Answer(pkt(ipx.TypeSPX, spxFar, spxNear, question.append(nil)...), reply, start) {
		t.Errorf("there: not answered: %+v", there.Stats())
	}
	want := spxHead{control: 0x80, source: nearID, dest: farID, sequence: 1, ack: 1, alloc: 5}
	if _, data, _ := ipx.Parse(reply.Bytes()); !bytes.Equal(data, want.append(nil)) {
		t.Errorf("there: %x, want %x", data, want.append(nil))
	}
}

func TestAttackX6SPXOnlyWhileLostAndUntilTheLimit(t *testing.T) {
	l := newLink(t, Config{Limit: time.Minute})
	l.spxTalk()
	l.wantNoSPX("link up", l.spxKeepalive(), linkUp)
	l.lose()
	l.wait(time.Minute - 1).answerTo(l.spxKeepalive())
	l.wait(1).wantNoSPX("at the limit", l.spxKeepalive(), timeOver)
	if n := l.Stats().Answered; n != 1 {
		t.Errorf("%d answered, want 1", n)
	}
}

func TestAttackX6SPXWhatChangesSomethingIsNotAnswered(t *testing.T) {
	changed := func(fn func(*spxHead)) []byte {
		p := nearKeepalive
		fn(&p)
		return spxPacket(p, "")
	}
	for _, tt := range []struct {
		name   string
		pkt    []byte
		reason refusal
	}{
		{"acknowledges new data", changed(func(p *spxHead) { p.ack++ }), changes},
		{"allows more", changed(func(p *spxHead) { p.alloc++ }), changes},
		{"sent data since", changed(func(p *spxHead) { p.sequence++ }), changes},
		{"asks for a connection", changed(func(p *spxHead) { p.dest = spxNobody }), connectionRequest},
		{"from nobody", changed(func(p *spxHead) { p.source = spxNobody }), connectionRequest},
		{"another connection", changed(func(p *spxHead) { p.dest++ }), unknown},
		{"has data", spxPacket(nearKeepalive, "x"), answered},
		{"is data", changed(func(p *spxHead) { p.control = 0x40 }), answered},
		{"wants no answer", changed(func(p *spxHead) { p.control = 0x80 }), answered},
		{"SPX II", changed(func(p *spxHead) { p.control = 0xC8 }), answered},
		{"closes", changed(func(p *spxHead) { p.datastream = spxClose }), answered},
		{"confirms the close", changed(func(p *spxHead) { p.datastream = spxCloseAck }), answered},
		{"ends early", pkt(ipx.TypeSPX, spxNear, spxFar, nearKeepalive.append(nil)[:11]...), answered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLink(t, Config{Limit: hold})
			l.spxTalk()
			l.lose()
			l.wantNoSPX(tt.name, tt.pkt, tt.reason)
		})
	}
}

// An end that waits for its data to be acknowledged must go on waiting.
func TestAttackX6SPXDataOnTheWay(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.spxTalk()
	l.spx(out, spxHead{control: 0x40, sequence: 8, ack: 0, alloc: 3}, "print")
	l.lose()
	p := nearKeepalive
	p.sequence = 9
	l.wantNoSPX("data not acknowledged", spxPacket(p, ""), changes)
}

func TestAttackX6SPXClosed(t *testing.T) {
	for _, stream := range []byte{spxClose, spxCloseAck} {
		for _, way := range []bool{in, out} {
			l := newLink(t, Config{Limit: hold})
			l.spxTalk()
			l.spx(way, spxHead{control: 0x40, datastream: stream, sequence: 8, ack: 0, alloc: 3}, "")
			l.lose()
			l.wantNoSPX("closed", l.spxKeepalive(), ended)
		}
	}
}

func TestAttackX6SPXOnlyWhatBothEndsSpoke(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.spx(out, nearKeepalive, "")
	l.lose()
	l.wantNoSPX("nothing heard of the far end", l.spxKeepalive(), unknown)
	l = newLink(t, Config{Limit: hold})
	l.spx(in, spxHead{control: 0x80, sequence: 1, ack: 8, alloc: 3}, "")
	l.lose()
	l.wantNoSPX("nothing heard of the near end", l.spxKeepalive(), unknown)
}

func TestAttackX6SPXSilentBeforeTheLoss(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.spxTalk()
	for range 11 {
		l.wait(6*time.Second).spx(out, nearKeepalive, "")
	}
	l.lose()
	l.wantNoSPX("did not answer for a minute", l.spxKeepalive(), silent)
}

func TestAttackX6SPXEndsByItself(t *testing.T) {
	l := newLink(t, Config{Limit: 24 * time.Hour})
	l.spxTalk()
	l.lose()
	for i := range spxAnswers {
		if _, ok := l.wait(6 * time.Second).answerTo(l.spxKeepalive()); !ok {
			t.Fatalf("keepalive %d: not answered", i)
		}
	}
	l.wantNoSPX("for an hour", l.spxKeepalive(), enough)
}

// A packet that comes late must not turn back what its sender said since.
func TestSPXOldPacketsChangeNothing(t *testing.T) {
	l := newLink(t, Config{Limit: hold})
	l.spxTalk()
	l.spx(in, spxHead{control: 0x80, sequence: 0xFFFF, ack: 7, alloc: 10}, "")
	l.lose()
	if a, ok := l.answerTo(l.spxKeepalive()); !ok || a.sequence != 0 || a.ack != 8 || a.alloc != 12 {
		t.Errorf("answer %+v, %v", a, ok)
	}
}

func TestSPXSessionsAreBounded(t *testing.T) {
	l := newLink(t, Config{Limit: hold, Sessions: 4})
	say := func(id uint16, way bool) {
		p := spxHead{control: 0x80, source: id, dest: farID, sequence: 8, ack: 0, alloc: 3}
		from, to := spxNear, spxFar
		if !way {
			p.source, p.dest, p.ack, from, to = farID, id, 8, to, from
		}
		l.cross(way, ipx.TypeSPX, from, to, p.append(nil)...)
	}
	for id := range uint16(10) {
		say(id, out)
		say(id, in)
	}
	if s := l.Stats(); s.Connections != 4 || s.Refused.TableFull != 6 {
		t.Errorf("%+v", s)
	}
	l.wait(spxAge)
	say(1, out)
	say(2, in)
	l.wait(time.Second)
	say(20, out)
	say(20, in)
	if s := l.Stats(); s.Connections != 3 {
		t.Errorf("after two aged: %+v", s)
	}
}

func TestSequenceNumbersWrap(t *testing.T) {
	for _, tt := range []struct {
		a, b uint16
		want bool
	}{{1, 0, true}, {0, 0, false}, {0, 0xFFFF, true}, {0xFFFF, 0, false}, {0x7FFF, 0, true}, {5, 0xFFF0, true}} {
		if got := newer(tt.a, tt.b); got != tt.want {
			t.Errorf("newer(%04X, %04X) = %v", tt.a, tt.b, got)
		}
	}
}
