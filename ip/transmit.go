package ip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// Run moves packets from the kernel to the link until ctx ends or the interface
// is closed; the error is ErrGone when somebody deleted it. One Run at a time.
func (i *Interface) Run(ctx context.Context) error {
	if err := i.tun.file.SetReadDeadline(time.Time{}); err != nil && !i.closed.Load() {
		return fmt.Errorf("read from %s: %w", i.name, err)
	}
	stop := context.AfterFunc(ctx, func() { i.tun.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	t := transmitter{i: i, reader: newTUNReader(i.tun.conn)}
	for {
		err := t.burst()
		switch {
		case ctx.Err() != nil, i.closed.Load():
			return nil
		case err != nil && i.tun.gone(err):
			return fmt.Errorf("read from %s: %w", i.name, ErrGone)
		case err != nil:
			return fmt.Errorf("read from %s: %w", i.name, err)
		}
	}
}

// A transmitter is Run's state: a batch that fills, and the packets of it that
// leave together.
type transmitter struct {
	i          *Interface
	reader     *tunReader
	segments   segments
	batch      *packet.Batch
	filled     int
	out        [packet.BatchLen]*packet.Buffer
	kinds      [packet.BatchLen]outKind // of deal
	complaints limiter
}

// burst waits for a frame and sends it with all that are there by then. It holds
// a batch only from the first frame to the last.
func (t *transmitter) burst() error {
	frame, err := t.reader.read(true)
	if err != nil {
		return err
	}
	defer t.reader.release()
	t.batch = packet.GetBatch()
	for err == nil {
		t.take(frame)
		frame, err = t.reader.read(false)
	}
	t.flush()
	packet.PutBatch(t.batch)
	t.batch = nil
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// take cuts a frame into packets of the batch.
func (t *transmitter) take(frame []byte) {
	if !t.segments.start(frame) {
		t.i.malformedOut.Add(1)
		return
	}
	for !t.segments.done {
		if t.filled == packet.BatchLen {
			t.flush()
		}
		if !t.segments.next(t.batch.Buffers[t.filled]) {
			t.i.malformedOut.Add(1)
			return
		}
		t.filled++
	}
}

// flush sends what is in the batch and empties it. Packets that go the same way
// go in one call, in their order.
func (t *transmitter) flush() {
	l := t.i.live.Load()
	if l != nil && l.callers != nil {
		t.deal(l)
	} else {
		var g group
		for _, b := range t.batch.Buffers[:t.filled] {
			if k, ok := t.check(l, b); ok {
				t.gather(l, &g, k, b)
			}
		}
		t.send(l, &g)
	}
	for _, b := range t.batch.Buffers[:t.filled] {
		b.Reset()
	}
	t.filled = 0
}

// An outKind is how a packet leaves.
type outKind struct {
	protocol uint16
	df       bool
	to       *Caller // of an interface with many peers
}

// A group is the packets in transmitter.out, all of one kind.
type group struct {
	kind outKind
	n    int
}

// gather puts a packet into the group; one of another kind is sent before.
func (t *transmitter) gather(l *live, g *group, k outKind, b *packet.Buffer) {
	if k != g.kind {
		t.send(l, g)
	}
	g.kind, t.out[g.n] = k, b
	g.n++
}

// send sends the group and empties it.
func (t *transmitter) send(l *live, g *group) {
	if g.n > 0 {
		t.i.send(l, g.kind, t.out[:g.n])
		g.n = 0
	}
}

// check prepares one packet for the link, and says how it leaves.
func (t *transmitter) check(l *live, b *packet.Buffer) (k outKind, ok bool) {
	i := t.i
	v, ok := parse(b.Bytes())
	if !ok {
		i.malformedOut.Add(1)
		return k, false
	}
	if why := i.carries(l, v.version); why != nil {
		why.Add(1)
		return k, false
	}
	b.Truncate(v.length)
	k = outKind{protocol: ProtocolIPv4, df: v.dontFragment}
	if v.version == 6 {
		k.protocol = ProtocolIPv6
	}
	mtu := l.mtu(v.version)
	if l.callers != nil {
		if k.to = l.callers.find(v.destination(b.Bytes())); k.to == nil {
			i.noCaller.Add(1)
			t.complain(l, b.Bytes(), v, 0)
			return k, false
		}
		mtu = int(k.to.mtu.Load())
	}
	if v.length > mtu {
		switch {
		case !v.dontFragment:
			// It may be cut on its way: so may the packet around it.
		case v.version == 6 && v.length <= minIPv6MTU:
			k.df = false // what an IPv6 link must carry (RFC 8200, section 5)
		default:
			i.tooBig.Add(1)
			if t.complain(l, b.Bytes(), v, mtu) {
				i.tooBigSent.Add(1)
			}
			return k, false
		}
	}
	if clampMSS(b.Bytes(), v, mtu) {
		i.clamped.Add(1)
	}
	return k, true
}

// complain tells the source of a packet that it is longer than mtu, or, where that is
// 0, that nobody has its destination. It reports whether the kernel took the message.
func (t *transmitter) complain(l *live, pkt []byte, v view, mtu int) bool {
	return t.complaints.allow(time.Now()) && t.i.complain(l, pkt, v, mtu)
}

// complain is that without a limit.
func (i *Interface) complain(l *live, pkt []byte, v view, mtu int) bool {
	from := l.complain4
	if v.version == 6 {
		from = l.complain6
	}
	b := packet.Get()
	defer packet.Put(b)
	var message []byte
	switch {
	case mtu == 0:
		message = appendHostUnreachable(b.Space()[:0], pkt, v, from)
	case v.version == 6:
		message = appendTooBig(b.Space()[:0], pkt, v, max(mtu, minIPv6MTU), from)
	default:
		message = appendTooBig(b.Space()[:0], pkt, v, mtu, from)
	}
	b.SetLen(len(message))
	if len(message) == 0 {
		return false
	}
	w := tunWriters.Get().(*tunWriter)
	defer tunWriters.Put(w)
	w.add(b, view{length: len(message)})
	n, _ := w.flush(i.tun.conn)
	return n == 1
}

// send hands packets of one kind to the link.
func (i *Interface) send(l *live, k outKind, pkts []*packet.Buffer) {
	var octets uint64
	for _, b := range pkts {
		octets += uint64(b.Len()) // now: the link puts its headers in front
	}
	link := l.link
	if k.to != nil {
		link = k.to.cfg.Link
	}
	if err := link.Send(k.protocol, pkts, k.df); err != nil {
		i.linkRefused.Add(uint64(len(pkts)))
		return
	}
	i.packetsOut.Add(uint64(len(pkts)))
	i.octetsOut.Add(octets)
}
