package eaptls

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The flags of an EAP-TLS packet (RFC 5216, section 3.1). The other bits are zero
// when sent and ignored when received.
const (
	flagLength = 0x80 // a total length of four octets follows
	flagMore   = 0x40 // this is not the last fragment of its flight
	flagStart  = 0x20
)

// maxFlight is the longest flight of TLS data, sent or received.
const maxFlight = 64 << 10

// A fragment is the type data of an EAP-TLS packet: all of a flight, or a part.
type fragment struct {
	length bool   // total was told
	total  uint32 // octets of TLS data in the whole flight
	more   bool
	start  bool
	data   []byte
}

// ack is the type data that answers a fragment which is not the last (RFC 5216,
// section 2.1.5). A peer with nothing left to say sends it too.
func ack() []byte { return fragment{}.encode() }

func (f fragment) encode() []byte {
	b := make([]byte, 1, 5+len(f.data))
	if f.length {
		b[0] |= flagLength
		b = binary.BigEndian.AppendUint32(b, f.total)
	}
	if f.more {
		b[0] |= flagMore
	}
	if f.start {
		b[0] |= flagStart
	}
	return append(b, f.data...)
}

// empty tells whether f is an acknowledgement.
func (f fragment) empty() bool { return !f.length && !f.more && !f.start && len(f.data) == 0 }

// parseFragment splits type data. The fragment aliases b.
func parseFragment(b []byte) (fragment, error) {
	if len(b) == 0 {
		return fragment{}, errors.New("an EAP-TLS packet without flags")
	}
	f := fragment{length: b[0]&flagLength != 0, more: b[0]&flagMore != 0, start: b[0]&flagStart != 0, data: b[1:]}
	if f.length {
		if len(f.data) < 4 {
			return fragment{}, errors.New("an EAP-TLS packet that ends inside its length")
		}
		f.total, f.data = binary.BigEndian.Uint32(f.data), f.data[4:]
	}
	return f, nil
}

// An assembly puts the fragments of a flight together.
type assembly struct {
	flight []byte
	total  uint32
	open   bool // there was a first fragment and no last one yet
}

// add takes a fragment, and returns the flight when it is whole; that may alias
// the fragment. Lengths that contradict each other are errors, since a peer that
// sends them has a fault or an intention, and neither gets better by waiting.
func (a *assembly) add(f fragment) (flight []byte, whole bool, err error) {
	if err := a.fits(f); err != nil {
		return nil, false, err
	}
	if !a.open && !f.more {
		return f.data, true, nil
	}
	if !a.open {
		a.open, a.total, a.flight = true, f.total, nil
	}
	a.flight = append(a.flight, f.data...)
	if f.more {
		return nil, false, nil
	}
	flight, *a = a.flight, assembly{}
	return flight, true, nil
}

// fits tells what is wrong with f as the next fragment.
func (a *assembly) fits(f fragment) error {
	sum, total := uint64(len(a.flight)+len(f.data)), uint64(a.total)
	switch {
	case f.length && (f.total == 0 || f.total > maxFlight):
		return fmt.Errorf("a TLS flight of %d octets: 1 to %d are taken", f.total, maxFlight)
	case f.length && a.open && f.total != a.total:
		return fmt.Errorf("a TLS flight of %d octets that became one of %d", a.total, f.total)
	case f.more && len(f.data) == 0:
		return errors.New("a fragment without TLS data")
	case !a.open && f.more && !f.length:
		return errors.New("a first fragment that does not tell the length of its flight")
	case !a.open:
		total = uint64(f.total)
		if !f.length {
			total = min(sum, maxFlight)
		}
	}
	if sum > total || !f.more && sum != total {
		return fmt.Errorf("fragments of %d octets in a TLS flight of %d", sum, total)
	}
	return nil
}

// A cutter cuts a flight into fragments.
type cutter struct {
	size  int // octets of TLS data in a fragment
	rest  []byte
	begun bool
}

func (c *cutter) load(flight []byte) { c.rest, c.begun = flight, false }

// pending tells whether there are fragments left.
func (c *cutter) pending() bool { return len(c.rest) > 0 }

// next is the type data of the next fragment. The first of several tells the
// length of the flight, and a flight in one piece never does (RFC 9190, section 2.4).
func (c *cutter) next() []byte {
	n := min(len(c.rest), c.size)
	f := fragment{data: c.rest[:n], more: n < len(c.rest)}
	if f.more && !c.begun {
		f.length, f.total = true, uint32(len(c.rest))
	}
	c.rest, c.begun = c.rest[n:], true
	return f.encode()
}
