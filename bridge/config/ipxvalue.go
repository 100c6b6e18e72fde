package config

import (
	"fmt"
	"strconv"
	"strings"

	"sitebridge/ipx"
)

const networkFix = `write quoted hexadecimal, "00000001" to "FFFFFFFD"`

// network parses the number of a wire or link.
func network(raw any) (ipx.Network, *mistake) {
	s, _ := raw.(string)
	n, err := ipx.ParseNetwork(s)
	if err != nil || !n.Assignable() {
		return 0, notA(raw, "the number of an IPX network", networkFix)
	}
	return n, nil
}

// segmentNetwork parses the number of a segment, which may be 0.
func segmentNetwork(raw any) (ipx.Network, *mistake) {
	s, _ := raw.(string)
	n, err := ipx.ParseNetwork(s)
	if err != nil || n != ipx.ThisNetwork && !n.Assignable() {
		return 0, notA(raw, "the number of an IPX segment", networkFix+`, or "00000000" for stations that know no number`)
	}
	return n, nil
}

// learn is written where the number of a wire is to be taken from its servers.
const learn = "learn"

func frameNetwork(raw any) (f Frame, wrong *mistake) {
	if raw == learn {
		return Frame{Learn: true}, nil
	}
	if f.Network, wrong = network(raw); wrong != nil {
		wrong.fix += `, or "learn"`
	}
	return f, wrong
}

func encapsulation(raw any) (ipx.Encapsulation, *mistake) {
	s, _ := raw.(string)
	e, err := ipx.ParseEncapsulation(s)
	if err != nil {
		fix := "write " + oneOf(encapsulationNames())
		if meant, err := ipx.ParseFrameType(s); err == nil {
			fix = fmt.Sprintf("write %q", meant)
		}
		return 0, notA(raw, "an IPX frame type", fix)
	}
	return e, nil
}

func encapsulationNames() (names []string) {
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		names = append(names, e.String())
	}
	return names
}

// What a route or service has when the text does not say.
const (
	defaultHops  = 1
	defaultTicks = 7
	maxHops      = 15 // 16 is unreachable
	maxTicks     = 0xfffe
)

// ipxRoute parses "00000020 hops 1 ticks 7".
func ipxRoute(raw any) (r IPXRoute, wrong *mistake) {
	wrong = notA(raw, "an IPX route", fmt.Sprintf(
		`write "00000020 hops 1 ticks 7": a network, hops 1 to %d (default %d), ticks 1 to %d of 55 ms (default %d)`,
		maxHops, defaultHops, maxTicks, defaultTicks))
	s, _ := raw.(string)
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return r, wrong
	}
	n, bad := network(fields[0])
	pairs, ok := parsePairs(fields[1:], map[string]int{"hops": maxHops, "ticks": maxTicks})
	if bad != nil || !ok {
		return r, wrong
	}
	return IPXRoute{n, uint8(pairs.or("hops", defaultHops)), uint16(pairs.or("ticks", defaultTicks))}, nil
}

// maxServiceName leaves room for the zero behind it in a SAP entry.
const maxServiceName = 47

// ipxService parses "0004 FS1 00005EA1:000000000001:0451 hops 2".
func ipxService(raw any) (v IPXService, wrong *mistake) {
	wrong = notA(raw, "an IPX service", fmt.Sprintf(
		`write "0004 FS1 00005EA1:000000000001:0451 hops 2": a type in hexadecimal, a name of at most %d letters, an address, hops 1 to %d (default %d)`,
		maxServiceName, maxHops, defaultHops))
	s, _ := raw.(string)
	fields := strings.Fields(s)
	if len(fields) < 3 {
		return v, wrong
	}
	kind, typeErr := strconv.ParseUint(fields[0], 16, 16)
	addr, addrErr := ipx.ParseAddr(fields[2])
	pairs, ok := parsePairs(fields[3:], map[string]int{"hops": maxHops})
	switch {
	case typeErr != nil || kind == 0 || kind == 0xffff, // 0xFFFF asks for all
		addrErr != nil || !addr.Network.Assignable() || addr.Node.IsZero() || addr.Node.IsGroup() || addr.Socket == 0,
		!ok, !isServiceName(fields[1]):
		return v, wrong
	}
	return IPXService{uint16(kind), fields[1], addr, uint8(pairs.or("hops", defaultHops))}, nil
}

func isServiceName(s string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\:;,*?`, r) }
	return len(s) <= maxServiceName && !strings.ContainsFunc(s, odd)
}

// pairs are "hops 1 ticks 7" behind a route or service.
type pairs map[string]int

// parsePairs takes the words of limits, each once, with a number from 1 to its
// limit.
func parsePairs(fields []string, limits map[string]int) (pairs, bool) {
	p := pairs{}
	for ; len(fields) >= 2; fields = fields[2:] {
		n, err := strconv.Atoi(fields[1])
		limit, known := limits[fields[0]]
		if _, twice := p[fields[0]]; twice || !known || err != nil || n < 1 || n > limit {
			return nil, false
		}
		p[fields[0]] = n
	}
	return p, len(fields) == 0
}

func (p pairs) or(key string, fallback int) int {
	if n, ok := p[key]; ok {
		return n
	}
	return fallback
}
