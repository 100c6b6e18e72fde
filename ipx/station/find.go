package station

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// again is how long an answer is awaited until a question is repeated.
const again = 300 * time.Millisecond

// ask sends a question from a socket of its own, again and again, until done
// takes an answer or ctx ends.
func (s *Station) ask(ctx context.Context, h ipx.Header, payload []byte, to ipx.Node, done func(arrival) bool) error {
	in := make(chan arrival, 16)
	socket, end := s.open(in)
	defer end()
	again := time.NewTicker(again)
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
	q := askRoutes(n)
	err = s.ask(ctx, q.head, q.payload, ipx.Broadcast, func(a arrival) (found bool) {
		r, found = a.route(n)
		return found
	})
	if err != nil {
		return r, fmt.Errorf("no router knows the way to network %v: %w", n, err)
	}
	return r, nil
}

// A question is a packet for all, from a socket of one's own.
type question struct {
	head    ipx.Header
	payload []byte
}

func askRoutes(n ipx.Network) question {
	return question{
		ipx.Header{Type: ipx.TypeRIP, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketRIP}},
		rip.Ask(n).Append(nil),
	}
}

// askServices is General Service Query, or Get Nearest Server, which clients send
// as NCP.
func askServices(op sap.Operation, t sap.ServiceType) question {
	as := ipx.TypePEP
	if op == sap.OpNearestRequest {
		as = ipx.TypeNCP
	}
	return question{
		ipx.Header{Type: as, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketSAP}},
		sap.Message{Operation: op, Type: t}.Append(nil),
	}
}

// routes returns what the packet tells of routes.
func (a arrival) routes() []rip.Entry {
	m, err := rip.Parse(a.payload)
	if err != nil || m.Operation != rip.OpResponse {
		return nil
	}
	return m.Entries
}

// route returns the way to n, if the packet tells one.
func (a arrival) route(n ipx.Network) (Route, bool) {
	for _, e := range a.routes() {
		if e.Network == n && e.Hops < rip.Infinity {
			return Route{a.mac, e.Hops, e.Ticks}, true
		}
	}
	return Route{}, false
}

// services returns what the packet tells of services, in answer to op or to a
// question of whichever kind (0).
func (a arrival) services(op sap.Operation) []sap.Service {
	m, err := sap.Parse(a.payload)
	if err != nil || op != 0 && m.Operation != op {
		return nil
	}
	return m.Services
}

// FindServer asks for the nearest server of a type, as a client's shell does
// when it starts (Get Nearest Server).
func (s *Station) FindServer(ctx context.Context, t sap.ServiceType) (found sap.Service, err error) {
	all, err := s.findServers(ctx, askServices(sap.OpNearestRequest, t), sap.OpNearestResponse, t)
	if err != nil {
		return found, err
	}
	return all[0], nil
}

// FindServers asks for every server of a type (General Service Query), and
// returns those of the first answer.
func (s *Station) FindServers(ctx context.Context, t sap.ServiceType) (found []sap.Service, err error) {
	return s.findServers(ctx, askServices(sap.OpRequest, t), sap.OpResponse, t)
}

func (s *Station) findServers(ctx context.Context, q question, answer sap.Operation, t sap.ServiceType) (found []sap.Service, err error) {
	err = s.ask(ctx, q.head, q.payload, ipx.Broadcast, func(a arrival) bool {
		found = a.services(answer)
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
		return answers(ping.Novell, a, to, id, data)
	})
	if err != nil {
		return 0, fmt.Errorf("no answer from %v: %w", to, err)
	}
	return took, nil
}
