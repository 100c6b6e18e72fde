// Package inform answers the one question of DHCP that remote computers ask over a
// tunnel: DHCPINFORM (RFC 2131, section 4.3.5), by which Windows and others learn the
// routes that PPP cannot tell. It gives no addresses away, and keeps nothing.
package inform

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// A Config is what a caller is told.
type Config struct {
	Server netip.Addr     // our address in the tunnel, by which the routes lead
	Client netip.Addr     // the caller's: nobody else is answered
	Routes []netip.Prefix // at most MaxRoutes
	DNS    []netip.Addr
	NBNS   []netip.Addr
	Domain string // empty: none
}

// MaxRoutes is how many fit one option, however long they are (RFC 3442).
const MaxRoutes = 255 / 9

const (
	ipHeader  = 20
	udpHeader = 8
	fixed     = 236 // of BOOTP, before the magic cookie (RFC 2131, section 2)
	shortest  = 300 // that some take for a message of BOOTP (RFC 1542, section 2.1)
	protoUDP  = 17

	portServer, portClient = 67, 68

	opRequest, opReply = 1, 2
	cookie             = 0x63825363

	optDNS       = 6
	optDomain    = 15
	optNBNS      = 44
	optType      = 53
	optServer    = 54
	optAsked     = 55 // parameter request list
	optRoutes    = 121
	optRoutesOld = 249 // what Windows asked for before there was 121
	optEnd       = 255

	typeACK, typeInform = 5, 8
)

// Asks reports whether an IPv4 packet may be a question for a DHCP server. It looks at
// little, for every packet comes by.
func Asks(b []byte) bool {
	return len(b) >= ipHeader+udpHeader && b[0] == 0x45 && b[9] == protoUDP &&
		binary.BigEndian.Uint16(b[6:])&0x3fff == 0 && binary.BigEndian.Uint16(b[22:]) == portServer
}

// Answer appends to b the packet that answers the one given, and nothing when that is
// no DHCPINFORM of the caller.
func Answer(b, query []byte, cfg Config) []byte {
	q, ok := parse(query, cfg.Client)
	if !ok {
		return b
	}
	start := len(b)
	b = append(b, make([]byte, ipHeader+udpHeader)...)
	b = append(b, opReply, q.message[1], q.message[2], 0)
	b = append(b, q.message[4:16]...) // xid, secs, flags and ciaddr: the caller's address
	b = append(b, make([]byte, 12)...)
	b = append(b, q.message[28:44]...) // chaddr
	b = append(b, make([]byte, 192)...)
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = append(b, optType, 1, typeACK)
	b = addresses(b, optServer, cfg.Server)
	b = q.options(b, cfg)
	b = append(b, optEnd)
	if short := ipHeader + udpHeader + shortest - (len(b) - start); short > 0 {
		b = append(b, make([]byte, short)...)
	}
	header(b[start:], cfg)
	return b
}

// A question is a DHCPINFORM.
type question struct {
	message []byte // of BOOTP, whole
	asked   []byte // nil: the caller does not say
}

func parse(b []byte, from netip.Addr) (q question, ok bool) {
	if !Asks(b) || netip.AddrFrom4([4]byte(b[12:16])) != from {
		return q, false
	}
	total, length := int(binary.BigEndian.Uint16(b[2:])), int(binary.BigEndian.Uint16(b[24:]))
	if total > len(b) || ipHeader+length > total || length < udpHeader+fixed+4 {
		return q, false
	}
	m := b[ipHeader+udpHeader : ipHeader+length]
	if m[0] != opRequest || m[2] > 16 || netip.AddrFrom4([4]byte(m[12:16])) != from || binary.BigEndian.Uint32(m[fixed:]) != cookie {
		return q, false
	}
	q.message = m[:fixed]
	informs := false
	for opts := m[fixed+4:]; len(opts) > 0 && opts[0] != optEnd; {
		if opts[0] == 0 { // padding
			opts = opts[1:]
			continue
		}
		if len(opts) < 2 || len(opts) < 2+int(opts[1]) {
			return q, false
		}
		value := opts[2 : 2+int(opts[1])]
		switch opts[0] {
		case optType:
			informs = len(value) == 1 && value[0] == typeInform
		case optAsked:
			q.asked = value
		}
		opts = opts[2+len(value):]
	}
	return q, informs
}

// wants reports whether the caller wants an option.
func (q *question) wants(option byte) bool {
	return q.asked == nil || slices.Contains(q.asked, option)
}

// options appends what we have of what is wanted.
func (q *question) options(b []byte, cfg Config) []byte {
	if q.wants(optDNS) {
		b = addresses(b, optDNS, cfg.DNS...)
	}
	if n := len(cfg.Domain); n > 0 && n < 256 && q.wants(optDomain) {
		b = append(append(b, optDomain, byte(n)), cfg.Domain...)
	}
	if q.wants(optNBNS) {
		b = addresses(b, optNBNS, cfg.NBNS...)
	}
	for _, option := range []byte{optRoutes, optRoutesOld} {
		if q.wants(option) {
			b = routes(b, option, cfg)
		}
	}
	return b
}

func addresses(b []byte, option byte, list ...netip.Addr) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, option, byte(4*len(list)))
	for _, a := range list {
		four := a.As4()
		b = append(b, four[:]...)
	}
	return b
}

// routes appends the networks that lead into the tunnel: the length of each, as many
// octets of it as that needs, and the router (RFC 3442).
func routes(b []byte, option byte, cfg Config) []byte {
	if len(cfg.Routes) == 0 || len(cfg.Routes) > MaxRoutes {
		return b
	}
	b = append(b, option, 0)
	at := len(b)
	router := cfg.Server.As4()
	for _, r := range cfg.Routes {
		to := r.Addr().As4()
		b = append(b, byte(r.Bits()))
		b = append(b, to[:(r.Bits()+7)/8]...)
		b = append(b, router[:]...)
	}
	b[at-1] = byte(len(b) - at)
	return b
}

// header writes the IPv4 and UDP headers in front of what b holds behind them. UDP may
// go without a checksum (RFC 768).
func header(b []byte, cfg Config) {
	src, dst := cfg.Server.As4(), cfg.Client.As4()
	b[0], b[8], b[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	var sum uint32
	for i := 0; i < ipHeader; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	binary.BigEndian.PutUint16(b[20:], portServer)
	binary.BigEndian.PutUint16(b[22:], portClient)
	binary.BigEndian.PutUint16(b[24:], uint16(len(b)-ipHeader))
}
