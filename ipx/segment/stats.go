package segment

import (
	"reflect"
	"sync/atomic"

	"sitebridge/internal/packet"
	"sitebridge/ipx/internal/fastpath"
)

// A drop is the reason why a packet goes no further. The zero drop is none.
type drop uint8

const (
	kept drop = iota
	dropTruncated
	dropShort
	dropOverlong
	dropBadSource
	dropBadDestination
	dropOtherEncapsulation
	dropNotBehindPeer
	dropLoop
	dropBlocked
	dropBudget
	dropDeniedMAC
	dropSerial
	dropSNMP
	dropNetBIOS
	dropFiltered
	dropDuplicate
	dropSplitHorizon
	dropHeld
	dropLocal
	dropForUs
	dropAlone
	dropTooLong
	dropSendFailed
	dropDetached
	drops
)

// Drops counts packets by the reason why they went no further. The order is
// that of the constants above.
type Drops struct {
	// Truncated: less than a header arrived.
	Truncated uint64 `json:"truncated"`
	// Short: the length field says less than a header.
	Short uint64 `json:"short"`
	// Overlong: the length field says more than arrived.
	Overlong uint64 `json:"overlong"`
	// BadSource: sent by a group or by node 0.
	BadSource uint64 `json:"bad_source"`
	// BadDestination: for node 0.
	BadDestination uint64 `json:"bad_destination"`
	// OtherEncapsulation: in a frame type that is not the segment's.
	OtherEncapsulation uint64 `json:"other_encapsulation"`
	// NotBehindPeer: from a network that nobody behind the link has announced.
	NotBehindPeer uint64 `json:"source_not_behind_peer"`
	// Loop: a packet that came by another port before, or one whose sender was
	// just heard there.
	Loop uint64 `json:"loop"`
	// Blocked: by or for a port that is out of use because of a loop.
	Blocked uint64 `json:"blocked"`
	// BroadcastBudget: one too many in a second that was for everybody, or for
	// somebody not heard yet and looked for on several ports.
	BroadcastBudget uint64 `json:"broadcast_budget"`
	// DeniedMAC: from an Ethernet address that may not take part.
	DeniedMAC uint64 `json:"denied_mac"`
	// SerialNumberBroadcast: NetWare's copy protection, which does not cross links.
	SerialNumberBroadcast uint64 `json:"serial_number_broadcast"`
	// SNMP: network management, which does not cross links.
	SNMP uint64 `json:"snmp"`
	// NetBIOS: which does not cross links.
	NetBIOS uint64 `json:"netbios"`
	// Filtered: a filter of the link denies it.
	Filtered uint64 `json:"filtered"`
	// Duplicate: the same on a socket where that is dropped.
	Duplicate uint64 `json:"duplicate"`
	// SplitHorizon: from one link to another.
	SplitHorizon uint64 `json:"split_horizon"`
	// Held: for a station behind a link that went, and not answered for it.
	Held uint64 `json:"held"`
	// Local: between two stations of the port it came from.
	Local uint64 `json:"on_same_wire"`
	// ForUs: to our own Ethernet address, with nobody to pass it on to.
	ForUs uint64 `json:"for_us"`
	// Alone: there is no other port.
	Alone uint64 `json:"no_other_port"`
	// TooLong: longer than the way out carries, and IPX cannot be cut.
	TooLong uint64 `json:"too_long"`
	// SendFailed: the way out did not take it.
	SendFailed uint64 `json:"send_failed"`
	// Detached: the port was just taken out of use.
	Detached uint64 `json:"detached"`
}

// Stats counts the packets of one port, or of all.
type Stats struct {
	PacketsIn  uint64 `json:"packets_in"`
	OctetsIn   uint64 `json:"octets_in"`
	PacketsOut uint64 `json:"packets_out"`
	OctetsOut  uint64 `json:"octets_out"`
	// Flooded packets were for everybody, or for somebody not heard yet.
	Flooded uint64 `json:"flooded"`
	// Moves is how often a station came here from another port.
	Moves uint64 `json:"stations_moved"`
	// Unlearned packets came from stations beyond the limit.
	Unlearned uint64 `json:"station_limit"`
	// Blocks is how often the port was taken out of use because of a loop.
	Blocks uint64 `json:"times_blocked"`
	// Answered packets are watchdogs for stations behind links that went.
	Answered uint64 `json:"watchdogs_answered"`
	Drops    Drops  `json:"drops"`
}

type counters struct {
	packetsIn, octetsIn, packetsOut, octetsOut  atomic.Uint64
	flooded, moves, unlearned, blocks, answered atomic.Uint64
	drops                                       [drops]atomic.Uint64
}

func (c *counters) drop(why drop) { c.drops[why].Add(1) }

func (c *counters) in(pkt *packet.Buffer) {
	c.packetsIn.Add(1)
	c.octetsIn.Add(uint64(pkt.Len()))
}

func (c *counters) out(packets, octets int, err error) {
	if err != nil {
		c.drops[dropSendFailed].Add(uint64(packets))
		return
	}
	c.packetsOut.Add(uint64(packets))
	c.octetsOut.Add(uint64(octets))
}

// Stats returns the port's counters. Drops are counted where the packet came
// in, except those of the way out itself.
func (p *Port) Stats() Stats {
	c := &p.count
	s := Stats{
		PacketsIn: c.packetsIn.Load(), OctetsIn: c.octetsIn.Load(),
		PacketsOut: c.packetsOut.Load(), OctetsOut: c.octetsOut.Load(),
		Flooded: c.flooded.Load(), Moves: c.moves.Load(), Unlearned: c.unlearned.Load(),
		Blocks: c.blocks.Load(), Answered: c.answered.Load(),
	}
	fastpath.Fill(&s.Drops, c.drops[1:])
	return s
}

// Stats returns the counters of all ports together.
func (s *Segment) Stats() (all Stats) {
	for _, p := range *s.ports.Load() {
		fastpath.Sum(&all, p.Stats())
	}
	return all
}

// String returns the key under which the reason is counted.
func (why drop) String() string {
	if why == kept || why >= drops {
		return "none"
	}
	return reflect.TypeFor[Drops]().Field(int(why) - 1).Tag.Get("json")
}
