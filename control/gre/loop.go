package gre

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sitebridge/internal/packet"
)

// A loop receives from one carrier.
type loop struct {
	mux     *Mux
	carrier Carrier

	// Only the loop's goroutine uses what follows.
	routes [packet.BatchLen]*Channel // per packet of the batch; nil: done with
	parsed [packet.BatchLen]arrival  // per packet of the batch
	group  [packet.BatchLen]arrival  // those of one channel
	last   lookup                    // of this batch: most packets belong where the one before does
	shed   bool                      // the data of this batch is dropped: see Crowd
}

type lookup struct {
	call    call
	channel *Channel
}

// Run receives until ctx ends, which is no error, or a carrier is closed. Other
// errors of a carrier are logged, and tried again more and more slowly. Run
// closes the carriers before it returns.
func (m *Mux) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var other sync.WaitGroup
	if m.udp != nil {
		other.Go(func() { cancel(m.udp.run(ctx)) })
	}
	cancel(m.raw.run(ctx))
	other.Wait()
	if err := context.Cause(ctx); errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// run receives from one carrier until ctx ends.
func (l *loop) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.carrier.Close() })
	defer stop()
	defer l.carrier.Close()

	batch := packet.GetBatch()
	defer packet.PutBatch(batch)
	in := make([]Datagram, packet.BatchLen)
	for i := range in {
		in[i].Buffer = batch.Buffers[i]
	}
	for wait := minReceiveWait; ; {
		n, err := l.carrier.Receive(in)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("receive GRE: %w", err)
		case err == nil:
			wait = minReceiveWait
			l.dispatch(in[:n], time.Now())
			continue
		}
		// The kernel is short of memory, say. That passes, and ending all sites
		// for it would not help.
		l.mux.log.Warn("cannot receive GRE", "error", err, "retry_in", wait)
		select {
		case <-time.After(wait):
			wait = min(2*wait, maxReceiveWait)
		case <-ctx.Done():
			return nil
		}
	}
}

// How long a loop rests after an error of the carrier.
const (
	minReceiveWait = 10 * time.Millisecond
	maxReceiveWait = 10 * time.Second
)

// dispatch hands each packet to its channel, all of one channel together.
func (l *loop) dispatch(in []Datagram, now time.Time) {
	l.mux.counters.received.Add(uint64(len(in)))
	t := l.mux.table.Load()
	l.last = lookup{}
	shed := l.sheds()
	for i := range in {
		l.routes[i] = l.route(t, &in[i], &l.parsed[i])
		l.parsed[i].shed = shed
	}
	for i := range in {
		c := l.routes[i]
		if c == nil {
			continue
		}
		n := 0
		for j := i; j < len(in); j++ {
			if l.routes[j] == c {
				l.routes[j] = nil
				l.group[n] = l.parsed[j]
				n++
			}
		}
		c.arrive(l.group[:n], now)
	}
}

// route takes the header off and finds the channel; nil when the packet goes
// nowhere, which has been counted.
func (l *loop) route(t *table, d *Datagram, a *arrival) *Channel {
	m, b := l.mux, d.Buffer.Bytes()
	h, payload, err := Parse(b)
	if err != nil {
		if d.Path.Port != 0 && isProbe(b) {
			m.probed(t, d)
		} else {
			m.counters.malformed(err)
		}
		return nil
	}
	if k := (call{d.Path.Remote, h.CallID}); l.last.channel == nil || l.last.call != k {
		l.last = lookup{k, t.calls[k]}
	}
	c := l.last.channel
	if c == nil {
		m.misdirected(t, d.Path.Remote, h.CallID)
		return nil
	}
	d.Buffer.TrimFront(d.Buffer.Len() - len(payload))
	*a = arrival{header: h, frame: d.Buffer, port: d.Path.Port}
	return c
}
