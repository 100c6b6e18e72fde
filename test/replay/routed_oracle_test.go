package replay

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Sockets that a router must know.
const (
	sockSAP uint16 = 0x0452
	sockRIP uint16 = 0x0453
)

const (
	typeRIP  byte = 1
	typePEP  byte = 4  // SAP
	typeWide byte = 20 // propagated broadcast
)

const (
	maxHops   = 15
	allNets   = 0xFFFFFFFF
	lanTicks  = 1
	linkTicks = 6 // of a link that states none
)

// A routed is the oracle of route mode: two routers with a link between, each
// with a LAN of four networks, one for each frame type.
type routed struct {
	site [sides]*routedSite
	// dynamic: what is behind the link is what the other router tells over it. The
	// sites' static and services follow from that.
	dynamic bool
	netbios bool // packets of type 20 cross the link
}

type routedSite struct {
	mac      node
	nets     [encaps]uint32
	link     uint32            // its number; 0: none
	static   map[uint32]metric // over the link
	services []service         // told to clients, over the link
	learned  map[uint32][]way  // from RIP on the LAN; the first is in use
	offered  map[named][]offer // from SAP on the LAN, likewise
	lost     map[uint32]way    // that were learned, until just now
	told     [encaps]told
	leaving  bool
}

type metric struct{ hops, ticks int }

// A way leads over a wire of the LAN.
type way struct {
	metric
	enc  encap
	next node
}

type service struct {
	typ  uint16
	name string
	addr addr
	hops int
}

type offer struct {
	service
	enc  encap
	from node
}

// encapOf returns the frame type of the site's LAN that has a number.
func (s *routedSite) encapOf(net uint32) (encap, bool) {
	i := slices.Index(s.nets[:], net)
	return encap(i), i >= 0 && net != 0
}

func (o *routed) hear(side int, f frame) (out outputs) {
	p := pkt(slices.Clone(f.pkt))
	s := o.site[side]
	n := s.nets[f.enc]
	switch {
	case p.hops() > maxHops:
		return // DOSBox's 127
	case p.srcNode().group(), p.srcNode() == node{}, p.dstNode() == node{}, p.srcNet() == allNets:
		return
	case f.dst != s.mac && !f.dst.group():
		return // from one station to another
	}
	if p.srcNet() == 0 {
		p.setSrcNet(n)
	}
	if p.dstNet() == 0 {
		p.setDst(n, p.dstNode())
	}
	switch toUs := p.dstNode() == s.mac || p.dstNode() == everybody; {
	case p.typ() == typeWide:
		o.propagate(&out, side, f.enc, n, p)
	case p.dstNet() == n && toUs:
		if s.local(&out[side], f.enc, p) {
			o.exchange()
			o.note()
		}
	case p.dstNet() == n: // a station of the wire, which hears itself
	case f.dst == s.mac: // a router takes nothing from a broadcast frame that is for elsewhere
		o.forward(&out, side, p)
	}
	return out
}

// forward takes a packet that is for another network through both routers, or
// through one if the network is another one of the same LAN.
func (o *routed) forward(out *outputs, side int, p pkt) {
	s := o.site[side]
	if enc, own := s.encapOf(p.dstNet()); own {
		s.emit(&out[side], enc, p.dstNode(), p)
		return
	}
	if _, known := s.static[p.dstNet()]; !known || p.hops() == maxHops || stopped(p, o.netbios) {
		return
	}
	p[4]++
	far := o.site[1-side]
	if enc, own := far.encapOf(p.dstNet()); own {
		far.emit(&out[1-side], enc, p.dstNode(), p)
	} else if ways := far.learned[p.dstNet()]; ways != nil {
		far.emit(&out[1-side], ways[0].enc, ways[0].next, p)
	}
}

// emit is the last router's part: one more hop, and a frame to the next node.
// What is for the router or for all routers it keeps.
func (s *routedSite) emit(out *[]frame, enc encap, next node, p pkt) {
	routers := p.dstSock() == sockRIP || p.dstSock() == sockSAP
	if next == s.mac || next == everybody && routers || p.hops() == maxHops || len(p) > enc.longest() {
		return
	}
	p[4]++
	*out = append(*out, frame{enc: enc, dst: next, src: s.mac, pkt: p})
}

// propagate takes a broadcast of type 20 to every network that has not had it.
// It lists the networks that it crossed at the beginning of its data.
func (o *routed) propagate(out *outputs, side int, enc encap, n uint32, p pkt) {
	p, ok := cross(p, n)
	if !ok {
		return
	}
	o.site[side].spread(&out[side], enc, p)
	link := o.site[side].link
	if link == 0 || crossed(p, link) || !o.netbios {
		return
	}
	if q, ok := cross(p, link); ok {
		o.site[1-side].spread(&out[1-side], -1, q)
	}
}

// spread puts a copy on every wire of the LAN but the one it came from.
func (s *routedSite) spread(out *[]frame, from encap, p pkt) {
	for enc := range encaps {
		if enc == from || crossed(p, s.nets[enc]) || len(p) > enc.longest() {
			continue
		}
		q := pkt(slices.Clone(p))
		q.setDst(s.nets[enc], everybody)
		*out = append(*out, frame{enc: enc, dst: everybody, src: s.mac, pkt: q})
	}
}

// cross notes that a packet of type 20 came from net n.
func cross(p pkt, n uint32) (pkt, bool) {
	if len(p) < 62 || p.hops() >= 8 || crossed(p, n) {
		return nil, false
	}
	q := pkt(slices.Clone(p))
	binary.BigEndian.PutUint32(q.data()[4*q.hops():], n)
	q[4]++
	return q, true
}

func crossed(p pkt, n uint32) bool {
	for i := range p.hops() {
		if binary.BigEndian.Uint32(p.data()[4*i:]) == n {
			return true
		}
	}
	return false
}

// exchange has each router learn over the link what the other one knows and does
// not have from there.
func (o *routed) exchange() {
	if !o.dynamic {
		return
	}
	for side, s := range o.site {
		s.static, s.services = map[uint32]metric{}, nil
		for net, m := range o.site[1-side].here() {
			s.static[net] = metric{m.hops + 1, m.ticks + linkTicks}
		}
		for _, offers := range o.site[1-side].offered {
			v := offers[0].service
			v.hops++
			s.services = append(s.services, v)
		}
	}
}

// here are the networks on the LAN and behind it.
func (s *routedSite) here() map[uint32]metric {
	all := make(map[uint32]metric)
	for net, ways := range s.learned {
		all[net] = ways[0].metric
	}
	for _, net := range s.nets {
		if net != 0 {
			all[net] = metric{0, lanTicks}
		}
	}
	return all
}

// local is what is for the router: RIP and SAP. It reports whether something was
// learned from it.
func (s *routedSite) local(out *[]frame, enc encap, p pkt) (learned bool) {
	if len(p.data()) < 4 || p.srcNet() != s.nets[enc] {
		return
	}
	op := binary.BigEndian.Uint16(p.data())
	switch p.dstSock() {
	case sockRIP:
		switch {
		case op == 1:
			s.answer(out, enc, p, typeRIP, s.ripAnswer(enc, p.data()[2:]))
		case op == 2 && p.srcSock() == sockRIP:
			s.learnRoutes(enc, p)
			return true
		}
	case sockSAP:
		switch wanted := binary.BigEndian.Uint16(p.data()[2:]); {
		case op == 1:
			s.answer(out, enc, p, typePEP, s.generalAnswer(enc, wanted))
		case op == 3:
			s.answer(out, enc, p, typePEP, s.nearestAnswer(enc, wanted))
		case op == 2 && p.srcSock() == sockSAP:
			s.learnServices(enc, p)
			return true
		}
	}
	return false
}

// answer goes to the node and socket that asked, from the socket that was asked.
func (s *routedSite) answer(out *[]frame, enc encap, p pkt, typ byte, data []byte) {
	if data == nil {
		return
	}
	to := addr{p.srcNet(), p.srcNode(), p.srcSock()}
	q := compose(typ, addr{s.nets[enc], s.mac, p.dstSock()}, to, data)
	*out = append(*out, frame{enc: enc, dst: to.node, src: s.mac, pkt: q})
}

// metricOf returns how far a network is, and whether the way leads over a wire
// of the LAN. A configured way is preferred to one that was announced.
func (s *routedSite) metricOf(net uint32) (m metric, over encap, known bool) {
	if enc, own := s.encapOf(net); own {
		return metric{0, lanTicks}, enc, true
	}
	if m, known := s.static[net]; known {
		return m, -1, true
	}
	if net == s.link && net != 0 {
		return metric{0, linkTicks}, -1, true
	}
	if ways := s.learned[net]; ways != nil {
		return ways[0].metric, ways[0].enc, true
	}
	return m, 0, false
}

// tells returns what the router tells of a network on a wire: nothing if the way
// leads back over it, or one that is as good. The wire's own is told to whoever
// asks for it.
func (s *routedSite) tells(enc encap, net uint32, own bool) (m metric, ok bool) {
	m, over, known := s.metricOf(net)
	if !known || net == 0 || m.hops >= maxHops {
		return m, false
	}
	for _, w := range s.learned[net] {
		if over >= 0 && w.metric == m && w.enc == enc {
			return m, false
		}
	}
	return metric{m.hops + 1, m.ticks + lanTicks}, over != enc || own
}

// ripAnswer tells the networks that were asked for, and that one which was asked
// for was lost just now.
func (s *routedSite) ripAnswer(enc encap, asked []byte) (data []byte) {
	tell := func(net uint32, m metric) {
		if data == nil {
			data = []byte{0, 2}
		}
		data = binary.BigEndian.AppendUint32(data, net)
		data = binary.BigEndian.AppendUint16(data, uint16(m.hops))
		data = binary.BigEndian.AppendUint16(data, uint16(m.ticks))
	}
	for ; len(asked) >= 8; asked = asked[8:] {
		net := binary.BigEndian.Uint32(asked)
		if net == allNets {
			for _, net := range s.networks() {
				if m, ok := s.tells(enc, net, false); ok {
					tell(net, m)
				}
			}
			break
		}
		if m, ok := s.tells(enc, net, net == s.nets[enc]); ok {
			tell(net, m)
		} else if _, _, known := s.metricOf(net); !known {
			if w, lost := s.lost[net]; lost && w.enc != enc {
				tell(net, metric{maxHops + 1, w.ticks + lanTicks})
			}
		}
	}
	return data
}

// networks lists all that the router knows.
func (s *routedSite) networks() (all []uint32) {
	all = append(append(all, s.nets[:]...), s.link)
	for net := range s.static {
		all = append(all, net)
	}
	for net := range s.learned {
		all = append(all, net)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *routedSite) learnRoutes(enc encap, p pkt) {
	for b := p.data()[2:]; len(b) >= 8; b = b[8:] {
		net := binary.BigEndian.Uint32(b)
		news := way{metric{int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))}, enc, p.srcNode()}
		if _, own := s.encapOf(net); own || net == s.link || net == 0 || net >= allNets-1 {
			continue
		}
		was := s.learned[net]
		s.learned[net] = choose(was, news, news.hops > maxHops,
			func(w way) bool { return w.enc == enc && w.next == news.next },
			func(a, b way) int { return cmp.Or(a.ticks-b.ticks, a.hops-b.hops) })
		if s.learned[net] == nil {
			delete(s.learned, net)
			if was != nil {
				s.lost[net] = was[0]
			}
		}
	}
}

func (s *routedSite) learnServices(enc encap, p pkt) {
	for b := p.data()[2:]; len(b) >= 64; b = b[64:] {
		news := offer{parseService(b), enc, p.srcNode()}
		key := named{news.typ, news.name}
		s.offered[key] = choose(s.offered[key], news, news.hops > maxHops,
			func(o offer) bool { return o.enc == enc && o.from == news.from },
			func(a, b offer) int { return a.hops - b.hops })
		if s.offered[key] == nil {
			delete(s.offered, key)
		}
	}
}

// choose returns the ways with news, or without if it is gone, the best one
// first: of equal ones the present one.
func choose[T any](ways []T, news T, gone bool, same func(T) bool, compare func(a, b T) int) []T {
	ways = slices.Clone(ways)
	switch i := slices.IndexFunc(ways, same); {
	case gone && i >= 0:
		ways = slices.Delete(ways, i, i+1)
	case gone:
	case i >= 0:
		ways[i] = news
	default:
		ways = append(ways, news)
	}
	best := 0
	for i := range ways {
		if compare(ways[i], ways[best]) < 0 {
			best = i
		}
	}
	if len(ways) == 0 {
		return nil
	}
	ways[0], ways[best] = ways[best], ways[0]
	return ways
}

func parseService(b []byte) service {
	name := b[2:50]
	if end := slices.Index(name, 0); end >= 0 {
		name = name[:end]
	}
	return service{
		typ: binary.BigEndian.Uint16(b), name: string(name), hops: int(binary.BigEndian.Uint16(b[62:])),
		addr: addr{binary.BigEndian.Uint32(b[50:]), node(b[54:]), binary.BigEndian.Uint16(b[60:])},
	}
}

func (v service) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, v.typ)
	b = append(append(b, v.name...), make([]byte, 48-len(v.name))...)
	b = binary.BigEndian.AppendUint32(b, v.addr.net)
	b = append(b, v.addr.node[:]...)
	b = binary.BigEndian.AppendUint16(b, v.addr.sock)
	return binary.BigEndian.AppendUint16(b, uint16(v.hops+1)) // we are one more
}

// known returns the services of a type whose servers are not reached over the
// wire, and were not announced there as near; and whether one is on it. A service
// without a way to it is not told; a configured one is preferred to the same that
// was announced.
func (s *routedSite) known(enc encap, wanted uint16) (elsewhere []service, here bool) {
	consider := func(v service, on func(encap) bool) {
		_, over, routed := s.metricOf(v.addr.net)
		if routed && (wanted == 0xFFFF || wanted == v.typ) && v.hops < maxHops && over != enc && !on(enc) {
			elsewhere = append(elsewhere, v)
		}
	}
	for _, v := range s.services {
		consider(v, func(encap) bool { return false })
	}
	for key, offers := range s.offered {
		here = here || (wanted == key.typ) && slices.ContainsFunc(offers, func(o offer) bool { return o.enc == enc && o.hops <= 1 })
		if !slices.ContainsFunc(s.services, func(v service) bool { return v.typ == key.typ && v.name == key.name }) {
			consider(offers[0].service, func(enc encap) bool {
				return slices.ContainsFunc(offers, func(o offer) bool { return o.enc == enc && o.hops == offers[0].hops })
			})
		}
	}
	return elsewhere, here
}

func (s *routedSite) generalAnswer(enc encap, wanted uint16) (data []byte) {
	elsewhere, _ := s.known(enc, wanted)
	slices.SortFunc(elsewhere, func(a, b service) int {
		if a.typ != b.typ {
			return int(a.typ) - int(b.typ)
		}
		return slices.Compare([]byte(a.name), []byte(b.name))
	})
	for _, v := range elsewhere {
		if data == nil {
			data = []byte{0, 2}
		}
		data = v.append(data)
	}
	return data
}

// nearestAnswer speaks for the nearest server beyond the router, but leaves a
// server on the wire to answer for itself.
func (s *routedSite) nearestAnswer(enc encap, wanted uint16) []byte {
	elsewhere, here := s.known(enc, wanted)
	if here || len(elsewhere) == 0 {
		return nil
	}
	best := slices.MinFunc(elsewhere, func(a, b service) int {
		ma, _, _ := s.metricOf(a.addr.net)
		mb, _, _ := s.metricOf(b.addr.net)
		if ma.ticks != mb.ticks {
			return ma.ticks - mb.ticks
		}
		if a.hops != b.hops {
			return a.hops - b.hops
		}
		return slices.Compare([]byte(a.name), []byte(b.name))
	})
	return best.append([]byte{0, 4})
}
