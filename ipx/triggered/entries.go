package triggered

import (
	"encoding/binary"
	"slices"

	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// A Codec says how the entries of one protocol look in a message: as they do in
// a plain response.
type Codec[E any] struct {
	Append func(b []byte, entries []E) []byte
	// Parse reads as many entries as fit; a remainder is passed over. The result
	// does not alias b.
	Parse func(b []byte) []E
	// Key names what an entry is about; of two with one key, the later counts.
	Key func(E) any
}

// opLen is the operation in front of the entries of a plain response.
const opLen = 2

// Routes is the Codec of RIP; a packet has rip.MaxEntries of them.
func Routes() Codec[rip.Entry] {
	return Codec[rip.Entry]{
		Append: func(b []byte, entries []rip.Entry) []byte {
			return append(b, rip.Message{Operation: rip.OpResponse, Entries: entries}.Append(nil)[opLen:]...)
		},
		Parse: func(b []byte) []rip.Entry {
			m, _ := rip.Parse(plain(b, uint16(rip.OpResponse))) // has an operation
			return m.Entries
		},
		Key: func(e rip.Entry) any { return e.Network },
	}
}

// Services is the Codec of SAP; a packet has sap.MaxServices of them.
func Services() Codec[sap.Service] {
	type key struct {
		typ  sap.ServiceType
		name string
	}
	return Codec[sap.Service]{
		Append: func(b []byte, services []sap.Service) []byte {
			return append(b, sap.Message{Operation: sap.OpResponse, Services: services}.Append(nil)[opLen:]...)
		},
		Parse: func(b []byte) []sap.Service {
			m, _ := sap.Parse(plain(b, uint16(sap.OpResponse))) // has an operation, and a known one
			return m.Services
		},
		Key: func(s sap.Service) any { return key{s.Type, s.Name} },
	}
}

// plain is a plain response with the entries.
func plain(entries []byte, op uint16) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, opLen+len(entries)), op), entries...)
}

// A backlog is what the peer is still to be told, in order. An entry that
// changes again before it was sent is told once, as it is then: so the backlog
// is never longer than what there is to tell.
type backlog[E any] struct {
	key     func(E) any
	entries []E
	place   map[any]int // of a key in entries, counted from the first ever put
	taken   int         // entries that left since the map was made
}

// set makes the backlog hold entries only.
func (b *backlog[E]) set(entries []E) {
	b.entries, b.place, b.taken = nil, make(map[any]int, len(entries)), 0
	b.put(entries)
}

func (b *backlog[E]) put(entries []E) {
	for _, e := range entries {
		k := b.key(e)
		if at, waiting := b.place[k]; waiting {
			b.entries[at-b.taken] = e
			continue
		}
		b.place[k] = b.taken + len(b.entries)
		b.entries = append(b.entries, e)
	}
}

// take removes and returns the first n entries, or fewer.
func (b *backlog[E]) take(n int) []E {
	n = min(n, len(b.entries))
	out := slices.Clone(b.entries[:n])
	for _, e := range out {
		delete(b.place, b.key(e))
	}
	if b.entries, b.taken = b.entries[n:], b.taken+n; len(b.entries) == 0 {
		b.entries = nil
	}
	return out
}

func (b *backlog[E]) len() int { return len(b.entries) }
