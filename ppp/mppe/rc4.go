package mppe

import (
	"crypto/subtle"

	"sitebridge/internal/packet"
)

// RC4 is written out here because crypto/rc4 runs one stream at a time, makes a
// new object for every key, and waits in each round for the last: what it stores
// at j may be what the next round reads at i, so the processor holds the read
// back. Here the read comes first and is mended in the one case of 256 where it
// was too early. And four streams of independent keys fill each other's waits.

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

// A quad is four keystreams that run in one loop. Each waits for what it has just
// stored, and the others go on meanwhile, so nothing needs to be read early.
type quad struct {
	s  [4]permutation
	j  [4]uint8
	ks [4][256]uint8 // what next made
}

// setKeys is all key schedules.
func (q *quad) setKeys(k *[4]key) {
	q.s = [4]permutation{identity, identity, identity, identity}
	q.j = [4]uint8{}
	var j0, j1, j2, j3 uint8
	for i := range 256 {
		x0 := q.s[0][i]
		j0 += x0 + k[0][i&15]
		q.s[0][i], q.s[0][j0] = q.s[0][j0], x0

		x1 := q.s[1][i]
		j1 += x1 + k[1][i&15]
		q.s[1][i], q.s[1][j1] = q.s[1][j1], x1

		x2 := q.s[2][i]
		j2 += x2 + k[2][i&15]
		q.s[2][i], q.s[2][j2] = q.s[2][j2], x2

		x3 := q.s[3][i]
		j3 += x3 + k[3][i&15]
		q.s[3][i], q.s[3][j3] = q.s[3][j3], x3
	}
}

// next makes n octets of each keystream. It must be called with 256 until the
// last time, so that i is 0 when it begins.
func (q *quad) next(n int) {
	j0, j1, j2, j3 := q.j[0], q.j[1], q.j[2], q.j[3]
	for k := range q.ks[0][:n] {
		i := uint8(k + 1)
		x0 := q.s[0][i]
		j0 += x0
		y0 := q.s[0][j0]
		q.s[0][i], q.s[0][j0] = y0, x0
		q.ks[0][k] = q.s[0][x0+y0]

		x1 := q.s[1][i]
		j1 += x1
		y1 := q.s[1][j1]
		q.s[1][i], q.s[1][j1] = y1, x1
		q.ks[1][k] = q.s[1][x1+y1]

		x2 := q.s[2][i]
		j2 += x2
		y2 := q.s[2][j2]
		q.s[2][i], q.s[2][j2] = y2, x2
		q.ks[2][k] = q.s[2][x2+y2]

		x3 := q.s[3][i]
		j3 += x3
		y3 := q.s[3][j3]
		q.s[3][i], q.s[3][j3] = y3, x3
		q.ks[3][k] = q.s[3][x3+y3]
	}
	q.j = [4]uint8{j0, j1, j2, j3}
}

// xor encrypts or decrypts four packets in place. It is for fresh keys, and uses
// them up.
func (q *quad) xor(pkts *[4]*packet.Buffer) {
	b := [4][]byte{pkts[0].Bytes(), pkts[1].Bytes(), pkts[2].Bytes(), pkts[3].Bytes()}
	n := 0
	for all := min(len(b[0]), len(b[1]), len(b[2]), len(b[3])); all > 0; all -= n {
		n = min(all, 256)
		q.next(n)
		for i := range b {
			subtle.XORBytes(b[i], b[i], q.ks[i][:n])
			b[i] = b[i][n:]
		}
	}
	for i := range b { // those that are longer than the shortest
		q.s[i].xor(uint8(n), q.j[i], b[i])
	}
}
