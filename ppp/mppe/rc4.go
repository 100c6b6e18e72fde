package mppe

import "crypto/subtle"

// RC4 is written out here because crypto/rc4 runs one stream at a time, makes a
// new object for every key, and waits in each round for the last: what it stores
// at j may be what the next round reads at i, so the processor holds the read
// back. Here the read comes first and is mended in the one case of 256 where it
// was too early. And two streams of independent keys fill each other's waits.

// A permutation is the state of RC4.
type permutation [256]uint8

// identity is what a key schedule begins with.
var identity = func() (p permutation) {
	for i := range p {
		p[i] = uint8(i)
	}
	return p
}()

// A stream is one keystream.
type stream struct {
	s    permutation
	i, j uint8
}

// setKey is the key schedule.
func (c *stream) setKey(k *key) {
	c.s, c.i, c.j = identity, 0, 0
	var j uint8
	x := c.s[0]
	for i := range 256 {
		j += x + k[i&15]
		next := c.s[uint8(i+1)]
		c.s[i] = c.s[j]
		c.s[j] = x
		if j == uint8(i+1) {
			next = x
		}
		x = next
	}
}

// xor encrypts or decrypts b in place.
func (c *stream) xor(b []byte) { c.i, c.j = c.s.xor(c.i, c.j, b) }

func (s *permutation) xor(i, j uint8, b []byte) (uint8, uint8) {
	x := s[i+1]
	for k := range b {
		i++
		j += x
		y := s[j]
		next := s[i+1]
		s[i], s[j] = y, x
		if j == i+1 {
			next = x
		}
		b[k] ^= s[x+y]
		x = next
	}
	return i, j
}

// A pair is two keystreams, s with j and t with l, that run in one loop.
type pair struct {
	s, t   permutation
	j, l   uint8
	ks, kt [256]uint8 // what next made
}

// setKeys is both key schedules.
func (p *pair) setKeys(a, b *key) {
	p.s, p.t, p.j, p.l = identity, identity, 0, 0
	var j, l uint8
	x, u := p.s[0], p.t[0]
	for i := range 256 {
		j += x + a[i&15]
		l += u + b[i&15]
		nextX, nextU := p.s[uint8(i+1)], p.t[uint8(i+1)]
		p.s[i] = p.s[j]
		p.t[i] = p.t[l]
		p.s[j] = x
		p.t[l] = u
		if j == uint8(i+1) {
			nextX = x
		}
		if l == uint8(i+1) {
			nextU = u
		}
		x, u = nextX, nextU
	}
}

// next makes n octets of each keystream. It must be called with 256 until the
// last time, so that i is 0 when it begins.
func (p *pair) next(n int) {
	j, l := p.j, p.l
	x, u := p.s[1], p.t[1]
	for k := range p.ks[:n] {
		i := uint8(k + 1)
		j += x
		y := p.s[j]
		nextX := p.s[i+1]
		p.s[i], p.s[j] = y, x
		p.ks[k] = p.s[x+y]
		if j == i+1 {
			nextX = x
		}
		x = nextX

		l += u
		v := p.t[l]
		nextU := p.t[i+1]
		p.t[i], p.t[l] = v, u
		p.kt[k] = p.t[u+v]
		if l == i+1 {
			nextU = u
		}
		u = nextU
	}
	p.j, p.l = j, l
}

// xor encrypts or decrypts two packets in place. It is for fresh keys, and uses
// them up.
func (p *pair) xor(a, b []byte) {
	n := 0
	for both := min(len(a), len(b)); both > 0; both -= n {
		n = min(both, 256)
		p.next(n)
		subtle.XORBytes(a, a, p.ks[:n])
		subtle.XORBytes(b, b, p.kt[:n])
		a, b = a[n:], b[n:]
	}
	p.s.xor(uint8(n), p.j, a) // one of these is empty
	p.t.xor(uint8(n), p.l, b)
}
