package ppp

import (
	"encoding/binary"
	"time"
)

// A probe is the last Echo-Request that we sent.
type probe struct {
	id   byte
	sent time.Time // zero: none is out
}

// supervise asks a silent peer whether it is there, or gives it up.
func (r *run) supervise(now time.Time) {
	ask, gone := r.watch.tick(now, r.lastHeard())
	switch {
	case gone:
		r.end(ended(EchoTimeout, "no answer to %d echo requests: nothing received for %v", r.watch.Failures, now.Sub(r.lastHeard()).Round(time.Second)))
	case ask:
		r.echo = probe{id: r.nextID(), sent: now}
		r.sendLCP(codeEchoRequest, r.echo.id, r.stamp())
	}
}

// stamp is the data of the Echo-Request that is out: our magic number, and when
// it was sent, so that no reply to another one is taken for its own.
func (r *run) stamp() []byte {
	b := binary.BigEndian.AppendUint32(nil, r.ours.Magic)
	return binary.BigEndian.AppendUint64(b, uint64(r.echo.sent.Sub(r.began)))
}

// receiveEchoRequest answers with the same data after our own magic number (RFC
// 1661, section 5.8), cut to what the peer receives, and not more often than
// anyone in earnest would ask.
func (r *run) receiveEchoRequest(id byte, data []byte) {
	switch {
	case len(data) < magicLen:
		r.counters.malformed.Add(1)
	case !r.lcp.Opened():
		r.counters.beforeLCP.Add(1)
	case r.isOurs(data):
		r.end(ended(LoopedBack, "the line is looped back: our own echo request came"))
	case !r.echoReplies.allow(time.Now()):
		r.counters.echoLimited.Add(1)
	default:
		reply := binary.BigEndian.AppendUint32(nil, r.ours.Magic)
		r.sendLCP(codeEchoReply, id, append(reply, data[magicLen:]...))
	}
}

// receiveEchoReply measures the round trip. A reply with our own magic number
// is no sign of life: whoever sent it may be ourselves.
func (r *run) receiveEchoReply(id byte, data []byte) {
	switch {
	case len(data) < magicLen:
		r.counters.malformed.Add(1)
		return
	case r.isOurs(data):
		r.counters.ownEcho.Add(1)
		return
	}
	now := time.Now()
	r.hear(now)
	if r.answerSized(id) {
		return
	}
	if r.echo.sent.IsZero() || id != r.echo.id || string(data[magicLen:]) != string(r.stamp()[magicLen:]) {
		return
	}
	r.rtt.Store(int64(now.Sub(r.echo.sent)))
	r.echo = probe{}
}

// isOurs reports whether data begins with our own magic number.
func (r *run) isOurs(data []byte) bool {
	return r.ours.Magic != 0 && binary.BigEndian.Uint32(data) == r.ours.Magic
}
