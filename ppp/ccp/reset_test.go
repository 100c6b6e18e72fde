package ccp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

// opened returns a Protocol that is up, on its Machine, and what it sends besides.
func opened(t *testing.T, stateful bool) (p *ccp.Protocol, b *fsmtest.Bench, besides *[]fsm.Packet) {
	t.Helper()
	p, besides = ccp.New(config(stateful)), new([]fsm.Packet)
	p.SetSend(func(pkt []byte) {
		parsed, err := fsm.ParsePacket(pkt)
		if err != nil {
			t.Error(err)
		}
		*besides = append(*besides, parsed)
	})
	b = fsmtest.NewBench(t, p)
	if stateful {
		b.Receive(fsmtest.Unhex("0301000a 1206 00000040"))
		b.Receive(fsmtest.Unhex("0101000a 1206 00000040"))
		b.Receive(fsmtest.Unhex("0202000a 1206 00000040"))
	} else {
		b.Receive(fsmtest.Unhex("0101000a 1206 01000040"))
		b.Receive(fsmtest.Unhex("0201000a 1206 01000040"))
	}
	if !b.Opened() {
		t.Fatalf("%v, %v", b.State(), b.Reason())
	}
	b.Sent()
	return p, b, besides
}

// first is the first octet of the next packet that is sealed.
func first(p *ccp.Protocol) byte {
	var pkt packet.Buffer
	pkt.Set(ipPacket())
	p.Coder().Seal([]*packet.Buffer{&pkt})
	return pkt.Bytes()[0]
}

// A Reset-Request is answered by a Reset-Ack with its identifier, for Linux, and
// in stateful mode by bit A, once.
func TestResetRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, b, besides := opened(t, true)
		if got := first(p); got != 0x10 {
			t.Errorf("a packet begins with %02x", got)
		}
		b.Want("0e090004")
		if len(*besides) != 1 || (*besides)[0].Code != 15 || (*besides)[0].ID != 9 || len((*besides)[0].Data) != 0 {
			t.Errorf("answered by %v", *besides)
		}
		if got := [2]byte{first(p), first(p)}; got != [2]byte{0x90, 0x10} {
			t.Errorf("the next packets begin with % x, want the first with A", got)
		}
		b.Want("0f090004")
		if got := first(p); got != 0x10 || len(*besides) != 1 {
			t.Errorf("a Reset-Ack did something: %02x, %v", got, *besides)
		}
	})
}

// TestAttackE5ResetStorm: 10 000 Reset-Requests in a second.
func TestAttackE5ResetStorm(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, b, besides := opened(t, stateful)
			flushes := 0
			for i := range 10000 {
				b.Want("0e090004")
				time.Sleep(100 * time.Microsecond)
				if i%10 == 0 && first(p)&0x80 != 0 {
					flushes++
				}
			}
			if n := len(*besides); n > 120 || n < 100 {
				t.Errorf("stateful %v: %d answers", stateful, n)
			}
			if stateful && flushes > 120 {
				t.Errorf("%d flushes", flushes)
			}
			if !b.Opened() || p.Coder().Events()["reset_requests"] != 10000 {
				t.Errorf("%v, %v", b.State(), p.Coder().Events())
			}
		})
	}
}

// One that comes too early is nothing.
func TestResetRequestBeforeUp(t *testing.T) {
	p := ccp.New(config(true))
	b := fsmtest.NewBench(t, p)
	b.Sent()
	b.Want("0e090004")
	b.Want("0f090004")
	if n := b.Stats().UnknownCode; n != 0 || p.Coder() != nil {
		t.Errorf("%d unknown codes", n)
	}
}
