package probe

import (
	"bytes"
	"testing"
)

// What a server sends is a frame of the protocol that its first octets say, with all that
// follows them, or none.
func FuzzParseFrame(f *testing.F) {
	f.Add(ppp(0xc021, []byte{1, 1, 0, 4}))
	f.Add([]byte{0x21, 0x45})
	f.Add([]byte{0xff, 0x03, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parseFrame(b)
		rest := bytes.TrimPrefix(b, []byte{0xff, 0x03})
		if short := len(rest) == 0 || len(rest) == 1 && rest[0]&1 == 0; ok == short {
			t.Fatalf("% x: %+v, %v", b, got, ok)
		}
		if whole := ppp(got.protocol, got.body)[2:]; ok && !bytes.Equal(whole, rest) && !bytes.Equal(whole[1:], rest) {
			t.Errorf("% x came back as % x", b, whole)
		}
	})
}
