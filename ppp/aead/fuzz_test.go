package aead

import (
	"slices"
	"testing"
)

// FuzzOpen is row P5. The script gives packets of the peer, changed or not, in any
// order. The property: what comes out was sent, and comes out once; what goes in
// is counted once.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 1, 0, 0, 19, 0, 0})
	f.Add([]byte{19, 0, 0, 3, 1, 1, 18, 0, 0, 3, 0, 0, 2, 3, 4, 255, 40, 128})
	f.Add([]byte{0, 200, 0, 1, 200, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		peer, authenticator := pair(Limits{Packets: 3})
		var plain, sealed []string
		for i := range 20 {
			plain = append(plain, "\x00\x21"+string(rune('a'+i)))
			sealed = append(sealed, seal(t, peer, plain[i])...)
		}
		gave, came := 0, map[string]int{}
		for step := range slices.Chunk(script, 3) {
			i := int(step[0]) % len(sealed)
			given := sealed[i]
			if len(step) == 3 {
				given = change(given, step[1], step[2])
			}
			got := open(t, authenticator, given)
			if want := given == sealed[i]; len(got) > 0 && (!want || got[0] != plain[i]) {
				t.Fatalf("%x came out as %x", given, got)
			}
			for _, p := range got {
				if came[p]++; came[p] > 1 {
					t.Fatalf("%x came out twice", p)
				}
			}
			gave++
		}
		sum := uint64(0)
		for name, n := range authenticator.Counters() {
			if name != "sealed" {
				sum += n
			}
		}
		if sum != uint64(gave) {
			t.Fatalf("%d packets, counted %v", gave, authenticator.Counters())
		}
	})
}

// FuzzOpenOctets gives octets that nobody sealed: nothing comes out.
func FuzzOpenOctets(f *testing.F) {
	f.Add([]byte("short"))
	f.Add(make([]byte, 29))
	f.Add([]byte("\x00\x00\x00\x03 counter and ciphertext and tag, of nobody"))
	_, authenticator := pair(Limits{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := open(t, authenticator, string(b[:min(len(b), 2048)])); got != nil {
			t.Fatalf("%x came out as %x", b, got)
		}
	})
}

// change flips bits of one octet, or cuts the packet there.
func change(s string, at, mask byte) string {
	i := int(at) % len(s)
	if mask == 0xff {
		return s[:i]
	}
	b := []byte(s)
	b[i] ^= mask
	return string(b)
}
