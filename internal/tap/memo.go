package tap

import (
	"net/netip"
	"time"
)

// A memo is a Packet as a Board keeps it, in half the memory: a hub keeps fifty of
// each of its thousand sites.
type memo struct {
	at       time.Time
	ends     *ends
	bytes    string
	length   uint32
	protocol uint16
	layer    Layer
	flags    uint8
}

const (
	memoOut = 1 << iota
	memoSealed
)

// ends are the addresses of a call, which all its packets share.
type ends struct{ local, remote netip.Addr }

// remember makes a memo of a packet. It shares the ends of another one, if those are the same.
func remember(p *Packet, like *ends) memo {
	m := memo{
		at: p.Time, ends: like, bytes: string(p.Bytes),
		length: uint32(p.Length), protocol: p.Protocol, layer: p.Layer,
	}
	if now := (ends{p.Local, p.Remote}); like == nil || *like != now {
		m.ends = &now
	}
	if p.Out {
		m.flags |= memoOut
	}
	if p.Sealed {
		m.flags |= memoSealed
	}
	return m
}

func (m *memo) packet() Packet {
	return Packet{
		Time: m.at, Layer: m.layer, Protocol: m.protocol,
		Out: m.flags&memoOut != 0, Sealed: m.flags&memoSealed != 0,
		Local: m.ends.local, Remote: m.ends.remote,
		Bytes: []byte(m.bytes), Length: int(m.length),
	}
}
