// Package survey finds out what speaks IPX on a wire from the frames that pass:
// frame types with their network numbers, routers, servers, stations, and what
// contradicts what. It asks nobody; where the frames come from is the caller's
// affair.
package survey

import (
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// MaxEntries bounds each table: a wire with more has somebody who makes them up.
const MaxEntries = 4096

// maxRoutes bounds what is kept of all routers together.
const maxRoutes = 4 * MaxEntries

// maxNumbers bounds the network numbers of a frame type, and what is kept of who
// claims one.
const maxNumbers = 64

// A Survey is what is known so far. It is for one goroutine.
type Survey struct {
	packets, octets uint64
	others          uint64 // packets that this machine did not send
	single          bool   // something of theirs was for one station, and not for all
	frames          [ipx.Encapsulations]frameType
	stations        map[stationKey]*station
	services        map[serviceKey]*service
	routers         map[routerKey]*router
	routes          int // of all routers
	broken          map[string]uint64
	leftOut         uint64
}

type frameType struct {
	packets, octets uint64
	networks        map[ipx.Network]*network
}

// A network is a number that stations give the wire.
type network struct {
	packets uint64
	nodes   map[ipx.Node]bool
	offers  map[ipx.Node]uint16 // routers that tell of it as of another wire, and their hops
}

type stationKey struct {
	enc     ipx.Encapsulation
	network ipx.Network
	node    ipx.Node
}

type station struct {
	packets, octets uint64
	others          uint64 // packets that this machine did not send
	macs            map[ipx.Node]bool
	last            time.Time
}

type serviceKey struct {
	t    sap.ServiceType
	name string
	addr ipx.Addr
}

type service struct {
	hops uint16
	by   routerKey
}

type routerKey struct {
	enc ipx.Encapsulation
	mac ipx.Node
}

type router struct {
	networks map[ipx.Network]rip.Entry
}

// New returns an empty survey.
func New() *Survey {
	return &Survey{
		stations: map[stationKey]*station{},
		services: map[serviceKey]*service{},
		routers:  map[routerKey]*router{},
		broken:   map[string]uint64{},
	}
}

// See takes in one frame as it was on the wire.
func (s *Survey) See(at time.Time, frame []byte) { s.see(at, frame, false) }

// SeeOwn takes in a frame that this machine sent: it asks in all frame types, so that
// this says nothing about those that are spoken.
func (s *Survey) SeeOwn(at time.Time, frame []byte) { s.see(at, frame, true) }

func (s *Survey) see(at time.Time, frame []byte, own bool) {
	enc, dst, src, pkt, err := ipx.Decapsulate(frame)
	if reason, dropped := err.(ipx.DropReason); dropped {
		s.broken[reason.String()]++
		return
	}
	h, payload, _ := ipx.Parse(pkt) // Decapsulate found it whole
	s.packets++
	s.octets += uint64(len(pkt))
	f := &s.frames[enc]
	if !own {
		s.others++
		s.single = s.single || !dst.IsGroup()
		f.packets++
		f.octets += uint64(len(pkt))
	}
	s.seeStation(stationKey{enc, h.Src.Network, h.Src.Node}, src, len(pkt), at, own)
	if h.Src.Node == src && h.Src.Network == h.Dst.Network && h.Src.Network.Assignable() {
		s.claim(f, h.Src.Network, src)
	}
	switch by := (routerKey{enc, src}); {
	case h.Src.Socket == ipx.SocketRIP && h.Src.Node == src:
		s.seeRoutes(by, payload, dst.IsGroup())
	case h.Src.Socket == ipx.SocketSAP:
		s.seeServices(by, payload)
	}
}

// add finds or makes an entry of a table that does not grow over its limit.
func add[K comparable, V any](s *Survey, table map[K]*V, k K) *V {
	v := table[k]
	if v == nil {
		if len(table) >= MaxEntries {
			s.leftOut++
			return new(V)
		}
		v = new(V)
		table[k] = v
	}
	return v
}

func (s *Survey) seeStation(k stationKey, mac ipx.Node, octets int, at time.Time, own bool) {
	if k.node.IsGroup() || k.node.IsZero() {
		return // nobody has such an address
	}
	st := add(s, s.stations, k)
	st.packets++
	st.octets += uint64(octets)
	st.last = at
	if !own {
		st.others++
	}
	st.macs = mark(st.macs, mac)
}

// mark adds to a set that stays small.
func mark[K comparable](set map[K]bool, k K) map[K]bool {
	if set == nil {
		set = map[K]bool{}
	}
	if len(set) < maxNumbers {
		set[k] = true
	}
	return set
}

// number finds or makes the entry of a network number; nil when there are too
// many.
func (s *Survey) number(f *frameType, n ipx.Network) *network {
	if f.networks == nil {
		f.networks = map[ipx.Network]*network{}
	}
	v := f.networks[n]
	if v == nil {
		if len(f.networks) >= maxNumbers {
			s.leftOut++
			return nil
		}
		v = &network{offers: map[ipx.Node]uint16{}}
		f.networks[n] = v
	}
	return v
}

// claim notes that a station takes the wire to have a number: only what stays on
// the wire says so.
func (s *Survey) claim(f *frameType, n ipx.Network, node ipx.Node) {
	if v := s.number(f, n); v != nil {
		v.packets++
		v.nodes = mark(v.nodes, node)
	}
}

// seeRoutes notes what a router tells. What it tells everybody is other wires:
// an answer to somebody's question may be about this one.
func (s *Survey) seeRoutes(by routerKey, payload []byte, toAll bool) {
	m, err := rip.Parse(payload)
	if err != nil || m.Operation != rip.OpResponse {
		return
	}
	r := add(s, s.routers, by)
	if r.networks == nil {
		r.networks = map[ipx.Network]rip.Entry{}
	}
	for _, e := range m.Entries {
		_, known := r.networks[e.Network]
		switch {
		case !e.Usable():
		case e.Hops >= rip.Infinity:
			if known {
				delete(r.networks, e.Network)
				s.routes--
			}
		case known:
			r.networks[e.Network] = e
		case s.routes < maxRoutes:
			r.networks[e.Network] = e
			s.routes++
		default:
			s.leftOut++
		}
		if v := s.frames[by.enc].networks[e.Network]; v != nil && toAll && e.Hops < rip.Infinity && len(v.offers) < maxNumbers {
			v.offers[by.mac] = e.Hops
		}
	}
}

func (s *Survey) seeServices(by routerKey, payload []byte) {
	m, err := sap.Parse(payload)
	if err != nil {
		return
	}
	for _, e := range m.Services {
		k := serviceKey{e.Type, e.Name, e.Addr}
		if e.Hops >= sap.Infinity {
			delete(s.services, k)
			continue
		}
		v := add(s, s.services, k)
		if v.by == (routerKey{}) || e.Hops < v.hops {
			v.hops, v.by = e.Hops, by
		}
	}
}
