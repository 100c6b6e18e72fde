package gre

import (
	"sync/atomic"
	"time"
)

// Stats are a channel's counters. Octets are those of PPP frames.
type Stats struct {
	PacketsSent     uint64 `json:"packets_sent"` // numbered and handed to the carrier, dropped there or not
	OctetsSent      uint64 `json:"octets_sent"`
	PacketsReceived uint64 `json:"packets_received"` // delivered, in order
	OctetsReceived  uint64 `json:"octets_received"`
	AcksSent        uint64 `json:"acks_sent"`        // on their own
	AcksPiggybacked uint64 `json:"acks_piggybacked"` // sent along with data
	AcksReceived    uint64 `json:"acks_received"`    // that told something new
	Lost            uint64 `json:"lost"`             // numbers given up
	Reordered       uint64 `json:"reordered"`        // came late and were still put in their place
	Held            uint64 `json:"held"`             // came early and waited for their turn
	Resyncs         uint64 `json:"resyncs"`          // times the sequence was taken up somewhere else
	SendErrors      uint64 `json:"send_errors"`      // batches that the carrier refused
	Moves           uint64 `json:"moves"`            // times the peer's UDP port became another

	Drops Drops `json:"drops"`
}

// Drops are packets dropped, by reason.
type Drops struct {
	Late             uint64 `json:"late"`      // given up as lost before it came
	Duplicate        uint64 `json:"duplicate"` // came before
	FarAhead         uint64 `json:"far_ahead"` // or far behind: not believed, see Stats.Resyncs
	Overload         uint64 `json:"overload"`  // data that came faster than it is handled; control packets pass
	ShortFrame       uint64 `json:"short_frame"`
	ShortFrameSent   uint64 `json:"short_frame_sent"`
	UnnumberedFrame  uint64 `json:"unnumbered_frame"`    // payload without a sequence number
	AckNeverSent     uint64 `json:"ack_never_sent"`      // acknowledgement of what we never sent
	NotConnected     uint64 `json:"not_connected"`       // too many before the call was set up
	WrongSource      uint64 `json:"wrong_source"`        // our call ID, another address
	WrongPort        uint64 `json:"wrong_port"`          // the peer's address, another UDP port
	WrongCarrier     uint64 `json:"wrong_carrier"`       // raw GRE for a call by UDP, or UDP for one by raw GRE
	TooBig           uint64 `json:"too_big"`             // did not fit the path
	PeerWindowIsFull uint64 `json:"peer_window_is_full"` // pacing only
}

// counters are Stats while they are counted.
type counters struct {
	packetsSent, octetsSent, packetsReceived, octetsReceived                           atomic.Uint64
	acksSent, acksPiggybacked, acksReceived, acksUnsent                                atomic.Uint64
	lost, late, duplicate, reordered, held, far, resyncs, short, shortSent, shed       atomic.Uint64
	unnumbered, notConnected, wrongSource, wrongPort, wrongCarrier, tooBig, windowFull atomic.Uint64
	sendErrors, moves                                                                  atomic.Uint64
	firstHeard, lastHeard                                                              atomic.Int64 // since the mux's epoch, plus 1; 0: never
}

// An ackTally counts what one batch brought beside frames.
type ackTally struct{ fresh, unsent, unnumbered uint64 }

func (n *ackTally) count(v ackVerdict) {
	switch v {
	case ackNew:
		n.fresh++
	case ackUnsent:
		n.unsent++
	}
}

func (c *counters) add(n *ackTally) {
	addTo(&c.acksReceived, n.fresh)
	addTo(&c.acksUnsent, n.unsent)
	addTo(&c.unnumbered, n.unnumbered)
}

// collect moves the window's counts over.
func (c *counters) collect(t *tally) {
	addTo(&c.packetsReceived, t.packets)
	addTo(&c.octetsReceived, t.octets)
	addTo(&c.lost, t.lost)
	addTo(&c.late, t.late)
	addTo(&c.duplicate, t.duplicate)
	addTo(&c.reordered, t.reordered)
	addTo(&c.held, t.held)
	addTo(&c.far, t.far)
	addTo(&c.resyncs, t.resyncs)
	addTo(&c.short, t.short)
	addTo(&c.shed, t.shed)
	*t = tally{}
}

// addTo spares the bus for what hardly ever happens.
func addTo(c *atomic.Uint64, n uint64) {
	if n != 0 {
		c.Add(n)
	}
}

func (c *counters) heard(at time.Duration) {
	at++
	if c.firstHeard.Load() == 0 {
		c.firstHeard.Store(int64(at))
	}
	c.lastHeard.Store(int64(at))
}

// Stats returns the channel's counters.
func (c *Channel) Stats() Stats {
	n := &c.counters
	return Stats{
		PacketsSent:     n.packetsSent.Load(),
		OctetsSent:      n.octetsSent.Load(),
		PacketsReceived: n.packetsReceived.Load(),
		OctetsReceived:  n.octetsReceived.Load(),
		AcksSent:        n.acksSent.Load(),
		AcksPiggybacked: n.acksPiggybacked.Load(),
		AcksReceived:    n.acksReceived.Load(),
		Lost:            n.lost.Load(),
		Reordered:       n.reordered.Load(),
		Held:            n.held.Load(),
		Resyncs:         n.resyncs.Load(),
		SendErrors:      n.sendErrors.Load(),
		Moves:           n.moves.Load(),
		Drops: Drops{
			Late:             n.late.Load(),
			Duplicate:        n.duplicate.Load(),
			FarAhead:         n.far.Load(),
			Overload:         n.shed.Load(),
			ShortFrame:       n.short.Load(),
			ShortFrameSent:   n.shortSent.Load(),
			UnnumberedFrame:  n.unnumbered.Load(),
			AckNeverSent:     n.acksUnsent.Load(),
			NotConnected:     n.notConnected.Load(),
			WrongSource:      n.wrongSource.Load(),
			WrongPort:        n.wrongPort.Load(),
			WrongCarrier:     n.wrongCarrier.Load(),
			TooBig:           n.tooBig.Load(),
			PeerWindowIsFull: n.windowFull.Load(),
		},
	}
}

// FirstReceive returns when the first packet of the peer came, acknowledgements
// and dropped ones included; the zero time when none has.
func (c *Channel) FirstReceive() time.Time { return c.time(&c.counters.firstHeard) }

// LastReceive returns when the last packet of the peer came; the zero time when
// none has.
func (c *Channel) LastReceive() time.Time { return c.time(&c.counters.lastHeard) }

func (c *Channel) time(since *atomic.Int64) time.Time {
	at := since.Load()
	if at == 0 {
		return time.Time{}
	}
	return c.mux.epoch.Add(time.Duration(at - 1))
}

// RTT returns the round trip as the peer's acknowledgements show it, 100 ms
// before the first one.
func (c *Channel) RTT() time.Duration { return c.flow.rtt() }

// MuxStats are a mux's counters.
type MuxStats struct {
	Received uint64   `json:"received"` // packets, dropped ones included
	Drops    MuxDrops `json:"drops"`
}

// MuxDrops are packets that reached no channel, by reason.
type MuxDrops struct {
	ShortHeader  uint64 `json:"short_header"`
	NotEnhanced  uint64 `json:"not_enhanced_gre"`
	PayloadShort uint64 `json:"payload_length_beyond_packet"`
	PayloadLong  uint64 `json:"octets_after_payload"`
	UnknownCall  uint64 `json:"unknown_call"`
	WrongSource  uint64 `json:"wrong_source"` // the call ID of another peer's call
	BadProbe     uint64 `json:"bad_probe"`
	StrayProbe   uint64 `json:"stray_probe"` // with tokens that no call waits for, too late, or too often
}

type muxCounters struct {
	received, shortHeader, notEnhanced, payloadShort, payloadLong, unknownCall, wrongSource, badProbe, strayProbe atomic.Uint64
}

func (c *muxCounters) malformed(err error) {
	switch err {
	case ErrShort:
		c.shortHeader.Add(1)
	case ErrNotEnhanced:
		c.notEnhanced.Add(1)
	case ErrPayloadShort:
		c.payloadShort.Add(1)
	case ErrPayloadLong:
		c.payloadLong.Add(1)
	}
}

// Stats returns the mux's counters.
func (m *Mux) Stats() MuxStats {
	n := &m.counters
	return MuxStats{
		Received: n.received.Load(),
		Drops: MuxDrops{
			ShortHeader:  n.shortHeader.Load(),
			NotEnhanced:  n.notEnhanced.Load(),
			PayloadShort: n.payloadShort.Load(),
			PayloadLong:  n.payloadLong.Load(),
			UnknownCall:  n.unknownCall.Load(),
			WrongSource:  n.wrongSource.Load(),
			BadProbe:     n.badProbe.Load(),
			StrayProbe:   n.strayProbe.Load(),
		},
	}
}
