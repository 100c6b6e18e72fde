package aead

import (
	"crypto/cipher"
	"fmt"
	"testing"
	"time"

	"sitebridge/internal/packet"
)

// A rig is a batch of packets that is sealed, or opened, again and again.
type rig struct {
	size     int
	from, to *Coder
	plain    []*packet.Buffer
	sealed   []byte // a whole batch of packets, one behind the other
	arrived  []*packet.Buffer
}

func newRig(_ testing.TB, c Cipher, size int) *rig {
	x, y := exchange(), exchange()
	x.Authenticator.Cipher, y.Authenticator.Cipher = c, c
	r := &rig{size: size, from: New(x, false, Limits{}), to: New(y, true, Limits{})}
	for range packet.BatchLen {
		r.plain = append(r.plain, new(packet.Buffer))
		r.arrived = append(r.arrived, new(packet.Buffer))
	}
	r.seal()
	r.from.sealer.counter = 0
	r.seal()
	for _, b := range r.plain {
		r.sealed = append(r.sealed, b.Bytes()...)
	}
	return r
}

// seal seals the batch.
func (r *rig) seal() {
	for _, b := range r.plain {
		b.Reset()
		b.SetLen(r.size)
	}
	r.from.Seal(r.plain)
}

// arrive copies the sealed packets into the buffers that they come in.
func (r *rig) arrive() {
	n := r.size + overhead
	for i, b := range r.arrived {
		b.Set(r.sealed[i*n : (i+1)*n])
	}
}

// open opens the batch as if it had never come.
func (r *rig) open() {
	r.arrive()
	r.to.opener.current.window = window{}
	if out, _ := r.to.Open(r.arrived); len(out) != len(r.arrived) {
		panic("a packet was dropped")
	}
}

// bareSeal is the work of the standard library alone on the same octets.
func (r *rig) bareSeal(a cipher.AEAD) {
	for _, b := range r.plain {
		b.Reset()
		b.SetLen(headerLen + r.size + tagLen)
		p := b.Bytes()
		a.Seal(p[headerLen:headerLen], p[:headerLen], p[headerLen:headerLen+r.size], p[:headerLen])
	}
}

func (r *rig) bareOpen(a cipher.AEAD) {
	r.arrive()
	for _, b := range r.arrived {
		p := b.Bytes()
		if _, err := a.Open(p[headerLen:headerLen], p[:headerLen], p[headerLen:], p[:headerLen]); err != nil {
			panic(err)
		}
	}
}

// bench does our work on a batch and the bare cipher's in turn, since what else the
// machine does would fall on one of two benchmarks and not on the other.
func bench(b *testing.B, ours func(*rig), bare func(*rig, cipher.AEAD)) {
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		for _, size := range []int{1400, 64} {
			b.Run(fmt.Sprintf("%v/%d", c, size), func(b *testing.B) {
				r := newRig(b, c, size)
				key := r.to.opener.current.aead
				var took, tookBare time.Duration
				b.ReportAllocs()
				for b.Loop() {
					start := time.Now()
					ours(r)
					between := time.Now()
					bare(r, key)
					took += between.Sub(start)
					tookBare += time.Since(between)
				}
				packets := float64(b.N * packet.BatchLen)
				b.ReportMetric(float64(took)/packets, "ns/packet")
				b.ReportMetric(float64(tookBare)/packets, "bare-ns/packet")
				b.ReportMetric(float64(took)/float64(tookBare), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) { bench(b, (*rig).seal, (*rig).bareSeal) }

// What arrives is copied first, for the bare cipher too: it is decrypted in place.
func BenchmarkOpen(b *testing.B) { bench(b, (*rig).open, (*rig).bareOpen) }
