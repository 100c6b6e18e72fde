// Package trace puts what two ends say to each other while they negotiate into words:
// messages of the control connection and packets of PPP's control protocols, each in one
// line. It judges nothing and knows no state. Where a packet was seen and who reads the
// line is the caller's affair.
package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sitebridge/internal/tap"
)

// A Line is one packet in words.
type Line struct {
	Time      time.Time  `json:"time"`
	Direction string     `json:"direction"` // "in" or "out"
	Peer      netip.Addr `json:"peer,omitzero"`
	Layer     string     `json:"layer"` // "control" or "ppp"
	Encrypted bool       `json:"encrypted,omitempty"`
	Octets    int        `json:"octets"`
	// Text is what the packet says: printable ASCII.
	Text string `json:"text"`
}

// Of puts a packet into words. Those of GRE are none of its business.
func Of(p *tap.Packet) Line {
	l := Line{Time: p.Time, Direction: "in", Peer: p.Remote, Layer: "ppp", Encrypted: p.Sealed, Octets: p.Length}
	if p.Out {
		l.Direction = "out"
	}
	if p.Layer == tap.Control {
		l.Layer, l.Text = "control", Message(p.Bytes)
		return l
	}
	l.Text = Packet(p.Protocol, p.Bytes)
	return l
}

// Packet puts a packet of a control protocol into words: what follows the protocol
// field, the end of which may be missing.
func Packet(protocol uint16, pkt []byte) string {
	known := protocols[protocol]
	name := known.name
	if name == "" {
		name = fmt.Sprintf("protocol %04X", protocol)
	}
	if len(pkt) < 4 {
		return fmt.Sprintf("%s: broken: %d octets", name, len(pkt))
	}
	code, data := pkt[0], pkt[4:]
	if n := int(binary.BigEndian.Uint16(pkt[2:])); n >= 4 && n < len(pkt) {
		data = pkt[4:n] // what follows is padding
	}
	words := name + " " + known.code(code) + " id " + strconv.Itoa(int(pkt[1]))
	if said := known.body(protocol, code, data); said != "" {
		words += ": " + said
	}
	return words
}

// A protocol is what is known of a control protocol.
type protocol struct {
	name    string
	codes   []string                            // by code, where they are not those of RFC 1661
	options map[byte]option                     // of its Configure packets
	say     func(code byte, data []byte) string // nil: as RFC 1661 has it
}

var protocols = map[uint16]protocol{
	0xc021: {name: "LCP", options: lcpOptions},
	0xc023: {name: "PAP", codes: []string{1: "Authenticate-Request", "Authenticate-Ack", "Authenticate-Nak"}, say: sayPAP},
	0xc223: {name: "CHAP", codes: chapCodes, say: sayCHAP},
	0xc227: {name: "EAP", codes: []string{1: "Request", "Response", "Success", "Failure"}, say: sayEAP},
	0x8021: {name: "IPCP", options: ipcpOptions},
	0x8057: {name: "IPV6CP", options: ipv6cpOptions},
	0x802b: {name: "IPXCP", options: ipxcpOptions},
	0x80fd: {name: "CCP", options: ccpOptions},
	0x8053: {name: "ECP", options: ecpOptions},
	0x803f: {name: "NBFCP"},
	0x8281: {name: "MPLSCP"},
}

// rfc1661 are the codes of LCP and the protocols that are like it (section 5; RFC 1570,
// section 2 for 12 and 13; RFC 1962, section 3 for 14 and 15).
var rfc1661 = []string{1: "Configure-Request", "Configure-Ack", "Configure-Nak", "Configure-Reject", "Terminate-Request", "Terminate-Ack",
	"Code-Reject", "Protocol-Reject", "Echo-Request", "Echo-Reply", "Discard-Request", "Identification", "Time-Remaining", "Reset-Request", "Reset-Ack"}

func (p protocol) code(c byte) string {
	codes := rfc1661
	if p.codes != nil {
		codes = p.codes
	}
	return named(codes, int(c), "code")
}

func (p protocol) body(number uint16, code byte, data []byte) string {
	switch {
	case p.say != nil:
		return p.say(code, data)
	case code >= 1 && code <= 4:
		return p.configure(data)
	case code == 5 || code == 6:
		return text(data)
	case code == 7:
		return "of " + hexed(data)
	case number == 0xc021:
		return sayLCP(code, data)
	case len(data) > 0:
		return hexed(data)
	}
	return ""
}

// configure puts the options of a Configure packet into words (RFC 1661, section 6).
func (p protocol) configure(data []byte) string {
	var all []string
	for len(data) > 0 {
		if len(data) < 2 || data[1] < 2 || int(data[1]) > len(data) {
			all = append(all, "... "+hexed(data)) // broken, or the end was not kept
			break
		}
		all = append(all, p.option(data[0], data[2:data[1]]))
		data = data[data[1]:]
	}
	if all == nil {
		return "no options"
	}
	return strings.Join(all, ", ")
}

func (p protocol) option(kind byte, data []byte) string {
	o, ok := p.options[kind]
	switch {
	case !ok:
		return strings.TrimSpace(fmt.Sprintf("option %d %s", kind, hexed(data)))
	case o.value == nil && len(data) == 0:
		return o.name
	case o.value != nil:
		if said, ok := o.value(data); ok {
			return strings.TrimSpace(o.name + " " + said)
		}
	}
	return strings.TrimSpace(o.name + " " + hexed(data))
}

func sayLCP(code byte, data []byte) string {
	switch {
	case code == 8 && len(data) >= 2: // Protocol-Reject
		rejected := binary.BigEndian.Uint16(data)
		if name := protocols[rejected].name; name != "" {
			return "of " + name
		}
		return fmt.Sprintf("of protocol %04X", rejected)
	case code == 12 && len(data) >= 4: // Identification
		return text(data[4:])
	case code >= 9 && code <= 13 && len(data) >= 4:
		return fmt.Sprintf("magic %08x", binary.BigEndian.Uint32(data))
	}
	return hexed(data)
}

// named is the name of a number, or what it is a number of.
func named(names []string, n int, what string) string {
	if n < len(names) && names[n] != "" {
		return names[n]
	}
	return fmt.Sprintf("%s %d", what, n)
}

const (
	maxHex  = 24  // octets that are shown of what is not known
	maxText = 128 // octets of text
)

// hexed shows the beginning of octets.
func hexed(b []byte) string {
	if len(b) > maxHex {
		return fmt.Sprintf("%x... (%d octets)", b[:maxHex], len(b))
	}
	return fmt.Sprintf("%x", b)
}

// text shows what a peer wrote, escaped.
func text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > maxText {
		return strconv.QuoteToASCII(string(b[:maxText])) + "..."
	}
	return strconv.QuoteToASCII(string(b))
}
