package mppe

import "testing"

// Compressed packets (RFC 2118) are refused, in clear and under encryption, and
// cost nothing but themselves.
func TestMPPCIsRefused(t *testing.T) {
	var vectors struct {
		Packets []struct{ Name, Compressed string }
	}
	load(t, "mppc.json", &vectors)
	if len(vectors.Packets) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors.Packets {
		t.Run(v.Name, func(t *testing.T) {
			from, to := oneWay(key{1}, false)
			body := unhex(t, v.Compressed)
			for _, bits := range []byte{0xa0, 0xe0, 0x20, 0x80} { // no D
				if open(t, to, append([]byte{bits, 0}, body...)) != nil {
					t.Errorf("opened with bits %02x", bits)
				}
			}
			wantCounter(t, to, "not_encrypted", 4)
			wire := seal(t, from, body)
			wire[0] |= byte(compressed >> 8)
			if open(t, to, wire) != nil {
				t.Error("opened what is compressed inside")
			}
			wantCounter(t, to, "compressed", 1)
			if to.receive.n != 0 {
				t.Error("the key moved")
			}
		})
	}
}
