package auth

import (
	"fmt"
	"slices"
)

// PPP protocol numbers of the authentication protocols.
const (
	protocolPAP  = 0xc023 // RFC 1334, section 2
	protocolCHAP = 0xc223 // RFC 1994, section 3
	protocolEAP  = 0xc227 // RFC 3748, section 1
)

// A Method is a way to prove a name. The zero Method is none.
type Method uint8

// The methods, from the weakest to the strongest.
const (
	PAP         Method = 1 + iota // the password in clear (RFC 1334)
	CHAP                          // CHAP with MD5 (RFC 1994)
	MSCHAPv2                      // proves both ends, to one DES search (RFC 2759)
	EAPMSCHAPv2                   // the same inside EAP
	EAPTLS                        // certificates prove both ends (RFC 5216, RFC 9190)
	// EAP is what LCP agrees on for the two before. Which of them it is to be is
	// agreed inside EAP, so that this one never stands in a configuration.
	EAP
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

	EAPMSCHAPv2: {"eap-mschapv2", []byte{0xc2, 0x27}},
	EAPTLS:      {"eap-tls", []byte{0xc2, 0x27}},
	EAP:         {"eap", []byte{0xc2, 0x27}},
}

func (m Method) known() bool { return m >= PAP && int(m) < len(methods) }

// String returns the word of the configuration: "eap-tls".
func (m Method) String() string {
	if !m.known() {
		return fmt.Sprintf("method(%d)", uint8(m))
	}
	return methods[m].word
}

// Protocol returns the PPP protocol number of the method's packets.
func (m Method) Protocol() uint16 {
	switch m.Carrier() {
	case PAP:
		return protocolPAP
	case EAP:
		return protocolEAP
	}
	return protocolCHAP
}

// Carrier returns the method that LCP agrees on for m: EAP for what runs inside
// it, else m itself.
func (m Method) Carrier() Method {
	if m == EAPMSCHAPv2 || m == EAPTLS {
		return EAP
	}
	return m
}

// LCPOption returns the data of the LCP option that asks for the method. The
// caller may keep and change it.
func (m Method) LCPOption() []byte {
	if !m.known() {
		panic("auth: LCPOption of " + m.String())
	}
	return slices.Clone(methods[m].option)
}

// ParseLCPOption tells which Method the data of LCP option 3 names: EAP for all
// that runs inside it. It reports false for what is not ours: MS-CHAPv1, trailing
// octets.
func ParseLCPOption(data []byte) (Method, bool) {
	for m := PAP; m.known(); m++ {
		if m == m.Carrier() && slices.Equal(methods[m].option, data) {
			return m, true
		}
	}
	return 0, false
}

// ParseMethod reads the word of the configuration.
func ParseMethod(word string) (Method, error) {
	for m := PAP; m < EAP; m++ {
		if methods[m].word == word {
			return m, nil
		}
	}
	return 0, fmt.Errorf(`%q is not an authentication method: want "eap-tls", "eap-mschapv2", "mschapv2", "chap" or "pap"`, word)
}
