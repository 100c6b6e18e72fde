// Package pcapng writes captures that Wireshark reads: one section, one
// interface, packets with times in nanoseconds, and at the end what the interface
// counted (draft-ietf-opsawg-pcapng). Where the packets come from is the caller's
// affair.
package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"
)

// A LinkType says what the packets begin with
// (https://www.iana.org/assignments/pcap).
type LinkType uint16

const (
	Ethernet LinkType = 1
	RawIP    LinkType = 101 // an IPv4 or IPv6 header; GRE, with its IP header, too
	PPP      LinkType = 9   // with or without address and control
)

// The blocks that we write (sections 4.1 to 4.6).
const (
	blockSection    = 0x0A0D0D0A
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6
)

// Options: comments are alike in all blocks, the rest belongs to one.
const (
	optEnd     = 0
	optComment = 1

	optSectionOS          = 3
	optSectionApplication = 4

	optInterfaceName        = 2
	optInterfaceDescription = 3
	optInterfaceResolution  = 9

	optPacketFlags = 2

	optStatisticsReceived = 4
	optStatisticsDropped  = 5
)

const (
	byteOrder  = 0x1A2B3C4D // tells a reader that we write little-endian
	nanosecond = 9          // 10 to the power of -9
)

// A Section says where a capture comes from. Each text may be empty.
type Section struct {
	Comment, OS, Application string
	Interface                Interface
}

// An Interface is what the packets passed.
type Interface struct {
	LinkType          LinkType
	Name, Description string
}

// A Direction is the way that a packet took through the interface.
type Direction uint32

const (
	Unknown  Direction = 0
	Inbound  Direction = 1
	Outbound Direction = 2
)

// A Writer writes one capture. What it writes is at once in the underlying
// writer, one Write for each block, so that a reader at the other end of a pipe
// sees a packet when it passes. It is for one goroutine.
type Writer struct {
	w       io.Writer
	block   []byte // reused
	options bool   // the block has some, so their list needs an end
}

// NewWriter begins a capture.
func NewWriter(w io.Writer, s Section) (*Writer, error) {
	c := &Writer{w: w}
	c.begin(blockSection)
	c.word(byteOrder)
	c.block = binary.LittleEndian.AppendUint16(c.block, 1) // version 1.0
	c.block = binary.LittleEndian.AppendUint16(c.block, 0)
	c.double(math.MaxUint64) // the section's length: not known yet
	c.text(optComment, s.Comment)
	c.text(optSectionOS, s.OS)
	c.text(optSectionApplication, s.Application)
	if err := c.end(); err != nil {
		return nil, err
	}
	c.begin(blockInterface)
	c.word(uint32(s.Interface.LinkType)) // and two reserved octets
	c.word(0)                            // no limit to a packet's length
	c.text(optInterfaceName, s.Interface.Name)
	c.text(optInterfaceDescription, s.Interface.Description)
	c.option(optInterfaceResolution, []byte{nanosecond})
	if err := c.end(); err != nil {
		return nil, err
	}
	return c, nil
}

// Packet writes one packet, which was whole.
func (c *Writer) Packet(at time.Time, d Direction, packet []byte) error {
	return c.Cut(at, d, packet, len(packet))
}

// Cut writes the beginning of a packet that was so many octets long.
func (c *Writer) Cut(at time.Time, d Direction, packet []byte, length int) error {
	c.begin(blockPacket)
	c.word(0) // the interface
	c.time(at)
	c.word(uint32(len(packet))) // captured
	c.word(uint32(length))      // on the wire
	c.padded(packet)
	if d != Unknown {
		c.option(optPacketFlags, binary.LittleEndian.AppendUint32(nil, uint32(d)))
	}
	return c.end()
}

// Statistics writes what the interface counted: packets that were received, and
// those of them that were lost because the reader was too slow.
func (c *Writer) Statistics(at time.Time, received, dropped uint64) error {
	c.begin(blockStatistics)
	c.word(0) // the interface
	c.time(at)
	c.option(optStatisticsReceived, binary.LittleEndian.AppendUint64(nil, received))
	c.option(optStatisticsDropped, binary.LittleEndian.AppendUint64(nil, dropped))
	return c.end()
}

// begin starts a block whose length is not known yet.
func (c *Writer) begin(kind uint32) {
	c.block, c.options = c.block[:0], false
	c.word(kind)
	c.word(0)
}

// end writes the block, with its length at both ends so that files can be read
// backwards.
func (c *Writer) end() error {
	if c.options {
		c.option(optEnd, nil)
	}
	length := uint32(len(c.block) + 4)
	binary.LittleEndian.PutUint32(c.block[4:], length)
	c.word(length)
	if _, err := c.w.Write(c.block); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

func (c *Writer) word(v uint32)   { c.block = binary.LittleEndian.AppendUint32(c.block, v) }
func (c *Writer) double(v uint64) { c.block = binary.LittleEndian.AppendUint64(c.block, v) }

// time writes the upper half first, whatever the byte order.
func (c *Writer) time(at time.Time) {
	ns := uint64(at.UnixNano())
	c.word(uint32(ns >> 32))
	c.word(uint32(ns))
}

// padded writes b, and zeros to the next word.
func (c *Writer) padded(b []byte) {
	c.block = append(c.block, b...)
	for len(c.block)%4 != 0 {
		c.block = append(c.block, 0)
	}
}

// text writes an option unless it is empty. What is longer than an option can be
// is cut.
func (c *Writer) text(code uint16, s string) {
	if s != "" {
		c.option(code, []byte(s[:min(len(s), math.MaxUint16)]))
	}
}

func (c *Writer) option(code uint16, value []byte) {
	c.options = true
	c.block = binary.LittleEndian.AppendUint16(c.block, code)
	c.block = binary.LittleEndian.AppendUint16(c.block, uint16(len(value)))
	c.padded(value)
}
