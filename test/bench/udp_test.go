package bench

import (
	"encoding/binary"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"sitebridge/test/lab"
)

// smallLen is the payload of a small datagram: a packet of 92 octets.
const smallLen = 64

// datagrams measures small datagrams: as many as can be sent, then rates that
// the tunnels should carry without loss.
func (b *bench) datagrams() {
	ways := append(slices.Clone(tunnels), plain)
	flood := map[string][]float64{}
	loss := map[string][]float64{}
	for range *rounds {
		for _, w := range ways {
			sent, got, took := b.offer(w, 0)
			flood[w.name] = append(flood[w.name], float64(got)/took.Seconds())
			loss[w.name] = append(loss[w.name], lost(sent, got))
		}
	}
	b.printf("UDP, %d octets of payload, a to b, packets per second that arrive; as fast as the host can\n", smallLen)
	for _, w := range ways {
		b.printf("  %-10s %-27s %2.0f %% lost", w.name, spread(flood[w.name]), median(loss[w.name]))
		if w.method != "" {
			b.printf("   of plain %.2f, of clear %.2f", ratio(flood[w.name], flood[plain.name]), ratio(flood[w.name], flood[inClear.name]))
		}
		b.printf("\n")
	}
	for _, share := range []float64{0.25, 0.5} {
		b.printf("  %3.0f %% of that:", 100*share)
		for _, w := range tunnels {
			rate := int(median(flood[w.name]) * share)
			sent, got, _ := b.offer(w, rate)
			b.printf("  %s %d a second, %.2f %% lost", w.name, rate, lost(sent, got))
		}
		b.printf("\n")
	}
}

func lost(sent, got int) float64 { return 100 * float64(sent-got) / float64(max(sent, 1)) }

// offer sends datagrams at a rate, 0 being as fast as possible, and returns how
// many were sent and arrived.
func (b *bench) offer(w way, rate int) (sent, got int, took time.Duration) {
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
		receive(in, &arrived)
	}()
	began := time.Now()
	sent = send(out, in.LocalAddr(), rate, began.Add(*slice))
	took = time.Since(began)
	lab.Wait(b.T, w.name+": a datagram arrives", func() bool { return arrived.Load() > 0 })
	// And until nothing more does.
	for n := int64(-1); n != arrived.Load(); time.Sleep(100 * time.Millisecond) {
		n = arrived.Load()
	}
	in.Close()
	<-ended
	got = int(arrived.Load())
	if got > sent {
		b.T.Errorf("%s: %d datagrams arrived of %d", w.name, got, sent)
	}
	return sent, got, took
}

const batchLen = 64

func messages() []ipv4.Message {
	ms := make([]ipv4.Message, batchLen)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, smallLen)}
	}
	return ms
}

func receive(c *net.UDPConn, arrived *atomic.Int64) {
	p, ms := ipv4.NewPacketConn(c), messages()
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
func send(c *net.UDPConn, to net.Addr, rate int, until time.Time) (sent int) {
	p, ms := ipv4.NewPacketConn(c), messages()
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

// roundTrips measures what the tunnels add to a round trip when nothing else
// goes on: one datagram there and back, then a pause, the ways in turn.
func (b *bench) roundTrips() {
	took := map[string][]time.Duration{}
	ways := append(slices.Clone(tunnels), plain)
	var ask []func() time.Duration
	for _, w := range ways {
		ask = append(ask, b.echo(w))
	}
	for range max(20, *rounds*300) {
		for i, w := range ways {
			took[w.name] = append(took[w.name], ask[i]())
			time.Sleep(500 * time.Microsecond)
		}
	}
	b.printf("Round trip of a datagram when idle, microseconds, and how many more than plain\n")
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.50}, {"p99", 0.99}} {
		p := quantile(took[plain.name], q.at)
		b.printf("  %s", q.name)
		for _, w := range tunnels {
			t := quantile(took[w.name], q.at)
			b.printf("  %s %.0f (+%.0f)", w.name, micro(t), micro(t-p))
		}
		b.printf("  plain %.0f\n", micro(p))
	}
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func quantile(v []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// echo opens a socket at each host and returns a function that goes there and
// back. What is lost is asked again.
func (b *bench) echo(w way) func() time.Duration {
	far, near := b.ListenUDP(b.HostB, w.b+":0"), b.ListenUDP(b.HostA, w.a+":0")
	go func() {
		buf := make([]byte, smallLen)
		for {
			n, from, err := far.ReadFromUDPAddrPort(buf)
			if err != nil {
				return // closed with the world
			}
			far.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	number, buf := uint64(0), make([]byte, smallLen)
	to := far.LocalAddr().(*net.UDPAddr).AddrPort()
	return func() time.Duration {
		for end := time.Now().Add(lab.Patience); time.Now().Before(end); {
			number++
			began := time.Now()
			near.SetReadDeadline(began.Add(time.Second))
			binary.BigEndian.PutUint64(buf, number)
			if _, err := near.WriteToUDPAddrPort(buf, to); err != nil {
				b.T.Fatal(err)
			}
			for {
				n, _, err := near.ReadFromUDPAddrPort(buf)
				if err != nil {
					break
				}
				if n == smallLen && binary.BigEndian.Uint64(buf) == number {
					return time.Since(began)
				}
			}
		}
		b.T.Fatalf("%s: no echo", w.name)
		return 0
	}
}
