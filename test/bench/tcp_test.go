package bench

import (
	"fmt"
	"net"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// streams measures one TCP stream from host-a to host-b, the ways in turn.
func (b *bench) streams() {
	for range *rounds {
		for _, w := range b.ways {
			b.use(w)
			b.measureStream(w)
		}
	}
	b.use(b.ways[0])
}

func (b *bench) measureStream(w *way) {
	b.T.Helper()
	before, spent := b.crossedEach(), b.spent(w)
	s := b.stream(w, *slice)
	b.quiet(w)
	b.mustCross(w, s.all, before)
	b.add(tcpRate, w.name, 8*float64(s.octets)/s.took.Seconds()/1e6)
	if w.devices != [2]string{} {
		b.add(cpuPerGiB, w.name, (b.spent(w)-spent).Seconds()*(1<<30)/float64(max(s.all, 1)))
	}
}

// spent is the processor time of a way's processes so far.
func (b *bench) spent(w *way) (sum time.Duration) {
	b.T.Helper()
	for _, pid := range w.pids {
		if pid != 0 {
			sum += cpuTime(b.T, pid)
		}
	}
	return sum
}

// A transfer is what a stream carried.
type transfer struct {
	octets int           // while it was measured
	took   time.Duration // in which time
	all    int           // with those in which TCP opened its window
}

// stream sends by TCP for some time.
func (b *bench) stream(w *way, d time.Duration) (s transfer) {
	b.T.Helper()
	l := b.Listen(b.HostB, w.b+":0")
	defer l.Close()
	c, err := dialFrom(b.HostA, w.a, l.Addr().String())
	if err != nil {
		b.T.Fatalf("%s: %v", w.name, err)
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
	for warm := time.Now().Add(d / 5); ; {
		in.SetReadDeadline(time.Now().Add(lab.Patience))
		n, err := in.Read(block)
		now := time.Now()
		if err != nil {
			b.T.Fatalf("%s: %v", w.name, err)
		}
		s.all += n
		switch {
		case began.IsZero() && now.After(warm):
			began = now
		case !began.IsZero():
			s.octets += n
			if s.took = now.Sub(began); s.took >= d {
				return s
			}
		}
	}
}

// dialFrom dials from an address of a host.
func dialFrom(host *netlab.Namespace, from, to string) (c net.Conn, err error) {
	err = host.Do(func() error {
		d := net.Dialer{Timeout: lab.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err = d.Dial("tcp", to)
		return err
	})
	return c, err
}

// holdStream keeps a stream up, for strace and perf.
func (b *bench) holdStream() {
	w := b.way(*through)
	if w == nil {
		b.T.Fatalf("-through %q: no such way here", *through)
	}
	for i, site := range b.sites() {
		if w.pids[i] != 0 {
			fmt.Printf("%s: %s\n", site.Name(), commandLine(b.T, w.pids[i]))
		}
	}
	s := b.stream(w, *hold)
	fmt.Printf("%s: %d octets arrived in %v\n", w.name, s.octets, s.took)
}
