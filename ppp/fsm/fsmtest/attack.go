package fsmtest

import (
	"bytes"
	"testing"
	"time"

	"sitebridge/ppp/fsm"
)

// Make returns a fresh Protocol, as a site would configure it.
type Make func() fsm.Protocol

// kinds are the option types of all protocols here, and some that nobody has.
func kinds() []byte {
	var k []byte
	for kind := range byte(32) {
		k = append(k, kind)
	}
	return append(k, 127, 128, 129, 130, 131, 132, 133, 254, 255)
}

// Repeats is row P1: one option 300 times, of every type and several lengths.
// The answer is never longer than the peer's MRU and names each type once.
func Repeats(t *testing.T, fresh Make) {
	for _, kind := range kinds() {
		for _, n := range []int{0, 2, 4, 6, 8, 10, 198} {
			for _, mru := range []int{64, 1500} {
				b := NewBench(t, fresh())
				b.MaxLen = mru
				b.Raw()
				opts := make([]fsm.Option, 300)
				for i := range opts {
					data := make([]byte, n)
					if n > 0 {
						data[n-1] = byte(i)
					}
					opts[i] = fsm.Option{Type: kind, Data: data}
				}
				for _, p := range b.Give(fsm.ConfigureRequest, 1, opts...) {
					onceEach(t, p)
				}
			}
		}
	}
}

func onceEach(t *testing.T, p fsm.Packet) {
	t.Helper()
	if p.Code == fsm.ConfigureAck {
		t.Errorf("an option 300 times was acknowledged")
		return
	}
	opts, err := fsm.ParseOptions(p.Data)
	if err != nil {
		t.Fatal(err)
	}
	var seen [256]bool
	for _, o := range opts {
		if seen[o.Type] {
			t.Errorf("%v names option %d twice", p.Code, o.Type)
			return
		}
		seen[o.Type] = true
	}
}

// Lengths is row P2: every type with every length, among them 0, 1, 2, one too
// short, one too long and 255. What is not well is refused or dropped; may says
// which length of the option (its two octets of header counted) an Ack may have.
func Lengths(t *testing.T, fresh Make, may func(kind byte, length int) bool) {
	for _, kind := range kinds() {
		for length := range 256 {
			b := NewBench(t, fresh())
			opt := make([]byte, max(length, 2))
			for i := range opt {
				opt[i] = 'A'
			}
			opt[0], opt[1] = kind, byte(length)
			for _, data := range [][]byte{opt, opt[:len(opt)-1]} {
				for _, p := range b.GiveData(fsm.ConfigureRequest, 1, data) {
					whole := len(data) == length
					if p.Code == fsm.ConfigureAck && (!whole || !may(kind, length)) {
						t.Fatalf("option %d of length %d in %d octets was acknowledged", kind, length, len(data))
					}
					if p.Code == fsm.ConfigureReject && !bytes.Equal(p.Data, data) {
						t.Fatalf("option % x rejected as % x", data, p.Data)
					}
				}
			}
			// The same in a Nak and a Reject of our own request.
			b.GiveData(fsm.ConfigureNak, 1, opt)
			b.GiveData(fsm.ConfigureReject, 2, opt)
		}
	}
}

// EmptyRefusals is row P3: Nak and Reject with bodies of 0 and 1 octet are
// ignored.
func EmptyRefusals(t *testing.T, fresh Make) {
	for _, code := range []fsm.Code{fsm.ConfigureNak, fsm.ConfigureReject} {
		for _, body := range [][]byte{nil, {0}, {1}, {3}, {0xff}} {
			b := NewBench(t, fresh())
			id := b.Sent()[0].ID
			if got := b.GiveData(code, id, body); len(got) != 0 || b.State() != fsm.ReqSent {
				t.Errorf("%v with % x: sent %v, state %v", code, body, got, b.State())
			}
			if n := b.Stats().Drops.Malformed; n != 1 {
				t.Errorf("%v with % x: counted as malformed %d times", code, body, n)
			}
		}
	}
}

// mostPackets bounds what an endless negotiation may cost us.
const mostPackets = 100

// EndlessNaks is row P6 one way: the peer Naks everything, with another value
// each time. The layer ends with a reason.
func EndlessNaks(t *testing.T, fresh Make) {
	b := NewBench(t, fresh())
	sent, last := 0, b.Sent()
	for round := byte(0); len(last) > 0 && sent < 10*mostPackets; round++ {
		sent += len(last)
		p := last[len(last)-1]
		if p.Code != fsm.ConfigureRequest {
			break
		}
		opts, err := fsm.ParseOptions(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(opts) == 0 {
			return // it asks for nothing any more: nothing to Nak
		}
		for i := range opts {
			opts[i].Data = bytes.Clone(opts[i].Data)
			for j := range opts[i].Data {
				opts[i].Data[j] = round%2*0x40 + 1 + byte(i)
			}
		}
		last = b.Give(fsm.ConfigureNak, p.ID, opts...)
	}
	wantEnded(t, b, sent)
}

// EndlessRequests is row P6 the other way: the peer accepts what we ask for and
// itself asks for what must be refused, for ever. wish gives the options of its
// round; each is to be such as is Nak'd.
func EndlessRequests(t *testing.T, fresh Make, wish func(round int) []fsm.Option) {
	b := NewBench(t, fresh())
	sent, last := 0, b.Sent()
	for round := 0; b.State() >= fsm.ReqSent && sent < 10*mostPackets; round++ {
		sent += len(last)
		for _, p := range last {
			if p.Code == fsm.ConfigureRequest {
				sent += len(b.GiveData(fsm.ConfigureAck, p.ID, p.Data))
			}
		}
		last = b.Give(fsm.ConfigureRequest, byte(round), wish(round)...)
	}
	wantEnded(t, b, sent)
}

// wantEnded fails unless the layer is given up, for a reason and at a bounded
// cost. The Terminate-Requests that nobody answers are waited for.
func wantEnded(t *testing.T, b *Bench, sent int) {
	t.Helper()
	b.Pass(time.Minute)
	sent += len(b.Sent())
	if s := b.State(); s != fsm.Closed && s != fsm.Stopped {
		t.Errorf("state %v after %d packets, want the end", s, sent)
	}
	if len(b.Finished) != 1 || b.Reason() == nil {
		t.Errorf("finished %v, reason %v, want one", b.Finished, b.Reason())
	}
	if sent > mostPackets {
		t.Errorf("the end took %d packets, want at most %d", sent, mostPackets)
	}
}
