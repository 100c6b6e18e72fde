package pcapng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxBlock is the longest block that a Reader takes: much more than a packet with what
// is written about it.
const maxBlock = 1 << 20

// ErrForeign is what a Reader returns for what no Writer of this package has written.
var ErrForeign = errors.New("not a capture of ours")

// A Reader cuts a capture that comes in a stream into its blocks, so that what is
// written of it to a file is never half a block. Only little-endian captures are read.
type Reader struct {
	r     io.Reader
	block []byte
	begun bool
}

// NewReader returns a Reader of r, which should be buffered.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next block, whole, good until the next call, and whether it holds a
// packet. The error is io.EOF between two blocks, and io.ErrUnexpectedEOF inside one.
func (r *Reader) Next() (block []byte, packet bool, err error) {
	r.block = append(r.block[:0], make([]byte, 8)...)
	if _, err := io.ReadFull(r.r, r.block); err != nil {
		return nil, false, err
	}
	kind, length := binary.LittleEndian.Uint32(r.block), binary.LittleEndian.Uint32(r.block[4:])
	if length < 12 || length > maxBlock || length%4 != 0 || !r.begun && kind != blockSection {
		return nil, false, fmt.Errorf("%w: a block of type %#x and %d octets", ErrForeign, kind, length)
	}
	r.block = append(r.block, make([]byte, length-8)...)
	if _, err := io.ReadFull(r.r, r.block[8:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, false, err
	}
	if again := binary.LittleEndian.Uint32(r.block[length-4:]); again != length {
		return nil, false, fmt.Errorf("%w: a block of %d octets that ends as one of %d", ErrForeign, length, again)
	}
	r.begun = true
	return r.block, kind == blockPacket, nil
}

// Dropped returns how many packets a block says were lost, if it is one that counts.
func Dropped(block []byte) (n uint64, ok bool) {
	if len(block) < 24 || binary.LittleEndian.Uint32(block) != blockStatistics {
		return 0, false
	}
	for rest := block[20 : len(block)-4]; len(rest) >= 4; {
		code, length := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
		padded := 4 + (length+3)/4*4
		if padded > len(rest) {
			return 0, false
		}
		if code == optStatisticsDropped && length == 8 {
			return binary.LittleEndian.Uint64(rest[4:]), true
		}
		rest = rest[padded:]
	}
	return 0, false
}
