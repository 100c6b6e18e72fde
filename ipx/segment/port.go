package segment

import (
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// A Port is one wire or link of a segment.
type Port struct {
	segment *Segment
	name    string
	id      uint16              // in the segment's memory
	born    uint64              // the younger a port, the higher
	wire    Wire                // a LAN, or
	link    Sender              // a link
	encaps  []ipx.Encapsulation // of a LAN
	mtu     int
	count   counters

	// Of a LAN.
	allow, deny map[ipx.Node]bool
	listed      bool                           // there is something in these
	frames      map[ipx.Node]ipx.Encapsulation // of stations whose frame type is fixed
	fixed       [ipx.Encapsulations]bool       // whether a station has it

	// Of a link.
	gate     *gate
	watchdog Watchdog
	hold     time.Duration

	detached atomic.Bool
	held     atomic.Int64                       // until when what was behind a detached link is known; 0: not
	blocked  atomic.Int64                       // until when the port is out of use because of a loop; 0: not
	watching atomic.Int64                       // when to look next at what comes although it is blocked
	stations atomic.Int32                       // live ones here, for the limit
	swept    atomic.Int64                       // when the limit last made us look for silent ones
	networks fastpath.Map[ipx.Network, *beyond] // reached by this port
	cleared  atomic.Int64                       // when full networks were last looked through
	heard    [ipx.Encapsulations]atomic.Int64   // when a frame of that type last came
	budget   budget

	// Guarded by segment.mu.
	suspicion suspicion
	block     block
	since     int64 // when holding began

	// What belongs to the goroutine that calls InputFrames or InputPackets.
	lans   fastpath.Sorter[lanTarget]
	links  fastpath.Sorter[*Port]
	copies []*packet.Buffer // in lans and links, to be given back
}

// A lanTarget is how a packet is put on a wire.
type lanTarget struct {
	port     *Port
	encap    ipx.Encapsulation
	dst, src ipx.Node
}

// Name returns the name that the port was given.
func (p *Port) Name() string { return p.name }

func (p *Port) isLAN() bool { return p.wire != nil }

// admits reports whether frames from an Ethernet address are taken.
func (p *Port) admits(mac ipx.Node) bool {
	return !p.listed || (p.allow == nil || p.allow[mac]) && !p.deny[mac]
}

// fix sets the frame type of one station, before the port is in use.
func (p *Port) fix(mac ipx.Node, enc ipx.Encapsulation) {
	if !slices.Contains(p.encaps, enc) {
		return
	}
	if p.frames == nil {
		p.frames = make(map[ipx.Node]ipx.Encapsulation)
	}
	p.frames[mac], p.fixed[enc] = enc, true
}

// framing returns how the sender of a frame is answered: as it speaks, unless
// the configuration says otherwise.
func (p *Port) framing(mac ipx.Node, enc ipx.Encapsulation) uint64 {
	if p.frames != nil {
		if fixed, is := p.frames[mac]; is {
			enc = fixed
		}
	}
	return framing(mac, enc)
}

// live returns the frame types in which a frame to dst leaves that is for
// everybody or for somebody not heard yet: those that stations on the wire
// speak, the first configured one when none is known. The result uses the
// memory of into.
func (p *Port) live(into []ipx.Encapsulation, dst ipx.Node, now int64) []ipx.Encapsulation {
	if enc, is := p.frames[dst]; is {
		return append(into[:0], enc)
	}
	into = into[:0]
	for _, enc := range p.encaps {
		if last := p.heard[enc].Load(); p.fixed[enc] || last != 0 && !p.segment.old(last, now) {
			into = append(into, enc)
		}
	}
	if len(into) == 0 {
		into = append(into, p.encaps[0])
	}
	return into
}

// flush sends what a batch comes to. The wires come first: they leave packets as
// they are, while a link writes its headers in place.
func (p *Port) flush() {
	p.lans.Flush(sendLAN)
	p.links.Flush(sendLink)
	for _, c := range p.copies {
		packet.Put(c)
	}
	p.copies = p.copies[:0]
}

func sendLAN(to lanTarget, pkts []*packet.Buffer) {
	octets := total(pkts)
	to.port.count.out(len(pkts), octets, to.port.wire.Send(to.encap, to.dst, to.src, pkts))
}

func sendLink(to *Port, pkts []*packet.Buffer) {
	octets := total(pkts) // before the link's headers
	to.count.out(len(pkts), octets, to.link.Send(pkts))
}

func total(pkts []*packet.Buffer) (octets int) {
	for _, p := range pkts {
		octets += p.Len()
	}
	return octets
}
