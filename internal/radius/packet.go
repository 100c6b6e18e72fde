package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"sitebridge/internal/secret"
)

const (
	headerLen  = 20
	macOffset  = headerLen + 2 // of the value of the first attribute
	vendorHead = 4
	microsoft  = 311
)

// A Drop is why a packet that came for a request was not taken as its answer, to be
// counted by.
type Drop string

// The reasons.
const (
	DropSource     Drop = "wrong_source"                 // it is from another address than the request went to
	DropMalformed  Drop = "malformed"                    // lengths that contradict each other
	DropIdentifier Drop = "wrong_identifier"             // it answers another request
	DropCode       Drop = "unexpected_code"              // it is no answer to such a request
	DropUnsigned   Drop = "no_message_authenticator"     // or it is not the first attribute
	DropSignature  Drop = "wrong_message_authenticator"  // another secret, or forged
	DropResponse   Drop = "wrong_response_authenticator" // the same
)

// sealAccess encodes an Access-Request with its Message-Authenticator, as the first
// attribute.
func sealAccess(p *radius.Packet) ([]byte, error) {
	p.Attributes = append(radius.Attributes{{Type: rfc2869.MessageAuthenticator_Type, Attribute: make([]byte, md5.Size)}}, p.Attributes...)
	b, err := p.Encode()
	if err != nil {
		return nil, err
	}
	copy(b[macOffset:], sign(b, p.Secret))
	return b, nil
}

// sign is the Message-Authenticator of b, in whose place there are zeros (RFC 3579,
// section 3.2).
func sign(b, key []byte) []byte {
	mac := hmac.New(md5.New, key)
	mac.Write(b)
	return mac.Sum(nil)
}

// open takes b as the answer to request, which has the code of an Access-Request or of
// an Accounting-Request. It returns nil, and why, for what is none. It may change b.
func open(b, request []byte, key secret.Secret) (*radius.Packet, Drop) {
	if len(b) < headerLen || int(binary.BigEndian.Uint16(b[2:])) < headerLen || int(binary.BigEndian.Uint16(b[2:])) > len(b) {
		return nil, DropMalformed
	}
	b = b[:binary.BigEndian.Uint16(b[2:])] // octets after it are padding (RFC 2865, section 3)
	p, err := radius.Parse(b, []byte(key))
	switch {
	case err != nil:
		return nil, DropMalformed
	case b[1] != request[1]:
		return nil, DropIdentifier
	case !answers(radius.Code(b[0]), radius.Code(request[0])):
		return nil, DropCode
	}
	if radius.Code(request[0]) == radius.CodeAccessRequest {
		if drop := unsigned(p, b, request); drop != "" {
			return nil, drop
		}
	}
	if !radius.IsAuthenticResponse(b, request, []byte(key)) {
		return nil, DropResponse
	}
	return p, ""
}

// unsigned checks the Message-Authenticator. It signs everything, wherever it stands;
// but only servers that were mended after CVE-2024-3596 write it first, and those never
// leave it out.
func unsigned(p *radius.Packet, b, request []byte) Drop {
	for i, a := range p.Attributes {
		if is := a.Type == rfc2869.MessageAuthenticator_Type && len(a.Attribute) == md5.Size; is != (i == 0) {
			return DropUnsigned
		}
	}
	if len(p.Attributes) == 0 {
		return DropUnsigned
	}
	signed := append([]byte(nil), b...)
	copy(signed[4:headerLen], request[4:headerLen])
	clear(signed[macOffset : macOffset+md5.Size])
	if !hmac.Equal(sign(signed, p.Secret), b[macOffset:macOffset+md5.Size]) {
		return DropSignature
	}
	return ""
}

// answers reports whether a packet of one code can answer a request of another.
func answers(code, request radius.Code) bool {
	if request == radius.CodeAccountingRequest {
		return code == radius.CodeAccountingResponse
	}
	return code == radius.CodeAccessAccept || code == radius.CodeAccessReject || code == radius.CodeAccessChallenge
}

// addVendor adds an attribute of Microsoft's (RFC 2548).
func addVendor(p *radius.Packet, kind byte, value []byte) error {
	v, err := radius.NewVendorSpecific(microsoft, append([]byte{kind, byte(2 + len(value))}, value...))
	if err == nil {
		p.Add(rfc2865.VendorSpecific_Type, v)
	}
	return err
}

// vendor finds the first attribute of Microsoft's of a kind; nil: there is none. What
// does not fit ends the attribute that it is in.
func vendor(p *radius.Packet, kind byte) []byte {
	for _, a := range p.Attributes {
		if a.Type != rfc2865.VendorSpecific_Type || len(a.Attribute) < vendorHead || binary.BigEndian.Uint32(a.Attribute) != microsoft {
			continue
		}
		for rest := a.Attribute[vendorHead:]; len(rest) >= 2 && rest[1] >= 2 && int(rest[1]) <= len(rest); rest = rest[rest[1]:] {
			if rest[0] == kind {
				return rest[2:rest[1]]
			}
		}
	}
	return nil
}
