package gre

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
)

// A Mux receives for all calls of the daemon from one carrier. A packet belongs
// to the call with its source address and its call ID; the call ID alone would
// let anyone in (RFC 2637 has no other defence).
type Mux struct {
	carrier  Carrier
	log      *slog.Logger
	epoch    time.Time
	counters muxCounters

	table atomic.Pointer[table] // replaced, never changed

	mu  sync.Mutex // serialises changes of table; guards ids
	ids callIDs

	// Only Run's goroutine uses what follows.
	routes [packet.BatchLen]*Channel // per packet of the batch; nil: done with
	parsed [packet.BatchLen]arrival  // per packet of the batch
	group  [packet.BatchLen]arrival  // those of one channel
}

// A call is the key of a channel: its peer and the call ID we assigned.
type call struct {
	peer netip.Addr
	id   uint16
}

// A table finds channels. byID is there to name what came from a wrong address;
// should two peers have the same call ID, it knows one of them.
type table struct {
	calls map[call]*Channel
	byID  map[uint16]*Channel
}

// NewMux returns a mux over c, which belongs to it from now on. A nil log means
// none.
func NewMux(c Carrier, log *slog.Logger) *Mux {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Mux{carrier: c, log: log, epoch: time.Now()}
	m.table.Store(&table{calls: make(map[call]*Channel), byID: make(map[uint16]*Channel)})
	return m
}

// Run receives until ctx ends, which is no error, or the carrier is closed. Other
// errors of the carrier are logged, and tried again more and more slowly. Run
// closes the carrier before it returns.
func (m *Mux) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { m.carrier.Close() })
	defer stop()
	defer m.carrier.Close()

	batch := packet.GetBatch()
	defer packet.PutBatch(batch)
	in := make([]Datagram, packet.BatchLen)
	for i := range in {
		in[i].Buffer = batch.Buffers[i]
	}
	for wait := minReceiveWait; ; {
		n, err := m.carrier.Receive(in)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("receive GRE: %w", err)
		case err == nil:
			wait = minReceiveWait
			m.dispatch(in[:n], time.Now())
			continue
		}
		// The kernel is short of memory, say. That passes, and ending all sites
		// for it would not help.
		m.log.Warn("cannot receive GRE", "error", err, "retry_in", wait)
		select {
		case <-time.After(wait):
			wait = min(2*wait, maxReceiveWait)
		case <-ctx.Done():
			return nil
		}
	}
}

// How long Run rests after an error of the carrier.
const (
	minReceiveWait = 10 * time.Millisecond
	maxReceiveWait = 10 * time.Second
)

// dispatch hands each packet to its channel, all of one channel together.
func (m *Mux) dispatch(in []Datagram, now time.Time) {
	m.counters.received.Add(uint64(len(in)))
	t := m.table.Load()
	for i := range in {
		m.routes[i] = m.route(t, &in[i], &m.parsed[i])
	}
	for i := range in {
		c := m.routes[i]
		if c == nil {
			continue
		}
		n := 0
		for j := i; j < len(in); j++ {
			if m.routes[j] == c {
				m.routes[j] = nil
				m.group[n] = m.parsed[j]
				n++
			}
		}
		c.arrive(m.group[:n], now)
	}
}

// route takes the header off and finds the channel; nil when the packet goes
// nowhere, which has been counted.
func (m *Mux) route(t *table, d *Datagram, a *arrival) *Channel {
	h, payload, err := Parse(d.Buffer.Bytes())
	if err != nil {
		m.counters.malformed(err)
		return nil
	}
	c := t.calls[call{d.Path.Remote, h.CallID}]
	if c == nil {
		m.misdirected(t, d.Path.Remote, h.CallID)
		return nil
	}
	d.Buffer.TrimFront(d.Buffer.Len() - len(payload))
	*a = arrival{h, d.Buffer}
	return c
}

func (m *Mux) misdirected(t *table, from netip.Addr, id uint16) {
	c := t.byID[id]
	if c == nil {
		m.counters.unknownCall.Add(1)
		return
	}
	m.counters.wrongSource.Add(1)
	c.misdirected(from)
}

// Open makes a channel for a call with peer. It picks the call ID, and the
// channel receives at once: up to 16 frames are kept until Connect.
func (m *Mux) Open(peer netip.Addr, cfg ChannelConfig) (*Channel, error) {
	peer = peer.Unmap().WithZone("")
	if !peer.IsValid() {
		return nil, errors.New("gre: channel to no address")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.table.Load()
	id, err := m.ids.pick(old, peer, time.Now())
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = m.log
	}
	c := newChannel(m, id, peer, cfg)
	t := old.clone()
	t.calls[call{peer, id}] = c
	t.byID[id] = c
	m.table.Store(t)
	return c, nil
}

// remove takes a closed channel out of the table.
func (m *Mux) remove(c *Channel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := call{c.peer, c.id}
	old := m.table.Load()
	if old.calls[key] != c {
		return // closed before
	}
	t := old.clone()
	delete(t.calls, key)
	if t.byID[c.id] == c {
		delete(t.byID, c.id)
	}
	m.table.Store(t)
	m.ids.retire(key, time.Now())
}

// clone copies a table, so that the receive loop needs no lock to read one.
func (t *table) clone() *table {
	return &table{calls: maps.Clone(t.calls), byID: maps.Clone(t.byID)}
}
