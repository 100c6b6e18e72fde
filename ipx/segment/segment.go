// Package segment is bridge mode: it makes wires at several sites one IPX
// network, whatever frame types they speak. Stations and servers find each
// other as on one cable; games, which know of no network but their own, work.
//
// A PPP link carries IPX packets without an Ethernet frame (RFC 1552, section
// 2), so a segment cannot bridge frames: it carries the packet across octet for
// octet, hop count, checksum and network 0 included, and makes a new frame on
// the other wire, in the frame type that the station there speaks. For that it
// learns which stations are on which port, and by which router on a wire the
// networks beyond it are reached.
//
// Packets are carried in the goroutine of whoever received them. What is
// learned is read without a lock; only a station that is new, or that moved,
// takes one. What is out of the ordinary (a loop, a network that somebody else
// claims) is settled under one lock for which no packet waits. Package router is
// the other way to join sites, by network number.
package segment

import (
	"hash/maphash"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// Defaults of Config.
const (
	DefaultAgeing       = 300 * time.Second
	DefaultStationLimit = 1024
	DefaultBroadcasts   = 500
	DefaultStormBlock   = 30 * time.Second
)

// Config is what a segment is made of.
type Config struct {
	// Network is the number that the wires have; stations may also use 0. Zero:
	// whatever numbers stations use among themselves.
	Network ipx.Network
	// StationLimit is how many stations are remembered of one port, so that a
	// peer who makes stations up cannot push out those of another port. What is
	// not remembered is flooded. Zero: DefaultStationLimit.
	StationLimit int
	// Ageing is how long a silent station is remembered. Zero: DefaultAgeing.
	Ageing time.Duration
	// SplitHorizon keeps what comes from one link from all others, so that the
	// sites at a hub reach its LANs and not each other.
	SplitHorizon bool
	// Broadcasts is how many packets a second one port may bring that are for
	// everybody, for a group, or for a station that nobody knows and that is
	// looked for on more than one port; two seconds' worth may come at once. Zero:
	// DefaultBroadcasts; negative: no limit.
	Broadcasts int
	// StormBlock is how long a port by which packets come back stays out of use
	// at first; while the loop is there each time is twice as long, up to five
	// minutes. Zero: DefaultStormBlock.
	StormBlock time.Duration
	Log        *slog.Logger // nil: none
}

// withDefaults fills in what was left to us.
func (c Config) withDefaults() Config {
	if c.StationLimit == 0 {
		c.StationLimit = DefaultStationLimit
	}
	if c.Ageing == 0 {
		c.Ageing = DefaultAgeing
	}
	if c.Broadcasts == 0 {
		c.Broadcasts = DefaultBroadcasts
	}
	if c.StormBlock == 0 {
		c.StormBlock = DefaultStormBlock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Segment is one IPX network on several ports. All methods are safe for
// concurrent use.
type Segment struct {
	cfg      Config
	seed     maphash.Seed
	numbers  fastpath.Map[ipx.Network, *number] // in use, if none is configured
	ports    atomic.Pointer[[]*Port]
	absent   atomic.Pointer[[]*Port] // links that went, whose stations are held
	stations fastpath.Map[stationKey, *station]
	taken    memory
	warned   atomic.Int64 // when a station on two ports was last logged
	due      atomic.Int64 // when chores have something to do

	// mu guards what follows, the replacing of ports and absent, and what their
	// ports say that it guards. No packet waits for it.
	mu     sync.Mutex
	born   uint64 // how many ports there have been
	claims map[ipx.Network]*claim
	probed int64 // when a router was last asked whether it is still there
}

// New returns a segment without ports.
func New(cfg Config) *Segment {
	s := &Segment{cfg: cfg.withDefaults(), seed: maphash.MakeSeed(), claims: make(map[ipx.Network]*claim)}
	s.ports.Store(new([]*Port))
	s.absent.Store(new([]*Port))
	s.due.Store(math.MaxInt64)
	return s
}

// A Wire is the LAN side of a port: package port's Port is one.
type Wire interface {
	MAC() ipx.Node // our own address there
	// Send puts packets on the wire, each in a frame from src to dst. The packets
	// are as they were when it returns. Several goroutines call it at once.
	Send(enc ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error
}

// A Sender is the link side of a port. It may change the packets in place, and
// keeps none. Several goroutines call it at once.
type Sender interface {
	Send(pkts []*packet.Buffer) error
}

// old reports whether something last heard then is forgotten.
func (s *Segment) old(then, now int64) bool { return now-then > int64(s.cfg.Ageing) }

// wake has chores done at some time, or before. Chores are done by whoever
// brings the next packet after that; mu is held.
func (s *Segment) wake(at int64) {
	if at < s.due.Load() {
		s.due.Store(at)
	}
}

// chores does what has become due: ports that were blocked are tried again, who
// may have moved has, and who was held long enough is forgotten.
func (s *Segment) chores(now int64) {
	if now < s.due.Load() || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.due.Store(math.MaxInt64)
	s.openBlocked(now)
	s.settleSuspicions(now)
	s.settleClaims(now)
	s.endHolding(now)
}
