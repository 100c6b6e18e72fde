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
// takes one. Package router is the other way to join sites, by network number.
package segment

import (
	"hash/maphash"
	"log/slog"
	"slices"
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
	Log    *slog.Logger // nil: none
}

// A Segment is one IPX network on several ports. All methods are safe for
// concurrent use.
type Segment struct {
	cfg      Config
	seed     maphash.Seed
	numbers  fastpath.Map[ipx.Network, *atomic.Int64] // when stations last used one, if none is configured
	ports    atomic.Pointer[[]*Port]
	stations fastpath.Map[stationKey, *station]
	warned   atomic.Int64 // when a loop was last logged

	mu sync.Mutex // held while ports is replaced
}

// New returns a segment without ports.
func New(cfg Config) *Segment {
	if cfg.StationLimit == 0 {
		cfg.StationLimit = DefaultStationLimit
	}
	if cfg.Ageing == 0 {
		cfg.Ageing = DefaultAgeing
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Segment{cfg: cfg, seed: maphash.MakeSeed()}
	s.ports.Store(new([]*Port))
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

// AttachLAN adds a wire. Frames in encaps are bridged, others left alone; a
// broadcast goes out in the first of them until stations are heard in others.
// Without encaps all four are bridged, Ethernet II first. The port must be
// promiscuous.
func (s *Segment) AttachLAN(name string, wire Wire, encaps ...ipx.Encapsulation) *Port {
	if len(encaps) == 0 {
		encaps = []ipx.Encapsulation{ipx.EthernetII, ipx.Ethernet8023, ipx.Ethernet8022, ipx.EthernetSNAP}
	}
	return s.attach(&Port{name: name, wire: wire, encaps: slices.Clone(encaps), mtu: ipx.MaxLen})
}

// AttachLink adds a link that carries packets of up to mtu octets; zero: 1500.
func (s *Segment) AttachLink(name string, link Sender, mtu int) *Port {
	if mtu == 0 {
		mtu = ipx.MaxLen
	}
	return s.attach(&Port{name: name, link: link, mtu: mtu})
}

func (s *Segment) attach(p *Port) *Port {
	p.segment = s
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := append(slices.Clone(*s.ports.Load()), p)
	s.ports.Store(&ports)
	return p
}

// Detach takes the port out of use and forgets its stations. For a moment after
// it packets may still be sent to it. A second call does nothing.
func (p *Port) Detach() {
	s := p.segment
	s.mu.Lock()
	ports := slices.DeleteFunc(slices.Clone(*s.ports.Load()), func(other *Port) bool { return other == p })
	s.ports.Store(&ports)
	s.mu.Unlock()
	p.detached.Store(true)
	s.stations.Update(func(next map[stationKey]*station) {
		for key, st := range next {
			if st.port == p {
				delete(next, key)
			}
		}
	})
}

// old reports whether something last heard then is forgotten.
func (s *Segment) old(then, now int64) bool { return now-then > int64(s.cfg.Ageing) }
