package ppp

import (
	"context"
	"encoding/binary"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// maxSized is how many echoes of a size may be out at once.
const maxSized = 32

// A sized echo asks whether a packet of so many octets gets to the peer uncut.
type sized struct {
	octets   int             // of the LCP packet
	ctx      context.Context // when nobody waits any more
	answered chan struct{}   // closed with the answer
	dropped  chan struct{}   // closed when it could not be sent
}

// EchoSize sends an Echo-Request (RFC 1661, section 5.8) whose LCP packet has so many
// octets, in a carrier's packet that must not be fragmented, and reports whether the
// peer's answer came before ctx ended. It is for who looks for what fits the path; an
// idle link needs none.
func (l *Link) EchoSize(ctx context.Context, octets int) bool {
	if octets < fsm.HeaderLen+magicLen || octets > min(l.PeerMRU(), packet.MaxLen) {
		return false
	}
	s := &sized{octets, ctx, make(chan struct{}), make(chan struct{})}
	select {
	case l.sizes <- s:
	case <-ctx.Done():
		return false
	}
	select {
	case <-s.answered:
		return true
	case <-s.dropped:
	case <-ctx.Done():
	}
	return false
}

// sendSized sends an echo of a size, and forgets those that nobody waits for any more.
func (r *run) sendSized(s *sized) {
	for id, old := range r.sized {
		if old.ctx.Err() != nil {
			delete(r.sized, id)
		}
	}
	if !r.lcp.Opened() || len(r.sized) >= maxSized {
		close(s.dropped)
		return
	}
	data := binary.BigEndian.AppendUint32(make([]byte, 0, s.octets), r.ours.Magic)
	data = data[:s.octets-fsm.HeaderLen]
	id := r.nextID()
	b := packet.Get()
	defer packet.Put(b)
	if !b.Set(fsm.AppendPacket(nil, fsm.Packet{Code: codeEchoRequest, ID: id, Data: data})) {
		close(s.dropped)
		return
	}
	r.one[0] = b
	if _, err := r.flush(r.view.Load(), protocolLCP, r.one[:], true); err != nil {
		close(s.dropped)
		return
	}
	r.counters.controlOut.Add(1)
	r.sized[id] = s
}

// answerSized notes the answer to an echo of a size, and reports whether it is one. A
// shorter one was cut by a peer that sends us no longer ones: the question got there.
func (r *run) answerSized(id byte) bool {
	s := r.sized[id]
	if s == nil {
		return false
	}
	delete(r.sized, id)
	close(s.answered)
	return true
}
