package router

import (
	"reflect"
	"sync/atomic"

	"sitebridge/ipx/internal/fastpath"
)

// A drop is the reason why a packet goes no further. The zero drop is none.
type drop uint8

const (
	kept drop = iota
	dropTruncated
	dropShort
	dropOverlong
	dropHops
	dropOwnFrame
	dropBadSource
	dropBadDestination
	dropNotBehindPeer
	dropNoNumber
	dropOtherStation
	dropLinkBroadcast
	dropRouterBroadcast
	dropNoRoute
	dropRoutedBack
	dropTooLong
	dropSerial
	dropSNMP
	dropNetBIOS
	dropFiltered
	dropDuplicate
	dropPropagatedShort
	dropPropagatedHops
	dropPropagatedSeen
	dropPropagatedUnnumbered
	dropPropagatedNowhere
	dropPropagatedOff
	dropPropagatedDetour
	dropNoSocket
	dropQueueFull
	dropIgnored
	dropSendFailed
	dropDetached
	dropHeld
	dropRateLimit
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
	// Hops: arrived with more than 15 hops, or would have left with them.
	Hops uint64 `json:"too_many_hops"`
	// OwnFrame: our own packet came back.
	OwnFrame uint64 `json:"own_frame"`
	// BadSource: sent by a group, by node 0 or by network FFFFFFFF.
	BadSource uint64 `json:"bad_source"`
	// BadDestination: for node 0.
	BadDestination uint64 `json:"bad_destination"`
	// NotBehindPeer: from a network that is not behind the link it came by.
	NotBehindPeer uint64 `json:"source_not_behind_peer"`
	// NoNumber: the network is not known of the wire it came from, or of the
	// sender on an unnumbered link, so that no answer could find back.
	NoNumber uint64 `json:"network_unknown"`
	// OtherStation: on its own wire already, and not for us.
	OtherStation uint64 `json:"other_station"`
	// LinkBroadcast: for another network, but sent to all routers on the wire;
	// each of them would forward a copy.
	LinkBroadcast uint64 `json:"link_broadcast"`
	// RouterBroadcast: RIP or SAP for all of another network. Routers keep
	// those to themselves.
	RouterBroadcast uint64 `json:"router_broadcast"`
	// NoRoute: nobody knows the destination's network.
	NoRoute uint64 `json:"no_route"`
	// RoutedBack: the way leads back over the link it came by; two routers
	// point at each other.
	RoutedBack uint64 `json:"routed_back"`
	// TooLong: longer than the way out carries, and IPX cannot be cut.
	TooLong uint64 `json:"too_long"`
	// Serial: NetWare's copy-protection broadcast, kept off links, since servers
	// send it for ever.
	Serial uint64 `json:"serial_number_broadcast"`
	// SNMP: network management, kept off links.
	SNMP uint64 `json:"snmp"`
	// NetBIOS: type 20 or socket 0455, kept off links.
	NetBIOS uint64 `json:"netbios"`
	// Filtered: a filter of the link denies it.
	Filtered uint64 `json:"filtered"`
	// Duplicate: the same as one within the last second, for a socket whose
	// programs send again too early.
	Duplicate uint64 `json:"duplicate"`
	// PropagatedShort: type 20 without room for the networks crossed.
	PropagatedShort uint64 `json:"type20_short"`
	// PropagatedHops: type 20 that crossed more than eight networks.
	PropagatedHops uint64 `json:"type20_hops"`
	// PropagatedSeen: type 20 that crossed this network before.
	PropagatedSeen uint64 `json:"type20_seen"`
	// PropagatedUnnumbered: type 20 from a link without a number, while the
	// router has no internal network to tell loops by.
	PropagatedUnnumbered uint64 `json:"type20_unnumbered"`
	// PropagatedNowhere: type 20 that no other network takes: it is off there, it was
	// there already, or a link has no number that its loops could be told by.
	PropagatedNowhere uint64 `json:"type20_nowhere"`
	// PropagatedOff: type 20 from a wire or link where it is off.
	PropagatedOff uint64 `json:"type20_off"`
	// PropagatedDetour: type 20 by another way than the one to its source.
	PropagatedDetour uint64 `json:"type20_not_reverse_path"`
	// NoSocket: for us, but nobody listens.
	NoSocket uint64 `json:"no_socket"`
	// QueueFull: for us, but too much arrived at once.
	QueueFull uint64 `json:"queue_full"`
	// Ignored: RIP or SAP that makes no sense, or from a stranger; a ping or
	// question that is none, or that wants no answer from us.
	Ignored uint64 `json:"ignored"`
	// SendFailed: the way out did not take it.
	SendFailed uint64 `json:"send_failed"`
	// Detached: the wire or link was just taken out of use.
	Detached uint64 `json:"detached"`
	// Held: the link that leads there is gone, but expected back.
	Held uint64 `json:"held"`
	// RateLimit: more RIP and SAP than any router sends, or more pings and
	// questions than are answered.
	RateLimit uint64 `json:"rate_limit"`
}

// Stats counts the packets of one attachment, or of all.
type Stats struct {
	PacketsIn  uint64 `json:"packets_in"`
	OctetsIn   uint64 `json:"octets_in"`
	PacketsOut uint64 `json:"packets_out"`
	OctetsOut  uint64 `json:"octets_out"`
	// Local packets were for the router itself.
	Local uint64 `json:"local"`
	// SentBack packets left by the LAN they came from: their sender took us for
	// a better way than we are. They are forwarded.
	SentBack uint64 `json:"sent_back"`
	// Filled packets came without a network number and got the wire's.
	Filled uint64 `json:"network_filled_in"`
	// Propagated is how many copies of type 20 left.
	Propagated uint64 `json:"type20_propagated"`
	// Answered is how many watchdogs were answered for a far end that is gone.
	Answered uint64 `json:"watchdogs_answered"`
	Drops    Drops  `json:"drops"`
}

type counters struct {
	packetsIn, octetsIn, packetsOut, octetsOut atomic.Uint64
	local, sentBack, filled, propagated        atomic.Uint64
	answered                                   atomic.Uint64
	drops                                      [drops]atomic.Uint64
}

func (c *counters) drop(why drop) { c.drops[why].Add(1) }

func (c *counters) snapshot() Stats {
	s := Stats{
		PacketsIn: c.packetsIn.Load(), OctetsIn: c.octetsIn.Load(),
		PacketsOut: c.packetsOut.Load(), OctetsOut: c.octetsOut.Load(),
		Local: c.local.Load(), SentBack: c.sentBack.Load(),
		Filled: c.filled.Load(), Propagated: c.propagated.Load(), Answered: c.answered.Load(),
	}
	fastpath.Fill(&s.Drops, c.drops[1:])
	return s
}

// Stats returns the attachment's counters. Drops are counted where the packet
// came in, except those of the way out itself.
func (a *Attached) Stats() Stats { return a.count.snapshot() }

// Stats returns the counters of all attachments together.
func (r *Router) Stats() (all Stats) {
	for _, w := range r.Wires() {
		fastpath.Sum(&all, w.Stats)
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
