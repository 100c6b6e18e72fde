package router

import (
	"context"
	"fmt"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/ping"
)

func isPing(s ipx.Socket) bool { return s == ipx.SocketPing || s == ipx.SocketCiscoPing }

// ping answers a ping, as whom it was sent to.
func (o *owner) ping(at *Attached, h *ipx.Header, payload []byte) drop {
	if h.Dst.Socket == ipx.SocketPing && !ping.Answer(payload) {
		return dropIgnored
	}
	if at == nil && !o.pings.allow(pingPace, time.Now()) { // our own
		return dropRateLimit
	}
	if h.Src.Network == ipx.ThisNetwork { // by an unnumbered link
		at.sendFrom(h.Dst.Socket, h.Src, h.Type, payload)
		return kept
	}
	if err := o.r.send(ipx.Header{Type: h.Type, Src: h.Dst, Dst: h.Src}, payload); err != nil {
		return dropNoRoute
	}
	return kept
}

// Ping sends one ping with that many octets of data more than the least, and
// waits for its answer or the end of ctx. It returns the round trip, and the
// routers that the answer crossed.
func (r *Router) Ping(ctx context.Context, kind ping.Kind, network ipx.Network, node ipx.Node, data int) (time.Duration, int, error) {
	s, err := r.OpenSocket(0)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	id := uint16(r.pingID.Add(1))
	began := time.Now()
	dst := ipx.Addr{Network: network, Node: node, Socket: kind.Socket()}
	if err := s.WriteTo(ping.AppendRequest(nil, id, make([]byte, data)), kind.PacketType(), dst); err != nil {
		return 0, 0, err
	}
	var buf [ipx.MaxLen]byte
	for {
		n, h, err := s.ReadFrom(ctx, buf[:])
		switch {
		case err != nil:
			return 0, 0, fmt.Errorf("no answer from %v:%v: %w", network, node, err)
		case h.Src.Network == network && h.Src.Node == node && kind.IsAnswer(buf[:n], id):
			return time.Since(began), int(h.Hops), nil
		}
	}
}
