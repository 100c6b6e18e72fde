package port

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"sitebridge/ipx"
)

// MaxClaims bounds the claims that a port remembers: a station that makes up
// numbers pushes out the oldest ones, and its own soon after.
const MaxClaims = 64

// Heard is what a port has learned of its wire by listening.
type Heard struct {
	LastBroadcast time.Time `json:"last_broadcast,omitzero"`
	LastUnicast   time.Time `json:"last_unicast,omitzero"` // to us
	LastOther     time.Time `json:"last_other,omitzero"`   // to another station
	LastOwn       time.Time `json:"last_own,omitzero"`     // from our own address
	Claims        []Claim   `json:"claims,omitempty"`      // by frame type, then by number
}

// A Claim is a station's word that the wire has a network number in one frame
// type. More than one number there means that somebody is set up wrong.
type Claim struct {
	Encap   ipx.Encapsulation `json:"encapsulation"`
	Network ipx.Network       `json:"network"`
	Node    ipx.Node          `json:"node"` // who said so last
	First   time.Time         `json:"first"`
	Last    time.Time         `json:"last"`
	Packets uint64            `json:"packets"`
}

// heard is Heard while it grows.
type heard struct {
	mu                        sync.Mutex // guards what follows; held once per batch
	broadcast, unicast, other time.Time
	own                       time.Time
	claims                    map[claimKey]*Claim
}

type claimKey struct {
	encap   ipx.Encapsulation
	network ipx.Network
}

// claimed returns the number that the packet's sender takes the wire to have.
// Packets from elsewhere say nothing about it, so the packet must stay on one
// network, and the frame must come from the station that made the packet.
func claimed(pkt []byte, src ipx.Node) (ipx.Network, bool) {
	h, _, err := ipx.Parse(pkt)
	return h.Src.Network, err == nil && h.Src.Network.Assignable() &&
		h.Src.Network == h.Dst.Network && h.Src.Node == src
}

// claim notes one packet. mu is held.
func (h *heard) claim(encap ipx.Encapsulation, network ipx.Network, node ipx.Node, now time.Time) {
	key := claimKey{encap, network}
	c := h.claims[key]
	if c == nil {
		if len(h.claims) >= MaxClaims {
			h.forgetOldest()
		}
		if h.claims == nil {
			h.claims = make(map[claimKey]*Claim)
		}
		c = &Claim{Encap: encap, Network: network, First: now}
		h.claims[key] = c
	}
	c.Node, c.Last = node, now
	c.Packets++
}

func (h *heard) forgetOldest() {
	var oldest claimKey
	var last time.Time
	for key, c := range h.claims {
		if last.IsZero() || c.Last.Before(last) {
			oldest, last = key, c.Last
		}
	}
	delete(h.claims, oldest)
}

func (h *heard) heard() Heard {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := Heard{LastBroadcast: h.broadcast, LastUnicast: h.unicast, LastOther: h.other, LastOwn: h.own}
	for _, c := range h.claims {
		out.Claims = append(out.Claims, *c)
	}
	slices.SortFunc(out.Claims, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Encap, b.Encap), cmp.Compare(a.Network, b.Network))
	})
	return out
}
