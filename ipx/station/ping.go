package station

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/port"
)

// answers reports whether a is the answer of the host at to. A host that does
// not know its network number answers without.
func answers(k ping.Kind, a arrival, to ipx.Addr, id uint16, data int) bool {
	from := a.head.Src
	return k.IsAnswer(a.payload, id) && len(a.payload) == ping.HeaderLen+data &&
		from.Node == to.Node && (from.Network == to.Network || from.Network == ipx.ThisNetwork || to.Network == ipx.ThisNetwork)
}

// payloadOf returns n octets in which a loss or a swap would show.
func payloadOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// A Way leads to a network: by a router, or because it is the wire itself.
type Way struct {
	Encapsulation ipx.Encapsulation
	Network       ipx.Network // that is put into the packets
	Router        ipx.Node    // its MAC address; zero: no router
	Hops, Ticks   uint16
	Guessed       bool // nobody has told this way

	station *Station
}

// next is the MAC address to which a packet for a node goes.
func (w Way) next(node ipx.Node) ipx.Node {
	if w.Router.IsZero() {
		return node
	}
	return w.Router
}

// How long routers may take to answer, and how long after the first answer a
// better one may come.
const (
	routersWait = time.Second
	betterWait  = 150 * time.Millisecond
	numbersWait = 500 * time.Millisecond
)

// Ways finds the ways to a network, best first. When no router tells one and the
// wire has another number, or an unknown one, what remains is to try the wire
// itself, in every frame type: Guessed. Network zero is the wire itself.
func (h *Host) Ways(ctx context.Context, n ipx.Network) ([]Way, error) {
	if n == ipx.ThisNetwork {
		return h.ownWire(ctx)
	}
	ways, err := h.toldWays(ctx, n)
	if err != nil || len(ways) > 0 {
		return ways, err
	}
	known, err := h.learnNumbers(ctx)
	var guesses []Way
	for _, s := range h.stations {
		w := Way{Encapsulation: s.enc, Network: n, station: s}
		if known[s.enc] == n {
			ways = append(ways, w)
		}
		w.Guessed = true
		guesses = append(guesses, w)
	}
	if len(ways) == 0 {
		ways = guesses
	}
	return ways, err
}

// toldWays asks the routers, and gives the others a moment when one has answered.
func (h *Host) toldWays(ctx context.Context, n ipx.Network) (ways []Way, err error) {
	asking, answered := context.WithCancel(ctx)
	defer answered()
	p := Patience{Least: routersWait, Most: routersWait}
	err = h.collect(asking, p, []question{askRoutes(n)}, ipx.SocketRIP, func(a arrival) (_, _ bool) {
		if r, ok := a.route(n); ok {
			ways = append(ways, a.way(n, r))
		}
		if len(ways) == 1 {
			time.AfterFunc(betterWait, answered)
		}
		return false, len(ways) == MaxReports
	})
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	slices.SortFunc(ways, func(a, b Way) int {
		return cmp.Or(cmp.Compare(a.Ticks, b.Ticks), cmp.Compare(a.Hops, b.Hops), Teller{a.Encapsulation, a.Router}.compare(Teller{b.Encapsulation, b.Router}))
	})
	return ways, err
}

// way is the one that the packet told. Routers also tell of the wire that we are
// on.
func (a arrival) way(n ipx.Network, r Route) Way {
	if a.at.Addr().Network == n {
		return Way{Encapsulation: a.at.enc, Network: n, station: a.at}
	}
	return Way{Encapsulation: a.at.enc, Network: n, Router: r.Router, Hops: r.Hops, Ticks: r.Ticks, station: a.at}
}

// learnNumbers asks for all routes, only to see how the answers call us.
func (h *Host) learnNumbers(ctx context.Context) (map[ipx.Encapsulation]ipx.Network, error) {
	p := Patience{Least: numbersWait, Most: numbersWait}
	err := h.collect(ctx, p, []question{askRoutes(ipx.AllNetworks)}, ipx.SocketRIP, func(arrival) (bool, bool) {
		return false, len(h.Networks()) == len(h.stations)
	})
	return h.Networks(), err
}

// ownWire returns all that the wire may be called: by its number where that is
// known, and as "this network", for hosts that do not know it.
func (h *Host) ownWire(ctx context.Context) (ways []Way, err error) {
	known, err := h.learnNumbers(ctx)
	for _, s := range h.stations {
		if n, ok := known[s.enc]; ok {
			ways = append(ways, Way{Encapsulation: s.enc, Network: n, station: s})
		}
		ways = append(ways, Way{Encapsulation: s.enc, Guessed: true, station: s})
	}
	return ways, err
}

// A Pong is the answer to a ping.
type Pong struct {
	Way       Way
	From      ipx.Addr
	RoundTrip time.Duration
	Hops      int // routers that it crossed
}

// Ping sends one ping to a node, by all of the ways at once, with that many
// octets of data, and waits for the first answer or the end of ctx.
func (h *Host) Ping(ctx context.Context, kind ping.Kind, ways []Way, node ipx.Node, data int) (Pong, error) {
	in := make(chan arrival, 64)
	began := time.Now()
	id := uint16(began.UnixNano() >> 10)
	for _, w := range ways {
		own, end := w.station.open(in)
		defer end()
		to := ipx.Addr{Network: w.Network, Node: node, Socket: kind.Socket()}
		head := ipx.Header{Type: kind.PacketType(), Src: w.station.from(own), Dst: to}
		if err := w.station.send(head, ping.AppendRequest(nil, id, payloadOf(data)), w.next(node)); err != nil && !errors.Is(err, port.ErrDown) {
			return Pong{}, err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return Pong{}, fmt.Errorf("no answer: %w", ctx.Err())
		case a := <-in:
			for _, w := range ways {
				if w.station == a.at && answers(kind, a, ipx.Addr{Network: w.Network, Node: node}, id, data) {
					return Pong{w, a.head.Src, time.Since(began), int(a.head.Hops)}, nil
				}
			}
		}
	}
}
