package router

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"sitebridge/ipx"
)

// A PingKind is one of the two ways in which IPX stations are asked whether
// they are there.
type PingKind uint8

const (
	// NovellPing is that of the NLSP specification, on socket 9086.
	NovellPing PingKind = iota
	// CiscoPing is that of Cisco routers, on socket 0002: whatever is sent comes
	// back.
	CiscoPing
)

func (k PingKind) socket() ipx.Socket {
	if k == CiscoPing {
		return ipx.SocketCiscoPing
	}
	return ipx.SocketPing
}

func (k PingKind) packetType() ipx.PacketType {
	if k == CiscoPing {
		return ipx.TypeEcho
	}
	return ipx.TypePEP
}

func isPing(s ipx.Socket) bool { return s == ipx.SocketPing || s == ipx.SocketCiscoPing }

// A Novell ping begins with "Ping", a version, request or reply, an identifier,
// a result and a reserved octet. Data follows, which comes back.
const (
	pingMark    = "Ping"
	pingVersion = 1
	pingRequest = 0
	pingReply   = 1
	pingDone    = 1 // result

	offPingVersion = 4
	offPingType    = 5
	offPingID      = 6
	offPingResult  = 8
	pingLen        = 10
)

// pingsPerSecond bounds the answers: two stations that answer Cisco's ping to
// each other would never stop, since its answer looks like its request.
const pingsPerSecond = 50

// ping answers a ping, as whom it was sent to.
func (o *owner) ping(at *Attached, h *ipx.Header, payload []byte) drop {
	if h.Dst.Socket == ipx.SocketPing && !answerNovell(payload) {
		return dropIgnored
	}
	if !o.pings.allow(time.Now(), pingsPerSecond) {
		return dropQueueFull
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

// answerNovell makes the answer of a request, in place.
func answerNovell(payload []byte) bool {
	if len(payload) < pingLen || string(payload[:offPingVersion]) != pingMark ||
		payload[offPingVersion] != pingVersion || payload[offPingType] != pingRequest {
		return false
	}
	payload[offPingType], payload[offPingResult] = pingReply, pingDone
	return true
}

// appendPing appends a request that can be told from others by id.
func appendPing(b []byte, id uint16, data int) []byte {
	b = append(b, pingMark...)
	b = append(b, pingVersion, pingRequest)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0)
	return append(b, make([]byte, data)...)
}

// isAnswer reports whether payload answers the ping with that id. Cisco's has
// nothing of its own, so it carries Novell's request.
func (k PingKind) isAnswer(payload []byte, id uint16) bool {
	if len(payload) < pingLen || binary.BigEndian.Uint16(payload[offPingID:]) != id {
		return false
	}
	return k == CiscoPing || payload[offPingType] == pingReply
}

// Ping sends one ping with that many octets of data more than the least, and
// waits for its answer or the end of ctx. It returns the round trip, and the
// routers that the answer crossed.
func (r *Router) Ping(ctx context.Context, kind PingKind, network ipx.Network, node ipx.Node, data int) (time.Duration, int, error) {
	s, err := r.OpenSocket(0)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	id := uint16(r.pingID.Add(1))
	began := time.Now()
	dst := ipx.Addr{Network: network, Node: node, Socket: kind.socket()}
	if err := s.WriteTo(appendPing(nil, id, data), kind.packetType(), dst); err != nil {
		return 0, 0, err
	}
	var buf [ipx.MaxLen]byte
	for {
		n, h, err := s.ReadFrom(ctx, buf[:])
		switch {
		case err != nil:
			return 0, 0, fmt.Errorf("no answer from %v:%v: %w", network, node, err)
		case h.Src.Network == network && h.Src.Node == node && kind.isAnswer(buf[:n], id):
			return time.Since(began), int(h.Hops), nil
		}
	}
}

// A limiter lets a number of events pass in every second.
type limiter struct {
	second time.Time
	passed int
}

func (l *limiter) allow(now time.Time, perSecond int) bool {
	if now.Sub(l.second) >= time.Second {
		l.second, l.passed = now, 0
	}
	l.passed++
	return l.passed <= perSecond
}
