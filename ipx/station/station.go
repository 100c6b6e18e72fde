// Package station is one IPX host on one wire, as a workstation's driver and
// shell are: it finds its network number and its way by asking the routers it
// hears, pings, and answers pings. A Host is the same in several frame types at
// once, for who does not know which one is spoken. Both are what the demo, the
// tests and the tools put on a LAN, and share nothing with the router but the
// formats.
package station

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/port"
)

// A Station is one host. Its methods are safe for concurrent use while Run runs.
type Station struct {
	port   port.Port
	enc    ipx.Encapsulation
	silent bool // answers nobody

	mu      sync.Mutex // guards what follows
	network ipx.Network
	next    ipx.Socket // the last dynamic socket that was used
	waiting map[ipx.Socket][]chan<- arrival
	missed  uint64 // packets for somebody who waits, and was too slow
}

// An arrival is a packet for somebody who waits: a copy.
type arrival struct {
	at      *Station
	head    ipx.Header
	payload []byte
	mac     ipx.Node // who put it on our wire: its router, if it came from afar
}

// New makes a host of an open port, which speaks one frame type and does not
// know its network number yet.
func New(p port.Port, enc ipx.Encapsulation) *Station {
	return &Station{port: p, enc: enc, next: firstDynamic, waiting: map[ipx.Socket][]chan<- arrival{}}
}

// Run receives until ctx ends, and answers pings.
func (s *Station) Run(ctx context.Context) error {
	return runPort(ctx, s.port, func(f port.Frame) {
		if f.Encap == s.enc {
			s.receive(f)
		}
	})
}

// runPort hands what is for the port's host to receive, until ctx ends.
func runPort(ctx context.Context, p port.Port, receive func(port.Frame)) error {
	err := p.Run(ctx, func(frames []port.Frame) {
		for _, f := range frames {
			if f.Dst == p.MAC() || f.Dst == ipx.Broadcast {
				receive(f)
			}
		}
	})
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Addr returns the host's network number, zero while it is not known, and its
// node.
func (s *Station) Addr() ipx.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ipx.Addr{Network: s.network, Node: s.port.MAC()}
}

func (s *Station) receive(f port.Frame) {
	h, payload, err := ipx.Parse(f.Packet.Bytes())
	if err != nil || h.Dst.Node != s.port.MAC() && h.Dst.Node != ipx.Broadcast {
		return
	}
	if !s.silent && h.Dst.Socket == ipx.SocketPing {
		if answer := slices.Clone(payload); ping.Answer(answer) {
			s.send(ipx.Header{Type: h.Type, Src: s.from(ipx.SocketPing), Dst: h.Src}, answer, f.Src)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A router tells a host its number by using it in an answer.
	if s.network == ipx.ThisNetwork && h.Dst.Node == s.port.MAC() && h.Dst.Network.Assignable() {
		s.network = h.Dst.Network
	}
	for _, in := range s.waiting[h.Dst.Socket] {
		select {
		case in <- arrival{s, h, slices.Clone(payload), f.Src}:
		default: // who asked is slow, and will ask again
			s.missed++
		}
	}
}

// Sockets from which a host asks. Dynamic ones begin at 4000, but 4001 and 4003 are
// where shells get messages, and analysers take all for messages that comes there.
const (
	firstDynamic = 0x5000
	dynamic      = 0x2000 // how many there are
)

// open gives a socket of its own to somebody who waits for answers, who also
// hears what comes to the sockets named.
func (s *Station) open(in chan<- arrival, also ...ipx.Socket) (own ipx.Socket, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = firstDynamic + (s.next-firstDynamic+1)%dynamic
	own = s.next
	all := append([]ipx.Socket{own}, also...)
	for _, socket := range all {
		s.waiting[socket] = append(s.waiting[socket], in)
	}
	return own, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, socket := range all {
			s.waiting[socket] = slices.DeleteFunc(s.waiting[socket], func(c chan<- arrival) bool { return c == in })
			if len(s.waiting[socket]) == 0 {
				delete(s.waiting, socket)
			}
		}
	}
}

func (s *Station) from(socket ipx.Socket) ipx.Addr {
	a := s.Addr()
	a.Socket = socket
	return a
}

// send puts one packet on the wire, to the MAC address given.
func (s *Station) send(h ipx.Header, payload []byte, to ipx.Node) error {
	b := packet.Get()
	defer packet.Put(b)
	if !b.Set(ipx.AppendPacket(nil, h, payload)) || b.Len() > s.enc.MaxPacket() {
		return fmt.Errorf("packet of %d octets in %v: %w", ipx.HeaderLen+len(payload), s.enc, ipx.TooLong)
	}
	return s.port.Send(s.enc, to, s.port.MAC(), []*packet.Buffer{b})
}
