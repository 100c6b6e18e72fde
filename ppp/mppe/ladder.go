package mppe

const (
	rungEvery = 64
	rungs     = 32 // as many as are needed for all that may be ahead
)

// A ladder is a chain of which the n-th key comes after n changes, with the keys
// that were once found ahead. They are right whoever made us look for them, so
// frames forged far ahead, one after the other, cost the long way only once.
type ladder struct {
	chain
	n    uint64
	at   [rungs]uint64 // 0: none; rung 0 would be S0, which encrypts nothing
	held [rungs]key
}

// next changes the key.
func (l *ladder) next() {
	l.change()
	l.n++
}

// ahead returns the key n, at most 2048 after the current one, and how many
// changes it took. The ladder stays where it is.
func (l *ladder) ahead(n uint64) (k key, changes int) {
	here := l.session
	from := l.climb(n)
	for at := from; at < n; changes++ {
		l.change()
		if at++; at%rungEvery == 0 {
			i := at / rungEvery % rungs
			l.at[i], l.held[i] = at, l.session
		}
	}
	k, l.session = l.session, here
	return k, changes
}

// climb goes to the last rung before n that is known, and returns where it is.
func (l *ladder) climb(n uint64) uint64 {
	for at := n - n%rungEvery; at > l.n; at -= rungEvery {
		if i := at / rungEvery % rungs; l.at[i] == at {
			l.session = l.held[i]
			return at
		}
	}
	return l.n
}

// jump goes to the n-th key, k.
func (l *ladder) jump(n uint64, k key) { l.n, l.session = n, k }
