// Package station is one IPX host on one wire, as a workstation's driver and
// shell are: it finds its network number and its way by asking the routers it
// hears, pings, and answers pings. It is what the demo and the tests put on a
// LAN beside the daemon, and it shares nothing with the router but the formats.
package station

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// ask is how long an answer is awaited until the question is repeated.
const ask = 300 * time.Millisecond

// A Station is one host. Its methods are safe for concurrent use while Run runs.
type Station struct {
	port port.Port
	enc  ipx.Encapsulation

	mu      sync.Mutex // guards what follows
	network ipx.Network
	next    ipx.Socket // the last dynamic socket that was used
	waiting map[ipx.Socket]chan arrival
}

// An arrival is a packet for somebody who waits: a copy.
type arrival struct {
	head    ipx.Header
	payload []byte
	mac     ipx.Node // who put it on our wire: its router, if it came from afar
}

// New makes a host of an open port, which speaks one frame type and does not
// know its network number yet.
func New(p port.Port, enc ipx.Encapsulation) *Station {
	return &Station{port: p, enc: enc, next: 0x4000, waiting: map[ipx.Socket]chan arrival{}}
}

// Run receives until ctx ends, and answers pings.
func (s *Station) Run(ctx context.Context) error {
	err := s.port.Run(ctx, func(frames []port.Frame) {
		for _, f := range frames {
			if f.Encap == s.enc && (f.Dst == s.port.MAC() || f.Dst == ipx.Broadcast) {
				s.receive(f)
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
	if answer := append([]byte(nil), payload...); h.Dst.Socket == ipx.SocketPing && ping.Answer(answer) {
		s.send(ipx.Header{Type: h.Type, Src: s.from(ipx.SocketPing), Dst: h.Src}, answer, f.Src)
		return
	}
	s.mu.Lock()
	// A router tells a host its number by using it in an answer.
	if s.network == ipx.ThisNetwork && h.Dst.Node == s.port.MAC() && h.Dst.Network.Assignable() {
		s.network = h.Dst.Network
	}
	ch := s.waiting[h.Dst.Socket]
	s.mu.Unlock()
	if ch == nil {
		return
	}
	select {
	case ch <- arrival{h, append([]byte(nil), payload...), f.Src}:
	default: // who asked is slow, and will ask again
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
	if !b.Set(ipx.AppendPacket(nil, h, payload)) {
		return fmt.Errorf("packet of %d octets: %w", len(payload), ipx.TooLong)
	}
	return s.port.Send(s.enc, to, s.port.MAC(), []*packet.Buffer{b})
}

// ask sends a question from a socket of its own, again and again, until done
// takes an answer or ctx ends.
func (s *Station) ask(ctx context.Context, h ipx.Header, payload []byte, to ipx.Node, done func(arrival) bool) error {
	s.mu.Lock()
	s.next = 0x4000 + (s.next-0x4000+1)%0x3000
	socket, in := s.next, make(chan arrival, 16)
	s.waiting[socket] = in
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, socket)
		s.mu.Unlock()
	}()
	again := time.NewTicker(ask)
	defer again.Stop()
	for {
		h.Src = s.from(socket)
		if err := s.send(h, payload, to); err != nil && !errors.Is(err, port.ErrDown) {
			return err
		}
	wait:
		for {
			select {
			case a := <-in:
				if done(a) {
					return nil
				}
			case <-again.C:
				break wait
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// A Route is the way to a network, as the nearest router tells it.
type Route struct {
	Router ipx.Node // its MAC address on our wire
	Hops   uint16
	Ticks  uint16
}

// FindRoute asks the wire's routers for the way to a network, until one answers
// or ctx ends. The host then knows its own network number too.
func (s *Station) FindRoute(ctx context.Context, n ipx.Network) (r Route, err error) {
	h := ipx.Header{Type: ipx.TypeRIP, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketRIP}}
	err = s.ask(ctx, h, rip.Ask(n).Append(nil), ipx.Broadcast, func(a arrival) bool {
		m, err := rip.Parse(a.payload)
		if err != nil || m.Operation != rip.OpResponse {
			return false
		}
		for _, e := range m.Entries {
			if e.Network == n && e.Hops < rip.Infinity {
				r = Route{a.mac, e.Hops, e.Ticks}
				return true
			}
		}
		return false
	})
	if err != nil {
		return r, fmt.Errorf("no router knows the way to network %v: %w", n, err)
	}
	return r, nil
}

// FindServer asks for the nearest server of a type, as a client's shell does
// when it starts (Get Nearest Server).
func (s *Station) FindServer(ctx context.Context, t sap.ServiceType) (found sap.Service, err error) {
	h := ipx.Header{Type: ipx.TypeNCP, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketSAP}}
	q := sap.Message{Operation: sap.OpNearestRequest, Type: t}
	err = s.ask(ctx, h, q.Append(nil), ipx.Broadcast, func(a arrival) bool {
		m, err := sap.Parse(a.payload)
		if err != nil || m.Operation != sap.OpNearestResponse || len(m.Services) == 0 {
			return false
		}
		found = m.Services[0]
		return true
	})
	if err != nil {
		return found, fmt.Errorf("no server of type %v answers: %w", t, err)
	}
	return found, nil
}

// FindServers asks for every server of a type (General Service Query), and
// returns those of the first answer.
func (s *Station) FindServers(ctx context.Context, t sap.ServiceType) (found []sap.Service, err error) {
	h := ipx.Header{Type: ipx.TypePEP, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketSAP}}
	q := sap.Message{Operation: sap.OpRequest, Type: t}
	err = s.ask(ctx, h, q.Append(nil), ipx.Broadcast, func(a arrival) bool {
		m, err := sap.Parse(a.payload)
		if err != nil || m.Operation != sap.OpResponse {
			return false
		}
		found = m.Services
		return len(found) > 0
	})
	if err != nil {
		return nil, fmt.Errorf("no server of type %v answers: %w", t, err)
	}
	return found, nil
}

// Ping sends Novell pings to a host, through the router at the MAC address via,
// until one is answered or ctx ends. On one's own wire via is the host itself.
func (s *Station) Ping(ctx context.Context, to ipx.Addr, via ipx.Node, data int) (time.Duration, error) {
	to.Socket = ipx.SocketPing
	began := time.Now()
	id := uint16(began.UnixNano())
	var took time.Duration
	err := s.ask(ctx, ipx.Header{Type: ipx.TypePEP, Dst: to}, ping.AppendRequest(nil, id, payloadOf(data)), via, func(a arrival) bool {
		took = time.Since(began)
		got, ok := ping.ID(a.payload)
		return ok && got == id && ping.IsReply(a.payload) && a.head.Src.Node == to.Node && len(a.payload) == ping.HeaderLen+data
	})
	if err != nil {
		return 0, fmt.Errorf("no answer from %v: %w", to, err)
	}
	return took, nil
}

// payloadOf returns n octets in which a loss or a swap would show.
func payloadOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
