package bench

import (
	"encoding/binary"
	"net"
	"slices"
	"time"

	"sitebridge/test/lab"
)

// In a turn every way has so many round trips, of which the first does not count: a
// program that has just worked for another way would be warm, and the others not. A turn
// takes some 50 ms, so that a bad moment of the machine meets all ways alike.
const inTurn = 4

// turns is how many of those make a round: with five rounds enough for a 99th percentile,
// if the slice is a second.
func turns() int { return max(int(*slice/(5*time.Millisecond)), 1) }

// roundTrips measures what the tunnels add to a round trip when nothing else goes on: one
// datagram there and back, then a pause. What plain routing takes is that of the same turn.
func (b *bench) roundTrips() {
	ask := map[*way]func() time.Duration{}
	for _, w := range b.ways {
		ask[w] = b.echo(w)
	}
	straight, added := new(sample), map[*way]*sample{}
	for _, w := range b.tunnels() {
		added[w] = new(sample)
	}
	for range *rounds * turns() {
		took := map[*way][]time.Duration{}
		for _, w := range b.ways {
			took[w] = oneRun(ask[w])
		}
		base := quantile(took[b.way(plain)], 0.5)
		straight.add(took[b.way(plain)], 0)
		for w, s := range added {
			s.add(took[w], base)
		}
	}
	b.printf("Round trips: %d by each way; plain routing's own take %.0f µs, and %.0f at the 99th percentile. Ratios are those of %d draws, where rounds would be.\n",
		len(straight.took), straight.quantile(nil, 0.50), straight.quantile(nil, 0.99), draws)
	for _, blocks := range draw(*rounds * turns()) {
		for w, s := range added {
			b.add(addedP50, w.name, s.quantile(blocks, 0.50))
			b.add(addedP99, w.name, s.quantile(blocks, 0.99))
		}
	}
}

func oneRun(ask func() time.Duration) (took []time.Duration) {
	for range inTurn {
		took = append(took, ask())
		time.Sleep(500 * time.Microsecond)
	}
	return took[1:]
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func quantile(v []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// echo opens a socket at each host and returns a function that goes there and
// back. What is lost is asked again.
func (b *bench) echo(w *way) func() time.Duration {
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
