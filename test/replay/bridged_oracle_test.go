package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
)

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
	routers  map[uint32]router // to the networks that are not the segment's
	live     [encaps]bool      // frame types heard on its wire
	asked    map[uint32]int    // how often it asked a router for a network
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

// A router is how a network beyond the segment is reached.
type router struct {
	place
	hops int // as it says itself; 0: it did not
}

func newBridged(net uint32, spoken [encaps]encap) *bridged {
	o := &bridged{net: net, spoken: spoken}
	for side := range o.site {
		o.site[side] = &bridge{stations: map[station]place{}, routers: map[uint32]router{}, asked: map[uint32]int{}}
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
	if stopped(f.pkt, true) || !o.learn(far, f.pkt, place{}) {
		return
	}
	out[1-side] = o.deliver(far, f.pkt)
	return out
}

// overhear takes the one thing that a bridge says by itself: a question to the
// router of a network of the wire that a peer claims, whether it is still there.
func (o *bridged) overhear(side int, f frame) (ours bool, wrong string) {
	b := o.site[side]
	if f.src != b.mac || f.pkt.srcNode() != b.mac || f.pkt.srcSock() != sockRIP || len(f.pkt.data()) != 10 {
		return false, ""
	}
	net := binary.BigEndian.Uint32(f.pkt.data()[2:])
	r := b.routers[net]
	ask := compose(typeRIP, addr{o.net, b.mac, sockRIP}, addr{o.net, r.mac, sockRIP}, ripData(1, net, 0xFFFF, 0xFFFF))
	want := frame{enc: r.enc, dst: r.mac, src: b.mac, pkt: ask}
	b.asked[net]++
	switch {
	case !r.lan:
		return true, fmt.Sprintf("a question for %04X, which is not on the wire", net)
	case !bytes.Equal(f.recorded, want.wire()):
		return true, fmt.Sprintf("a question for %04X\n%x, want\n%x", net, f.recorded, want.wire())
	}
	return true, ""
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
	r, known := b.routers[p.dstNet()]
	return r.place, known
}

// learn notes where the sender is, and the networks beyond it. It refuses what
// comes over the link from a network that nobody there announced.
func (o *bridged) learn(b *bridge, p pkt, at place) bool {
	if net := p.srcNet(); !o.native(net) {
		switch old, known := b.routers[net]; {
		case !at.lan && (!known || old.lan):
			return false
		case !known || at.lan && !old.lan:
			b.reach(net, router{place: at})
		case at.lan && p.srcNode() != at.mac:
			b.routers[net] = router{at, old.hops} // whoever brings its packets is its router
		}
	}
	b.stations[o.key(p.srcNet(), p.srcNode())] = at
	for _, news := range announced(p) {
		if !o.native(news.net) {
			b.hear(news, at)
		}
	}
	return true
}

// hear takes up one network of an announcement. A peer cannot draw a network of
// our wire to itself. Of the routers on the wire the present one is believed, one
// that is nearer, and one that is at the network.
func (b *bridge) hear(news news, at place) {
	up := news.hops <= maxHops
	switch old, known := b.routers[news.net]; {
	case known && old.lan && !at.lan, !known && !up:
	case !known || !old.lan && at.lan:
		if up {
			b.reach(news.net, router{at, news.hops})
		}
	case old.place == at && !up:
		b.forget(news.net)
	case old.place == at, up && (news.hops <= 1 || news.hops < old.hops):
		b.routers[news.net] = router{at, news.hops}
	}
}

// reach notes where a network is now, and that its stations are nowhere else.
func (b *bridge) reach(net uint32, r router) {
	if old, known := b.routers[net]; known && old.lan != r.lan {
		b.forget(net)
	}
	b.routers[net] = r
}

// forget notes that a network cannot be reached, with its stations.
func (b *bridge) forget(net uint32) {
	lan := b.routers[net].lan
	delete(b.routers, net)
	maps.DeleteFunc(b.stations, func(s station, at place) bool { return s.net == net && at.lan == lan })
}

// news is how far a network is, by an announcement.
type news struct {
	net  uint32
	hops int
}

// announced returns what a RIP or SAP packet tells of networks.
func announced(p pkt) (all []news) {
	data := p.data()
	if len(data) < 2 {
		return nil
	}
	switch op := binary.BigEndian.Uint16(data); {
	case p.srcSock() == sockRIP && op == 2:
		for b := data[2:]; len(b) >= 8; b = b[8:] {
			all = append(all, news{binary.BigEndian.Uint32(b), int(binary.BigEndian.Uint16(b[4:]))})
		}
	case p.srcSock() == sockSAP && (op == 2 || op == 4):
		for b := data[2:]; len(b) >= 64; b = b[64:] {
			if s := parseService(b); s.hops <= maxHops {
				all = append(all, news{s.addr.net, s.hops})
			}
		}
	}
	return all
}
