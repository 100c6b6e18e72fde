package fsm

import (
	"bytes"
	"errors"
	"fmt"
)

// optionHeader is the length of type and length (RFC 1661, section 6).
const optionHeader = 2

// MaxOptionData is the most that one option can hold.
const MaxOptionData = 0xff - optionHeader

// ErrOptionLength is the length of an option that is below 2 or runs past the
// end of the packet.
var ErrOptionLength = errors.New("option length")

// An OptionError says where in a list of options the fault is.
type OptionError struct {
	Offset int
	Err    error
}

func (e *OptionError) Error() string { return fmt.Sprintf("option at octet %d: %v", e.Offset, e.Err) }
func (e *OptionError) Unwrap() error { return e.Err }

// Equal reports whether two options are the same octets.
func (o Option) Equal(p Option) bool { return o.Type == p.Type && bytes.Equal(o.Data, p.Data) }

// size is the option's length on the wire.
func (o Option) size() int { return optionHeader + len(o.Data) }

// ParseOptions splits the data of a Configure packet. The options alias b.
func ParseOptions(b []byte) ([]Option, error) {
	var opts []Option
	for off := 0; off < len(b); {
		rest := b[off:]
		if len(rest) < optionHeader || rest[1] < optionHeader || int(rest[1]) > len(rest) {
			return nil, &OptionError{Offset: off, Err: ErrOptionLength}
		}
		n := int(rest[1])
		opts = append(opts, Option{Type: rest[0], Data: rest[optionHeader:n:n]})
		off += n
	}
	return opts, nil
}

// AppendOptions appends the options to b in their order.
func AppendOptions(b []byte, opts []Option) []byte {
	for _, o := range opts {
		if len(o.Data) > MaxOptionData {
			panic("fsm: option too long for its length field")
		}
		b = append(b, o.Type, byte(o.size()))
		b = append(b, o.Data...)
	}
	return b
}

// repeated returns the first of each kind of option that stands in opts more
// than once although it may not (RFC 1661, section 5.1).
func repeated(opts []Option, mayRepeat func(byte) bool) []Option {
	var seen [256]uint8
	var first [256]Option
	var again []Option
	for _, o := range opts {
		switch seen[o.Type] {
		case 0:
			seen[o.Type], first[o.Type] = 1, o
		case 1:
			seen[o.Type] = 2
			if !mayRepeat(o.Type) {
				again = append(again, first[o.Type])
			}
		}
	}
	return again
}

// onePerType returns opts without those whose type came before. A Nak may list
// several values to choose from (RFC 1661, section 5.3): the first is preferred.
func onePerType(opts []Option, mayRepeat func(byte) bool) []Option {
	var seen [256]bool
	kept := opts[:0]
	for _, o := range opts {
		if !seen[o.Type] || mayRepeat(o.Type) {
			kept = append(kept, o)
		}
		seen[o.Type] = true
	}
	return kept
}

// ordered reports whether every option of part is in whole, octet for octet and
// in the same order.
func ordered(part, whole []Option) bool {
	for _, o := range part {
		for len(whole) > 0 && !whole[0].Equal(o) {
			whole = whole[1:]
		}
		if len(whole) == 0 {
			return false
		}
		whole = whole[1:]
	}
	return true
}

// fit returns the options from the front that together are at most n octets.
func fit(opts []Option, n int) []Option {
	for i, o := range opts {
		if n -= o.size(); n < 0 {
			return opts[:i]
		}
	}
	return opts
}

// theirOwn returns the peer's options whose types stand in nak: what to Reject
// in place of a Nak once Max-Failure is reached (RFC 1661, section 4.6).
func theirOwn(peer, nak []Option) []Option {
	var named [256]bool
	for _, o := range nak {
		named[o.Type] = true
	}
	var own []Option
	for _, o := range peer {
		if named[o.Type] {
			own = append(own, o)
			named[o.Type] = false
		}
	}
	return own
}
