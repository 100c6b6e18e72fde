package bench

import "sitebridge/ipx"

const (
	ipxLen      = 576 // octets of a packet that every IPX router carries
	burstLen    = 64
	benchSocket = ipx.Socket(0x5b1d)
)

// ipx measures IPX packets from LAN to LAN in bursts, the tunnels in turn.
func (b *bench) ipx() {
	b.printf("IPX, packets of %d octets in bursts of %d, a to b, packets per second\n", ipxLen, burstLen)
	l := newIPXLine(b.World, "lan")
	trips := map[string]*ipxTrip{}
	for _, w := range tunnels {
		trips[w.name] = b.newIPXTrip(w)
	}
	for _, flying := range []int{1, 4} {
		rates := map[string][]float64{}
		loss := map[string][]float64{}
		for range *rounds {
			for _, w := range tunnels {
				f := l.run(b.T, trips[w.name], ipxLen, flying, *slice)
				rates[w.name] = append(rates[w.name], f.rate())
				loss[w.name] = append(loss[w.name], lost(f.sent, f.got))
			}
		}
		b.printf("  %d at once:", flying)
		for _, w := range tunnels {
			b.printf("  %s %.0f (%.2f %% lost, of clear %.2f)",
				w.name, median(rates[w.name]), median(loss[w.name]), ratio(rates[w.name], rates[inClear.name]))
		}
		b.printf("\n")
	}
}

func (b *bench) newIPXTrip(w way) *ipxTrip {
	b.T.Helper()
	return newRoutedTrip(b.World, "lan", w.frame, w.ipxA, w.ipxB)
}
