package control

// A transition is one cell of a state table: where an event leads, and what is
// to be done on the way, in order.
type transition[S, A any] struct {
	next S
	do   []A
}

// An automaton walks a state table. It is pure: it reads no clock, sends
// nothing, and only tells its caller what to do.
type automaton[S, E comparable, A any] struct {
	state S
	table map[S]map[E]transition[S, A]
}

// step moves by one event and returns what the caller must do, in order. It
// reports false, and stays where it is, when the table has no cell for the
// event: a message that means nothing in this state.
func (a *automaton[S, E, A]) step(ev E) (do []A, ok bool) {
	t, ok := a.table[a.state][ev]
	if !ok {
		return nil, false
	}
	a.state = t.next
	return t.do, true
}
