package mppe

import (
	"bytes"
	"crypto/rc4"
	"testing"

	"sitebridge/internal/packet"
)

// reference is what crypto/rc4 makes of b.
func reference(t testing.TB, k key, b []byte) []byte {
	t.Helper()
	c, err := rc4.NewCipher(k[:])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(b))
	c.XORKeyStream(out, b)
	return out
}

// pattern is n octets that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestStreamIsRC4(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 511, 512, 513, 1400, 2048} {
		for seed := range 32 {
			k := key{byte(seed), byte(n), 15: byte(seed * 31)}
			plain := pattern(n)
			got := bytes.Clone(plain)
			var c stream
			c.setKey(&k)
			c.xor(got[:n/3]) // a stream goes on where it was
			c.xor(got[n/3:])
			if !bytes.Equal(got, reference(t, k, plain)) {
				t.Fatalf("%d octets under key % x differ from crypto/rc4", n, k)
			}
		}
	}
}

func TestQuadIsFourStreams(t *testing.T) {
	lengths := []int{0, 1, 2, 40, 255, 256, 257, 512, 700, 1400, 2048}
	for _, n := range lengths {
		for _, m := range lengths {
			keys := [4]key{{byte(n), 3: 7}, {byte(m), 9: 1}, {5: byte(n)}, {15: byte(m)}}
			wantQuad(t, keys, [4][]byte{pattern(n), pattern(m), pattern(1400), pattern((n + m) % 2049)})
		}
	}
}

func wantQuad(t *testing.T, keys [4]key, plain [4][]byte) {
	t.Helper()
	var pkts [4]*packet.Buffer
	for i, b := range plain {
		pkts[i] = buffer(t, b)
	}
	var q quad
	q.setKeys(&keys)
	q.xor(&pkts)
	for i, b := range plain {
		if !bytes.Equal(pkts[i].Bytes(), reference(t, keys[i], b)) {
			t.Fatalf("stream %d of four, with %d octets, differs from crypto/rc4", i, len(b))
		}
	}
}

// FuzzRC4: alone, in parts and with others, a stream is what crypto/rc4 makes.
func FuzzRC4(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("fedcba9876543210"), []byte("first"), []byte("second packet"), 2)
	f.Add(make([]byte, 16), bytes.Repeat([]byte{0xff}, 16), pattern(600), pattern(256), 255)
	f.Fuzz(func(t *testing.T, ka, kb, a, b []byte, cut int) {
		if len(ka) != len(key{}) || len(kb) != len(key{}) || max(len(a), len(b)) > 2048 {
			return
		}
		wantQuad(t, [4]key{key(ka), key(kb), key(kb), key(ka)}, [4][]byte{a, b, a[:len(a)/2], b})
		got, k := bytes.Clone(a), key(ka)
		cut = max(0, min(cut, len(a)))
		var c stream
		c.setKey(&k)
		c.xor(got[:cut])
		c.xor(got[cut:])
		if !bytes.Equal(got, reference(t, k, a)) {
			t.Fatalf("%d octets in parts differ from crypto/rc4", len(a))
		}
	})
}
