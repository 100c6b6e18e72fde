package eaptls

// turns let a function run in a goroutine of its own, but only while its caller
// waits for it: one of the two stands still at any time, and what they share needs
// no lock. It is what iter.Pull is, for callers that are tied to a thread too,
// which the coroutines of iter.Pull do not survive (the daemon's main goroutine
// is).
type turns struct {
	begun    bool
	resumed  chan struct{} // closed: the function must end
	standing chan struct{} // closed: the function has ended
}

func newTurns() turns { return turns{resumed: make(chan struct{}), standing: make(chan struct{})} }

// resume lets f, the same each time, run until it stands still or ends.
func (t *turns) resume(f func()) {
	if !t.begun {
		t.begun = true
		go func() {
			defer close(t.standing)
			f()
		}()
		<-t.standing
		return
	}
	select {
	case t.resumed <- struct{}{}:
		<-t.standing
	case <-t.standing: // it has ended
	}
}

// stand is how f stands still until it may go on. False: it must end.
func (t *turns) stand() bool {
	t.standing <- struct{}{}
	_, more := <-t.resumed
	return more
}

// stop ends f where it stands.
func (t *turns) stop() {
	close(t.resumed)
	if t.begun {
		<-t.standing
	}
}
