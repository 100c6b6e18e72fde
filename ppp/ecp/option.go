package ecp

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
)

// optOUI is the option for ciphers of one's own: OUI, subtype, values (RFC 1968,
// section 4.1).
const optOUI = 0

// prefix is what our option begins with: an OUI that nobody was given, since it is
// locally administered, our subtype in it, and an identifier. Whoever has taken the
// same OUI for something else has another identifier.
var prefix = func() [20]byte {
	id := sha256.Sum256([]byte("sitebridge: authenticated encryption for PPP, version 1"))
	return [20]byte(append([]byte{0x02, 0x53, 0x42, 1}, id[:16]...))
}()

// An offer is the option in a Configure-Request: how its sender wants to be sent
// to, and its part of the keys' salt. In a Nak the salt is zero and means nothing.
type offer struct {
	Cipher aead.Cipher
	Salt   [32]byte
}

const offerLen = len(prefix) + 1 + len(offer{}.Salt)

func (f offer) option() fsm.Option {
	data := append(make([]byte, 0, offerLen), prefix[:]...)
	data = append(data, byte(f.Cipher))
	return fsm.Option{Type: optOUI, Data: append(data, f.Salt[:]...)}
}

var errForeign = errors.New("not the option of this cipher")

// A cipherError is an offer of ours in all but the cipher's octet.
type cipherError byte

func (e cipherError) Error() string { return fmt.Sprintf("no cipher has the number %d", byte(e)) }

func parse(o fsm.Option) (offer, error) {
	if o.Type != optOUI || len(o.Data) != offerLen || [20]byte(o.Data) != prefix {
		return offer{}, errForeign
	}
	rest := o.Data[len(prefix):]
	f := offer{Cipher: aead.Cipher(rest[0]), Salt: [32]byte(rest[1:])}
	if !f.Cipher.Valid() {
		return offer{}, cipherError(f.Cipher)
	}
	return f, nil
}
