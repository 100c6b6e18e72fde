package aead

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

const secretLen = sha256.Size

// The labels keep what is derived from one secret apart.
const (
	labelContext = "sitebridge aead 1 context"
	labelChain   = "sitebridge aead 1 chain"
	labelKey     = "sitebridge aead 1 key"
	labelNext    = "sitebridge aead 1 next"
)

// A direction is the EAP role of the sender.
type direction byte

const (
	fromPeer          direction = 1
	fromAuthenticator direction = 2
)

// An End is what one end of a link brings to the keys.
type End struct {
	Certificate [sha256.Size]byte // the hash of its certificate (DER)
	LCP, ECP    []byte            // the options of its final Configure-Requests, as on the wire
	Salt        [32]byte          // in its ECP option
	Cipher      Cipher            // there too: of what is sent to it
}

// An Exchange is all that the keys of a link are made of. Both ends have the same.
type Exchange struct {
	EMSK                *[64]byte // RFC 5216, section 2.3; RFC 9190, section 2.3
	Peer, Authenticator End       // by their role in EAP
}

// Format keeps the EMSK out of logs, for every verb.
func (Exchange) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the EMSK out of JSON and slog.
func (Exchange) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }

// chains makes the epoch secrets of both directions (RFC 5869), and wipes the EMSK.
func (x Exchange) chains() (peers, authenticators *chain) {
	prk := x.extract()
	context := x.context()
	peers = newChain(prk, fromPeer, context, x.Authenticator.Cipher)
	authenticators = newChain(prk, fromAuthenticator, context, x.Peer.Cipher)
	clear(prk)
	clear(x.EMSK[:])
	return peers, authenticators
}

func (x Exchange) extract() []byte {
	salt := slices.Concat(x.Peer.Salt[:], x.Authenticator.Salt[:])
	prk, err := hkdf.Extract(sha256.New, x.EMSK[:], salt)
	if err != nil {
		panic(fmt.Errorf("aead: extract: %w", err)) // it has no limits that we could pass
	}
	return prk
}

// context is the hash of what both ends must agree about. Every part has its
// length in front, so that two different lists are never the same octets.
func (x Exchange) context() [sha256.Size]byte {
	var b []byte
	for _, part := range [][]byte{
		[]byte(labelContext),
		x.Peer.Certificate[:], x.Authenticator.Certificate[:],
		x.Peer.LCP, x.Authenticator.LCP,
		x.Peer.ECP, x.Authenticator.ECP,
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

// A chain makes the keys of one direction, epoch by epoch. It holds the secret of
// the epoch that is to be made next, from which no earlier key can be computed.
type chain struct {
	cipher Cipher
	secret []byte
}

func newChain(prk []byte, d direction, context [sha256.Size]byte, c Cipher) *chain {
	return &chain{cipher: c, secret: expand(prk, labelChain+string([]byte{byte(d)})+string(context[:]))}
}

// next returns the cipher of the next epoch, and moves the chain past it.
func (c *chain) next() cipher.AEAD {
	key := expand(c.secret, labelKey+string([]byte{byte(c.cipher)}))
	after := expand(c.secret, labelNext)
	clear(c.secret)
	c.secret = after
	made := c.cipher.keyed(key)
	clear(key)
	return made
}

func expand(secret []byte, info string) []byte {
	b, err := hkdf.Expand(sha256.New, secret, info, secretLen)
	if err != nil {
		panic(fmt.Errorf("aead: expand: %w", err)) // only lengths far beyond ours are refused
	}
	return b
}
