package ppp

import (
	"errors"
	"time"

	"sitebridge/internal/packet"
)

// Receive takes frames from the carrier. One goroutine at a time may call it.
// Data goes to its NCP in runs of packets of one protocol; control packets are
// copied for Run, which alone knows whether they come at the right time.
func (l *Link) Receive(frames []*packet.Buffer) {
	v := l.view.Load()
	var run struct {
		from     int
		protocol uint16
		to       *gates // nil: no run
	}
	var heard bool
	deliver := func(end int) {
		if run.to != nil {
			l.deliver(run.to.ncp, run.protocol, frames[run.from:end])
		}
	}
	for i, b := range frames {
		protocol, ok := parseFrame(b)
		if ok && run.to != nil && protocol == run.protocol {
			continue
		}
		deliver(i)
		run.from, run.protocol, run.to = i, protocol, nil
		switch {
		case !ok:
			l.counters.malformed.Add(1)
		case protocol >= firstControl:
			l.enqueue(protocol, b)
		default:
			heard = true
			run.to = l.gate(v, protocol, b)
		}
	}
	deliver(len(frames))
	if heard {
		l.hear(time.Now())
	}
}

// gate returns the layer that may receive a data packet, or nil after it has
// taken care of the packet.
func (l *Link) gate(v *view, protocol uint16, b *packet.Buffer) *gates {
	switch g := v.find(protocol); {
	case g != nil && g.in:
		return g
	case g != nil || !v.network:
		l.counters.beforeOpen.Add(1)
	case !l.unknown.allow(time.Now()):
		l.counters.unknownProtocol.Add(1)
	default:
		l.enqueue(protocol, b) // for a Protocol-Reject
	}
	return nil
}

func (l *Link) deliver(to NCP, protocol uint16, pkts []*packet.Buffer) {
	l.counters.packetsIn.Add(uint64(len(pkts)))
	l.counters.octetsIn.Add(octets(pkts))
	to.Deliver(protocol, pkts)
}

// enqueue copies a packet for Run.
func (l *Link) enqueue(protocol uint16, b *packet.Buffer) {
	f := frame{protocol, packet.Get()}
	if f.Set(b.Bytes()) {
		select {
		case l.queue <- f:
			return
		default:
		}
	}
	packet.Put(f.Buffer)
	l.counters.queueFull.Add(1)
}

// Send hands packets of an open network protocol to the carrier, with the frame
// header that was agreed written in front of each. What is longer than the
// peer's MRU is dropped and counted: the peer need not take it.
func (l *Link) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	v := l.view.Load()
	if g := v.find(protocol); g == nil || !g.out {
		l.counters.notOpen.Add(uint64(len(pkts)))
		return ErrNotOpen
	}
	var failed error
	from := 0 // of the run of packets that fit
	for i, b := range pkts {
		if b.Len() > v.peerMRU {
			l.counters.overPeerMRU.Add(1)
			failed = l.flush(pkts[from:i], df, failed)
			from = i + 1
			continue
		}
		v.framing.put(b, protocol)
	}
	return l.flush(pkts[from:], df, failed)
}

// flush hands one run of frames to the carrier, and returns the first error.
func (l *Link) flush(frames []*packet.Buffer, df bool, before error) error {
	if len(frames) == 0 {
		return before
	}
	sum := octets(frames)
	err := l.cfg.Send(frames, df)
	failed := failures(err, len(frames))
	l.counters.sendFailed.Add(uint64(failed))
	if failed < len(frames) { // then the octets of the others are an estimate
		l.counters.packetsOut.Add(uint64(len(frames) - failed))
		l.counters.octetsOut.Add(sum * uint64(len(frames)-failed) / uint64(len(frames)))
	}
	if before != nil {
		return before
	}
	return err
}

// failures returns how many of n frames an error of the carrier is about. One that
// sent some of them says so.
func failures(err error, n int) int {
	if err == nil {
		return 0
	}
	var partial interface{ Dropped() int } // escapes: only here
	if errors.As(err, &partial) {
		return min(partial.Dropped(), n)
	}
	return n
}

func octets(pkts []*packet.Buffer) uint64 {
	n := 0
	for _, b := range pkts {
		n += b.Len()
	}
	return uint64(n)
}
