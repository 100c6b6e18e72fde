package mppe

import (
	"crypto/sha1"
	"fmt"
)

// A key is a start key or a session key, of 128 bits.
type key [16]byte

// StartKeys are the keys of both directions that a link begins with. The zero
// StartKeys are none. They cannot be printed, alone or as a part of something:
// what they hold is behind a pointer.
type StartKeys struct{ both *directions }

type directions struct{ send, receive key }

// The magic constants of RFC 3079, section 3.4.
const (
	magic1 = "This is the MPPE Master Key"
	magic2 = "On the client side, this is the send key; on the server side, it is the receive key."
	magic3 = "On the client side, this is the receive key; on the server side, it is the send key."
)

// FromMSCHAP makes the start keys that an MS-CHAPv2 exchange leaves (RFC 3079,
// section 3). The directions follow authentication and not the roles in PPTP:
// the client is who was proved, the server is the authenticator.
func FromMSCHAP(passwordHashHash [16]byte, ntResponse [24]byte, authenticator bool) StartKeys {
	b := append(passwordHashHash[:], ntResponse[:]...)
	digest := sha1.Sum(append(b, magic1...))
	master := key(digest[:])
	return fromClient(asymmetric(master, magic2), asymmetric(master, magic3), authenticator)
}

// asymmetric is GetAsymmetricStartKey of RFC 3079, section 3.4.
func asymmetric(master key, magic string) key {
	b := append(master[:], pad1[:]...)
	b = append(b, magic...)
	digest := sha1.Sum(append(b, pad2[:]...))
	return key(digest[:])
}

// FromMSK makes the start keys that an EAP method leaves in its Master Session
// Key (RFC 5216, section 2.3, and RFC 3079, section 4). The client is the EAP
// peer.
func FromMSK(msk [64]byte, authenticator bool) StartKeys {
	return fromClient(key(msk[:16]), key(msk[32:48]), authenticator)
}

// fromClient takes the keys by which the client sends and receives.
func fromClient(send, receive key, authenticator bool) StartKeys {
	if authenticator {
		send, receive = receive, send
	}
	return StartKeys{&directions{send, receive}}
}

// None reports whether there are no keys.
func (k StartKeys) None() bool { return k.both == nil }

// Format keeps the keys out of logs, for every verb.
func (StartKeys) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (StartKeys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
