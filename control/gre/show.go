package gre

import "sitebridge/internal/packet"

// showSent shows packets that are about to leave, headers and all, to those who look.
func (c *Channel) showSent(pkts []*packet.Buffer) {
	for _, b := range pkts {
		if h, payload, err := Parse(b.Bytes()); err == nil {
			c.tap.Carried(true, b.Bytes()[:h.Len()], payload)
		}
	}
}

// showReceived shows packets that came, before they are put in order. Their headers
// have been taken off, and are written anew: nothing of them that we look at is lost.
func (c *Channel) showReceived(in []arrival) {
	var header [MaxHeaderLen]byte
	for i := range in {
		h := &in[i].header
		h.Put(header[:h.Len()])
		c.tap.Carried(false, header[:h.Len()], in[i].frame.Bytes())
	}
}
