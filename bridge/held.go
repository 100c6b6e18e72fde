package bridge

import "time"

// heldGrace is how long a proof counts after its delay, if nobody judges it and
// nobody says that its call is over.
const heldGrace = 5 * time.Second

// A held is a proof that was told how long to wait, and is not judged yet. Until
// then it counts as a wrong one: otherwise as many guesses as wait at the same time
// would wait for as long as one of them.
type held struct {
	pair
	due  time.Time // when it is to be judged
	turn time.Time // when it would be, for its name alone
}

// A queue is what waits for one address or name.
type queue struct {
	count int
	last  time.Time // when the last one is due
}

func (q *queue) add(due time.Time) {
	q.count++
	if due.After(q.last) {
		q.last = due
	}
}

// queues returns what waits for the address and for the name of p, and how many for
// both. It forgets what should have been judged by now.
func (g *guard) queues(now time.Time, p pair) (source, name queue, both int) {
	for c, h := range g.held {
		if now.Sub(h.due) > heldGrace {
			delete(g.held, c)
			continue
		}
		if h.source == p.source {
			source.add(h.due)
		}
		if h.name == p.name {
			name.add(h.turn)
		}
		if h.pair == p {
			both++
		}
	}
	return source, name, both
}

// behind returns r as it will be once all in q have been wrong.
func behind[K comparable](r record[K], q queue) record[K] {
	r.count += q.count
	if q.last.After(r.last) {
		r.last = q.last
	}
	return r
}
