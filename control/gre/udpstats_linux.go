package gre

import "sync/atomic"

// UDPStats are a UDP's counters. Packets that came, or went, as one run count each.
type UDPStats struct {
	Received uint64   `json:"received"`
	Sent     uint64   `json:"sent"`
	Resent   uint64   `json:"resent_singly"` // runs that the kernel refused, and took packet by packet
	Drops    UDPDrops `json:"drops"`
}

// UDPDrops are packets dropped, by reason. A run that is dropped counts as one.
type UDPDrops struct {
	ReceiveQueueFull uint64 `json:"receive_queue_full"` // we read too slowly, or its UDP checksum was wrong: the kernel has one counter for both
	SendQueueFull    uint64 `json:"send_queue_full"`
	Overlong         uint64 `json:"overlong"`   // longer than any packet we take
	NoAddress        uint64 `json:"no_address"` // never seen: the kernel did not say where it came to
	NoPort           uint64 `json:"no_port"`    // from port 0, where nobody can be answered
}

type udpCounters struct {
	received, sent, resent, sendQueueFull, overlong, noAddress, noPort atomic.Uint64
}

// Stats returns the counters.
func (u *UDP) Stats() UDPStats {
	n := &u.counters
	return UDPStats{
		Received: n.received.Load(),
		Sent:     n.sent.Load(),
		Resent:   n.resent.Load(),
		Drops: UDPDrops{
			ReceiveQueueFull: u.receive.overflow(),
			SendQueueFull:    n.sendQueueFull.Load(),
			Overlong:         n.overlong.Load(),
			NoAddress:        n.noAddress.Load(),
			NoPort:           n.noPort.Load(),
		},
	}
}
