package radius

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// The attributes that hold keys, as the NAS sees the directions (RFC 2548, section
// 2.4). With EAP-TLS they are the halves of the MSK (RFC 5216, section 2.3): its
// first 32 octets are the key by which the NAS receives.
const (
	microsoft = 311
	msSendKey = 16
	msRecvKey = 17
)

// key finds a key in p, which answers the request with that authenticator; nil:
// there is none.
func (p packet) key(kind byte, request [16]byte) []byte {
	for _, a := range p.attributes {
		v := a.value // vendor, kind, length, salt, text
		if a.kind != attrVendorSpecific || len(v) < 8+16 || binary.BigEndian.Uint32(v) != microsoft || v[4] != kind {
			continue
		}
		text := reveal(v[8:], v[6:8], request)
		if n := int(text[0]); n < len(text) {
			return text[1 : 1+n]
		}
	}
	return nil
}

func (p *packet) addKey(kind byte, key []byte, request [16]byte) {
	text := append([]byte{byte(len(key))}, key...)
	text = append(text, make([]byte, -len(text)&15)...)
	salt := []byte{0x80, kind} // each in a packet has another one
	v := binary.BigEndian.AppendUint32(nil, microsoft)
	v = append(v, kind, byte(2+len(salt)+len(text)))
	v = append(v, salt...)
	p.attributes = append(p.attributes, attribute{attrVendorSpecific, append(v, hide(text, salt, request)...)})
}

// hide is the cipher of RFC 2548, section 2.4.2, on whole blocks.
func hide(text, salt []byte, request [16]byte) (hidden []byte) {
	before := append(request[:], salt...)
	for block := range slices.Chunk(text, 16) {
		before = stream(before, block)
		hidden = append(hidden, before...)
	}
	return hidden
}

// reveal undoes hide.
func reveal(hidden, salt []byte, request [16]byte) (text []byte) {
	before := append(request[:], salt...)
	for block := range slices.Chunk(hidden, 16) {
		text = append(text, stream(before, block)...)
		before = block
	}
	return text
}

// stream combines a block with what the block before it, in hiding, leads to.
func stream(before, block []byte) []byte {
	pad := md5.Sum(append([]byte(secret), before...))
	out := make([]byte, len(block))
	subtle.XORBytes(out, pad[:], block)
	return out
}
