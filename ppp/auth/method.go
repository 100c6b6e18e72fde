package auth

import (
	"fmt"
	"slices"
)

// PPP protocol numbers of the authentication protocols.
const (
	protocolPAP  = 0xc023 // RFC 1334, section 2
	protocolCHAP = 0xc223 // RFC 1994, section 3
)

// A Method is a way to prove a name. The zero Method is none.
type Method uint8

// The methods, from the weakest to the strongest.
const (
	PAP      Method = 1 + iota // the password in clear (RFC 1334)
	CHAP                       // CHAP with MD5 (RFC 1994)
	MSCHAPv2                   // proves both ends, to one DES search (RFC 2759)
)

// methods says how each Method is called in the configuration and in LCP. The
// option is the data of LCP option 3, Authentication-Protocol: the protocol
// number, and for CHAP the algorithm (RFC 1661, section 6.2).
var methods = [...]struct {
	word   string
	option []byte
}{
	PAP:      {"pap", []byte{0xc0, 0x23}},
	CHAP:     {"chap", []byte{0xc2, 0x23, 0x05}},
	MSCHAPv2: {"mschapv2", []byte{0xc2, 0x23, 0x81}},
}

func (m Method) known() bool { return m >= PAP && int(m) < len(methods) }

// String returns the word of the configuration: "pap", "chap" or "mschapv2".
func (m Method) String() string {
	if !m.known() {
		return fmt.Sprintf("method(%d)", uint8(m))
	}
	return methods[m].word
}

// Protocol returns the PPP protocol number of the method's packets.
func (m Method) Protocol() uint16 {
	if m == PAP {
		return protocolPAP
	}
	return protocolCHAP
}

// LCPOption returns the data of the LCP option that asks for the method. The
// caller may keep and change it.
func (m Method) LCPOption() []byte {
	if !m.known() {
		panic("auth: LCPOption of " + m.String())
	}
	return slices.Clone(methods[m].option)
}

// ParseLCPOption tells which Method the data of LCP option 3 names. It reports
// false for what is not ours: EAP, MS-CHAPv1, trailing octets.
func ParseLCPOption(data []byte) (Method, bool) {
	for m := PAP; m.known(); m++ {
		if slices.Equal(methods[m].option, data) {
			return m, true
		}
	}
	return 0, false
}

// ParseMethod reads the word of the configuration.
func ParseMethod(word string) (Method, error) {
	for m := PAP; m.known(); m++ {
		if methods[m].word == word {
			return m, nil
		}
	}
	return 0, fmt.Errorf(`%q is not an authentication method: want "mschapv2", "chap" or "pap"`, word)
}
