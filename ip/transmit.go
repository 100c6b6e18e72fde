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
	i        *Interface
	reader   *tunReader
	segments segments
	batch    *packet.Batch
	filled   int
	out      [packet.BatchLen]*packet.Buffer
	complain limiter
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
	i, l := t.i, t.i.live.Load()
	var n int // packets in out, all of the same kind
	var kind outKind
	for _, b := range t.batch.Buffers[:t.filled] {
		k, ok := t.check(l, b)
		if !ok {
			continue
		}
		if k != kind && n > 0 {
			i.send(l, kind, t.out[:n])
			n = 0
		}
		kind, t.out[n] = k, b
		n++
	}
	if n > 0 {
		i.send(l, kind, t.out[:n])
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
	k = outKind{ProtocolIPv4, v.dontFragment}
	if v.version == 6 {
		k.protocol = ProtocolIPv6
	}
	if mtu := l.mtu(v.version); v.length > mtu {
		switch {
		case !v.dontFragment:
			// It may be cut on its way: so may the packet around it.
		case v.version == 6 && v.length <= minIPv6MTU:
			k.df = false // what an IPv6 link must carry (RFC 8200, section 5)
		default:
			i.tooBig.Add(1)
			t.tooBig(l, b.Bytes(), v)
			return k, false
		}
	}
	if clampMSS(b.Bytes(), v, l.mtu(v.version)) {
		i.clamped.Add(1)
	}
	return k, true
}

// tooBig tells the source of a packet that it does not fit.
func (t *transmitter) tooBig(l *live, pkt []byte, v view) {
	mtu, from := l.mtu4, l.complain4
	if v.version == 6 {
		mtu, from = max(l.mtu6, minIPv6MTU), l.complain6
	}
	if !t.complain.allow(time.Now()) {
		return
	}
	b := packet.Get()
	defer packet.Put(b)
	message := appendTooBig(b.Space()[:0], pkt, v, mtu, from)
	b.SetLen(len(message))
	if len(message) == 0 {
		return
	}
	w := tunWriters.Get().(*tunWriter)
	defer tunWriters.Put(w)
	w.add(b, view{length: len(message)})
	if n, _ := w.flush(t.i.tun.conn); n == 1 {
		t.i.tooBigSent.Add(1)
	}
}

// send hands packets of one kind to the link.
func (i *Interface) send(l *live, k outKind, pkts []*packet.Buffer) {
	var octets uint64
	for _, b := range pkts {
		octets += uint64(b.Len()) // now: the link puts its headers in front
	}
	if err := l.link.Send(k.protocol, pkts, k.df); err != nil {
		i.linkRefused.Add(uint64(len(pkts)))
		return
	}
	i.packetsOut.Add(uint64(len(pkts)))
	i.octetsOut.Add(octets)
}
