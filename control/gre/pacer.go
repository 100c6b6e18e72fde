package gre

import "time"

// Limits of the adaptive time-out (RFC 2637, section 4.4). RFC 2637 starts at
// the maximum; nothing is ever retransmitted here, so that an early time-out
// costs half a window and a late one stalls the tunnel: we start lower.
const (
	minTimeout   = 12 * time.Millisecond
	maxTimeout   = 10 * time.Second
	firstTimeout = time.Second
	firstRTT     = 100 * time.Millisecond

	// deafAfter time-outs in a row without one acknowledgement in between mean
	// that the peer never sends any: pacing ends until it does.
	deafAfter = 3

	// defaultWindow stands for a window of 0, which Windows sends and which
	// can only mean "not stated".
	defaultWindow = 64
)

// A pacer watches what was sent and acknowledged in one call, measures the round
// trip and works out how many packets may be on their way (RFC 2637, sections
// 4.2 and 4.4). It reads no clock and holds no lock.
type pacer struct {
	limit  int // the peer's window
	window int // ours: packets that may be unacknowledged
	full   int // acknowledged since the window last changed

	sent, acked uint32 // highest numbers; equal: nothing is on its way
	heard       uint32 // the highest number the peer itself acknowledged
	oldest      time.Time

	rtt, dev, timeout time.Duration
	timed             bool // one packet at a time is timed
	timedSeq          uint32
	timedAt           time.Time
	silent            int // time-outs since the last acknowledgement
}

// start sets the pacer up before number first is sent.
func (p *pacer) start(first uint32, peerWindow uint16) {
	w := int(peerWindow)
	if w == 0 {
		w = defaultWindow
	}
	*p = pacer{
		limit: w,
		// Half the peer's window; not 1 unless it must be, since the first
		// packet is often lost to a peer that is not ready.
		window: min(w, max(2, (w+1)/2)),
		sent:   first - 1, acked: first - 1, heard: first - 1,
		rtt: firstRTT, timeout: firstTimeout,
	}
}

// room returns how many packets may be sent now.
func (p *pacer) room() int {
	if p.silent >= deafAfter {
		return 1 << 16
	}
	return max(0, p.window-p.flying())
}

func (p *pacer) flying() int { return int(p.sent - p.acked) }

// note records that n more packets were sent.
func (p *pacer) note(n int, now time.Time) {
	if n == 0 {
		return
	}
	if p.sent == p.acked {
		p.oldest = now
	}
	p.sent += uint32(n)
	if p.flying() > 1<<30 { // never acknowledged and never timed out: stay comparable
		p.acked, p.heard, p.timed = p.sent, p.sent, false
	}
	if !p.timed {
		p.timed, p.timedSeq, p.timedAt = true, p.sent, now
	}
}

// An ackVerdict is what an acknowledgement number turned out to be.
type ackVerdict uint8

const (
	ackNew ackVerdict = iota
	ackOld            // of what was acknowledged before, or timed out
	ackUnsent
)

// ack takes an acknowledgement: number n and all before it have arrived. One for
// a number that was never sent and one that goes back change nothing.
func (p *pacer) ack(n uint32, now time.Time) ackVerdict {
	if after(n, p.sent) {
		return ackUnsent
	}
	if p.timed && !after(p.timedSeq, n) {
		p.timed = false
		p.sample(now.Sub(p.timedAt))
	}
	if after(n, p.heard) {
		p.heard, p.silent = n, 0
	}
	if !after(n, p.acked) {
		return ackOld
	}
	p.full += int(n - p.acked)
	p.acked, p.oldest = n, now
	if p.full >= p.window { // a whole window without a time-out
		p.full, p.window = 0, min(p.window+1, p.limit)
	}
	return ackNew
}

func (p *pacer) sample(d time.Duration) {
	diff := min(d, maxTimeout) - p.rtt
	p.dev += (diff.Abs() - p.dev) / 4
	p.rtt += diff / 8
	p.clamp()
}

func (p *pacer) clamp() {
	p.timeout = min(max(p.rtt+4*p.dev, minTimeout), maxTimeout)
}

// deadline returns when expire is due, unless something is acknowledged before.
func (p *pacer) deadline() (at time.Time, ok bool) {
	return p.oldest.Add(p.timeout), p.flying() > 0
}

// expire is the time-out: what is on its way is taken for acknowledged, so that
// sending goes on, with half the window.
func (p *pacer) expire(now time.Time) {
	if at, ok := p.deadline(); !ok || now.Before(at) {
		return
	}
	p.acked, p.timed, p.full = p.sent, false, 0
	p.window = (p.window + 1) / 2
	p.rtt = min(2*p.rtt, maxTimeout)
	p.clamp()
	p.silent++
}
