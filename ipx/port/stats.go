package port

import (
	"sync/atomic"

	"sitebridge/ipx"
)

// Stats counts the frames of a port.
type Stats struct {
	In  ByEncapsulation `json:"frames_in"`
	Out ByEncapsulation `json:"frames_out"`
	// Where the frames that came in were going. A wire on which broadcasts are
	// heard but nothing is ever addressed to us or, in promiscuous mode, to
	// others is one that hides them: Wi-Fi, or a hypervisor's switch.
	BroadcastIn uint64 `json:"broadcast_in"` // to all or to a group
	UnicastIn   uint64 `json:"unicast_in"`   // to our own address
	OtherIn     uint64 `json:"other_in"`     // to another station
	UnicastOut  uint64 `json:"unicast_out"`  // from us, to one station
	Reopened    uint64 `json:"reopened"`     // times the interface came back
	Drops       Drops  `json:"drops"`
}

// ByEncapsulation is a count for each frame type.
type ByEncapsulation struct {
	EthernetII   uint64 `json:"ethernet_ii"`
	Ethernet8023 uint64 `json:"ethernet_802_3"`
	Ethernet8022 uint64 `json:"ethernet_802_2"`
	EthernetSNAP uint64 `json:"ethernet_snap"`
}

// Drops counts the frames that went no further, by reason. On an interface of
// the host the socket's filter leaves out other protocols, VLAN tags and our
// own frames before anything can count them.
type Drops struct {
	NotIPX    uint64 `json:"not_ipx"`
	VLAN      uint64 `json:"vlan"`
	BadSource uint64 `json:"bad_source"`
	Truncated uint64 `json:"truncated"`
	Short     uint64 `json:"short"`
	Overlong  uint64 `json:"overlong"`
	OwnFrame  uint64 `json:"own_frame"` // our own came back: a loop or a mirror
	// The kernel's queue was full: we were too slow.
	ReceiveQueueFull uint64 `json:"receive_queue_full"`

	TooLong       uint64 `json:"too_long"`        // to send, for its frame type or for the wire
	BadPacket     uint64 `json:"bad_packet"`      // to send, and no IPX packet
	SendQueueFull uint64 `json:"send_queue_full"` // the wire is slower than what is sent to it
	InterfaceDown uint64 `json:"interface_down"`  // to send, while the interface was not there
	SendFailed    uint64 `json:"send_failed"`     // the kernel refused for another reason

	// Of ports for DOSBox alone.
	ClientRate       uint64 `json:"client_rate"`       // a client sent too many
	ForeignNode      uint64 `json:"foreign_node"`      // a client sent under another's address
	NotRegistered    uint64 `json:"not_registered"`    // from nobody that we gave an address to
	HouseFull        uint64 `json:"house_full"`        // no room for one more client
	RegistrationRate uint64 `json:"registration_rate"` // too many registrations from one address
	NoClient         uint64 `json:"no_client"`         // to send, to a node that is no client
}

// Places in counters.dropped, after those of ipx.DropReason.
const (
	dropOwnFrame = ipx.TooLong + 1 + iota
	dropReceiveQueueFull
	dropBadPacket
	dropSendQueueFull
	dropInterfaceDown
	dropSendFailed
	dropClientRate
	dropForeignNode
	dropNotRegistered
	dropHouseFull
	dropRegistrationRate
	dropNoClient
	dropReasons
)

// counters is Stats while they count. One goroutine receives, many send; each
// adds once per batch.
type counters struct {
	in, out                   [ipx.Encapsulations]atomic.Uint64
	broadcast, unicast, other atomic.Uint64
	unicastOut                atomic.Uint64
	reopened                  atomic.Uint64
	dropped                   [dropReasons]atomic.Uint64
}

func (c *counters) drop(reason ipx.DropReason) { c.dropped[reason].Add(1) }

func (c *counters) stats() Stats {
	dropped := func(r ipx.DropReason) uint64 { return c.dropped[r].Load() }
	return Stats{
		In:          byEncapsulation(&c.in),
		Out:         byEncapsulation(&c.out),
		BroadcastIn: c.broadcast.Load(),
		UnicastIn:   c.unicast.Load(),
		OtherIn:     c.other.Load(),
		UnicastOut:  c.unicastOut.Load(),
		Reopened:    c.reopened.Load(),
		Drops: Drops{
			NotIPX:           dropped(ipx.NotIPX),
			VLAN:             dropped(ipx.Tagged),
			BadSource:        dropped(ipx.BadSource),
			Truncated:        dropped(ipx.Truncated),
			Short:            dropped(ipx.Short),
			Overlong:         dropped(ipx.Overlong),
			OwnFrame:         dropped(dropOwnFrame),
			ReceiveQueueFull: dropped(dropReceiveQueueFull),
			TooLong:          dropped(ipx.TooLong),
			BadPacket:        dropped(dropBadPacket),
			SendQueueFull:    dropped(dropSendQueueFull),
			InterfaceDown:    dropped(dropInterfaceDown),
			SendFailed:       dropped(dropSendFailed),

			ClientRate:       dropped(dropClientRate),
			ForeignNode:      dropped(dropForeignNode),
			NotRegistered:    dropped(dropNotRegistered),
			HouseFull:        dropped(dropHouseFull),
			RegistrationRate: dropped(dropRegistrationRate),
			NoClient:         dropped(dropNoClient),
		},
	}
}

func byEncapsulation(n *[ipx.Encapsulations]atomic.Uint64) ByEncapsulation {
	return ByEncapsulation{
		EthernetII:   n[ipx.EthernetII].Load(),
		Ethernet8023: n[ipx.Ethernet8023].Load(),
		Ethernet8022: n[ipx.Ethernet8022].Load(),
		EthernetSNAP: n[ipx.EthernetSNAP].Load(),
	}
}
