package router

import (
	"cmp"
	"slices"

	"sitebridge/ipx/policy"
	"sitebridge/ipx/sap"
)

// maxNearest bounds the choices that are remembered.
const maxNearest = 1024

// A nearestKey is a question: which service of a type is nearest to a wire.
type nearestKey struct {
	at  *Attached
	typ sap.ServiceType
}

// A nearestChoice is the answer to it, as long as the tables stay as they are:
// those that are equally near take turns.
type nearestChoice struct {
	version uint64
	equals  []*entry[serviceKey]
	here    bool // one is on the wire itself
	turn    int
}

// nearestAnswer speaks for a server beyond the wire, unless there is one on it:
// that one answers for itself, and is nearer.
func (r *Router) nearestAnswer(at *Attached, want sap.ServiceType) func() ([]byte, bool) {
	return func() ([]byte, bool) {
		if at.cfg.Nearest == policy.NearestNever {
			return nil, false
		}
		c := r.choice(at, want)
		if len(c.equals) == 0 || c.here && at.cfg.Nearest == policy.NearestAuto {
			return nil, false
		}
		e := c.equals[c.turn%len(c.equals)]
		c.turn++
		return sapResponse(sap.OpNearestResponse, []telling[serviceKey]{{e, uint16(e.best.hops) + 1}}), false
	}
}

// choice looks for the nearest services, if anything changed since the last time.
func (r *Router) choice(at *Attached, want sap.ServiceType) *nearestChoice {
	key := nearestKey{at, want}
	c := r.nearest[key]
	if c == nil {
		if len(r.nearest) >= maxNearest {
			clear(r.nearest)
		}
		c = new(nearestChoice)
		r.nearest[key] = c
	}
	if c.version == r.version {
		return c
	}
	*c = nearestChoice{version: r.version, turn: c.turn}
	i, _ := slices.BinarySearchFunc(r.services.sorted, serviceKey{typ: want}, r.services.byKey)
	for _, e := range r.services.sorted[i:] {
		if e.key.typ != want {
			break
		}
		c.here = c.here || e.isOn(at)
		if r.services.tellable(e, at) && !r.notNearest(e) {
			r.consider(c, e)
		}
	}
	return c
}

// consider keeps e if none is nearer: one that can be reached now is nearer than one
// that is held, then the nearest has the fewest ticks to its network, then the
// fewest hops.
func (r *Router) consider(c *nearestChoice, e *entry[serviceKey]) {
	switch order := r.compareNear(c, e); {
	case order < 0:
		c.equals = append(c.equals[:0], e)
	case order == 0:
		c.equals = append(c.equals, e)
	}
}

func (r *Router) compareNear(c *nearestChoice, e *entry[serviceKey]) int {
	if len(c.equals) == 0 {
		return -1
	}
	best := c.equals[0]
	way, bestWay := &r.reach(e.best.addr.Network).best, &r.reach(best.best.addr.Network).best
	switch held, bestHeld := e.best.held != nil || way.held != nil, best.best.held != nil || bestWay.held != nil; {
	case held && !bestHeld:
		return 1
	case !held && bestHeld:
		return -1
	}
	return cmp.Or(cmp.Compare(way.ticks, bestWay.ticks), cmp.Compare(e.best.hops, best.best.hops))
}

// isOn reports whether a server on the wire itself offers e.
func (e *entry[K]) isOn(at *Attached) bool {
	return slices.ContainsFunc(e.ways, func(c candidate) bool { return c.at == at && c.hops <= 1 })
}

// notNearest reports whether e is behind an attachment whose services are not
// named to those who look for the nearest.
func (r *Router) notNearest(e *entry[serviceKey]) bool {
	behind := func(c *candidate) bool {
		return c.held != nil && c.held.notNearest || c.at != nil && c.at.cfg.NotNearest
	}
	return behind(&e.best) || behind(&r.reach(e.best.addr.Network).best)
}
