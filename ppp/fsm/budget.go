package fsm

import (
	"fmt"
	"time"
)

// A budget bounds what one negotiation may cost, whatever the peer does. The
// restart counter alone does not: each Nak and each Ack sets it anew, so a peer
// that Naks for ever, or that Acks us and asks for the impossible, would keep
// the automaton busy for ever (RFC 1661 section 4.6 bounds only our own Naks).
type budget struct {
	requests int // Configure-Requests sent
	refusals int // Naks and Rejects of them received
	naks     int // Naks sent, or Rejects in place of them, since the last Ack

	minute time.Time // when the count of openings began
	opens  int
}

// begin starts a negotiation's budget. How often the layer opens is counted
// across negotiations.
func (b *budget) begin() { b.requests, b.refusals, b.naks = 0, 0, 0 }

// requested counts a Configure-Request. A negotiation needs one for each answer
// of the peer and Max-Configure where nothing is heard; three times that is a
// peer that goes in circles.
func (b *budget) requested(maxConfigure int) error {
	if b.requests++; b.requests > 3*maxConfigure {
		return fmt.Errorf("no agreement after %d Configure-Requests", b.requests-1)
	}
	return nil
}

// refused counts a Nak or Reject of ours.
func (b *budget) refused(maxConfigure int) error {
	if b.refusals++; b.refusals > maxConfigure {
		return fmt.Errorf("peer refused %d Configure-Requests", b.refusals)
	}
	return nil
}

// acked is called for an Ack of the peer's request.
func (b *budget) acked() { b.naks = 0 }

// naked counts a Nak of the peer's request, or the Reject in place of one. Other
// Rejects are not counted: a peer that asks every few seconds for an option that
// we do not know is answered each time (home routers do so with MPPE).
func (b *budget) naked(maxFailure int) error {
	if b.naks++; b.naks > 2*maxFailure {
		return fmt.Errorf("peer insists on values that were refused %d times", b.naks-1)
	}
	return nil
}

// final reports whether Max-Failure is reached.
func (b *budget) final(maxFailure int) bool { return b.naks >= maxFailure }

// opened counts the layer's coming up: a peer that renegotiates again and again
// makes the host change addresses and routes each time. A line that loses a
// third of its packets does so too, by the table: an end whose Ack was lost asks
// again when the other is open already. Hence three times Max-Configure.
func (b *budget) opened(now time.Time, maxConfigure int) error {
	if now.Sub(b.minute) >= time.Minute {
		b.minute, b.opens = now, 0
	}
	if b.opens++; b.opens > 3*maxConfigure {
		return fmt.Errorf("negotiated anew %d times within a minute", b.opens-1)
	}
	return nil
}
