package port

import (
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// common is what all ports share: taking packets out of frames, counting, and
// listening to what the wire says about itself.
type common struct {
	name   string
	mac    atomic.Pointer[ipx.Node]
	count  counters
	listen heard
	frames [packet.BatchLen]Frame // of the batch in hand; belongs to Run
}

func (c *common) Name() string  { return c.name }
func (c *common) MAC() ipx.Node { return *c.mac.Load() }
func (c *common) Stats() Stats  { return c.count.stats() }
func (c *common) Heard() Heard  { return c.listen.heard() }

// deliver hands the packets in a batch of Ethernet frames to h.
func (c *common) deliver(bufs []*packet.Buffer, h Handler) {
	mac, n := c.MAC(), 0
	for _, b := range bufs {
		f, reason := open(b, mac)
		if reason != 0 {
			c.refuse(reason)
			continue
		}
		c.frames[n] = f
		n++
	}
	if n == 0 {
		return
	}
	c.observe(c.frames[:n], mac)
	h(c.frames[:n])
	clear(c.frames[:n])
}

// refuse counts a frame that goes no further. Our own from the wire is news: a switch
// or a mirror sends it back, or another machine has our address.
func (c *common) refuse(reason ipx.DropReason) {
	c.count.drop(reason)
	if reason == dropOwnFrame {
		c.listen.mu.Lock()
		c.listen.own = time.Now()
		c.listen.mu.Unlock()
	}
}

// open cuts the frame in b down to its packet. A reason other than 0 says why
// it goes no further.
func open(b *packet.Buffer, mac ipx.Node) (Frame, ipx.DropReason) {
	encap, dst, src, pkt, err := ipx.Decapsulate(b.Bytes())
	if reason, dropped := err.(ipx.DropReason); dropped {
		return Frame{}, reason
	}
	if src == mac {
		return Frame{}, dropOwnFrame
	}
	b.TrimFront(encap.HeaderLen())
	b.Truncate(len(pkt))
	return Frame{b, encap, dst, src}, 0
}

// observe counts the frames and notes what they say about the wire.
func (c *common) observe(frames []Frame, mac ipx.Node) {
	var in [ipx.Encapsulations]uint64
	var broadcast, unicast, other uint64
	now := time.Now()
	c.listen.mu.Lock()
	for _, f := range frames {
		in[f.Encap]++
		switch {
		case f.Dst.IsGroup():
			broadcast++
		case f.Dst == mac:
			unicast++
		default:
			other++
		}
		if network, ok := claimed(f.Packet.Bytes(), f.Src); ok {
			c.listen.claim(f.Encap, network, f.Src, now)
		}
	}
	for _, seen := range []struct {
		frames uint64
		count  *atomic.Uint64
		last   *time.Time
	}{
		{broadcast, &c.count.broadcast, &c.listen.broadcast},
		{unicast, &c.count.unicast, &c.listen.unicast},
		{other, &c.count.other, &c.listen.other},
	} {
		if seen.frames > 0 {
			seen.count.Add(seen.frames)
			*seen.last = now
		}
	}
	c.listen.mu.Unlock()
	for e, frames := range in {
		if frames > 0 {
			c.count.in[e].Add(frames)
		}
	}
}
