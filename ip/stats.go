package ip

import "sync/atomic"

// Stats is what passed an interface since it was opened. Out is from the kernel
// to the peer.
type Stats struct {
	PacketsOut uint64 `json:"packets_out"`
	OctetsOut  uint64 `json:"octets_out"`
	PacketsIn  uint64 `json:"packets_in"`
	OctetsIn   uint64 `json:"octets_in"`
	Clamped    uint64 `json:"clamped"`      // SYNs whose MSS was lowered, both ways
	TooBigSent uint64 `json:"too_big_sent"` // ICMP messages about packets too big
	// UnreachableSent are ICMP messages about packets that nobody could take to the peer.
	UnreachableSent uint64 `json:"unreachable_sent"`
	Drops           Drops  `json:"drops"`
}

// Drops counts the packets that were not passed on, by reason.
type Drops struct {
	LinkDown            uint64 `json:"link_down"`              // no link to the peer, either way
	ProtocolDown        uint64 `json:"protocol_down"`          // a link, but not for IPv4, or not for IPv6
	LinkRefused         uint64 `json:"link_refused"`           // the link could not send
	TooBig              uint64 `json:"too_big"`                // longer than the tunnel's MTU, and not to be cut
	MalformedOut        uint64 `json:"malformed_out"`          // no whole IP packet from the kernel
	MalformedIn         uint64 `json:"malformed_in"`           // no whole IP packet of the PPP protocol's version
	SourceNotBehindPeer uint64 `json:"source_not_behind_peer"` // a source that is not in the site's routes
	SourceNotCallers    uint64 `json:"source_not_callers"`     // a caller of many sent from an address that is not its own
	NoCaller            uint64 `json:"no_caller"`              // for an address that no caller has now
	InterfaceRefused    uint64 `json:"interface_refused"`      // the kernel did not take it: interface down
}

// counters is Stats as the data path counts.
type counters struct {
	packetsOut, octetsOut, packetsIn, octetsIn, clamped, tooBigSent, unreachableSent atomic.Uint64

	linkDown, protocolDown, linkRefused, tooBig, malformedOut, malformedIn, sourceNotBehindPeer, sourceNotCallers, noCaller, interfaceRefused atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		PacketsOut: c.packetsOut.Load(),
		OctetsOut:  c.octetsOut.Load(),
		PacketsIn:  c.packetsIn.Load(),
		OctetsIn:   c.octetsIn.Load(),
		Clamped:    c.clamped.Load(),
		TooBigSent: c.tooBigSent.Load(),

		UnreachableSent: c.unreachableSent.Load(),
		Drops: Drops{
			LinkDown:            c.linkDown.Load(),
			ProtocolDown:        c.protocolDown.Load(),
			LinkRefused:         c.linkRefused.Load(),
			TooBig:              c.tooBig.Load(),
			MalformedOut:        c.malformedOut.Load(),
			MalformedIn:         c.malformedIn.Load(),
			SourceNotBehindPeer: c.sourceNotBehindPeer.Load(),
			SourceNotCallers:    c.sourceNotCallers.Load(),
			NoCaller:            c.noCaller.Load(),
			InterfaceRefused:    c.interfaceRefused.Load(),
		},
	}
}
