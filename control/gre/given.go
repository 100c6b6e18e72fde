package gre

// A given remembers of the last maxAhead numbers up to the window's which were given up, so
// that a packet that comes after its turn is known as late, or as one that came before.
type given [maxAhead / 64]uint64

// all makes every number one that has not come: nothing is known yet.
func (g *given) all() {
	for i := range g {
		g[i] = ^uint64(0)
	}
}

// note says whether number seq was given up, now that its turn is over.
func (g *given) note(seq uint32, up bool) {
	word, bit := &g[seq/64%uint32(len(g))], uint64(1)<<(seq%64)
	if *word &^= bit; up {
		*word |= bit
	}
}

// late reports whether number seq, which comes ahead of the window's by so much (not more
// than 0), was given up. It has come now, and is a duplicate from now on.
func (g *given) late(seq uint32, ahead int) bool {
	if ahead <= -maxAhead {
		return true // too long ago to know, and so for both
	}
	was := g[seq/64%uint32(len(g))]>>(seq%64)&1 != 0
	g.note(seq, false)
	return was
}
