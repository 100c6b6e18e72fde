package gre

import (
	"bytes"
	"math/rand/v2"
)

// Lose loses packets with probability p. The same seed loses the same packets.
func Lose(seed uint64, p float64) Fault {
	r := seeded(seed)
	return func(pkt []byte) [][]byte {
		if r.Float64() < p {
			return nil
		}
		return [][]byte{pkt}
	}
}

// Duplicate lets packets arrive twice with probability p.
func Duplicate(seed uint64, p float64) Fault {
	r := seeded(seed)
	return func(pkt []byte) [][]byte {
		if r.Float64() < p {
			return [][]byte{pkt, pkt}
		}
		return [][]byte{pkt}
	}
}

// Reorder lets packets, with probability p, be overtaken by one to depth others.
// A packet that nothing follows stays away.
func Reorder(seed uint64, p float64, depth int) Fault {
	type overtaken struct {
		pkt []byte
		by  int
	}
	r := seeded(seed)
	var behind []overtaken
	return func(pkt []byte) [][]byte {
		if r.Float64() < p {
			behind = append(behind, overtaken{bytes.Clone(pkt), 1 + r.IntN(depth)})
			return nil
		}
		out, still := [][]byte{pkt}, behind[:0]
		for _, o := range behind {
			if o.by--; o.by == 0 {
				out = append(out, o.pkt)
			} else {
				still = append(still, o)
			}
		}
		behind = still
		return out
	}
}

// Chain lets each fault work on what the one before it let through.
func Chain(faults ...Fault) Fault {
	return func(pkt []byte) [][]byte {
		pkts := [][]byte{pkt}
		for _, f := range faults {
			var next [][]byte
			for _, p := range pkts {
				next = append(next, f(p)...)
			}
			pkts = next
		}
		return pkts
	}
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x880b)) }
