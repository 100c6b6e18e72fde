package ipxwan

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sitebridge/ipx"
)

// A Type is that of an IPXWAN packet (RFC 1634, section 3).
type Type byte

const (
	TimerRequest        Type = 0
	TimerResponse       Type = 1
	InformationRequest  Type = 2
	InformationResponse Type = 3
	Nak                 Type = 0xFF
)

// An Accept says of an option whether its receiver takes it.
type Accept byte

const (
	No            Accept = 0
	Yes           Accept = 1
	NotApplicable Accept = 3
)

// A Packet is the data of an IPX packet on socket 9004:
//
//	WASM(4) type(1) node ID(4) sequence(1) options(1), then the options
type Packet struct {
	Type     Type
	NodeID   ipx.Network
	Sequence byte
	Options  []Option
}

// An Option is number(1) accept(1) length(2) data. What we do not understand is
// kept whole, for the answer.
type Option struct {
	Number byte
	Accept Accept
	Data   []byte
}

const (
	headLen   = 11
	optionLen = 4 // without data
	// timerLen is the length of every Timer packet, with its IPX header: what a
	// slow line takes for it is what is measured.
	timerLen = 576
)

// identifier begins each packet; it was "Wide Area Service Module" once.
const identifier = "WASM"

var (
	errNotIPXWAN = errors.New("no IPXWAN packet")
	errShort     = errors.New("IPXWAN packet ends before its options")
)

// Parse reads a whole IPX packet. Its options alias pkt. An error that is not
// errNotIPXWAN means that the packet is to be answered with a Nak.
func Parse(pkt []byte) (Packet, error) {
	h, b, err := ipx.Parse(pkt)
	if err != nil || h.Dst.Socket != ipx.SocketIPXWAN || len(b) < len(identifier)+1 || string(b[:4]) != identifier {
		return Packet{}, errNotIPXWAN
	}
	p := Packet{Type: Type(b[4])}
	if len(b) < headLen {
		return p, errShort
	}
	p.NodeID, p.Sequence = ipx.Network(binary.BigEndian.Uint32(b[5:])), b[9]
	p.Options, err = parseOptions(b[headLen:], int(b[10]))
	return p, err
}

func parseOptions(b []byte, count int) ([]Option, error) {
	options := make([]Option, 0, min(count, len(b)/optionLen))
	for i := range count {
		if len(b) < optionLen {
			return options, errShort
		}
		end := optionLen + int(binary.BigEndian.Uint16(b[2:]))
		if end > len(b) {
			return options, fmt.Errorf("IPXWAN option %d of %d is longer than its packet", i+1, count)
		}
		options = append(options, Option{Number: b[0], Accept: Accept(b[1]), Data: b[optionLen:end]})
		b = b[end:]
	}
	return options, nil
}

// Append appends p as a whole IPX packet: type 4, from socket to socket 9004, to
// everybody on a network that has no number yet.
func (p Packet) Append(b []byte) []byte {
	start := len(b)
	b = ipx.AppendPacket(b, ipx.Header{
		Type: ipx.TypePEP,
		Dst:  ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketIPXWAN},
		Src:  ipx.Addr{Socket: ipx.SocketIPXWAN},
	}, nil)
	b = append(append(b, identifier...), byte(p.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(p.NodeID))
	b = append(b, p.Sequence, byte(len(p.Options)))
	for _, o := range p.Options {
		b = append(b, o.Number, byte(o.Accept))
		b = binary.BigEndian.AppendUint16(b, uint16(len(o.Data)))
		b = append(b, o.Data...)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// nakOf returns a copy of pkt, a packet that Parse calls malformed, as a Nak.
func (m *Machine) nakOf(pkt []byte) []byte {
	m.buf = append(m.buf[:0], pkt[:ipx.Length(pkt)]...)
	m.buf[ipx.HeaderLen+4] = byte(Nak)
	return m.buf
}
