package aead

// The ring of a window has a bit for each packet, in words. The word that is being
// filled may hold old bits at its end, so that a window is one word shorter than
// the ring (RFC 6479).
const (
	wordBits   = 64
	ringWords  = 32
	windowSize = (ringWords - 1) * wordBits
)

// A window remembers which packets came, so that none is taken twice. GRE puts
// packets in order already; on a path that reorders further than that, a packet
// may be as many as windowSize-1 behind the newest one.
type window struct {
	newest uint64 // the highest counter that came; 0 at first, with its bit clear
	ring   [ringWords]uint64
}

// check reports whether the packet is new. It changes nothing.
func (w *window) check(counter uint64) verdict {
	switch {
	case counter > w.newest:
		return good
	case w.newest-counter >= windowSize:
		return tooOld
	case w.ring[word(counter)]&bit(counter) != 0:
		return replayed
	}
	return good
}

// mark notes an authenticated packet that check has found good.
func (w *window) mark(counter uint64) {
	if counter > w.newest {
		from, to := w.newest/wordBits, counter/wordBits
		for i := range min(to-from, ringWords) {
			w.ring[(from+1+i)%ringWords] = 0
		}
		w.newest = counter
	}
	w.ring[word(counter)] |= bit(counter)
}

func word(counter uint64) uint64 { return counter / wordBits % ringWords }
func bit(counter uint64) uint64  { return 1 << (counter % wordBits) }
