package fsmtest

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"sitebridge/ppp/fsm"
)

// A Bench holds one Machine whose peer is the test.
type Bench struct {
	*fsm.Machine
	Finished []error
	MaxLen   int // of what the Machine may send; 1500 at first

	t    testing.TB
	now  time.Time
	sent [][]byte
}

// NewBench returns an open Machine on a wire that is up: it has sent its first
// Configure-Request.
func NewBench(t testing.TB, p fsm.Protocol) *Bench {
	b := &Bench{t: t, MaxLen: 1500, now: time.Unix(1e9, 0)}
	b.Machine = fsm.NewMachine(p, fsm.Config{
		Send:     func(pkt []byte) { b.sent = append(b.sent, append([]byte(nil), pkt...)) },
		MaxLen:   func() int { return b.MaxLen },
		Now:      func() time.Time { return b.now },
		Finished: func(reason error) { b.Finished = append(b.Finished, reason) },
	})
	b.Open()
	b.LowerUp()
	return b
}

// Raw returns what was sent since the last call.
func (b *Bench) Raw() [][]byte {
	sent := b.sent
	b.sent = nil
	return sent
}

// Sent returns what was sent since the last call, parsed.
func (b *Bench) Sent() []fsm.Packet {
	b.t.Helper()
	var packets []fsm.Packet
	for _, raw := range b.Raw() {
		p, err := fsm.ParsePacket(raw)
		if err != nil || len(p.Data)+fsm.HeaderLen != len(raw) {
			b.t.Fatalf("sent a malformed packet % x: %v", raw, err)
		}
		if len(raw) > b.MaxLen {
			b.t.Fatalf("sent %d octets to a peer that takes %d", len(raw), b.MaxLen)
		}
		packets = append(packets, p)
	}
	return packets
}

// Give hands a packet to the Machine and returns what it sent upon it.
func (b *Bench) Give(code fsm.Code, id byte, opts ...fsm.Option) []fsm.Packet {
	b.t.Helper()
	return b.GiveData(code, id, fsm.AppendOptions(nil, opts))
}

// GiveData is Give with data that need not be options.
func (b *Bench) GiveData(code fsm.Code, id byte, data []byte) []fsm.Packet {
	b.t.Helper()
	b.Sent()
	b.Receive(fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: id, Data: data}))
	return b.Sent()
}

// Want gives a packet in hex and compares what is sent upon it, in hex too.
func (b *Bench) Want(give string, want ...string) {
	b.t.Helper()
	b.Raw()
	b.Receive(Unhex(give))
	b.WantSent(want...)
}

// WantSent compares what was sent since the last look.
func (b *Bench) WantSent(want ...string) {
	b.t.Helper()
	var got []string
	for _, raw := range b.Raw() {
		got = append(got, hex.EncodeToString(raw))
	}
	for i, w := range want {
		want[i] = hex.EncodeToString(Unhex(w))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		b.t.Errorf("sent %q, want %q", got, want)
	}
}

// Pass lets the clock go on and expires what is due.
func (b *Bench) Pass(d time.Duration) {
	for end := b.now.Add(d); ; {
		due := b.Deadline()
		if due.IsZero() || due.After(end) {
			b.now = end
			return
		}
		b.now = due
		b.Expire()
	}
}

// Unhex turns hex with blanks into octets.
func Unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
