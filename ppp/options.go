package ppp

import (
	"encoding/binary"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// The configuration options of LCP that we know (RFC 1661, section 6). All
// others are rejected.
const (
	optMRU   = 1 // Maximum-Receive-Unit
	optACCM  = 2 // Async-Control-Character-Map (RFC 1662, section 7.1)
	optAuth  = 3 // Authentication-Protocol
	optMagic = 5 // Magic-Number
	optPFC   = 7 // Protocol-Field-Compression
	optACFC  = 8 // Address-and-Control-Field-Compression
)

const (
	defaultMRU = 1500 // what a link can carry that does not say so
	// minMRU is the least MRU that we let a peer have: an IPX packet of 576
	// octets may come from any node, and cannot be cut.
	minMRU = 576
)

// The options are what one side of a link asked for in LCP and the other agreed to.
// All but Auth describe what that side can receive.
type options struct {
	MRU   uint16      // in octets of the information field
	Auth  auth.Method // how the other side must prove itself; 0: it need not
	Magic uint32      // 0: none
	PFC   bool
	ACFC  bool
}

// list returns what must be said of o: defaults are not (RFC 1661, section 5.1).
func (o options) list() []fsm.Option {
	var l []fsm.Option
	if o.MRU != defaultMRU {
		l = append(l, mruOption(o.MRU))
	}
	if o.Auth != 0 {
		l = append(l, authOption(o.Auth))
	}
	if o.Magic != 0 {
		l = append(l, magicOption(o.Magic))
	}
	if o.PFC {
		l = append(l, fsm.Option{Type: optPFC})
	}
	if o.ACFC {
		l = append(l, fsm.Option{Type: optACFC})
	}
	return l
}

func mruOption(mru uint16) fsm.Option {
	return fsm.Option{Type: optMRU, Data: binary.BigEndian.AppendUint16(nil, mru)}
}

func authOption(m auth.Method) fsm.Option {
	return fsm.Option{Type: optAuth, Data: m.LCPOption()}
}

func magicOption(n uint32) fsm.Option {
	return fsm.Option{Type: optMagic, Data: binary.BigEndian.AppendUint32(nil, n)}
}

// wellFormed reports whether o is an option that we know, of the length that
// its definition gives it.
func wellFormed(o fsm.Option) bool {
	switch o.Type {
	case optMRU:
		return len(o.Data) == 2
	case optACCM, optMagic:
		return len(o.Data) == 4
	case optPFC, optACFC:
		return len(o.Data) == 0
	case optAuth:
		return wellFormedAuth(o.Data)
	}
	return false
}

// wellFormedAuth allows protocols that we do not have any length: the answer to
// them is a Nak with one that we do.
func wellFormedAuth(data []byte) bool {
	if len(data) < 2 {
		return false
	}
	switch binary.BigEndian.Uint16(data) {
	case protocolPAP, protocolEAP:
		return len(data) == 2
	case protocolCHAP:
		return len(data) == 3 // the algorithm
	}
	return true
}

// parseOptions reads well-formed options.
func parseOptions(list []fsm.Option) options {
	o := options{MRU: defaultMRU}
	for _, opt := range list {
		switch opt.Type {
		case optMRU:
			o.MRU = binary.BigEndian.Uint16(opt.Data)
		case optAuth:
			o.Auth, _ = auth.ParseLCPOption(opt.Data)
		case optMagic:
			o.Magic = binary.BigEndian.Uint32(opt.Data)
		case optPFC:
			o.PFC = true
		case optACFC:
			o.ACFC = true
		}
	}
	return o
}
