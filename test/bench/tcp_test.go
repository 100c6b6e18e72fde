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

// streams measures one TCP stream in each direction, the ways in turn.
func (b *bench) streams() {
	ways := []way{tunnel, plain, packetwise}
	rates := map[string][]float64{} // by direction and way: Mbit/s
	var cpu [2]time.Duration        // of the daemons that send and receive
	var carried uint64              // octets of IP packets, also those in which TCP opened its window
	for range *rounds {
		for _, w := range ways {
			b.use(w)
			a, z := b.ends(w)
			for _, d := range []struct {
				name             string
				from, to         end
				sender, receiver *lab.Daemon
			}{
				{"a to b", a, z, b.a, b.b},
				{"b to a", z, a, b.b, b.a},
			} {
				s0, r0 := cpuTime(b.T, d.sender.Pid()), cpuTime(b.T, d.receiver.Pid())
				crossed := b.quiet()
				octets, took := b.stream(d.from, d.to, *slice)
				_, now := b.crossed()
				b.mustCross(w, d.name, octets, now-crossed)
				rates[d.name+w.name] = append(rates[d.name+w.name], 8*float64(octets)/took.Seconds()/1e6)
				if w == tunnel {
					cpu[0] += cpuTime(b.T, d.sender.Pid()) - s0
					cpu[1] += cpuTime(b.T, d.receiver.Pid()) - r0
					carried += now - crossed
				}
			}
		}
	}
	b.use(tunnel)
	b.printf("TCP, one stream, Mbit/s: median (least to most) of %d runs of %v, the ways in turn\n", *rounds, *slice)
	for _, direction := range []string{"a to b", "b to a"} {
		t := rates[direction+tunnel.name]
		b.printf("  %s  %-33s %s\n", direction, "tunnel", spread(t))
		for _, ref := range []struct {
			w    way
			what string
		}{
			{plain, "plain, 64 KiB from host to host"},
			{packetwise, "plain, packets of 1500 on the WAN"},
		} {
			r := rates[direction+ref.w.name]
			b.printf("          %-33s %s   tunnel/plain %.2f\n", ref.what, spread(r), median(t)/median(r))
		}
	}
	perGiB := func(d time.Duration) float64 { return d.Seconds() * (1 << 30) / float64(max(carried, 1)) }
	b.printf("CPU seconds per GiB of that: daemon that sends %.2f, daemon that receives %.2f\n", perGiB(cpu[0]), perGiB(cpu[1]))
}

// quiet waits until the last stream has left the tunnel, and returns how many
// octets have come out of it.
func (b *bench) quiet() (octets uint64) {
	b.T.Helper()
	var before uint64
	lab.Wait(b.T, "the tunnel is quiet", func() bool {
		before = octets
		_, octets = b.crossed()
		return octets == before && octets > 0 // after the pings
	})
	return octets
}

// mustCross fails the benchmark when what a stream carried went another way than
// it should.
func (b *bench) mustCross(w way, direction string, octets int, crossed uint64) {
	b.T.Helper()
	if in := w == tunnel; in && crossed < uint64(octets) || !in && crossed > max(uint64(octets)/100, 10_000) {
		b.T.Errorf("%s, %s: %d octets arrived, and the tunnel carried %d", w.name, direction, octets, crossed)
	}
	if octets == 0 {
		b.T.Errorf("%s, %s: nothing arrived", w.name, direction)
	}
}

// stream sends by TCP for some time and returns how many octets arrived. The
// first tenth, in which TCP opens its window, does not count.
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
	for end := time.Now().Add(d + d/10); ; {
		in.SetReadDeadline(end.Add(lab.Patience))
		n, err := in.Read(block)
		now := time.Now()
		if err != nil {
			b.T.Fatal(err)
		}
		switch {
		case began.IsZero() && now.After(end.Add(-d)):
			began = now
		case !began.IsZero():
			octets += n
		}
		if now.After(end) && octets > 0 {
			return octets, now.Sub(began)
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

// holdStream keeps a stream up through the tunnel, for strace and perf.
func (b *bench) holdStream() {
	fmt.Printf("daemon that sends: %s, that receives: %s\n", commandLine(b.T, b.a.Pid()), commandLine(b.T, b.b.Pid()))
	a, z := b.ends(tunnel)
	packets, octets := b.crossed()
	_, took := b.stream(a, z, *hold)
	morePackets, moreOctets := b.crossed()
	fmt.Printf("%d packets and %d octets out of the tunnel in %v\n", morePackets-packets, moreOctets-octets, took)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func spread(v []float64) string {
	return fmt.Sprintf("%6.0f (%.0f to %.0f)", median(v), slices.Min(v), slices.Max(v))
}
