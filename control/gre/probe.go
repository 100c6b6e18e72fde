package gre

import (
	"encoding/binary"
	"errors"
)

// A probe asks by UDP whether the other side of a call can be reached so, and its reply
// says yes. It is ours alone: RFC 8086, on which GRE in UDP is modelled here, has
// nothing like it. Both are of one length, so that nobody who forges the address of a
// victim has more sent to it than he sends himself.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|   0xff07: no version of GRE   |            0x5b1d             |
//	+---------------+---------------+-------------------------------+
//	|   Version 1   |     Kind      |   Call ID of the one who asks |
//	+---------------+---------------+-------------------------------+
//	|       Token of the one who receives this (16 octets)          |
//	+---------------------------------------------------------------+
//	|       Token of the one who sends this (16 octets)             |
//	+---------------------------------------------------------------+
type probe struct {
	kind     probeKind
	callID   uint16 // that the asking side assigned to the call
	to, from Token
}

type probeKind uint8

const (
	probeAsks    probeKind = 1
	probeReplies probeKind = 2
)

const (
	// probeMagic can begin no packet of RFC 2637, section 4.1, nor of RFC 2784: there
	// the version, which is the lowest three bits of the first word, is 1 or 0.
	probeMagic   = 0xff075b1d
	probeVersion = 1
	probeLen     = 8 + 2*len(Token{})
)

var errBadProbe = errors.New("gre: not a probe")

// isProbe reports whether b is a probe, if perhaps a bad one, and no packet.
func isProbe(b []byte) bool { return len(b) >= 4 && binary.BigEndian.Uint32(b) == probeMagic }

// append appends the probe to b.
func (p *probe) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, probeMagic)
	b = append(b, probeVersion, byte(p.kind))
	b = binary.BigEndian.AppendUint16(b, p.callID)
	b = append(b, p.to[:]...)
	return append(b, p.from[:]...)
}

// parseProbe reads a whole datagram.
func parseProbe(b []byte) (p probe, err error) {
	if len(b) != probeLen || !isProbe(b) || b[4] != probeVersion {
		return p, errBadProbe
	}
	p.kind = probeKind(b[5])
	if p.kind != probeAsks && p.kind != probeReplies {
		return probe{}, errBadProbe
	}
	p.callID = binary.BigEndian.Uint16(b[6:])
	p.to, p.from = Token(b[8:24]), Token(b[24:40])
	return p, nil
}

// reply answers a probe.
func (p probe) reply() probe { return probe{probeReplies, p.callID, p.from, p.to} }
