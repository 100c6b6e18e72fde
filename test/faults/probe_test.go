package faults

import (
	"encoding/binary"
	"errors"
	"net"
	"sort"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// every is how often a question goes through the tunnel: the grain of what is measured.
const every = 10 * time.Millisecond

// A probe is the traffic by which the tunnel is watched: a host asks one behind the
// other site by UDP, again and again.
type probe struct {
	conn *net.UDPConn

	mu       sync.Mutex  // guards what follows
	sent     []time.Time // by number
	answered []time.Time // by number; zero: not yet
}

func startProbe(w *lab.World, from, to *netlab.Namespace, addr string) *probe {
	server := w.ListenUDP(to, addr)
	p := &probe{conn: w.ListenUDP(from, "0.0.0.0:0")}
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		w.T.Fatal(err)
	}
	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() { answer(server) })
	running.Go(p.receive)
	running.Go(func() { p.ask(at, stop) })
	w.T.Cleanup(func() {
		close(stop)
		server.Close()
		p.conn.Close()
		running.Wait()
	})
	return p
}

// answer sends back whatever comes, until c is closed.
func answer(c *net.UDPConn) {
	for b := make([]byte, 1500); ; {
		n, from, err := c.ReadFromUDP(b)
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err == nil {
			c.WriteToUDP(b[:n], from) // there may be no way at the moment
		}
	}
}

func (p *probe) ask(to *net.UDPAddr, stop chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for b := make([]byte, 64); ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		binary.BigEndian.PutUint64(b, uint64(len(p.sent)))
		p.sent, p.answered = append(p.sent, time.Now()), append(p.answered, time.Time{})
		p.mu.Unlock()
		p.conn.WriteToUDP(b, to) // there may be no way at the moment
	}
}

func (p *probe) receive() {
	for b := make([]byte, 64); ; {
		n, _, err := p.conn.ReadFromUDP(b)
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil || n < 8 {
			continue
		}
		p.mu.Lock()
		if i := binary.BigEndian.Uint64(b); i < uint64(len(p.sent)) && p.answered[i].IsZero() {
			p.answered[i] = time.Now()
		}
		p.mu.Unlock()
	}
}

// since is the first number that was sent at a time or later.
func (p *probe) since(at time.Time) int {
	return sort.Search(len(p.sent), func(i int) bool { return !p.sent[i].Before(at) })
}

// first is when the first of the questions that were sent at a time or later was
// answered.
func (p *probe) first(at time.Time) (when time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.answered[p.since(at):] {
		if !a.IsZero() && (when.IsZero() || a.Before(when)) {
			when = a
		}
	}
	return when, !when.IsZero()
}

// missing is how many were sent at a time or later, and how many of these were not
// answered before another later one was: the last ones may be under way.
func (p *probe) missing(at time.Time) (sent, missing int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.answered[p.since(at):]
	for i, a := range all {
		if !a.IsZero() {
			sent = i + 1
		}
	}
	for _, a := range all[:sent] {
		if a.IsZero() {
			missing++
		}
	}
	return sent, missing
}

// asked is how many were sent at a time or later.
func (p *probe) asked(at time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent) - p.since(at)
}

// silent is how many of the last questions have no answer.
func (p *probe) silent() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.answered) - 1; i >= 0 && p.answered[i].IsZero(); i-- {
		n++
	}
	return n
}

func TestProbe(t *testing.T) {
	at := time.Unix(100, 0)
	p := &probe{}
	for i, a := range []time.Duration{5, 0, 20, 0, 12, 0} { // ms after the beginning; 0: never
		p.sent = append(p.sent, at.Add(time.Duration(i)*time.Millisecond))
		when := time.Time{}
		if a != 0 {
			when = at.Add(a * time.Millisecond)
		}
		p.answered = append(p.answered, when)
	}
	if when, ok := p.first(at.Add(time.Millisecond)); !ok || when.Sub(at) != 12*time.Millisecond {
		t.Errorf("the first answer after %v", when.Sub(at))
	}
	if sent, missing := p.missing(at); sent != 5 || missing != 2 {
		t.Errorf("%d of %d are missing", missing, sent)
	}
	if n := p.silent(); n != 1 {
		t.Errorf("%d are silent", n)
	}
}
