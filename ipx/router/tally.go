package router

// A Tally is how many networks and services are known, by the origin of the way
// in use: own, static, learned, and held for those whose link is gone.
type Tally struct {
	Networks map[string]int `json:"networks"`
	Services map[string]int `json:"services"`
}

// originHeld is the origin of what is known only because its link was lost a moment ago.
const originHeld = "held"

// Tally counts what is known.
func (r *Router) Tally() Tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Tally{tally(r.routes.sorted), tally(r.services.sorted)}
}

func tally[K comparable](entries []*entry[K]) map[string]int {
	count := map[string]int{originHeld: 0}
	for _, o := range origins {
		count[o] = 0
	}
	for _, e := range entries {
		switch {
		case !e.up:
		case e.ways[0].held != nil:
			count[originHeld]++
		default:
			count[e.ways[0].origin.String()]++
		}
	}
	return count
}

// ClashKinds lists the kinds that a Clash can be of.
func ClashKinds() []string {
	return []string{NetworkElsewhere, OtherNumber, InternalTwice, OwnNode}
}
