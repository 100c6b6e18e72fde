package fastpath

import "sitebridge/ipx"

// agreeing is how many packets in a row must name the same network before a
// wire is believed to have that number: one station with a wrong number must
// not name the wire.
const agreeing = 3

// A Guess finds out the number of a wire that nobody configured, from packets
// that begin and end on it. It belongs to one goroutine.
type Guess struct {
	candidate ipx.Network
	votes     int
}

// Hear counts one packet from n to n, and reports whether n is now believed.
func (g *Guess) Hear(n ipx.Network) bool {
	if !n.Assignable() {
		return false
	}
	if n != g.candidate {
		g.candidate, g.votes = n, 0
	}
	g.votes++
	return g.votes >= agreeing
}

// IntraNet reports whether a packet begins and ends on the wire it was heard
// on, so that its network is the wire's number. A packet that crossed a router
// says nothing about this wire: its networks are elsewhere's.
func IntraNet(h *ipx.Header) bool {
	return h.Hops == 0 && h.Src.Network.Assignable() && h.Src.Network == h.Dst.Network
}
