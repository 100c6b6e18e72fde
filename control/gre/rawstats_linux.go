package gre

import "sync/atomic"

// RawStats are a Raw's counters.
type RawStats struct {
	Received uint64   `json:"received"`
	Sent     uint64   `json:"sent"`
	Bypassed uint64   `json:"bypassed"` // of those sent: past the host's IP layer
	Drops    RawDrops `json:"drops"`
}

// RawDrops are packets dropped, by reason.
type RawDrops struct {
	ReceiveQueueFull uint64 `json:"receive_queue_full"` // we read too slowly
	SendQueueFull    uint64 `json:"send_queue_full"`
	Overlong         uint64 `json:"overlong"`      // longer than any packet we take
	BadIPHeader      uint64 `json:"bad_ip_header"` // never seen: the kernel checks it
}

type rawCounters struct {
	received, sent, bypassed, sendQueueFull, overlong, badIPHeader atomic.Uint64
}

// Stats returns the counters.
func (r *Raw) Stats() RawStats {
	n := &r.counters
	return RawStats{
		Received: n.received.Load(),
		Sent:     n.sent.Load(),
		Bypassed: n.bypassed.Load(),
		Drops: RawDrops{
			ReceiveQueueFull: r.receive.overflow(),
			SendQueueFull:    n.sendQueueFull.Load(),
			Overlong:         n.overlong.Load(),
			BadIPHeader:      n.badIPHeader.Load(),
		},
	}
}
