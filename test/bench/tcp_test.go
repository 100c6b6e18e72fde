package bench

import (
	"fmt"
	"net"
	"slices"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// An end is a host of a stream.
type end struct {
	ns   *netlab.Namespace
	addr string
}

func (b *bench) ends(w way) (a, z end) { return end{b.HostA, w.a}, end{b.HostB, w.b} }

// A direction is which way a stream goes.
type direction struct {
	name             string
	sender, receiver *lab.Daemon
	back             bool
}

// Figures are what a stream was measured to be.
type figures struct {
	rates   []float64 // Mbit/s, round by round
	cpu     [2]time.Duration
	carried uint64 // octets of IP packets, also those in which TCP opened its window
}

// streams measures one TCP stream in each direction, the ways in turn.
func (b *bench) streams() {
	ways := append(slices.Clone(tunnels), packetwise, plain)
	directions := []direction{{"a to b", b.a, b.b, false}, {"b to a", b.b, b.a, true}}
	got := map[string]*figures{} // by direction and way
	for range *rounds {
		for _, w := range ways {
			b.use(w)
			for _, d := range directions {
				f := got[d.name+w.name]
				if f == nil {
					f = new(figures)
					got[d.name+w.name] = f
				}
				b.measure(f, w, d)
			}
		}
	}
	b.use(inClear)
	b.printf("TCP, one stream: median (least to most) of %d runs of %v, the ways in turn; ratios round by round\n", *rounds, *slice)
	b.printf("  %-30s %-24s %8s %8s  %s\n", "", "Mbit/s", "of plain", "of clear", "CPU seconds per GiB: daemon that sends, that receives")
	for _, d := range directions {
		for _, w := range ways {
			f, measure, clear := got[d.name+w.name], got[d.name+packetwise.name], got[d.name+inClear.name]
			b.printf("  %s  %-22s %-24s", d.name, w.name, spread(f.rates))
			if w.method != "" {
				b.printf(" %8.2f %8.2f  %.2f, %.2f", ratio(f.rates, measure.rates), ratio(f.rates, clear.rates), f.perGiB(0), f.perGiB(1))
			}
			b.printf("\n")
		}
	}
}

// measure measures one stream.
func (b *bench) measure(f *figures, w way, d direction) {
	b.T.Helper()
	from, to := b.ends(w)
	if d.back {
		from, to = to, from
	}
	watched := tunnels
	if w.method != "" {
		watched = []way{w}
	}
	s0, r0 := cpuTime(b.T, d.sender.Pid()), cpuTime(b.T, d.receiver.Pid())
	before := b.quiet(watched...)
	octets, took := b.stream(from, to, *slice)
	now := b.quiet(watched...) // a daemon counts a moment later than the host reads
	b.mustCross(w, d.name, octets, now-before)
	f.rates = append(f.rates, 8*float64(octets)/took.Seconds()/1e6)
	f.cpu[0] += cpuTime(b.T, d.sender.Pid()) - s0
	f.cpu[1] += cpuTime(b.T, d.receiver.Pid()) - r0
	f.carried += now - before
}

// perGiB returns seconds of CPU time.
func (f *figures) perGiB(end int) float64 {
	return f.cpu[end].Seconds() * (1 << 30) / float64(max(f.carried, 1))
}

// quiet waits until the last stream has left the tunnels, and returns how many
// octets have come out of them.
func (b *bench) quiet(ways ...way) (octets uint64) {
	b.T.Helper()
	var before uint64
	lab.Wait(b.T, "the tunnel is quiet", func() bool {
		before = octets
		_, octets = b.crossed(ways...)
		return octets == before && octets > 0 // after the pings
	})
	return octets
}

// mustCross fails the benchmark when what a stream carried went another way than
// it should.
func (b *bench) mustCross(w way, direction string, octets int, crossed uint64) {
	b.T.Helper()
	if in := w.method != ""; in && crossed < uint64(octets) || !in && crossed > max(uint64(octets)/100, 10_000) {
		b.T.Errorf("%s, %s: %d octets arrived, and the tunnel carried %d", w.name, direction, octets, crossed)
	}
	if octets == 0 {
		b.T.Errorf("%s, %s: nothing arrived", w.name, direction)
	}
}

// stream sends by TCP for some time and returns how many octets arrived. The
// time in which TCP opens its window does not count.
func (b *bench) stream(from, to end, d time.Duration) (octets int, took time.Duration) {
	b.T.Helper()
	l := b.Listen(to.ns, to.addr+":0")
	defer l.Close()
	c, err := dialFrom(from, l.Addr().String())
	if err != nil {
		b.T.Fatal(err)
	}
	go func() {
		block := make([]byte, 256<<10)
		for {
			if _, err := c.Write(block); err != nil {
				return // closed below
			}
		}
	}()
	defer c.Close()
	in, err := l.Accept()
	if err != nil {
		b.T.Fatal(err)
	}
	defer in.Close()
	block := make([]byte, 256<<10)
	var began time.Time
	for warm := time.Now().Add(d / 10); ; {
		in.SetReadDeadline(time.Now().Add(lab.Patience))
		n, err := in.Read(block)
		now := time.Now()
		if err != nil {
			b.T.Fatal(err)
		}
		switch {
		case began.IsZero() && now.After(warm):
			began = now
		case !began.IsZero():
			octets += n
			if took = now.Sub(began); took >= d {
				return octets, took
			}
		}
	}
}

// dialFrom dials from the end's own address.
func dialFrom(from end, to string) (c net.Conn, err error) {
	err = from.ns.Do(func() error {
		d := net.Dialer{Timeout: lab.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from.addr)}}
		c, err = d.Dial("tcp", to)
		return err
	})
	return c, err
}

// holdStream keeps a stream up through a tunnel, for strace and perf.
func (b *bench) holdStream() {
	fmt.Printf("daemon that sends: %s, that receives: %s\n", commandLine(b.T, b.a.Pid()), commandLine(b.T, b.b.Pid()))
	i := slices.IndexFunc(tunnels, func(w way) bool { return w.name == *through })
	if i < 0 {
		b.T.Fatalf("-through %s: want clear, mppe-128 or aead", *through)
	}
	w := tunnels[i]
	a, z := b.ends(w)
	packets, octets := b.crossed(w)
	_, took := b.stream(a, z, *hold)
	morePackets, moreOctets := b.crossed(w)
	fmt.Printf("%d packets and %d octets out of the tunnel in %v\n", morePackets-packets, moreOctets-octets, took)
}
