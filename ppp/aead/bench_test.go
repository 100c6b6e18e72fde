package aead

import (
	"crypto/cipher"
	"fmt"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/internal/turns"
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

// reset makes room for the batch.
func (r *rig) reset() {
	for _, b := range r.plain {
		b.Reset()
		b.SetLen(r.size)
	}
}

// seal seals the batch.
func (r *rig) seal() {
	r.reset()
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

// key is the cipher of the standard library with the key in use.
func (r *rig) key() cipher.AEAD { return r.to.opener.current.aead }

// bareSeal is the work of the standard library alone on the same octets.
func (r *rig) bareSeal() {
	a := r.key()
	r.reset()
	for _, b := range r.plain {
		b.SetLen(headerLen + r.size + tagLen)
		p := b.Bytes()
		a.Seal(p[headerLen:headerLen], p[:headerLen], p[headerLen:headerLen+r.size], p[:headerLen])
	}
}

func (r *rig) bareOpen() {
	a := r.key()
	r.arrive()
	for _, b := range r.arrived {
		p := b.Bytes()
		if _, err := a.Open(p[headerLen:headerLen], p[:headerLen], p[headerLen:], p[:headerLen]); err != nil {
			panic(err)
		}
	}
}

func (r *rig) sealing() turns.Pair {
	return turns.Pair{
		Ours:    turns.Work{Do: r.seal, Around: r.reset},
		Measure: turns.Work{Do: r.bareSeal, Around: r.reset},
		Name:    "bare",
		Packets: packet.BatchLen,
	}
}

func (r *rig) opening() turns.Pair {
	return turns.Pair{
		Ours:    turns.Work{Do: r.open, Around: r.arrive},
		Measure: turns.Work{Do: r.bareOpen, Around: r.arrive},
		Name:    "bare",
		Packets: packet.BatchLen,
	}
}

func bench(b *testing.B, work func(*rig) turns.Pair) {
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		for _, size := range []int{1400, 64} {
			b.Run(fmt.Sprintf("%v/%d", c, size), func(b *testing.B) { work(newRig(b, c, size)).Benchmark(b) })
		}
	}
}

func BenchmarkSeal(b *testing.B) { bench(b, (*rig).sealing) }
func BenchmarkOpen(b *testing.B) { bench(b, (*rig).opening) }

// TestPaceBesideBareCipher is more generous than what is measured, which is a few
// hundredths more than the bare cipher: it is for mistakes that double the work.
func TestPaceBesideBareCipher(t *testing.T) {
	if race.Enabled {
		return // it slows ours down, and not the library's
	}
	const most = 1.5
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		r := newRig(t, c, 1400)
		for name, p := range map[string]turns.Pair{"seal": r.sealing(), "open": r.opening()} {
			if ratio := p.Ratio(most); ratio > most {
				t.Errorf("%v: %s takes %.2f times what the bare cipher does, want at most %v", c, name, ratio, most)
			} else {
				t.Logf("%v: %s takes %.2f times what the bare cipher does", c, name, ratio)
			}
		}
	}
}
