package radius

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	secret = "between us" // that both ends of RADIUS have
	port   = "1812"
)

// Codes of packets (RFC 2865, section 3).
const (
	accessRequest   = 1
	accessAccept    = 2
	accessReject    = 3
	accessChallenge = 11
)

// Types of attributes (RFC 2865, section 5; RFC 3579, section 3).
const (
	attrUserName             = 1
	attrReplyMessage         = 18
	attrState                = 24
	attrVendorSpecific       = 26
	attrNASIdentifier        = 32
	attrEAPMessage           = 79
	attrMessageAuthenticator = 80
)

const (
	headerLen = 20
	maxValue  = 253 // octets
)

// An attribute aliases what it was parsed from.
type attribute struct {
	kind  byte
	value []byte
}

// A packet is what RADIUS sends (RFC 2865, section 3).
type packet struct {
	code, id      byte
	authenticator [16]byte
	attributes    []attribute
}

func (p packet) encode() []byte {
	b := append([]byte{p.code, p.id, 0, 0}, p.authenticator[:]...)
	for _, a := range p.attributes {
		b = append(b, a.kind, byte(2+len(a.value)))
		b = append(b, a.value...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func parse(b []byte) (packet, error) {
	if len(b) < headerLen || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return packet{}, fmt.Errorf("%d octets are no RADIUS packet: % x", len(b), b)
	}
	p := packet{code: b[0], id: b[1], authenticator: [16]byte(b[4:headerLen])}
	for rest := b[headerLen:]; len(rest) > 0; {
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return packet{}, fmt.Errorf("an attribute that does not fit: % x", rest)
		}
		p.attributes = append(p.attributes, attribute{rest[0], rest[2:rest[1]]})
		rest = rest[rest[1]:]
	}
	return p, nil
}

// first is the value of the first attribute of that kind.
func (p packet) first(kind byte) []byte {
	for _, a := range p.attributes {
		if a.kind == kind {
			return a.value
		}
	}
	return nil
}

// eap is the EAP packet inside, which may take several attributes (RFC 3579,
// section 3.1).
func (p packet) eap() (whole []byte) {
	for _, a := range p.attributes {
		if a.kind == attrEAPMessage {
			whole = append(whole, a.value...)
		}
	}
	return whole
}

func (p *packet) addEAP(pkt []byte) {
	for part := range slices.Chunk(pkt, maxValue) {
		p.attributes = append(p.attributes, attribute{attrEAPMessage, part})
	}
}

// seal encodes and signs p, which answers the request with that authenticator or
// is that request. The Message-Authenticator comes first: see attack row A14.
func (p packet) seal(request [16]byte) []byte {
	p.authenticator = request
	p.attributes = slices.Insert(p.attributes, 0, attribute{attrMessageAuthenticator, make([]byte, 16)})
	b := p.encode()
	copy(b[headerLen+2:], messageAuthenticator(b))
	if p.code != accessRequest {
		copy(b[4:], responseAuthenticator(b))
	}
	return b
}

// open undoes seal, and checks both signatures.
func open(b []byte, request [16]byte) (packet, error) {
	p, err := parse(b)
	if err != nil {
		return packet{}, err
	}
	signed := bytes.Clone(b)
	copy(signed[4:], request[:])
	if p.code != accessRequest && !bytes.Equal(b[4:headerLen], responseAuthenticator(signed)) {
		return packet{}, errors.New("the Response Authenticator is wrong")
	}
	inSigned, _ := parse(signed)
	clear(inSigned.first(attrMessageAuthenticator))
	if !bytes.Equal(p.first(attrMessageAuthenticator), messageAuthenticator(signed)) {
		return packet{}, errors.New("the Message-Authenticator is wrong or missing")
	}
	return p, nil
}

// messageAuthenticator signs b, which has zeros in its place (RFC 3579, section
// 3.2).
func messageAuthenticator(b []byte) []byte {
	mac := hmac.New(md5.New, []byte(secret))
	mac.Write(b)
	return mac.Sum(nil)
}

// responseAuthenticator signs b, which has that of the request in its place (RFC
// 2865, section 3).
func responseAuthenticator(b []byte) []byte {
	sum := md5.Sum(append(bytes.Clone(b), secret...))
	return sum[:]
}
