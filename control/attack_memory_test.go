package control

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"sitebridge/internal/race"
)

// TestAttackC8MemoryAtScale: ten million messages that nobody should send, in sequence
// on connections that they do not end, and as the last word of thousands of connections.
// The memory that is in use afterwards is that of the first tenth, within 5 %.
func TestAttackC8MemoryAtScale(t *testing.T) {
	messages, connections := 10_000_000, 20_000
	if race.Enabled || os.Getenv("FULL") == "" {
		messages, connections = messages/100, connections/20
	}
	random := rand.New(rand.NewPCG(2637, 8))
	nonsense := tolerated(t, random)
	var seen atomic.Uint64
	noneLeft := baseline(t)
	tenth := func() {
		var both sync.WaitGroup
		for range 2 { // a core each
			both.Go(func() { seen.Add(nonsense.flood(t, messages/20)) })
		}
		for range connections / 10 {
			wantMalformedEnd(t, fatal(random))
		}
		both.Wait()
	}
	tenth()
	first := inUse()
	for range 9 {
		tenth()
	}
	noneLeft()
	last := inUse()
	if n := seen.Load(); n < uint64(messages) {
		t.Errorf("%d messages were counted, of %d", n, messages)
	}
	if last > first+first/20 {
		t.Errorf("%d octets in use after a tenth, %d at the end", first, last)
	}
	t.Logf("%d octets in use after a tenth, %d at the end, of %d messages", first, last, seen.Load())
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A nonsense is messages in sequence, none of which ends a connection.
type nonsense struct {
	octets   []byte
	messages int
}

// flood sends n of them on one connection, and returns how many were counted there.
func (all nonsense) flood(t *testing.T, n int) uint64 {
	ours, theirs := net.Pipe()
	count := new(counters)
	ended := make(chan error, 1)
	cfg := Config{Answer: func(o *Offer) { o.Refuse(Busy, NoError) }}
	go func() { ended <- newConn(ours, cfg, options{parent: count}).serve(t.Context()) }()
	go io.Copy(io.Discard, theirs)
	theirs.Write(Append(nil, okRequest))
	for sent := 0; sent < n; sent += all.messages {
		theirs.Write(all.octets)
	}
	theirs.Close()
	<-ended
	s := count.stats()
	return s.In.Total() + s.Drops.UnknownType
}

// tolerated is every type at a wrong time and with senseless contents, and types that
// there are none of: mostly short ones, of which there are more in a second.
func tolerated(t *testing.T, random *rand.Rand) (all nonsense) {
	t.Helper()
	add := func(b []byte) { all.octets, all.messages = append(all.octets, b...), all.messages+1 }
	for range 200 {
		for _, v := range vectors(t) {
			switch MessageType(be.Uint16(v.octets[8:])) {
			case TypeStartRequest, TypeStartReply, TypeStopRequest, TypeStopReply:
				continue // which have an answer of their own
			}
			b := append([]byte{}, v.octets...)
			for i := headerLen; i < len(b); i++ {
				b[i] = byte(random.Uint32())
			}
			add(b)
		}
		for _, most := range [...]int{maxUnknownLen, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40} {
			n := headerLen + random.IntN(most-headerLen+1)
			b := header(uint16(n), uint16(16+random.IntN(60000)))
			for len(b) < n {
				b = append(b, byte(random.Uint32()))
			}
			add(b)
		}
	}
	return all
}

// fatal is a message that ends its connection: a length, a cookie or a type that is none.
func fatal(random *rand.Rand) []byte {
	b := header(156, uint16(random.IntN(16)))
	switch random.IntN(3) {
	case 0:
		be.PutUint16(b, uint16(random.IntN(headerLen)))
	case 1:
		be.PutUint16(b[2:], uint16(2+random.IntN(60000)))
	default:
		be.PutUint32(b[4:], random.Uint32()&^1|uint32(random.IntN(2))<<1)
	}
	return b
}

// wantMalformedEnd has a connection end by what a peer says.
func wantMalformedEnd(t *testing.T, b []byte) {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- newConn(ours, Config{}, options{}).serve(t.Context()) }()
	theirs.Write(b)
	if _, isMalformed := (<-ended).(*MalformedError); !isMalformed {
		t.Errorf("% x did not end it", b)
	}
	theirs.Close()
}
