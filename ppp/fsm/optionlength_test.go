package fsm_test

import (
	"errors"
	"testing"

	"sitebridge/ppp/fsm"
)

// Option length 0 made parsers loop for ever or slice backwards; length 1 does
// not even cover its own header; a length beyond the packet read what was not
// there. Each is one error, at once. FuzzParseOptions says the same of any
// octets, and test/house that nothing recovers from a panic.
func TestAttackP5OptionLength(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		at   int
	}{
		{"length 0", []byte{1, 0}, 0},
		{"length 0 among zeros", make([]byte, 1500), 0},
		{"length 1", []byte{1, 1}, 0},
		{"length 0 after a good option", []byte{7, 2, 1, 0, 5, 5}, 2},
		{"length 1 after a good option", []byte{7, 2, 1, 1}, 2},
		{"a type and no length", []byte{1}, 0},
		{"a type and no length at the end", []byte{7, 2, 8}, 2},
		{"one octet beyond the packet", []byte{1, 5, 0, 0}, 0},
		{"255 of 3", []byte{1, 255, 0}, 0},
	} {
		opts, err := fsm.ParseOptions(c.body)
		var bad *fsm.OptionError
		if !errors.As(err, &bad) || bad.Offset != c.at {
			t.Errorf("%s: %v options, error %v, want one at octet %d", c.name, len(opts), err, c.at)
		}
	}
}
