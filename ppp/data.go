package ppp

import (
	"errors"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
)

// Receive takes frames from the carrier. One goroutine at a time may call it.
// Data goes to its NCP in runs of packets of one protocol; control packets are
// copied for Run, which alone knows whether they come at the right time.
func (l *Link) Receive(frames []*packet.Buffer) {
	if l.sort(l.view.Load(), frames, false) {
		l.hear(time.Now())
	}
}

// A stretch is a run of packets of one protocol that are next to each other in a
// batch.
type stretch struct {
	from     int
	protocol uint16
	to       *gates  // where they go to, if they are data
	tunnel   *tunnel // or what they come out of
}

// sort passes each stretch of a batch on, and reports whether one held data. Sealed
// says that the batch came out of the tunnel, which there is once only.
func (l *Link) sort(v *view, frames []*packet.Buffer, sealed bool) (heard bool) {
	watched := l.cfg.Tap.Watched(tap.Link)
	var run stretch
	for i, b := range frames {
		protocol, ok := parseFrame(b)
		if ok && watched {
			l.showData(v, protocol, sealed, b)
		}
		if ok && protocol == run.protocol && (run.to != nil || run.tunnel != nil) {
			continue
		}
		heard = l.pass(v, run, frames[run.from:i]) || heard
		run = stretch{from: i, protocol: protocol}
		switch {
		case !ok:
			l.counters.malformed.Add(1)
		case sealed && !v.tunnel.covers(protocol):
			l.counters.notInside.Add(1)
		case protocol >= firstControl:
			l.enqueue(frame{protocol, sealed, b})
		case v.tunnel != nil && protocol == v.tunnel.data && !sealed:
			run.tunnel = v.tunnel
		case !sealed && v.expects(protocol):
			l.enqueue(frame{protocol, sealed, b})
		default:
			heard = true
			run.to = l.gate(v, protocol, b, sealed)
		}
	}
	return l.pass(v, run, frames[run.from:]) || heard
}

// pass hands a stretch on. What no cipher opens is no sign of life.
func (l *Link) pass(v *view, run stretch, pkts []*packet.Buffer) (heard bool) {
	switch {
	case run.tunnel != nil:
		l.sealed = append(l.sealed[:0], pkts...) // pkts is the caller's, in its order
		opened := l.open(run.tunnel, l.sealed)
		if run.tunnel.authentic {
			l.counters.accepted.Add(uint64(len(opened)))
		}
		l.sort(v, opened, true)
		heard = len(opened) > 0
		clear(l.sealed) // a link that is idle keeps none of them
	case run.to != nil:
		l.deliver(run.to.ncp, run.protocol, pkts)
	}
	return heard
}

// gate returns the layer that may receive a data packet, or nil after it has
// taken care of the packet.
func (l *Link) gate(v *view, protocol uint16, b *packet.Buffer, sealed bool) *gates {
	switch g := v.find(protocol); {
	case v.tunnel.covers(protocol) && !sealed:
		l.counters.clear.Add(1)
	case g != nil && g.in:
		return g
	case g != nil || !v.network:
		l.counters.beforeOpen.Add(1)
	case !l.unknown.allow(time.Now()):
		l.counters.unknownProtocol.Add(1)
	default:
		l.enqueue(frame{protocol, sealed, b}) // for a Protocol-Reject
	}
	return nil
}

func (l *Link) deliver(to NCP, protocol uint16, pkts []*packet.Buffer) {
	l.counters.packetsIn.Add(uint64(len(pkts)))
	l.counters.octetsIn.Add(octets(pkts))
	to.Deliver(protocol, pkts)
}

// enqueue hands a copy of a packet to Run.
func (l *Link) enqueue(f frame) {
	lent := f.Bytes()
	f.Buffer = packet.Get()
	if f.Set(lent) {
		select {
		case l.queue <- f:
			return
		default:
		}
	}
	packet.Put(f.Buffer)
	l.counters.queueFull.Add(1)
}

// Send hands packets of an open network protocol to the carrier, encrypted if that
// was agreed on, with the frame header written in front of each. What is longer
// than the peer's MRU is dropped and counted: the peer need not take it.
func (l *Link) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	v := l.view.Load()
	if g := v.find(protocol); g == nil || !g.out {
		l.counters.notOpen.Add(uint64(len(pkts)))
		return ErrNotOpen
	}
	var failed error
	longest := v.maxPacket()
	from := 0 // of the run of packets that fit
	for i, b := range pkts {
		if b.Len() > longest {
			l.counters.overPeerMRU.Add(1)
			failed = l.sendRun(v, protocol, pkts[from:i], df, failed)
			from = i + 1
		}
	}
	return l.sendRun(v, protocol, pkts[from:], df, failed)
}

// sendRun sends one run of packets and counts them. It returns the first error.
func (l *Link) sendRun(v *view, protocol uint16, pkts []*packet.Buffer, df bool, before error) error {
	if len(pkts) == 0 {
		return before
	}
	sum, err := l.flush(v, protocol, pkts, df)
	failed := failures(err, len(pkts))
	l.counters.sendFailed.Add(uint64(failed))
	if failed < len(pkts) { // then the octets of the others are an estimate
		l.counters.packetsOut.Add(uint64(len(pkts) - failed))
		l.counters.octetsOut.Add(sum * uint64(len(pkts)-failed) / uint64(len(pkts)))
	}
	if before != nil {
		return before
	}
	return err
}

// flush makes frames of packets, through the tunnel if they belong there, and
// hands them to the carrier. It returns how many octets of frames that were.
func (l *Link) flush(v *view, protocol uint16, pkts []*packet.Buffer, df bool) (sum uint64, err error) {
	l.showSent(v, protocol, pkts)
	if v.tunnel.covers(protocol) {
		return l.seal(v, protocol, pkts, df)
	}
	for _, b := range pkts {
		v.framing.put(b, protocol)
	}
	sum = octets(pkts) // now: the carrier adds its own
	return sum, l.cfg.Send(pkts, df)
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
