package ppp

import "sync/atomic"

// Stats counts what passed a Link. Packets and octets are of network protocols,
// octets out with their PPP header and in without.
type Stats struct {
	PacketsIn  uint64 `json:"packets_in"`
	OctetsIn   uint64 `json:"octets_in"`
	PacketsOut uint64 `json:"packets_out"`
	OctetsOut  uint64 `json:"octets_out"`
	ControlIn  uint64 `json:"control_in"`
	ControlOut uint64 `json:"control_out"`
	Discarded  uint64 `json:"discard_requests"` // Discard-Requests: nothing is due
	// RejectedByPeer counts Protocol-Rejects received.
	RejectedByPeer uint64 `json:"rejected_by_peer"`
	Drops          Drops  `json:"drops"`
}

// Drops are packets that went no further, by reason.
type Drops struct {
	Malformed       uint64 `json:"malformed"`             // no PPP header, or an LCP packet shorter than its fields
	BeforeLCP       uint64 `json:"before_lcp"`            // only LCP is heard before LCP is open
	BeforeAuth      uint64 `json:"before_authentication"` // an NCP while authentication runs
	BeforeOpen      uint64 `json:"before_open"`           // data of a protocol that is not up
	UnknownProtocol uint64 `json:"unknown_protocol"`      // mostly answered by a Protocol-Reject
	AuthNotAgreed   uint64 `json:"authentication_not_agreed"`
	AuthIgnored     uint64 `json:"authentication_ignored"` // malformed, or out of turn
	EchoLimited     uint64 `json:"echo_limited"`           // Echo-Requests faster than we answer
	OwnEcho         uint64 `json:"own_echo"`               // Echo-Replies with our own magic number
	QueueFull       uint64 `json:"queue_full"`             // control packets faster than they are handled
	NotOpen         uint64 `json:"not_open"`               // sent while the protocol is not up
	OverPeerMRU     uint64 `json:"over_peer_mru"`          // sent longer than the peer takes
	SendFailed      uint64 `json:"send_failed"`            // refused by the carrier
	Clear           uint64 `json:"clear"`                  // came in clear, while encryption is up
	NotInside       uint64 `json:"not_inside"`             // came encrypted, and must not: another encrypted packet, or LCP
}

type counters struct {
	packetsIn, octetsIn, packetsOut, octetsOut atomic.Uint64
	controlIn, controlOut                      atomic.Uint64
	discarded, rejectedByPeer                  atomic.Uint64

	malformed, beforeLCP, beforeAuth, beforeOpen atomic.Uint64
	unknownProtocol, authNotAgreed, authIgnored  atomic.Uint64
	echoLimited, ownEcho, queueFull              atomic.Uint64
	notOpen, overPeerMRU, sendFailed             atomic.Uint64
	clear, notInside                             atomic.Uint64
	accepted                                     atomic.Uint64
}

// Stats may be called at any time.
func (l *Link) Stats() Stats {
	c := &l.counters
	return Stats{
		PacketsIn:      c.packetsIn.Load(),
		OctetsIn:       c.octetsIn.Load(),
		PacketsOut:     c.packetsOut.Load(),
		OctetsOut:      c.octetsOut.Load(),
		ControlIn:      c.controlIn.Load(),
		ControlOut:     c.controlOut.Load(),
		Discarded:      c.discarded.Load(),
		RejectedByPeer: c.rejectedByPeer.Load(),
		Drops: Drops{
			Malformed:       c.malformed.Load(),
			BeforeLCP:       c.beforeLCP.Load(),
			BeforeAuth:      c.beforeAuth.Load(),
			BeforeOpen:      c.beforeOpen.Load(),
			UnknownProtocol: c.unknownProtocol.Load(),
			AuthNotAgreed:   c.authNotAgreed.Load(),
			AuthIgnored:     c.authIgnored.Load(),
			EchoLimited:     c.echoLimited.Load(),
			OwnEcho:         c.ownEcho.Load(),
			QueueFull:       c.queueFull.Load(),
			NotOpen:         c.notOpen.Load(),
			OverPeerMRU:     c.overPeerMRU.Load(),
			SendFailed:      c.sendFailed.Load(),
			Clear:           c.clear.Load(),
			NotInside:       c.notInside.Load(),
		},
	}
}
