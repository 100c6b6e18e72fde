package auth

import "fmt"

// Codes of EAP packets (RFC 3748, section 4). The frame is that of CHAP. Success
// and Failure have no data.
const (
	eapRequest  = 1
	eapResponse = 2
	eapSuccess  = 3
	eapFailure  = 4
)

// An eapType is what a Request or Response is about (RFC 3748, section 5).
type eapType byte

// The types that we know of. Those from 4 on are methods.
const (
	typeIdentity     eapType = 1
	typeNotification eapType = 2
	typeNak          eapType = 3
	typeMD5          eapType = 4
	typeTLS          eapType = 13
	typeTTLS         eapType = 21
	typePEAP         eapType = 25
	typeMSCHAPv2     eapType = 26
	typeExpanded     eapType = 254
)

// String names a type in a sentence.
func (t eapType) String() string {
	switch t {
	case typeMD5:
		return "MD5-Challenge"
	case typeTLS:
		return "EAP-TLS"
	case typeTTLS:
		return "EAP-TTLS"
	case typePEAP:
		return "PEAP"
	case typeMSCHAPv2:
		return "EAP-MSCHAPv2"
	}
	return fmt.Sprintf("EAP type %d", byte(t))
}

// eapType returns the type of a method that runs inside EAP.
func (m Method) eapType() eapType {
	if m == EAPTLS {
		return typeTLS
	}
	return typeMSCHAPv2
}

// offered returns those of methods that can run inside EAP with c, in their
// order. Nothing else is ever begun, MD5-Challenge least of all: it proves one end
// only and leaves no keys.
func offered(methods []Method, c *TLSConfig) (can []Method) {
	if c != nil && (c.Certificate == nil || c.Verify == nil) {
		panic("auth: TLSConfig without Certificate or Verify")
	}
	for _, m := range methods {
		if m == EAPMSCHAPv2 || m == EAPTLS && c != nil {
			can = append(can, m)
		}
	}
	return can
}

// An eapMessage is a Request or Response: a type and its data (RFC 3748, section
// 4.1). The data aliases what it was parsed from.
type eapMessage struct {
	code, id byte
	kind     eapType
	data     []byte
}

// parseEAPMessage reads a packet whose code is Request or Response.
func parseEAPMessage(p packet) (m eapMessage, ok bool) {
	if len(p.data) < 1 || p.data[0] == 0 {
		return eapMessage{}, false
	}
	return eapMessage{p.code, p.id, eapType(p.data[0]), p.data[1:]}, true
}

func (m eapMessage) encode() []byte {
	return packet{m.code, m.id, append([]byte{byte(m.kind)}, m.data...)}.encode()
}
