package policy

import (
	"fmt"
	"strconv"
	"strings"

	"sitebridge/ipx"
)

// A Filter decides which packets pass. The first rule that fits a packet
// decides; a packet that none fits passes.
type Filter []Rule

// Passes reports whether a packet with that header passes.
func (f Filter) Passes(h *ipx.Header) bool {
	for i := range f {
		if f[i].fits(h) {
			return f[i].Permit
		}
	}
	return true
}

// A Rule permits or denies packets for which all its terms are true. A rule
// without terms fits every packet.
type Rule struct {
	Permit bool
	Terms  []Term
}

func (r *Rule) fits(h *ipx.Header) bool {
	for i := range r.Terms {
		if !r.Terms[i].fits(h) {
			return false
		}
	}
	return true
}

// String is what ParseRule reads.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString("deny")
	if r.Permit {
		b.Reset()
		b.WriteString("permit")
	}
	for _, t := range r.Terms {
		b.WriteString(" " + t.String())
	}
	return b.String()
}

// A Side says which of a packet's two addresses a Term looks at.
type Side uint8

// The sides.
const (
	Either Side = iota
	Source
	Destination
)

// A Field says what a Term looks at.
type Field uint8

// The fields.
const (
	Network Field = iota
	Node
	Socket
	Type
)

// A Term is one condition of a Rule.
type Term struct {
	Side     Side
	Field    Field
	Networks NetworkRange // for Network
	Node     ipx.Node     // for Node
	First    ipx.Socket   // for Socket: both ends included
	Last     ipx.Socket
	Type     ipx.PacketType // for Type
}

// words are those of ParseRule for each Field, and prefixes those for each Side.
var (
	words    = [...]string{Network: "network", Node: "node", Socket: "socket", Type: "type"}
	prefixes = [...]string{Either: "", Source: "src-", Destination: "dst-"}
)

// String is a word and a value, as ParseRule reads them.
func (t Term) String() string {
	word := prefixes[t.Side] + words[t.Field] + " "
	switch t.Field {
	case Network:
		return word + t.Networks.String()
	case Node:
		return word + t.Node.String()
	case Type:
		return word + strconv.Itoa(int(t.Type))
	}
	if t.First == t.Last {
		return word + t.First.String()
	}
	return word + t.First.String() + "-" + t.Last.String()
}

func (t *Term) fits(h *ipx.Header) bool {
	if t.Field == Type {
		return h.Type == t.Type
	}
	return t.Side != Destination && t.fitsAddr(&h.Src) || t.Side != Source && t.fitsAddr(&h.Dst)
}

func (t *Term) fitsAddr(a *ipx.Addr) bool {
	switch t.Field {
	case Network:
		return t.Networks.Has(a.Network)
	case Node:
		return a.Node == t.Node
	}
	return t.First <= a.Socket && a.Socket <= t.Last
}

// ParseRule reads "deny socket 0455", "permit src-network 00000020-0000002F
// dst-socket 0451" or "deny type 20": a verb and pairs of a word and a value.
// The words are network, node and socket, of either address or with "src-" or
// "dst-" before them, and type, in decimal as IPX types are quoted. Network
// 00000000 is that of senders that do not know theirs.
func ParseRule(s string) (Rule, error) {
	fields := strings.Fields(s)
	if len(fields)%2 == 0 || fields[0] != "deny" && fields[0] != "permit" {
		return Rule{}, noRule(s)
	}
	r := Rule{Permit: fields[0] == "permit"}
	for pair := fields[1:]; len(pair) > 0; pair = pair[2:] {
		t, ok := parseTerm(pair[0], pair[1])
		if !ok {
			return Rule{}, noRule(s)
		}
		r.Terms = append(r.Terms, t)
	}
	return r, nil
}

func noRule(s string) error {
	return fmt.Errorf(`%q is no rule: want "deny" or "permit" and pairs of a word and a value, such as "deny socket 0455" or "permit src-network 00000020-0000002F dst-socket 0451"; words are [src-|dst-]network, [src-|dst-]node, [src-|dst-]socket, type`, s)
}

func parseTerm(word, value string) (t Term, ok bool) {
	if rest, is := strings.CutPrefix(word, "src-"); is {
		t.Side, word = Source, rest
	} else if rest, is := strings.CutPrefix(word, "dst-"); is {
		t.Side, word = Destination, rest
	}
	var err error
	switch word {
	case "network":
		t.Field = Network
		if n, err := ipx.ParseNetwork(value); err == nil && n == ipx.ThisNetwork {
			return t, true // of senders that do not know their number
		}
		t.Networks, err = ParseNetworkRange(value)
	case "node":
		t.Field = Node
		t.Node, err = ipx.ParseNode(value)
	case "socket":
		t.Field = Socket
		t.First, t.Last, err = parseSockets(value)
	case "type":
		var n uint64
		t.Field = Type
		n, err = strconv.ParseUint(value, 10, 8)
		t.Type = ipx.PacketType(n)
		return t, err == nil && t.Side == Either
	default:
		return t, false
	}
	return t, err == nil
}

// parseSockets reads "0455" or "0550-0555".
func parseSockets(s string) (first, last ipx.Socket, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	if first, err = ipx.ParseSocket(a); err != nil {
		return 0, 0, err
	}
	if last, err = ipx.ParseSocket(b); err != nil {
		return 0, 0, err
	}
	if first > last {
		return 0, 0, fmt.Errorf("%q is no range of sockets", s)
	}
	return first, last, nil
}
