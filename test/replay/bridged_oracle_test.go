package replay

import "encoding/binary"

// A bridged is the oracle of bridge mode: two bridges with a link between make
// one network of two wires, on each of which all four frame types are spoken.
type bridged struct {
	net    uint32 // its number; stations may also say 0
	site   [sides]*bridge
	spoken [encaps]encap // the frame types in the order of the configuration
}

// A bridge is one of the two.
type bridge struct {
	mac      node
	stations map[station]place
	routers  map[uint32]place // to the networks that are not the segment's
	live     [encaps]bool     // frame types heard on its wire
}

// A station is who it is by its network too: every server has a node 1 inside.
type station struct {
	net  uint32 // 0: the segment
	node node
}

// A place is where something is heard: on the wire, from an address and in a
// frame type, or over the link.
type place struct {
	lan bool
	mac node
	enc encap
}

func newBridged(net uint32, spoken [encaps]encap) *bridged {
	o := &bridged{net: net, spoken: spoken}
	for side := range o.site {
		o.site[side] = &bridge{stations: map[station]place{}, routers: map[uint32]place{}}
	}
	return o
}

// native reports whether a number is the segment's.
func (o *bridged) native(net uint32) bool { return net == 0 || net == o.net }

func (o *bridged) key(net uint32, n node) station {
	if o.native(net) {
		net = 0
	}
	return station{net, n}
}

func (o *bridged) hear(side int, f frame) (out outputs) {
	near, far := o.site[side], o.site[1-side]
	near.live[f.enc] = true
	o.learn(near, f.pkt, place{true, f.src, f.enc})
	switch st, known := near.stations[station{0, f.dst}]; {
	case f.dst.group():
	case f.dst == near.mac && o.native(f.pkt.dstNet()): // nobody but we would know
		return
	case f.dst != near.mac && known && st.lan: // it hears that itself
		return
	}
	if to, known := o.find(near, f.pkt); known && to.lan {
		return
	}
	if !o.learn(far, f.pkt, place{}) {
		return
	}
	out[1-side] = o.deliver(far, f.pkt)
	return out
}

// deliver puts a packet from the link on the wire: to the station, or to the
// router to its network, in the frame type in which that was heard; else once in
// each type that is spoken there. Its sender keeps its address, but for one
// beyond a router: there we are the router.
func (o *bridged) deliver(b *bridge, p pkt) (out []frame) {
	src := b.mac
	if o.native(p.srcNet()) {
		src = p.srcNode()
	}
	emit := func(enc encap, dst node) {
		if len(p) <= enc.longest() {
			out = append(out, frame{enc: enc, dst: dst, src: src, pkt: p})
		}
	}
	to, known := o.find(b, p)
	if known && !to.lan {
		return nil
	}
	if known {
		emit(to.enc, to.mac)
		return out
	}
	dst := p.dstNode()
	if !o.native(p.dstNet()) {
		dst = everybody
	}
	silent := b.live == [encaps]bool{}
	for _, enc := range o.spoken {
		if b.live[enc] || silent {
			emit(enc, dst)
		}
		if silent {
			break // the first one that is configured
		}
	}
	return out
}

// find returns where a packet is to go, if that is one place.
func (o *bridged) find(b *bridge, p pkt) (to place, known bool) {
	if p.dstNode().group() && o.native(p.dstNet()) {
		return to, false
	}
	if to, known = b.stations[o.key(p.dstNet(), p.dstNode())]; known && !p.dstNode().group() {
		return to, true
	}
	if o.native(p.dstNet()) {
		return to, false
	}
	to, known = b.routers[p.dstNet()]
	return to, known
}

// learn notes where the sender is, and the networks beyond it. It refuses what
// comes over the link from a network that nobody there announced.
func (o *bridged) learn(b *bridge, p pkt, at place) bool {
	if net := p.srcNet(); !o.native(net) {
		old, known := b.routers[net]
		switch {
		case !at.lan && (!known || old.lan):
			return false
		case at.lan && (!known || !old.lan || p.srcNode() != at.mac):
			b.routers[net] = at // whoever brings its packets is its router
		}
	}
	b.stations[o.key(p.srcNet(), p.srcNode())] = at
	for net, up := range announced(p) {
		if o.native(net) {
			continue
		}
		switch old, known := b.routers[net]; {
		case up && (!known || at.lan && !old.lan): // a peer cannot draw a network of ours to itself
			b.routers[net] = at
		case !up && known && old == at:
			delete(b.routers, net)
		}
	}
	return true
}

// announced returns the networks that a RIP or SAP packet tells of, and whether
// they can be reached.
func announced(p pkt) map[uint32]bool {
	nets := make(map[uint32]bool)
	data := p.data()
	if len(data) < 2 {
		return nets
	}
	switch op := binary.BigEndian.Uint16(data); {
	case p.srcSock() == sockRIP && op == 2:
		for b := data[2:]; len(b) >= 8; b = b[8:] {
			nets[binary.BigEndian.Uint32(b)] = binary.BigEndian.Uint16(b[4:]) <= maxHops
		}
	case p.srcSock() == sockSAP && (op == 2 || op == 4):
		for b := data[2:]; len(b) >= 64; b = b[64:] {
			if s := parseService(b); s.hops <= maxHops {
				nets[s.addr.net] = true
			}
		}
	}
	return nets
}
