package router

import (
	"cmp"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// An origin says where a route or service is known from.
type origin uint8

const (
	originOwn origin = iota
	originStatic
	originLearned
)

var origins = [...]string{"own", "static", "learned"}

func (o origin) String() string { return origins[o] }

// infinity is the hop count of what can no longer be reached, in RIP and SAP.
const infinity = rip.Infinity

// A candidate is one way in which a network or a service is known: by one
// attachment, from one neighbour or from the configuration.
type candidate struct {
	at     *Attached  // nil: inside the router, or held
	held   *holding   // it was behind a link that went
	by     *neighbour // who told; nil for own and static ones
	next   ipx.Node   // who told, or the next router, on a LAN; a link has one peer
	said   uint16     // the ticks that were told; ticks are at least those of the link
	addr   ipx.Addr   // of a service
	origin origin
	hops   uint8 // infinity: the teller took it back
	ticks  uint16
	// expires is when a learned one is forgotten unless it is confirmed, and when
	// one that was taken back is.
	expires time.Time
	// waits is until when it is not used: it came up while news of the same thing
	// were contradictory, and may be an echo of our own (see entry.doubt).
	waits time.Time
}

// rank puts those alive before those held, then own, static and learned ones.
func (c *candidate) rank() int {
	if c.held != nil {
		return int(originLearned) + 1 + int(c.origin)
	}
	return int(c.origin)
}

// compare is negative when c is better than o: ticks come before hops, as in
// Novell's RIP. Services have no ticks.
func (c *candidate) compare(o *candidate) int {
	return cmp.Or(cmp.Compare(c.rank(), o.rank()), cmp.Compare(c.ticks, o.ticks), cmp.Compare(c.hops, o.hops))
}

// sameTeller reports whether o is newer news of c.
func (c *candidate) sameTeller(o *candidate) bool {
	return c.origin == o.origin && c.at == o.at && c.held == o.held && c.next == o.next
}

// sameNews reports whether o says the same as c.
func (c *candidate) sameNews(o *candidate) bool {
	return c.hops == o.hops && c.ticks == o.ticks && c.addr == o.addr
}

// site is the site that a candidate is behind, if any.
func (c *candidate) site() string {
	switch {
	case c.held != nil:
		return c.held.site
	case c.at != nil:
		return c.at.cfg.Site
	}
	return ""
}

// sameSite reports whether both are behind links of one site.
func (c *candidate) sameSite(o *candidate) bool { return c.site() != "" && c.site() == o.site() }

// isNextDoor reports whether a neighbour on a LAN says that it is next to it.
func (c *candidate) isNextDoor() bool {
	return c.origin == originLearned && c.hops <= 1 && c.at != nil && c.at.cfg.Kind == LAN
}

// isHearsay reports whether it is known only by what the peer of a link says.
func (c *candidate) isHearsay() bool {
	return c.origin == originLearned && c.onLink()
}

// via is the name of the attachment that it is behind.
func (c *candidate) via() string {
	switch {
	case c.held != nil:
		return c.held.via
	case c.at != nil:
		return c.at.cfg.Name
	}
	return ""
}

// from is the node that told.
func (c *candidate) from() ipx.Node {
	if c.by == nil {
		return ipx.Node{}
	}
	return c.by.node
}

// until is when a held one goes.
func (c *candidate) until() time.Time {
	if c.held == nil {
		return time.Time{}
	}
	return c.held.until
}
