package bench

import (
	"encoding/binary"
	"net"
	"slices"
	"time"

	"sitebridge/test/lab"
)

// The ways take turns in runs of so many round trips, of which the first does not count:
// a program that has just worked for another way would be warm, and the others not.
const runLen = 30

// runs is how many of those make a round: enough for a 99th percentile, if the slice is a
// second.
func runs() int { return max(int(*slice/(100*time.Millisecond)), 1) }

// roundTrips measures what the tunnels add to a round trip when nothing else goes on: one
// datagram there and back, then a pause.
func (b *bench) roundTrips() {
	ask := map[*way]func() time.Duration{}
	for _, w := range b.ways {
		ask[w] = b.echo(w)
	}
	for range *rounds {
		took := map[*way][]time.Duration{}
		for range runs() {
			for _, w := range b.ways {
				took[w] = append(took[w], oneRun(ask[w])...)
			}
		}
		straight := took[b.way(plain)]
		for _, w := range b.tunnels() {
			b.add(addedP50, w.name, micro(quantile(took[w], 0.50)-quantile(straight, 0.50)))
			b.add(addedP99, w.name, micro(quantile(took[w], 0.99)-quantile(straight, 0.99)))
		}
	}
}

func oneRun(ask func() time.Duration) (took []time.Duration) {
	for range runLen {
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
