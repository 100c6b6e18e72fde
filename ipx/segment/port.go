package segment

import (
	"sync/atomic"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// A Port is one wire or link of a segment.
type Port struct {
	segment *Segment
	name    string
	wire    Wire                // a LAN, or
	link    Sender              // a link
	encaps  []ipx.Encapsulation // of a LAN
	mtu     int
	count   counters

	detached atomic.Bool
	stations atomic.Int32                       // live ones here, for the limit
	swept    atomic.Int64                       // when the limit last made us look for silent ones
	networks fastpath.Map[ipx.Network, *beyond] // reached by this port
	heard    [ipx.Encapsulations]atomic.Int64   // when a frame of that type last came
	sent     fastpath.Memory

	// What belongs to the goroutine that calls InputFrames or InputPackets.
	lans   fastpath.Sorter[lanTarget]
	links  fastpath.Sorter[*Port]
	copies []*packet.Buffer // in links, to be given back
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

// live returns the frame types that stations on the wire speak, the configured
// one when none is known. The result uses the memory of into.
func (p *Port) live(into []ipx.Encapsulation, now int64) []ipx.Encapsulation {
	into = into[:0]
	for _, enc := range p.encaps {
		if last := p.heard[enc].Load(); last != 0 && !p.segment.old(last, now) {
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
