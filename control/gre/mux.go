package gre

import (
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
)

// A Mux receives for all calls of the daemon, from one carrier or two. A packet
// belongs to the call with its source address and its call ID; the call ID alone
// would let anyone in (RFC 2637 has no other defence). The call knows by which
// carrier its packets come, and for UDP from which port.
type Mux struct {
	raw, udp *loop // udp may be nil
	log      *slog.Logger
	epoch    time.Time
	counters muxCounters

	table atomic.Pointer[table] // replaced, never changed

	mu  sync.Mutex // serialises changes of table; guards ids
	ids callIDs

	probes   sync.Mutex // guards expected
	expected map[expectation]*Channel
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

// NewMux returns a mux over two carriers, which belong to it from now on: udp is for
// the calls whose Path has a port, and may be nil, raw is for all others. A nil log
// means none.
func NewMux(raw, udp Carrier, log *slog.Logger) *Mux {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Mux{log: log, epoch: time.Now()}
	m.raw = &loop{mux: m, carrier: raw}
	if udp != nil {
		m.udp = &loop{mux: m, carrier: udp}
	}
	m.table.Store(&table{calls: make(map[call]*Channel), byID: make(map[uint16]*Channel)})
	return m
}

// send sends packets by the carrier that the path is for.
func (m *Mux) send(path Path, pkts []*packet.Buffer, df bool) error {
	switch {
	case path.Port == 0:
		return m.raw.carrier.Send(path, pkts, df)
	case m.udp == nil:
		return ErrNoUDP
	}
	return m.udp.carrier.Send(path, pkts, df)
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
