package identity

import (
	"crypto/x509"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// label is the name of c in a message: its first, or what its subject has instead.
func label(c *x509.Certificate) string {
	if names := Names(c); len(names) > 0 {
		return names[0]
	}
	return c.Subject.String()
}

// printable makes the text of a library fit for a message: it may repeat names as
// they stand in a peer's certificate.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
