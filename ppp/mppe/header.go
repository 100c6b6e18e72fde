package mppe

import "encoding/binary"

// A header stands between the outer protocol field and what is encrypted (RFC
// 3078, section 3): four bits and the coherency count.
type header uint16

const (
	flushed    header = 0x8000 // A: the tables were made anew before this packet
	compressed header = 0x2000 // C: MPPC, which is never agreed on here
	encrypted  header = 0x1000 // D
	countMask  header = 0x0fff

	headerLen = 2
)

// Bit B (0x4000) says something about MPPC's history only, and is ignored.

func parseHeader(b []byte) header { return header(binary.BigEndian.Uint16(b)) }

// distance is how far the count of h is ahead of packet n, from -2048 to 2047:
// what is ahead by more than half of the counts there are is rather behind.
func (h header) distance(n uint64) int64 {
	return int64(int16(uint16(h)<<4-uint16(n)<<4) >> 4)
}

// isFlag reports whether packet n is one before which stateful mode changes the
// key (RFC 3078, section 7.2).
func isFlag(n uint64) bool { return n&0xff == 0xff }
