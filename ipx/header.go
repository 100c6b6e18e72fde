package ipx

import (
	"encoding/binary"
	"fmt"
)

const (
	// HeaderLen is the length of the IPX header, in octets. No packet is shorter.
	HeaderLen = 30
	// SafeLen is the longest packet that every network carries: 546 octets of
	// data. What is longer is up to the wires on the way; IPX cannot be cut.
	SafeLen = 576
	// MaxLen is the longest packet that an Ethernet can carry.
	MaxLen = 1500
	// MaxHops is the highest number of routers a packet may have crossed when
	// it arrives at a router that is to forward it.
	MaxHops = 15
	// NoChecksum in the checksum field says that the sender made none.
	NoChecksum = 0xFFFF
)

// Offsets of the header's fields.
const (
	offChecksum   = 0
	offLength     = 2
	offHops       = 4
	offType       = 5
	offDstNetwork = 6
	offDstNode    = 10
	offDstSocket  = 16
	offSrcNetwork = 18
	offSrcNode    = 22
	offSrcSocket  = 28
)

// A PacketType says what a packet's data is, in theory: senders fill it in
// differently, and only Propagated changes how a packet is forwarded.
type PacketType byte

const (
	TypeUnknown    PacketType = 0 // anything: many programs, games, also RIP and SAP
	TypeRIP        PacketType = 1
	TypeEcho       PacketType = 2
	TypeError      PacketType = 3
	TypePEP        PacketType = 4 // packet exchange: SAP, IPXWAN and others
	TypeSPX        PacketType = 5
	TypeNCP        PacketType = 17
	TypePropagated PacketType = 20 // a broadcast to all networks, for NetBIOS
)

// String returns the type in decimal, as it is commonly quoted.
func (t PacketType) String() string { return fmt.Sprintf("%d", byte(t)) }

// A Header is the head of every IPX packet. All integers are big-endian.
type Header struct {
	Checksum uint16 // NoChecksum when not in use
	Length   uint16 // of header and data, without padding
	Hops     byte   // "transport control": routers crossed so far
	Type     PacketType
	Dst, Src Addr
}

// Parse reads the packet at the start of b. The length in the header is what
// counts: what follows in b is padding. The payload aliases b. Any checksum and
// any hop count is accepted; errors are DropReasons.
func Parse(b []byte) (h Header, payload []byte, err error) {
	if err := Check(b); err != nil {
		return Header{}, nil, err
	}
	h = Header{
		Checksum: binary.BigEndian.Uint16(b[offChecksum:]),
		Length:   binary.BigEndian.Uint16(b[offLength:]),
		Hops:     b[offHops],
		Type:     PacketType(b[offType]),
		Dst:      getAddr(b[offDstNetwork:]),
		Src:      getAddr(b[offSrcNetwork:]),
	}
	return h, b[HeaderLen:h.Length], nil
}

// Check reports, as a DropReason, why b does not begin with a whole packet.
func Check(b []byte) error {
	if len(b) < HeaderLen {
		return Truncated
	}
	switch n := Length(b); {
	case n < HeaderLen:
		return Short
	case n > len(b):
		return Overlong
	}
	return nil
}

// Length returns the length that the header at the start of b claims; b holds
// at least four octets.
func Length(b []byte) int { return int(binary.BigEndian.Uint16(b[offLength:])) }

// Put writes the header to the first HeaderLen octets of b.
func (h *Header) Put(b []byte) {
	_ = b[HeaderLen-1]
	binary.BigEndian.PutUint16(b[offChecksum:], h.Checksum)
	binary.BigEndian.PutUint16(b[offLength:], h.Length)
	b[offHops] = h.Hops
	b[offType] = byte(h.Type)
	h.Dst.put(b[offDstNetwork:])
	h.Src.put(b[offSrcNetwork:])
}

// AppendPacket appends a packet with h's addresses, type and hops around
// payload. It fills in the length and leaves the checksum unused.
func AppendPacket(b []byte, h Header, payload []byte) []byte {
	h.Checksum = NoChecksum
	h.Length = uint16(HeaderLen + len(payload))
	var head [HeaderLen]byte
	h.Put(head[:])
	return append(append(b, head[:]...), payload...)
}

func getAddr(b []byte) Addr {
	return Addr{
		Network: Network(binary.BigEndian.Uint32(b)),
		Node:    Node(b[4:10]),
		Socket:  Socket(binary.BigEndian.Uint16(b[10:])),
	}
}

func (a Addr) put(b []byte) {
	binary.BigEndian.PutUint32(b, uint32(a.Network))
	copy(b[4:10], a.Node[:])
	binary.BigEndian.PutUint16(b[10:], uint16(a.Socket))
}
