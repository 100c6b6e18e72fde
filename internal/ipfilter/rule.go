package ipfilter

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// A Filter decides which packets count. The first rule that fits a packet
// decides; for one that none fits, matters does.
type Filter []Rule

// Counts reports whether a packet is one that somebody waits for. What is no IP
// packet does not count.
func (f Filter) Counts(b []byte) bool {
	p, ok := Parse(b)
	if !ok {
		return false
	}
	for i := range f {
		if f[i].fits(&p) {
			return f[i].Dial
		}
	}
	return p.matters()
}

const (
	tcpRST = 0x04
	// ICMPv6 types from 133 to 137 look for neighbours and routers (RFC 4861), and
	// types below 128 are errors (RFC 4443, section 2.1).
	firstInformational  = 128
	firstNeighbour      = 133
	lastNeighbour       = 137
	icmpDestUnreachable = 3
	icmpSourceQuench    = 4
	icmpTimeExceeded    = 11
	icmpParameter       = 12
)

// matters tells what somebody waits for from what hosts say to nobody in
// particular, and from what only ends or complains: that is never worth a call.
func (p *Packet) matters() bool {
	switch {
	case p.Dst.IsMulticast(), p.Dst == broadcast, p.Src.IsUnspecified(), p.Dst.IsLinkLocalUnicast():
		return false
	case p.Protocol == igmp, p.Protocol == pim:
		return false
	case !p.read:
		return true
	case p.Protocol == tcp:
		return p.detail&tcpRST == 0
	case p.Protocol == icmp:
		return p.detail != icmpDestUnreachable && p.detail != icmpSourceQuench && p.detail != icmpTimeExceeded && p.detail != icmpParameter
	case p.Protocol == icmp6:
		return p.detail >= firstInformational && (p.detail < firstNeighbour || p.detail > lastNeighbour)
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// A Rule says whether packets count for which all that it names is true. One
// without terms fits every packet.
type Rule struct {
	Dial bool // they count; else they are ignored
	// Protocol is that of the packet; nil: any.
	Protocol *uint8
	Terms    []Term
}

// A Term is a condition about one of the two ends of a packet, or about either.
type Term struct {
	Side        Side
	Net         netip.Prefix // valid: of the address; else of the port
	First, Last uint16       // ports, both included
}

// A Side says which end a Term looks at.
type Side uint8

// The sides.
const (
	Either Side = iota
	Source
	Destination
)

func (r *Rule) fits(p *Packet) bool {
	if r.Protocol != nil && *r.Protocol != p.Protocol {
		return false
	}
	for i := range r.Terms {
		if !r.Terms[i].fits(p) {
			return false
		}
	}
	return true
}

func (t *Term) fits(p *Packet) bool {
	if t.Net.IsValid() {
		return t.Side != Destination && t.Net.Contains(p.Src) || t.Side != Source && t.Net.Contains(p.Dst)
	}
	return p.ports && (t.Side != Destination && t.has(p.SrcPort) || t.Side != Source && t.has(p.DstPort))
}

func (t *Term) has(port uint16) bool { return t.First <= port && port <= t.Last }

// ErrNoRule says what a rule is.
var ErrNoRule = errors.New(`want "ignore" or "dial", perhaps a protocol (tcp, udp, icmp, icmpv6 or a number), and pairs of a word and a value, such as "ignore udp port 123" or "dial tcp dst-net 10.2.0.0/16 dst-port 445-450"; words are [src-|dst-]port, [src-|dst-]net`)

// ParseRule reads "ignore udp port 123", "dial tcp port 445", "ignore src-net
// 10.1.9.0/24" or "ignore". Ports are those of TCP and UDP alone.
func ParseRule(s string) (Rule, error) {
	words := strings.Fields(s)
	if len(words) == 0 || words[0] != "ignore" && words[0] != "dial" {
		return Rule{}, ErrNoRule
	}
	r := Rule{Dial: words[0] == "dial"}
	words = words[1:]
	if len(words)%2 == 1 {
		n, ok := parseProtocol(words[0])
		if !ok {
			return Rule{}, ErrNoRule
		}
		r.Protocol, words = &n, words[1:]
	}
	for ; len(words) > 0; words = words[2:] {
		t, ok := parseTerm(words[0], words[1])
		if !ok || !t.Net.IsValid() && r.Protocol != nil && *r.Protocol != tcp && *r.Protocol != udp {
			return Rule{}, ErrNoRule
		}
		r.Terms = append(r.Terms, t)
	}
	return r, nil
}

func parseProtocol(s string) (uint8, bool) {
	for n, name := range names {
		if name == s {
			return n, true
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil
}

func parseTerm(word, value string) (t Term, ok bool) {
	if rest, is := strings.CutPrefix(word, "src-"); is {
		t.Side, word = Source, rest
	} else if rest, is := strings.CutPrefix(word, "dst-"); is {
		t.Side, word = Destination, rest
	}
	switch word {
	case "net":
		t.Net, ok = parseNet(value)
	case "port":
		t.First, t.Last, ok = parsePorts(value)
	}
	return t, ok
}

// parseNet reads a network, or the address of one host.
func parseNet(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		p, err := a.WithZone("").Prefix(a.BitLen())
		return p, err == nil
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil && p == p.Masked()
}

// parsePorts reads "123" or "445-450".
func parsePorts(s string) (first, last uint16, ok bool) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	low, err := strconv.ParseUint(a, 10, 16)
	high, errHigh := strconv.ParseUint(b, 10, 16)
	return uint16(low), uint16(high), err == nil && errHigh == nil && low <= high
}
