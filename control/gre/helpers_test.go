package gre

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sitebridge/internal/packet"
)

var bare = netip.Addr{} // no local address: the kernel, or the Memory, chooses

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// buffer returns a Buffer with p in it.
func buffer(p []byte) *packet.Buffer {
	b := new(packet.Buffer)
	if !b.Set(p) {
		panic("too long for a buffer")
	}
	return b
}

// numbered returns n frames, each beginning with its number from first on.
func numbered(first, n int) []*packet.Buffer {
	frames := make([]*packet.Buffer, n)
	for i := range frames {
		frames[i] = buffer(binary.BigEndian.AppendUint32(nil, uint32(first+i)))
	}
	return frames
}

func numbers(first, n int) []uint32 {
	want := make([]uint32, n)
	for i := range want {
		want[i] = uint32(first + i)
	}
	return want
}

// An inbox is a receive function that remembers the number of each frame.
type inbox struct {
	mu    sync.Mutex
	seen  []uint32
	calls int
	busy  bool
	t     *testing.T
}

func (in *inbox) receive(frames []*packet.Buffer) {
	in.mu.Lock()
	if in.busy {
		in.t.Error("receive called while it runs")
	}
	in.busy = true
	in.calls++
	in.mu.Unlock()
	if len(frames) == 0 || len(frames) > packet.BatchLen {
		in.t.Errorf("receive called with %d frames", len(frames))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, b := range frames {
		if b.Len() < 4 {
			in.t.Errorf("receive called with a frame of %d octets", b.Len())
			continue
		}
		in.seen = append(in.seen, binary.BigEndian.Uint32(b.Bytes()))
	}
	in.busy = false
}

// take returns what was seen since the last call.
func (in *inbox) take() []uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	seen := in.seen
	in.seen = nil
	return seen
}

// An end is one side of a call in a test.
type end struct {
	*Channel
	carrier *Memory
	mux     *Mux
	inbox   *inbox
}

// runMux runs a mux until the test ends, and waits for it.
func runMux(t *testing.T, c Carrier) *Mux {
	t.Helper()
	return runMuxes(t, c, nil)
}

func runMuxes(t *testing.T, raw, udp Carrier) *Mux {
	t.Helper()
	m := NewMux(raw, udp, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return m
}

// dial makes both ends of one call over a pair of Memories.
func dial(t *testing.T, cfgA, cfgB ChannelConfig) (a, b *end) {
	t.Helper()
	ma, mb := NewPair()
	a = &end{carrier: ma, mux: runMux(t, ma), inbox: &inbox{t: t}}
	b = &end{carrier: mb, mux: runMux(t, mb), inbox: &inbox{t: t}}
	a.open(t, mb.Addr(), cfgA)
	b.open(t, ma.Addr(), cfgB)
	a.Connect(bare, b.ID(), cfgB.Window, a.inbox.receive)
	b.Connect(bare, a.ID(), cfgA.Window, b.inbox.receive)
	return a, b
}

func (e *end) open(t *testing.T, peer netip.Addr, cfg ChannelConfig) {
	t.Helper()
	c, err := e.mux.Open(peer, cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	e.Channel = c
	t.Cleanup(func() { c.Close() })
}

// inject sends octets, as they are, from a forged address to e.
func (e *end) inject(t *testing.T, from netip.Addr, p []byte) {
	t.Helper()
	b := packet.Get()
	b.Set(p)
	e.carrier.arrive(Datagram{Path{Local: e.carrier.Addr(), Remote: from}, b})
}

// peerPacket is a packet as e's peer would send it: data with number seq.
func (e *end) peerPacket(seq uint32) []byte { return data(e.ID(), seq) }

// data returns a packet whose frame is its number.
func data(id uint16, seq uint32) []byte {
	h := Header{PayloadLen: 4, CallID: id, HasSeq: true, Seq: seq}
	return encode(h, binary.BigEndian.AppendUint32(nil, seq))
}

func ackOnly(id uint16, ack uint32) []byte {
	return encode(Header{CallID: id, HasAck: true, Ack: ack}, nil)
}

func encode(h Header, payload []byte) []byte {
	b := make([]byte, h.Len(), h.Len()+len(payload))
	h.Put(b)
	return append(b, payload...)
}

// virtual runs a test in a bubble whose clock is virtual.
func virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
