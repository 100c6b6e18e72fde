package fsm_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

func fresh() fsm.Protocol { return newFake(1) }

func TestAttackP1RepeatedOption(t *testing.T) { fsmtest.Repeats(t, fresh) }

// TestAttackP1ManyUnknownOptions: every type at once, in a list far longer than
// the peer's MRU.
func TestAttackP1ManyUnknownOptions(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.MaxLen = 128
	var opts []fsm.Option
	for kind := range 256 {
		opts = append(opts, fsm.Option{Type: byte(kind), Data: make([]byte, 20)})
	}
	if got := b.Give(fsm.ConfigureRequest, 1, opts...); len(got) != 1 || got[0].Code != fsm.ConfigureReject {
		t.Errorf("sent %v", got)
	}
}

func TestAttackP1AckBeyondMRU(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.MaxLen = 64
	var opts []fsm.Option
	for range 100 {
		opts = append(opts, fsm.Option{Type: optMany})
	}
	if got := b.Give(fsm.ConfigureRequest, 1, opts...); len(got) != 0 || b.Stats().Drops.ReplyTooLong != 1 {
		t.Errorf("sent %v, %+v", got, b.Stats().Drops)
	}
}

func TestAttackP2OptionLengths(t *testing.T) {
	fsmtest.Lengths(t, fresh, func(kind byte, length int) bool {
		return kind == optNumber && length == 3 || kind == optFlag && length == 2 || kind == optMany && length >= 2
	})
}

func TestAttackP3EmptyRefusals(t *testing.T) { fsmtest.EmptyRefusals(t, fresh) }

func TestAttackP6EndlessNaks(t *testing.T) {
	fsmtest.EndlessNaks(t, func() fsm.Protocol { p := newFake(1); p.stubborn = true; return p })
	fsmtest.EndlessNaks(t, fresh)
}

func TestAttackP6EndlessRequests(t *testing.T) {
	fsmtest.EndlessRequests(t, func() fsm.Protocol { return newFake(9) }, func(round int) []fsm.Option {
		return []fsm.Option{{Type: optNumber, Data: []byte{byte(round % 2)}}}
	})
}

// TestAttackP6Flapping: a peer that agrees and at once negotiates anew.
func TestAttackP6Flapping(t *testing.T) {
	p := newFake(1)
	b := fsmtest.NewBench(t, p)
	last := b.Sent()
	for id := range 100 {
		for _, sent := range last {
			if sent.Code == fsm.ConfigureRequest {
				b.GiveData(fsm.ConfigureAck, sent.ID, sent.Data)
			}
		}
		last = b.Give(fsm.ConfigureRequest, byte(id))
	}
	ups := strings.Count(strings.Join(p.log, " "), "up")
	if ups > 30 || b.State() >= fsm.ReqSent {
		t.Errorf("up %d times, state %v", ups, b.State())
	}
	if want := "negotiated anew 30 times within a minute"; b.Reason() == nil || b.Reason().Error() != want {
		t.Errorf("reason %v, want %s", b.Reason(), want)
	}
}

func TestAttackP9CodeRejectLoop(t *testing.T) {
	b := opened(t, newFake(1))
	for id := range 200 {
		if got := b.GiveData(fsm.CodeReject, byte(id), []byte{9, 1, 0, 4}); len(got) != 0 {
			t.Fatalf("a Code-Reject was answered by %v", got)
		}
	}
	if !b.Opened() {
		t.Errorf("a harmless Code-Reject led to %v", b.State())
	}
	b.GiveData(fsm.CodeReject, 1, []byte{byte(fsm.ConfigureAck), 1, 0, 4})
	if b.State() != fsm.Stopping || !strings.Contains(b.Reason().Error(), "Configure-Ack") {
		t.Errorf("a fatal Code-Reject led to %v, %v", b.State(), b.Reason())
	}
}

func TestAttackP9UnknownCodes(t *testing.T) {
	b := opened(t, newFake(1))
	b.MaxLen = 50
	data := bytes.Repeat([]byte{0xaa}, 1000)
	for code := range 256 {
		if code >= int(fsm.ConfigureRequest) && code <= int(fsm.CodeReject) {
			continue
		}
		got := b.GiveData(fsm.Code(code), 0xfe, data)
		if len(got) != 1 || got[0].Code != fsm.CodeReject || got[0].Data[0] != byte(code) || got[0].ID == 0xfe {
			t.Fatalf("code %d was answered by %v", code, got)
		}
	}
	if !b.Opened() {
		t.Errorf("state %v", b.State())
	}
}

func TestAttackP9TerminateFlood(t *testing.T) {
	p := newFake(1)
	b := opened(t, p)
	for id := range 1000 {
		got := b.GiveData(fsm.TerminateRequest, byte(id), []byte("\x1b[2J"))
		if len(got) != 1 || got[0].Code != fsm.TerminateAck || got[0].ID != byte(id) {
			t.Fatalf("Terminate-Request %d was answered by %v", id, got)
		}
	}
	b.Pass(time.Minute)
	if n := strings.Count(strings.Join(p.log, " "), "down"); n != 1 || len(b.Finished) != 1 || b.State() != fsm.Stopped {
		t.Errorf("down %d times, finished %v, %v", n, b.Finished, b.State())
	}
	if got, want := b.Finished[0].Error(), `peer terminated it: "\x1b[2J"`; got != want {
		t.Errorf("reason %s, want %s", got, want)
	}
}

// TestAttackP9Replay: what the peer sent before is sent again, with every
// identifier. Only a Configure-Request and a Terminate-Request may move an
// opened layer, by the table.
func TestAttackP9Replay(t *testing.T) {
	b := opened(t, newFake(1))
	for _, hex := range []string{"0200 0009 010301 0202", "0300 0007 010305", "0400 0006 0202"} {
		for id := range 256 {
			pkt := fsmtest.Unhex(hex)
			pkt[1] = byte(id)
			b.Receive(pkt)
		}
	}
	b.WantSent()
	if d := b.Stats().Drops; !b.Opened() || d.WrongIdentifier != 3*255 || d.RepeatedReply != 3 {
		t.Errorf("%v, %+v", b.State(), d)
	}
}

// FuzzMachine is row P5 for the whole Machine: any packets, in any order. The
// property: never more than two packets for one, none longer than the MRU, a
// deadline exactly in the timed states, and Up and Down in turns.
func FuzzMachine(f *testing.F) {
	f.Add([]byte("\x09\x01\x01\x00\x09\x01\x03\x01\x02\x02"), byte(0))
	f.Add(fsmtest.Unhex("09 02010009010301 0202 09 01010009010301 0202 04 05010004"), byte(1))
	f.Fuzz(func(t *testing.T, script []byte, open byte) {
		p := newFake(1)
		b := fsmtest.NewBench(t, p)
		if open&1 != 0 {
			b = opened(t, p)
		}
		b.MaxLen = 64
		b.Raw()
		for len(script) > 0 {
			n := min(int(script[0]), len(script)-1)
			b.Receive(script[1 : 1+n])
			script = script[1+n:]
			if sent := len(b.Sent()); sent > 2 {
				t.Fatalf("%d packets for one", sent)
			}
			s := b.State()
			if timed := s >= fsm.Closing && s <= fsm.AckSent; timed == b.Deadline().IsZero() {
				t.Fatalf("%v, deadline %v", s, b.Deadline())
			}
		}
		up := false
		for _, call := range p.log {
			if call == "reset" {
				continue
			}
			if up == (call == "up") {
				t.Fatalf("calls %v", p.log)
			}
			up = call == "up"
		}
	})
}
