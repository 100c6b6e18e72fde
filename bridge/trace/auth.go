package trace

import (
	"fmt"
	"strconv"
	"strings"
)

// What proves an end is not shown, and has been blanked before: here is only who says
// that it is whom, and what became of it.

// sayPAP: RFC 1334, section 2.2.
func sayPAP(code byte, data []byte) string {
	name, rest, ok := counted(data)
	switch {
	case !ok:
		return "broken: " + strconv.Itoa(len(data)) + " octets"
	case code == 1 && len(rest) > 0:
		return "name " + text(name) + ", password not shown"
	case code == 1:
		return "name " + text(name)
	}
	return text(name)
}

// counted splits off text with its length in front.
func counted(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+b[0]], b[1+b[0]:], true
}

var chapCodes = []string{1: "Challenge", "Response", "Success", "Failure"}

// sayCHAP: RFC 1994, section 4.
func sayCHAP(code byte, data []byte) string {
	if code != 1 && code != 2 {
		return text(data)
	}
	value, name, ok := counted(data)
	if !ok {
		return "broken: " + strconv.Itoa(len(data)) + " octets"
	}
	if code == 1 {
		return "name " + text(name) + ", challenge " + hexed(value)
	}
	return "name " + text(name) + fmt.Sprintf(", answer of %d octets not shown", len(value))
}

// eapMethods: RFC 3748, section 5, and the assigned numbers of EAP.
var eapMethods = map[byte]string{
	1: "Identity", 2: "Notification", 3: "Nak", 4: "MD5", 5: "OTP", 6: "GTC", 13: "TLS", 21: "TTLS", 25: "PEAP", 26: "MS-CHAPv2", 254: "Expanded",
}

func sayEAP(_ byte, data []byte) string {
	if len(data) == 0 {
		return ""
	}
	kind, rest := data[0], data[1:]
	name, ok := eapMethods[kind]
	if !ok {
		name = fmt.Sprintf("method %d", kind)
	}
	switch {
	case kind == 1 || kind == 2:
		return strings.TrimSpace(name + " " + text(rest))
	case kind == 3:
		return name + ", wants " + wanted(rest)
	case kind == 13 && len(rest) > 0:
		return name + tlsFlags(rest[0])
	case kind == 26 && len(rest) >= 4:
		said := ""
		if rest[0] != 2 {
			said = ": " + sayCHAP(rest[0], rest[4:])
		}
		return name + " " + named(chapCodes, int(rest[0]), "code") + said
	}
	return fmt.Sprintf("%s, %d octets", name, len(rest))
}

// wanted are the methods that a Nak asks for instead (RFC 3748, section 5.3.1).
func wanted(kinds []byte) string {
	words := ""
	for i, k := range kinds[:min(len(kinds), 8)] {
		if i > 0 {
			words += ", "
		}
		if eapMethods[k] != "" {
			words += eapMethods[k]
		} else {
			words += "method " + strconv.Itoa(int(k))
		}
	}
	return words
}

// tlsFlags: RFC 5216, section 3.1.
func tlsFlags(f byte) string {
	words := ""
	for _, b := range []struct {
		bit  byte
		word string
	}{{0x20, "start"}, {0x80, "length told"}, {0x40, "more follows"}} {
		if f&b.bit != 0 {
			words += ", " + b.word
		}
	}
	return words
}
