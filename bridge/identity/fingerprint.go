package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Fingerprint is the SHA-256 of a certificate in DER.
type Fingerprint [sha256.Size]byte

const fingerprintPrefix = "sha256:"

// Of returns the fingerprint of c.
func Of(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.Raw) }

// String is how a fingerprint stands in a configuration: "sha256:" and 64
// hexadecimal digits.
func (f Fingerprint) String() string { return fingerprintPrefix + hex.EncodeToString(f[:]) }

// MarshalText is String, for JSON.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText wrote, and all that ParseFingerprint takes.
func (f *Fingerprint) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFingerprint(string(text))
	return err
}

var errFingerprint = errors.New(`want "sha256:" and 64 hexadecimal digits, as "sitebridge identity show" prints it`)

// ParseFingerprint takes what String returns, in upper or lower case, and with
// colons between all octets, as other programs print it.
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	if len(s) < len(fingerprintPrefix) || !strings.EqualFold(s[:len(fingerprintPrefix)], fingerprintPrefix) {
		return f, fmt.Errorf("it does not begin with %q: %w", fingerprintPrefix, errFingerprint)
	}
	digits := s[len(fingerprintPrefix):]
	if len(digits) == 3*len(f)-1 {
		octets := strings.Split(digits, ":")
		if slices.ContainsFunc(octets, func(o string) bool { return len(o) != 2 }) {
			return f, fmt.Errorf("its colons do not stand between octets: %w", errFingerprint)
		}
		digits = strings.Join(octets, "")
	}
	if len(digits) != 2*len(f) {
		return f, fmt.Errorf("it has not the length of a SHA-256: %w", errFingerprint)
	}
	if _, err := hex.Decode(f[:], []byte(digits)); err != nil {
		return Fingerprint{}, fmt.Errorf("not all of it is hexadecimal: %w", errFingerprint)
	}
	return f, nil
}
