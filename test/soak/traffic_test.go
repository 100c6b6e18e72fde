package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"sitebridge/internal/netlab"
)

// How much there is to do, so that all of it takes a small part of a core.
const (
	askEvery   = 50 * time.Millisecond  // each asker by UDP
	ipxEvery   = 100 * time.Millisecond // by IPX
	talkEvery  = 200 * time.Millisecond // each session, up to talkMost octets
	talkMost   = 16 << 10
	fetchEvery = 4 * time.Second // a file of up to fetchMost octets, somewhere
	fetchMost  = 1 << 20
	burstEvery = 3 * time.Second // burst questions of one asker, one behind the other
	burst      = 32
	// Of each minute some seconds are idle: there are only the questions.
	idleAfter, idlePeriod = 50 * time.Second, time.Minute
)

// A traffic is what the hosts of all LANs have to say to each other.
type traffic struct {
	w        *world
	udp, ipx []*asker
	sessions []*session
	turns    []chan int // of each session
	stop     chan struct{}
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	began    int        // transfers
	refused  int        // that did not begin
	whole    int
	octets   int64
	failures []string
}

func (tr *traffic) askers() []*asker { return append(append([]*asker{}, tr.udp...), tr.ipx...) }

// A talk is who asks whom.
type talk struct{ from, to *place }

// mixed is each branch with the hub, and branches with each other by way of it.
func (w *world) mixed() (udp, ipx []talk) {
	b := w.branches
	udp = []talk{{b[0], w.hub}, {b[1], w.hub}, {b[2], w.hub}, {b[0], b[1]}, {b[2], b[0]}}
	return udp, udp[:4]
}

// begin has the hosts talk.
func (w *world) begin(udp, ipx []talk) *traffic {
	w.t.Helper()
	tr := &traffic{w: w, stop: make(chan struct{})}
	w.t.Cleanup(tr.end)
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	hosts := map[*place]*ipxHost{}
	for _, p := range w.places() {
		hosts[p] = w.openIPX(p)
		for port, fn := range map[string]func(net.Conn){portEcho: echoing, portFiles: files} {
			stop, err := serve(p.host, net.JoinHostPort(p.address(), port), fn)
			must(err)
			w.t.Cleanup(stop)
		}
		c, err := listenUDP(p.host, net.JoinHostPort(p.address(), portUDP))
		must(err)
		w.t.Cleanup(func() { c.Close() })
		tr.running.Go(func() { answer(c) })
	}
	for i, t := range udp {
		a, err := tr.asksUDP(t.from, t.to, uint64(100+i))
		must(err)
		tr.udp = append(tr.udp, a)
		if i%2 == 1 {
			t.from, t.to = t.to, t.from
		}
		s, err := openSession(t.from, t.to, *seed+uint64(i))
		must(err)
		w.t.Cleanup(func() { s.conn.Close() })
		tr.sessions, tr.turns = append(tr.sessions, s), append(tr.turns, make(chan int))
	}
	for i, t := range ipx {
		oneNetwork := t.from.number == bridged || t.to.number == bridged
		tr.ipx = append(tr.ipx, hosts[t.from].asks(t.from, hosts[t.to], t.to, uint64(200+i), oneNetwork))
	}
	tr.run()
	return tr
}

func (tr *traffic) run() {
	for i, s := range tr.sessions {
		tr.running.Go(func() { s.talk(tr.turns[i]) })
	}
	for _, a := range tr.udp {
		tr.running.Go(func() { tr.each(askEvery, func() { a.ask(1) }) })
	}
	for _, a := range tr.ipx {
		tr.running.Go(func() { tr.each(ipxEvery, func() { a.ask(1) }) })
	}
	chance := rand.New(rand.NewPCG(*seed, 1))
	tr.running.Go(func() {
		tr.each(burstEvery, func() {
			if all := tr.askers(); tr.busy() {
				all[chance.IntN(len(all))].ask(burst)
			}
		})
	})
	talk := rand.New(rand.NewPCG(*seed, 2))
	tr.running.Go(func() {
		tr.each(talkEvery, func() {
			for _, turn := range tr.turns {
				n := 1 + talk.IntN(talkMost)
				select {
				case turn <- n:
				default: // it waits for the other end
				}
			}
		})
		for _, turn := range tr.turns {
			close(turn)
		}
	})
	tr.running.Go(tr.fetch)
}

// busy reports whether there is more to do than to ask.
func (tr *traffic) busy() bool {
	return time.Duration(time.Now().UnixNano())%idlePeriod < idleAfter
}

// each calls fn again and again until there is no more traffic.
func (tr *traffic) each(period time.Duration, fn func()) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tr.stop:
			return
		case <-tick.C:
			fn()
		}
	}
}

// fetch transfers files between places, one at a time.
func (tr *traffic) fetch() {
	chance, all := rand.New(rand.NewPCG(*seed, 3)), tr.w.places()
	tr.each(fetchEvery, func() {
		i, n, file := chance.IntN(len(all)), 1+chance.IntN(fetchMost), chance.Uint64()
		from, to := all[i], all[(i+1+chance.IntN(len(all)-1))%len(all)]
		if !tr.busy() && tr.fetched() { // a short run may be over before the quiet is
			return
		}
		begun, err := transfer(from, to, file, n)
		tr.mu.Lock()
		defer tr.mu.Unlock()
		switch {
		case !begun: // there was no way at the moment, and who asked was told so
			tr.refused++
			return
		case err == nil:
			tr.whole++
			tr.octets += int64(n)
		default:
			tr.failures = append(tr.failures, fmt.Sprintf("%s from %s: %v", to.name, from.name, err))
		}
		tr.began++
	})
}

// fetched reports whether a file has come whole.
func (tr *traffic) fetched() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.whole > 0
}

// hush ends all that is said, but not the sessions.
func (tr *traffic) hush() {
	select {
	case <-tr.stop:
	default:
		close(tr.stop)
	}
}

// end waits until nobody talks any more, after all sockets were closed.
func (tr *traffic) end() {
	tr.hush()
	tr.running.Wait()
}

// asksUDP has a host ask another one.
func (tr *traffic) asksUDP(from, to *place, id uint64) (*asker, error) {
	at, err := net.ResolveUDPAddr("udp", net.JoinHostPort(to.address(), portUDP))
	if err != nil {
		return nil, err
	}
	c, err := listenUDP(from.host, net.JoinHostPort(from.address(), "0"))
	if err != nil {
		return nil, err
	}
	a := &asker{name: "UDP " + from.name + " to " + to.name, id: id,
		send: func(b []byte) error { _, err := c.WriteToUDP(b, at); return err }}
	tr.w.t.Cleanup(func() { c.Close() })
	tr.running.Go(func() {
		each(c, func(b []byte, _ *net.UDPAddr) { a.heard(b) })
	})
	return a, nil
}

// answer sends back whatever comes.
func answer(c *net.UDPConn) {
	each(c, func(b []byte, from *net.UDPAddr) {
		c.WriteToUDP(b, from) // there may be no way at the moment
	})
}

// each hands what comes to fn until c is closed.
func each(c *net.UDPConn, fn func([]byte, *net.UDPAddr)) {
	for b := make([]byte, 2048); ; {
		n, from, err := c.ReadFromUDP(b)
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err == nil {
			fn(b[:n], from)
		}
	}
}

func listenUDP(ns *netlab.Namespace, addr string) (c *net.UDPConn, err error) {
	err = ns.Do(func() error {
		at, err := net.ResolveUDPAddr("udp", addr)
		if err == nil {
			c, err = net.ListenUDP("udp", at)
		}
		return err
	})
	return c, err
}
