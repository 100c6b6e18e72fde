package auth

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"

	"sitebridge/internal/secret"
)

// find looks a name up. For an unknown one it returns a secret to compute with
// all the same, so that the time does not tell which names there are.
func find(c AuthenticatorConfig, name string) (s secret.Secret, known bool) {
	if c.Lookup != nil {
		s, known = c.Lookup(name)
	}
	if !known || s == "" {
		return decoy, false
	}
	return s, true
}

// decoy has the length of a usual secret. That it is no secret does no harm:
// who answers with it is an unknown name still.
const decoy secret.Secret = "of no name at all"

// isOurs reports whether name is one that we prove ourselves by, with or
// without a domain in front.
func isOurs(c AuthenticatorConfig, name string) bool {
	if name == "" {
		return false
	}
	user := withoutDomain(name)
	own := func(n string) bool { return n != "" && (n == name || withoutDomain(n) == user) }
	return own(c.Name) || slices.ContainsFunc(c.OwnNames, own)
}

// withoutDomain returns what follows the last backslash: MS-CHAPv2 computes with
// the "user" of "DOMAIN\user" alone (RFC 2759, section 4).
func withoutDomain(name string) string {
	return name[strings.LastIndexByte(name, '\\')+1:]
}

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// unprintable keeps an Exchange, whose fields hold secrets, out of logs.
type unprintable struct{}

func (unprintable) Format(w fmt.State, _ rune)   { fmt.Fprint(w, "[exchange]") }
func (unprintable) MarshalText() ([]byte, error) { return []byte("[exchange]"), nil }
