package auth

import (
	"encoding/binary"
	"slices"
	"strings"
)

// An expanded type is an octet of 254, a vendor of three octets and a type of
// four; vendor 0 means the types that have an octet (RFC 3748, section 5.7).
const expandedLen = 8

// nak returns the types that a Response wants instead of what it was asked for,
// and whether it is a Nak at all. The legacy one (RFC 3748, section 5.3.1) lists
// octets, of which 0 stands for none; the expanded one (section 5.3.2) expanded
// types. The latter is no right answer to a Request of ours, but it says as much.
func (m eapMessage) nak() (wanted []eapType, ok bool) {
	switch m.kind {
	case typeNak:
		for _, t := range m.data {
			wanted = appendWanted(wanted, uint32(t))
		}
		return wanted, true
	case typeExpanded:
		vendorType, list, ok := cutExpanded(m.data)
		if !ok || vendorType != uint32(typeNak) {
			return nil, false
		}
		for len(list) >= expandedLen && list[0] == byte(typeExpanded) {
			if t, _, ok := cutExpanded(list[1:]); ok {
				wanted = appendWanted(wanted, t)
			}
			list = list[expandedLen:]
		}
		return wanted, true
	}
	return nil, false
}

// cutExpanded reads what follows the octet of 254. It reports false for other
// vendors.
func cutExpanded(b []byte) (vendorType uint32, rest []byte, ok bool) {
	if len(b) < expandedLen-1 || b[0]|b[1]|b[2] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(b[3:]), b[expandedLen-1:], true
}

// appendWanted adds a method once; other types cannot be wanted.
func appendWanted(wanted []eapType, t uint32) []eapType {
	if t <= uint32(typeNak) || t >= uint32(typeExpanded) || slices.Contains(wanted, eapType(t)) {
		return wanted
	}
	return append(wanted, eapType(t))
}

// legacyNak is the data of a Nak: the types of methods, or 0 for none.
func legacyNak(methods []Method) (data []byte) {
	for _, m := range methods {
		data = append(data, byte(m.eapType()))
	}
	if data == nil {
		data = []byte{0}
	}
	return data
}

// maxListed is how many types of a Nak stand in our words.
const maxListed = 8

// listed words what a Nak wants.
func listed(types []eapType) string {
	if len(types) == 0 {
		return "nothing else"
	}
	var words []string
	for _, t := range types[:min(len(types), maxListed)] {
		words = append(words, t.String())
	}
	return strings.Join(words, " or ")
}
