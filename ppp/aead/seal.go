package aead

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
	"time"

	"sitebridge/internal/packet"
)

// A sealer encrypts what we send. The link's lock guards it.
type sealer struct {
	limits  Limits
	chain   *chain
	aead    cipher.AEAD
	epoch   uint32
	counter uint64    // of the next packet
	began   time.Time // the epoch did
}

func newSealer(c *chain, l Limits) sealer {
	return sealer{limits: l, chain: c, aead: c.next(), began: time.Now()}
}

func (s *sealer) seal(b *packet.Buffer, now time.Time) {
	if s.due(now) {
		s.rekey(now)
	}
	n := b.Len()
	b.Prepend(headerLen)
	b.SetLen(headerLen + n + tagLen)
	p := b.Bytes()
	header := p[:headerLen]
	binary.BigEndian.PutUint32(header, s.epoch)
	binary.BigEndian.PutUint64(header[epochLen:], s.counter)
	s.counter++
	s.aead.Seal(p[headerLen:headerLen], header, p[headerLen:headerLen+n], header)
}

// due reports whether the epoch is over. The last one that has a number is not: it
// begins after 81 000 years at the default age, and its counter lasts longer still.
func (s *sealer) due(now time.Time) bool {
	return (s.counter >= s.limits.Packets || now.Sub(s.began) >= s.limits.Age) && s.epoch < math.MaxUint32
}

func (s *sealer) rekey(now time.Time) {
	s.aead = s.chain.next()
	s.epoch++
	s.counter, s.began = 0, now
}
