package ip

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"sitebridge/internal/packet"
)

// Callers are the peers of an interface that has many: each packet from the kernel
// goes to the one whose address it is for, and each of them may send from its own
// addresses alone.
type Callers struct {
	mu    sync.Mutex                  // held while the table is replaced
	table atomic.Pointer[callerTable] // nil: nobody is there
}

// A callerTable is who has which address. It is never changed, only replaced.
type callerTable struct {
	hosts    map[netip.Addr]*Caller
	networks map[netip.Prefix]*Caller // behind callers
	lengths  []int                    // of networks, the longest first
}

// A CallerConfig is one peer of many.
type CallerConfig struct {
	Link    Link
	Address netip.Addr     // IPv4
	Behind  []netip.Prefix // networks behind it
	MTU     int            // the longest packet that fits its tunnel
}

// A Caller is a peer that is there.
type Caller struct {
	callers *Callers
	cfg     CallerConfig
	mtu     atomic.Int32
	sources sourceSet
	foreign atomic.Uint64 // packets that it sent from addresses of others
}

// Add takes a peer in. Nobody else may have its address or its networks.
func (c *Callers) Add(cfg CallerConfig) *Caller {
	one := &Caller{callers: c, cfg: cfg, sources: newSourceSet(cfg.Behind, cfg.Address)}
	one.SetMTU(cfg.MTU)
	c.change(func(t *callerTable) {
		t.hosts[cfg.Address] = one
		for _, p := range cfg.Behind {
			t.networks[unmap(p).Masked()] = one
		}
	})
	return one
}

// Remove lets the peer go. A packet that is just being sent may still reach its
// link.
func (one *Caller) Remove() {
	one.callers.change(func(t *callerTable) {
		maps.DeleteFunc(t.hosts, func(_ netip.Addr, other *Caller) bool { return other == one })
		maps.DeleteFunc(t.networks, func(_ netip.Prefix, other *Caller) bool { return other == one })
	})
}

// SetMTU changes how long a packet to the peer may be.
func (one *Caller) SetMTU(mtu int) { one.mtu.Store(int32(min(mtu, packet.MaxLen))) }

// Foreign is how many packets the peer sent from addresses that are not its own.
func (one *Caller) Foreign() uint64 { return one.foreign.Load() }

// Deliver gives the kernel what came from the peer, through the interface that all
// of them share.
func (one *Caller) Deliver(dev *Interface, protocol uint16, pkts []*packet.Buffer) {
	dev.deliver(protocol, pkts, one)
}

func (c *Callers) change(what func(*callerTable)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := &callerTable{hosts: map[netip.Addr]*Caller{}, networks: map[netip.Prefix]*Caller{}}
	if old := c.table.Load(); old != nil {
		maps.Copy(next.hosts, old.hosts)
		maps.Copy(next.networks, old.networks)
	}
	what(next)
	for p := range next.networks {
		if !slices.Contains(next.lengths, p.Bits()) {
			next.lengths = append(next.lengths, p.Bits())
		}
	}
	slices.SortFunc(next.lengths, func(a, b int) int { return b - a })
	c.table.Store(next)
}

// MTU is the longest packet that fits the widest of the tunnels; 0: nobody is there.
func (c *Callers) MTU() (widest int) {
	t := c.table.Load()
	if t == nil {
		return 0
	}
	for _, one := range t.hosts {
		widest = max(widest, int(one.mtu.Load()))
	}
	return widest
}

// find returns whom a packet for dst goes to; nil: nobody has that address.
func (c *Callers) find(dst netip.Addr) *Caller {
	t := c.table.Load()
	if t == nil {
		return nil
	}
	if one := t.hosts[dst]; one != nil {
		return one
	}
	for _, bits := range t.lengths {
		p, _ := dst.Prefix(bits) // dst is IPv4, and so are all networks
		if one := t.networks[p]; one != nil {
			return one
		}
	}
	return nil
}

// deal sends the batch of an interface with many peers: to one after the other, all
// that it has there, in its order.
func (t *transmitter) deal(l *live) {
	for n, b := range t.batch.Buffers[:t.filled] {
		k, ok := t.check(l, b)
		if !ok {
			k.to = nil
		}
		t.kinds[n] = k
	}
	for first := range t.kinds[:t.filled] {
		to := t.kinds[first].to
		if to == nil {
			continue
		}
		var g group
		for n := first; n < t.filled; n++ {
			if k := t.kinds[n]; k.to == to {
				t.kinds[n].to = nil
				t.gather(l, &g, k, t.batch.Buffers[n])
			}
		}
		t.send(l, &g)
	}
}
