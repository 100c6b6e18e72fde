package control

import (
	"bytes"
	"strconv"
)

// Text is one of the 64-octet fields that hold ASCII filled up with zeros. Peers
// may use all 64, without a zero, and put anything in them.
type Text [64]byte

// MakeText returns s as a field, cut to 64 octets.
func MakeText(s string) (t Text) {
	copy(t[:], s)
	return t
}

// Name returns what stands before the first zero.
func (t Text) Name() Name {
	if end := bytes.IndexByte(t[:], 0); end >= 0 {
		return Name(t[:end])
	}
	return Name(t[:])
}

// String returns the field's name, escaped.
func (t Text) String() string { return t.Name().String() }

func appendText(b []byte, t Text) []byte { return append(b, t[:]...) }

// A Name is text that a peer chose, exactly as it came. However it is printed,
// logged or put in JSON, it comes out escaped, so that a peer cannot write
// control characters on a terminal or lines into a log. Compare and keep it as
// it is; string(n) is the raw text.
type Name string

// String returns the name with everything but printable ASCII escaped.
func (n Name) String() string {
	quoted := strconv.QuoteToASCII(string(n))
	return quoted[1 : len(quoted)-1]
}

// MarshalText returns String, for JSON and for log/slog.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
