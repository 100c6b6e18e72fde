package bench

import (
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"sitebridge/test/lab"
)

// smallLen is the payload of a small datagram: a packet of 92 octets.
const smallLen = 64

// below is how much of wireguard-go's rate must arrive whole. A rate is not even: it
// comes in the bursts in which a host's timers fire.
const below = 0.9

// datagrams measures one flow of small datagrams: as many as the host can send, and then
// just below the rate at which they come out of wireguard-go.
func (b *bench) datagrams() {
	for range *rounds {
		for _, w := range b.ways {
			f := b.offer(w, smallLen, 0)
			b.add(smallRate, w.name, float64(f.inTime)/f.took.Seconds())
		}
	}
	mark := b.median(smallRate, wireGuard)
	if mark == 0 { // it is not here
		mark = b.median(smallRate, plainPackets) / 4
	}
	for range *rounds {
		for _, w := range b.ways {
			if w.ours() || w.name == wireGuard {
				f := b.offer(w, smallLen, int(below*mark))
				b.add(smallLoss, w.name, lost(f.sent, f.got))
			}
		}
	}
}

func lost(sent, got int) float64 { return 100 * float64(sent-got) / float64(max(sent, 1)) }

// A flow is what became of datagrams that were offered.
type flow struct {
	sent, got int
	inTime    int           // arrived before the last was sent: what stood in queues then is no rate
	took      time.Duration // to send all
}

// offer sends datagrams of so many octets of payload at a rate, 0 being as fast as
// possible.
func (b *bench) offer(w *way, payload, rate int) (f flow) {
	b.T.Helper()
	in := b.ListenUDP(b.HostB, w.b+":0")
	out := b.ListenUDP(b.HostA, w.a+":0")
	defer in.Close()
	defer out.Close()
	longQueue(in)
	var arrived atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		receive(in, payload, &arrived)
	}()
	began := time.Now()
	f.sent = send(out, in.LocalAddr(), payload, rate, began.Add(*slice/2))
	f.took, f.inTime = time.Since(began), int(arrived.Load())
	lab.Wait(b.T, w.name+": a datagram arrives", func() bool { return arrived.Load() > 0 })
	// And until nothing more does.
	for n := int64(-1); n != arrived.Load(); time.Sleep(100 * time.Millisecond) {
		n = arrived.Load()
	}
	in.Close()
	<-ended
	if f.got = int(arrived.Load()); f.got > f.sent {
		b.T.Errorf("%s: %d datagrams arrived of %d", w.name, f.got, f.sent)
	}
	return f
}

const batchLen = 64

func messages(payload int) []ipv4.Message {
	ms := make([]ipv4.Message, batchLen)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, payload)}
	}
	return ms
}

func receive(c *net.UDPConn, payload int, arrived *atomic.Int64) {
	p, ms := ipv4.NewPacketConn(c), messages(payload)
	for {
		n, err := p.ReadBatch(ms, 0)
		if err != nil {
			return // closed
		}
		arrived.Add(int64(n))
	}
}

// send sends batches until the time has come. With a rate, it sends what is due
// each millisecond, and never makes good for a time in which it did not run.
func send(c *net.UDPConn, to net.Addr, payload, rate int, until time.Time) (sent int) {
	p, ms := ipv4.NewPacketConn(c), messages(payload)
	for i := range ms {
		ms[i].Addr = to
	}
	due, last := 0.0, time.Now()
	for now := last; now.Before(until) || sent == 0; now = time.Now() {
		n := batchLen
		if rate > 0 {
			due = min(due+now.Sub(last).Seconds()*float64(rate), float64(rate)/200)
			last = now
			if n = min(int(due), batchLen); n == 0 {
				time.Sleep(time.Millisecond / 2)
				continue
			}
			due -= float64(n)
		}
		n, err := p.WriteBatch(ms[:n], 0)
		if err != nil {
			return sent // to nobody: the wait for an arrival fails
		}
		sent += n
	}
	return sent
}

// longQueue makes a socket's queue long: what is measured is not this process.
func longQueue(c *net.UDPConn) {
	c.SetReadBuffer(4 << 20)
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) // as root
		})
	}
}
