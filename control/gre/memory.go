package gre

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"sitebridge/internal/packet"
)

// maxMemoryQueue is how many packets wait in a Memory until they are received.
const maxMemoryQueue = 4096

// The addresses of the carriers that NewPair makes.
var (
	pairA = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	pairB = netip.AddrFrom4([4]byte{192, 0, 2, 2})
)

// A Memory is a Carrier inside the process, for tests. It waits on a condition
// variable and takes its time from package time, so that it works inside a
// testing/synctest bubble. Its line is perfect unless it is told otherwise.
type Memory struct {
	addr netip.AddrPort // its port is 0 for raw GRE
	// route returns who gets a packet, and as what path. A nil Memory: nobody is there.
	route func(from, to netip.AddrPort) (*Memory, Path)

	in struct {
		sync.Mutex            // guards all below
		ready      sync.Cond  // queue or closed changed
		queue      []Datagram // the Buffers are ours
		closed     bool
	}
	out struct {
		sync.Mutex // guards all below; taken before the in of another
		line       Line
		stats      MemoryStats
	}
}

// A Line says what happens to packets that leave a Memory.
type Line struct {
	Delay time.Duration // until they arrive
	MTU   int           // of the outer packet, IP header included; 0: any size goes
	Fault Fault         // nil: nothing happens to them
}

// A Fault decides what becomes of one packet, from its GRE header on: what it
// returns arrives, in that order. It may change the packet and must not keep it.
// Calls are made one at a time.
type Fault func(pkt []byte) [][]byte

// MemoryStats count what a Memory sent.
type MemoryStats struct {
	Sent       uint64 `json:"sent"`
	Fragmented uint64 `json:"fragmented"` // larger than the MTU, without df
	Unreached  uint64 `json:"unreached"`  // nobody there, or its queue full
}

// NewPair returns the two ends of a line, at 192.0.2.1 and 192.0.2.2. Whatever
// address a packet is sent to, it arrives at the other end.
func NewPair() (a, b *Memory) {
	a, b = newMemory(netip.AddrPortFrom(pairA, 0)), newMemory(netip.AddrPortFrom(pairB, 0))
	a.route = func(from, to netip.AddrPort) (*Memory, Path) { return b, pathTo(from, to) }
	b.route = func(from, to netip.AddrPort) (*Memory, Path) { return a, pathTo(from, to) }
	return a, b
}

// pathTo is the path as whoever receives a packet sees it.
func pathTo(from, to netip.AddrPort) Path {
	return Path{Local: to.Addr(), Remote: from.Addr(), Port: from.Port()}
}

func newMemory(addr netip.AddrPort) *Memory {
	m := &Memory{addr: addr}
	m.in.ready.L = &m.in.Mutex
	return m
}

// Addr returns the address that packets have when they are sent without one.
func (m *Memory) Addr() netip.Addr { return m.addr.Addr() }

// Port returns its UDP port, 0 for a Memory that stands for raw GRE.
func (m *Memory) Port() uint16 { return m.addr.Port() }

// SetLine changes what happens to packets sent from now on.
func (m *Memory) SetLine(l Line) {
	m.out.Lock()
	defer m.out.Unlock()
	m.out.line = l
}

// Stats returns what was sent.
func (m *Memory) Stats() MemoryStats {
	m.out.Lock()
	defer m.out.Unlock()
	return m.out.stats
}

// Send implements Carrier. Any Path.Local will do, also a forged one.
func (m *Memory) Send(path Path, pkts []*packet.Buffer, df bool) error {
	if !path.Local.IsValid() {
		path.Local = m.Addr()
	}
	to, arrives := m.route(netip.AddrPortFrom(path.Local, m.Port()), netip.AddrPortFrom(path.Remote, path.Port))

	if m.isClosed() {
		return net.ErrClosed
	}
	m.out.Lock()
	defer m.out.Unlock()
	tooBig := 0
	for _, b := range pkts {
		if m.out.line.MTU != 0 && m.overhead()+b.Len() > m.out.line.MTU {
			if df {
				tooBig++
				continue
			}
			m.out.stats.Fragmented++
		}
		m.out.stats.Sent++
		m.travel(to, arrives, b.Bytes())
	}
	if tooBig > 0 {
		return &TooBigError{MTU: m.out.line.MTU, Packets: tooBig}
	}
	return nil
}

// overhead is what the outer headers take.
func (m *Memory) overhead() int {
	if m.Port() == 0 {
		return ipHeaderLen
	}
	return ipHeaderLen + udpHeaderLen
}

// travel lets the line have its way with one packet.
func (m *Memory) travel(to *Memory, path Path, pkt []byte) {
	if m.out.line.Fault == nil {
		m.depart(to, path, pkt)
		return
	}
	b := packet.Get() // the fault may change it, the sender's buffer stays
	defer packet.Put(b)
	b.Set(pkt)
	for _, p := range m.out.line.Fault(b.Bytes()) {
		m.depart(to, path, p)
	}
}

func (m *Memory) depart(to *Memory, path Path, pkt []byte) {
	if to == nil {
		m.out.stats.Unreached++
		return
	}
	b := packet.Get()
	b.Set(pkt)
	if m.out.line.Delay > 0 {
		time.AfterFunc(m.out.line.Delay, func() { to.arrive(Datagram{path, b}) })
	} else if !to.arrive(Datagram{path, b}) {
		m.out.stats.Unreached++
	}
}

// arrive takes over the Datagram's Buffer.
func (m *Memory) arrive(d Datagram) bool {
	m.in.Lock()
	defer m.in.Unlock()
	if m.in.closed || len(m.in.queue) == maxMemoryQueue {
		packet.Put(d.Buffer)
		return false
	}
	m.in.queue = append(m.in.queue, d)
	m.in.ready.Signal()
	return true
}

// Receive implements Carrier.
func (m *Memory) Receive(in []Datagram) (int, error) {
	m.in.Lock()
	defer m.in.Unlock()
	for len(m.in.queue) == 0 && !m.in.closed {
		m.in.ready.Wait()
	}
	if m.in.closed {
		return 0, net.ErrClosed
	}
	n := min(len(in), len(m.in.queue))
	for i, d := range m.in.queue[:n] {
		in[i].Path = d.Path
		in[i].Buffer.Set(d.Buffer.Bytes())
		packet.Put(d.Buffer)
	}
	rest := copy(m.in.queue, m.in.queue[n:])
	clear(m.in.queue[rest:])
	m.in.queue = m.in.queue[:rest]
	return n, nil
}

func (m *Memory) isClosed() bool {
	m.in.Lock()
	defer m.in.Unlock()
	return m.in.closed
}

// Close implements Carrier.
func (m *Memory) Close() error {
	m.in.Lock()
	defer m.in.Unlock()
	m.in.closed = true
	for _, d := range m.in.queue {
		packet.Put(d.Buffer)
	}
	m.in.queue = nil
	m.in.ready.Broadcast()
	return nil
}
