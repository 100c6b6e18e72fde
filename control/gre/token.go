package gre

import (
	"crypto/rand"
	"encoding/hex"
)

// A Token is what one side of a call made up at random and told the other through the
// control connection. Whoever sends both sides' tokens by UDP has read that connection:
// UDP has no handshake of its own that shows a sender's address to be true. A token is
// no secret of a site's: it lasts as long as its control connection.
type Token [16]byte

// NewToken returns one from the system's random generator.
func NewToken() (t Token) {
	rand.Read(t[:]) // never fails
	return t
}

// String returns the token as 32 hexadecimal digits.
func (t Token) String() string { return hex.EncodeToString(t[:]) }
