package auth

import (
	"io"

	"sitebridge/internal/secret"
)

// An AuthenticatorConfig is what the end that asks must know.
type AuthenticatorConfig struct {
	// Name is our own name, told in each Challenge.
	Name string
	// OwnNames are the names under which we prove ourselves to others. Who
	// answers under one of them, or under Name, sends us our own words back and
	// is refused.
	OwnNames []string
	// Lookup finds the secret of a name; it gets the name whole, "DOMAIN\user"
	// included. An unknown name costs the same time as a wrong password, as far
	// as Lookup does. An empty secret counts as unknown.
	Lookup func(name string) (secret.Secret, bool)
	// Remote tells whether a proof of name by m is for somebody else to judge, who is
	// asked with Output.Ask; Lookup is then not. Nil: none is. A certificate is always
	// judged here.
	Remote func(name string, m Method) bool
	// EAP lists what to offer inside EAP, strongest first.
	EAP []Method
	// TLS is for EAPTLS; nil: it is not offered.
	TLS *TLSConfig
	// Guard slows down guessing; nil: nothing does.
	Guard Guard
	// Rand is the source of challenges and identifiers; nil: crypto/rand.
	Rand io.Reader
}

// A PeerConfig is what the end that proves itself must know.
type PeerConfig struct {
	Name   string        // our name there
	Secret secret.Secret // what we prove it with
	// ForChallenger, unless nil, finds by the name in a Challenge what to prove
	// ourselves with: an answerer with many peers does not know yet which of them
	// asks. Name and Secret are for names that it does not find. PAP has no
	// challenge, and uses those alone.
	ForChallenger func(name string) (own string, s secret.Secret, ok bool)
	// EAP lists what we are willing to do inside EAP, strongest first.
	EAP []Method
	// TLS is for EAPTLS; nil: we are not willing.
	TLS *TLSConfig
	// Rand is the source of peer challenges and identifiers; nil: crypto/rand.
	Rand io.Reader
	// Outstanding tells whether a challenge is one of ours, asked in the other
	// direction, which is then not answered (RFC 1994, section 2.3). See the
	// function Outstanding. Nil: there is no other direction.
	Outstanding func(challenge []byte) bool
}
