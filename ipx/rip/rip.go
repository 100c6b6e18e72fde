// Package rip knows the messages of IPX's Routing Information Protocol on
// socket 0453. Novell took it from Xerox (XSIS 028112) and added ticks, the
// time that a route takes, by which routes are compared first. What is learned
// from messages, and when they are sent, is left to others.
package rip

import (
	"encoding/binary"
	"fmt"

	"sitebridge/ipx"
)

const (
	// MaxEntries is how many routes a message may carry: 432 octets of IPX. Old
	// shells overrun their buffer beyond that.
	MaxEntries = 50
	// Infinity is the hop count of a network that can no longer be reached.
	Infinity = 16

	operationLen = 2
	entryLen     = 8
)

// An Operation says whether a message asks or tells.
type Operation uint16

const (
	OpRequest  Operation = 1
	OpResponse Operation = 2
)

// String returns the operation in words.
func (o Operation) String() string {
	switch o {
	case OpRequest:
		return "request"
	case OpResponse:
		return "response"
	}
	return fmt.Sprintf("operation(%d)", uint16(o))
}

// An Entry is a network and the way to it. In a request the way means nothing,
// and the network ipx.AllNetworks asks for all.
type Entry struct {
	Network ipx.Network
	Hops    uint16 // routers on the way, Infinity when there is none
	Ticks   uint16 // of about 55 ms that a packet of 576 octets takes
}

// Usable reports whether a response may tell of the entry's network: it is one,
// or the default route. What is not usable is passed over; the rest of the
// message counts.
func (e Entry) Usable() bool {
	return e.Network != ipx.ThisNetwork && e.Network != ipx.AllNetworks
}

// A Message is the payload of one RIP packet.
type Message struct {
	Operation Operation
	Entries   []Entry
}

// Ask returns the request for the way to the networks, or for all ways.
func Ask(networks ...ipx.Network) Message {
	m := Message{Operation: OpRequest}
	for _, n := range networks {
		m.Entries = append(m.Entries, Entry{Network: n, Hops: 0xFFFF, Ticks: 0xFFFF})
	}
	return m
}

// A LengthError is a payload too short for any message: it holds this many
// octets.
type LengthError int

func (e LengthError) Error() string {
	return fmt.Sprintf("rip: %d octets, want an operation of %d", int(e), operationLen)
}

// Parse reads the payload of an IPX packet, which must have been cut to the
// length in the IPX header: padding would look like routes to network 0. There
// are as many entries as fit, also more than MaxEntries, and a remainder is
// passed over. The operation may be one that we do not know.
func Parse(b []byte) (Message, error) {
	if len(b) < operationLen {
		return Message{}, LengthError(len(b))
	}
	m := Message{Operation: Operation(binary.BigEndian.Uint16(b))}
	b = b[operationLen:]
	if n := len(b) / entryLen; n > 0 {
		m.Entries = make([]Entry, n)
	}
	for i := range m.Entries {
		e := b[i*entryLen:]
		m.Entries[i] = Entry{
			Network: ipx.Network(binary.BigEndian.Uint32(e)),
			Hops:    binary.BigEndian.Uint16(e[4:]),
			Ticks:   binary.BigEndian.Uint16(e[6:]),
		}
	}
	return m, nil
}

// Append appends the message to b. Whoever sends it keeps to MaxEntries:
// slices.Chunk cuts a table into messages.
func (m Message) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(m.Operation))
	for _, e := range m.Entries {
		b = binary.BigEndian.AppendUint32(b, uint32(e.Network))
		b = binary.BigEndian.AppendUint16(b, e.Hops)
		b = binary.BigEndian.AppendUint16(b, e.Ticks)
	}
	return b
}
