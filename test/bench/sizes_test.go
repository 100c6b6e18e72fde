package bench

import "fmt"

// payloads are the lengths at which the cost of a packet is looked at. All fit into the
// MTU of each tunnel.
var payloads = []int{64, 256, 576, 1024, 1392}

// sizes are how many datagrams a second come through, by payload.
var sizes = func() (all []*quantity) {
	for _, n := range payloads {
		all = append(all, &quantity{name: fmt.Sprintf("UDP, %d octets, packets a second", n)})
	}
	return all
}()

// sizes measures one flow of datagrams of each length: how the cost of a packet grows
// with what is in it.
func (b *bench) sizes() {
	for range *rounds {
		for i, n := range payloads {
			for _, w := range b.ways {
				f := b.offer(w, n, 0)
				b.add(sizes[i], w.name, float64(f.inTime)/f.took.Seconds())
			}
		}
	}
}
