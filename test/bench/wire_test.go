package bench

import (
	"fmt"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// startPlain routes straight over the WAN.
func startPlain(b *bench, w *way) {
	b.SiteA.Route(network(w.b), lab.WANB)
	b.SiteB.Route(network(w.a), lab.WANA)
}

// lead routes what is for a way's hosts into its interfaces.
func (b *bench) lead(w *way) {
	b.T.Helper()
	for i, site := range b.sites() {
		b.IP(site, "route", "add", network([]string{w.b, w.a}[i]), "dev", w.devices[i])
	}
}

// waitDevice waits until a program has made its interface, and sets it up.
func (b *bench) waitDevice(site *netlab.Namespace, name string) {
	b.T.Helper()
	lab.Wait(b.T, fmt.Sprintf("%s has an interface %s", site.Name(), name), func() bool {
		_, err := site.Handle().LinkByName(name)
		return err == nil
	})
	site.Up(name)
}

// crossed returns how many octets have come out of a tunnel, at both ends together: a
// program that writes into a TUN interface is what the kernel counts as received.
func (b *bench) crossed(w *way) (octets uint64) {
	b.T.Helper()
	for i, site := range b.sites() {
		link, err := site.Handle().LinkByName(w.devices[i])
		if err != nil {
			b.T.Fatalf("%s: %s at %s: %v", w.name, w.devices[i], site.Name(), err)
		}
		octets += link.Attrs().Statistics.RxBytes
	}
	return octets
}

// crossedEach is crossed of every tunnel.
func (b *bench) crossedEach() map[*way]uint64 {
	b.T.Helper()
	each := map[*way]uint64{}
	for _, w := range b.tunnels() {
		each[w] = b.crossed(w)
	}
	return each
}

// quiet waits until what a stream left behind has come out of its tunnel.
func (b *bench) quiet(w *way) {
	b.T.Helper()
	if w.devices == [2]string{} {
		return
	}
	last, same := uint64(0), 0
	lab.Wait(b.T, "the tunnel is quiet", func() bool {
		same++
		if now := b.crossed(w); now != last {
			last, same = now, 0
		}
		return same == 3
	})
}

// mustCross fails the benchmark when what was carried went another way than it should.
func (b *bench) mustCross(w *way, octets int, before map[*way]uint64) {
	b.T.Helper()
	if octets == 0 {
		b.T.Errorf("%s: nothing arrived", w.name)
	}
	for _, other := range b.tunnels() {
		carried := b.crossed(other) - before[other]
		if other == w && carried < uint64(octets) || other != w && carried > max(uint64(octets)/100, 10_000) {
			b.T.Errorf("%s: %d octets arrived, and the tunnel of %s carried %d", w.name, octets, other.name, carried)
		}
	}
}
