package ip

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// simpleSum is RFC 1071 as its section 4.1 writes it.
func simpleSum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func TestChecksum(t *testing.T) {
	r := rand.NewChaCha8([32]byte{})
	b := make([]byte, 2000)
	r.Read(b)
	for n := range b {
		var got [2]byte
		putSum(got[:], fold(add(0, b[:n])))
		if want := simpleSum(b[:n]); binary.BigEndian.Uint16(got[:]) != want {
			t.Fatalf("%d octets: % x, want %04x", n, got, want)
		}
	}
	for i := range b {
		b[i] = 0xff
	}
	if got := fold(add(add(0, b), b)); got != 0xffff {
		t.Errorf("all ones sum up to %04x", got)
	}
}

// TestChecksumExample is the example of RFC 1071, section 3.
func TestChecksumExample(t *testing.T) {
	var got [2]byte
	putSum(got[:], fold(add(0, unhex("0001 f203 f4f5 f6f7"))))
	if want := [2]byte{0xdd, 0xf2}; got != want {
		t.Errorf("% x, want % x", got, want)
	}
}

func TestAdjust(t *testing.T) {
	b := make([]byte, 40)
	rand.NewChaCha8([32]byte{}).Read(b)
	for _, to := range []uint16{0, 1, 1460, 0xfffe, 0xffff} {
		for _, off := range []int{4, 5} {
			b[0], b[1] = 0, 0
			binary.BigEndian.PutUint16(b, ^simpleSum(b))
			from := binary.BigEndian.Uint16(b[off:])
			binary.BigEndian.PutUint16(b[off:], to)
			adjust(b[:2], from, to, off%2 != 0)
			if got := simpleSum(b); got != 0xffff {
				t.Errorf("field at %d to %d: sum %04x", off, to, got)
			}
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 1460)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		fold(add(0, data))
	}
}
