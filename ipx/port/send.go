package port

import (
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// An outgoing batch is packets that are frames for as long as it takes to send
// them.
type outgoing struct {
	encap  ipx.Encapsulation
	single bool             // for one station, and not for all or a group
	frames []*packet.Buffer // of the arrays below
	count  *counters

	buffers [packet.BatchLen]*packet.Buffer
	lengths [packet.BatchLen]int    // of the packets
	sums    [packet.BatchLen]uint16 // their checksums, which raw 802.3 takes out

	// What the system calls need; mmsg and write are made once, so that handing
	// them to a RawConn allocates nothing.
	headers     [packet.BatchLen]mmsg.Message
	vectors     [packet.BatchLen]unix.Iovec
	mmsg, write func(fd uintptr)
}

var outgoings = sync.Pool{New: func() any {
	o := new(outgoing)
	o.mmsg, o.write = o.sendAll, o.writeAll
	return o
}}

// send makes frames of the packets, calls put with each batch of them, and
// makes them packets again. An error of put ends it.
func (c *common) send(encap ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer, put func(*outgoing) error) error {
	o := outgoings.Get().(*outgoing)
	defer outgoings.Put(o)
	o.encap, o.single, o.count = encap, !dst.IsGroup(), &c.count
	for batch := range slices.Chunk(pkts, packet.BatchLen) {
		o.frame(batch, dst, src)
		err := put(o)
		o.unframe()
		if err != nil {
			return err
		}
	}
	return nil
}

// frame fills the batch with the packets that a frame can carry.
func (o *outgoing) frame(pkts []*packet.Buffer, dst, src ipx.Node) {
	n := 0
	for _, p := range pkts {
		length, sum := p.Len(), uint16(0)
		if length >= ipx.HeaderLen {
			sum = binary.BigEndian.Uint16(p.Bytes())
		}
		switch err := ipx.EncapsulateInPlace(p, o.encap, dst, src); err {
		case nil:
			o.buffers[n], o.lengths[n], o.sums[n] = p, length, sum
			n++
		case ipx.TooLong:
			o.count.drop(ipx.TooLong)
		default:
			o.count.drop(dropBadPacket)
		}
	}
	o.frames = o.buffers[:n]
}

// unframe makes the frames packets again and lets go of them.
func (o *outgoing) unframe() {
	for i, p := range o.frames {
		p.TrimFront(o.encap.HeaderLen())
		p.SetLen(o.lengths[i])
		binary.BigEndian.PutUint16(p.Bytes(), o.sums[i])
	}
	clear(o.frames)
	o.frames = nil
}

// sent counts frames that are on the wire.
func (o *outgoing) sent(frames int) {
	o.count.out[o.encap].Add(uint64(frames))
	if o.single {
		o.count.unicastOut.Add(uint64(frames))
	}
}

// failed counts frames that are not, because of reason.
func (o *outgoing) failed(frames int, reason ipx.DropReason) {
	o.count.dropped[reason].Add(uint64(frames))
}
