package ipxwan

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"sitebridge/ipx"
)

// The options that we know (RFC 1634, sections 3.2 and 3.4). Header compression (80) is
// agreed on by IPXCP, and refused here.
const (
	optRouting  = 0x00 // Timer: one for each type, in order of preference
	optInfo     = 0x01 // Information: delay, network, name
	optExtended = 0x04 // Timer: the primary network of a router that says node ID 0
	optNIC      = 0x05 // Information: the node of a workstation
	optPad      = 0xFF // Timer: random octets
)

// Routing is how a link is routed.
type Routing byte

const (
	NumberedRIP   Routing = 0
	NLSP          Routing = 1 // never
	UnnumberedRIP Routing = 2
	OnDemand      Routing = 3 // static routes: neither RIP nor SAP crosses the link
	Workstation   Routing = 4 // the other end is one host
)

var routings = [...]string{"numbered RIP", "NLSP", "unnumbered RIP", "on demand, static", "workstation"}

func (r Routing) String() string {
	if int(r) < len(routings) {
		return routings[r]
	}
	return fmt.Sprintf("routing type %d", byte(r))
}

func routingOption(r Routing, a Accept) Option {
	return Option{Number: optRouting, Accept: a, Data: []byte{byte(r)}}
}

// routing returns the type in a routing option.
func (o Option) routing() (Routing, bool) {
	if o.Number != optRouting || len(o.Data) != 1 {
		return 0, false
	}
	return Routing(o.Data[0]), true
}

func extendedOption(id ipx.Network) Option {
	return Option{Number: optExtended, Accept: Yes, Data: binary.BigEndian.AppendUint32(nil, uint32(id))}
}

// extended returns the extended node ID of a Timer packet; 0: it has none.
func (p Packet) extended() ipx.Network {
	for _, o := range p.Options {
		if o.Number == optExtended && len(o.Data) == 4 {
			return ipx.Network(binary.BigEndian.Uint32(o.Data))
		}
	}
	return 0
}

const (
	infoLen = 54
	nameLen = 48
)

// info is what the Information packets are for.
type info struct {
	delay   uint16 // ms
	network ipx.Network
	name    []byte
}

func (i info) option() Option {
	b := make([]byte, 6, infoLen)
	binary.BigEndian.PutUint16(b, i.delay)
	binary.BigEndian.PutUint32(b[2:], uint32(i.network))
	b = append(b, i.name...)
	return Option{Number: optInfo, Accept: Yes, Data: b[:infoLen]}
}

// info returns the RIP/SAP information of an Information packet. More than one
// and unknown options are ignored, as the RFC wants.
func (p Packet) info() (info, bool) {
	for _, o := range p.Options {
		if o.Number == optInfo && len(o.Data) == infoLen {
			return info{
				delay:   binary.BigEndian.Uint16(o.Data),
				network: ipx.Network(binary.BigEndian.Uint32(o.Data[2:])),
				name:    o.Data[6:],
			}, true
		}
	}
	return info{}, false
}

func nicOption(n ipx.Node) Option { return Option{Number: optNIC, Accept: Yes, Data: n[:]} }

// nic returns the node of a workstation in an Information packet; zero: none.
func (p Packet) nic() ipx.Node {
	for _, o := range p.Options {
		if o.Number == optNIC && len(o.Data) == len(ipx.Node{}) {
			return ipx.Node(o.Data)
		}
	}
	return ipx.Node{}
}

// nodeOf returns the node that a router has on the link: its primary network and two
// octets of 0 (RFC 1634, section 3.5).
func nodeOf(id ipx.Network) (n ipx.Node) {
	binary.BigEndian.PutUint32(n[:], uint32(id))
	return n
}

// routerName makes a name one that may be sent: A to Z, digits and three signs.
func routerName(s string) []byte {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '@':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return '_'
	}, s)
	return []byte(s[:min(len(s), nameLen-1)])
}

// peerName makes a peer's name safe to show.
func peerName(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	quoted := strconv.QuoteToASCII(string(b))
	return quoted[1 : len(quoted)-1]
}

func randomPad(b []byte) { rand.Read(b) } // never fails

// randomNode returns a node that is individual and locally administered.
func randomNode() (n ipx.Node) {
	rand.Read(n[1:])
	n[0] = 2
	return n
}
