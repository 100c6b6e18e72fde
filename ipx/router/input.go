package router

import (
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// A LinkDst says whom the frame around a packet was addressed to.
type LinkDst uint8

const (
	ToUs       LinkDst = iota // our own MAC address, or a point-to-point link
	ToAll                     // broadcast or multicast
	ToSomebody                // another station; a promiscuous port hears it
)

// Addressee tells what a frame to dst is for a port whose own address is mac.
func Addressee(dst, mac ipx.Node) LinkDst {
	switch {
	case dst == mac:
		return ToUs
	case dst.IsGroup():
		return ToAll
	}
	return ToSomebody
}

// An In is a received packet.
type In struct {
	Packet *packet.Buffer // the packet without framing; padding may follow it
	Dst    LinkDst
}

// Input takes a batch of packets that arrived on a wire and forwards them,
// grouped by output. The packets are lent until it returns. One goroutine at a
// time calls Input or InputPackets of one attachment: who has more takes an Inlet
// for each.
func (a *Attached) Input(frames []In) { a.own.Input(frames) }

// InputPackets is Input for a point-to-point link, where all is for us.
func (a *Attached) InputPackets(pkts []*packet.Buffer) { a.own.InputPackets(pkts) }

// An Inlet is one way by which packets of an attachment come in. What is known of the
// packets belongs to the goroutine that calls its Input, so that several need no lock
// between them.
type Inlet struct {
	*Attached
	now    time.Time // of the batch
	guess  fastpath.Guess
	talk   talk   // RIP and SAP taken in
	pings  bucket // and pings and diagnostics
	echo   time.Time
	forged time.Time // when a packet from elsewhere was last looked at
	sorter fastpath.Sorter[target]
	copies []*packet.Buffer // in sorter, to be given back
}

// Inlet is one more way into an attachment, beside Input.
func (a *Attached) Inlet() *Inlet { return &Inlet{Attached: a} }

// attached is where it leads to; nil for nil.
func (a *Inlet) attached() *Attached {
	if a == nil {
		return nil
	}
	return a.Attached
}

// Input is that of the attachment. One goroutine at a time calls it.
func (a *Inlet) Input(frames []In) {
	f, t, now := a.face.Load(), a.router.table.Load(), time.Now()
	a.now = now
	for i := range frames {
		a.input(t, f, frames[i].Packet, frames[i].Dst, now)
	}
	a.flush()
}

// InputPackets is Input for a point-to-point link, where all is for us.
func (a *Inlet) InputPackets(pkts []*packet.Buffer) {
	f, t, now := a.face.Load(), a.router.table.Load(), time.Now()
	a.now = now
	for _, p := range pkts {
		a.input(t, f, p, ToUs, now)
	}
	a.flush()
}

func (a *Inlet) input(t *table, f *face, p *packet.Buffer, dst LinkDst, now time.Time) {
	a.count.packetsIn.Add(1)
	a.count.octetsIn.Add(uint64(p.Len()))
	if f == nil {
		a.count.drop(dropDetached)
		return
	}
	if why := a.route(t, f, p, dst, now); why != kept {
		a.count.drop(why)
	}
}

// route applies the rules of input to one packet, in order. It returns why the
// packet goes no further, and kept when it was forwarded, delivered or both.
func (a *Inlet) route(t *table, f *face, p *packet.Buffer, dst LinkDst, now time.Time) drop {
	h, why := parse(p)
	if why != kept {
		return why
	}
	if h.Hops > ipx.MaxHops {
		return dropHops
	}
	if h.Src.Node == f.node && (h.Src.Network == f.network || h.Src.Network == ipx.ThisNetwork) {
		a.heardOurselves(&h)
		return dropOwnFrame
	}
	if why := checkEnds(&h); why != kept {
		return why
	}
	if f.kind == LAN {
		a.overhear(f, &h, p.Bytes(), now)
	}
	if dst == ToSomebody {
		return dropOtherStation
	}
	if forRouter(h.Dst.Socket) && !a.talk.allow(f.kind, h.Src.Node, now) {
		return dropRateLimit
	}
	a.fillIn(f, &h, p.Bytes())
	switch {
	case f.network == ipx.ThisNetwork && f.kind == LAN:
		return a.nameless(t, f, &h, p)
	case forRouter(h.Dst.Socket) && f.kind != LAN && h.Hops == 0 && onWire(f, &h) && forFace(f, h.Dst):
		// RIP and SAP of a peer are known by the link they come by and not by their
		// network: Windows puts in a number of its own.
		return a.router.deliver(t, a, &h, p)
	case !t.sourceOK(f, h.Src):
		a.heardForged(&h)
		return dropNotBehindPeer
	case forRouter(h.Dst.Socket) && h.Dst.Network == f.network && forFace(f, h.Dst):
		return a.router.deliver(t, a, &h, p)
	}
	if why := a.gate.admit(&h, p, now); why != kept {
		return why
	}
	switch {
	case h.Type == ipx.TypePropagated:
		return a.propagate(t, f, &h, p)
	case h.Dst.Network == f.network:
		if !forFace(f, h.Dst) {
			return dropOtherStation
		}
		return a.router.deliver(t, a, &h, p)
	}
	return a.routeAbroad(t, f, &h, p, dst)
}

// routeAbroad handles what is not for the wire it came from.
func (a *Inlet) routeAbroad(t *table, f *face, h *ipx.Header, p *packet.Buffer, dst LinkDst) drop {
	way, known := t.find(h.Dst.Network)
	if !known {
		return dropNoRoute
	}
	switch {
	case way.held != nil:
		return a.heldBack(t, way.held, p)
	case way.face == nil: // inside the router
		if h.Dst.Node != ipx.ServerNode && h.Dst.Node != ipx.Broadcast {
			return dropOtherStation
		}
		return a.router.deliver(t, a, h, p)
	case way.direct && h.Dst.Node == way.face.node:
		return a.router.deliver(t, a, h, p)
	case dst != ToUs:
		return dropLinkBroadcast
	case way.direct && h.Dst.Node == ipx.Broadcast:
		return a.directedBroadcast(t, f, way, h, p)
	case way.face.at.idle.Load() && a.spokenFor(t, way.face.at.cfg.Watchdog, p):
		return kept
	}
	return a.forward(f, way, h, p)
}

// directedBroadcast is for all of another network of ours, the router included.
func (a *Inlet) directedBroadcast(t *table, f *face, way hop, h *ipx.Header, p *packet.Buffer) drop {
	if forRouter(h.Dst.Socket) {
		return dropRouterBroadcast
	}
	if t.hears(h.Dst.Socket) {
		a.router.deliver(t, a, h, p)
	}
	return a.forward(f, way, h, p)
}

// forward sends the packet on its way at the end of the batch.
func (a *Inlet) forward(f *face, way hop, h *ipx.Header, p *packet.Buffer) drop {
	switch out := way.face; {
	case h.Src.Network == ipx.ThisNetwork:
		return dropNoNumber
	case h.Hops+1 > ipx.MaxHops:
		return dropHops
	case out.kind != LAN && out == f:
		return dropRoutedBack
	case p.Len() > out.mtu:
		return dropTooLong
	}
	if why := way.face.at.gate.release(h, p, a.now); why != kept {
		return why
	}
	if way.face == f {
		a.count.sentBack.Add(1)
	}
	f.observe(p.Bytes(), false, a.now)
	way.face.observe(p.Bytes(), true, a.now)
	ipx.SetHops(p.Bytes(), h.Hops+1)
	a.sorter.Add(target{way.face, way.toward(h.Dst.Node)}, p)
	return kept
}

// flush sends what a batch comes to, and gives copies back.
func (a *Inlet) flush() {
	a.sorter.Flush(emit)
	for _, c := range a.copies {
		packet.Put(c)
	}
	a.copies = a.copies[:0]
}

// emit hands what a batch has for one target to its interface. It counts on the
// way out before the packets are: Send may put frames around them.
func emit(to target, pkts []*packet.Buffer) {
	count := &to.face.at.count
	octets := 0
	for _, p := range pkts {
		octets += p.Len()
	}
	if err := to.face.out.Send(to.node, pkts); err != nil {
		count.drops[dropSendFailed].Add(uint64(len(pkts)))
		return
	}
	count.packetsOut.Add(uint64(len(pkts)))
	count.octetsOut.Add(uint64(octets))
}

// parse reads the header and cuts the buffer to the length in it.
func parse(p *packet.Buffer) (ipx.Header, drop) {
	h, _, err := ipx.Parse(p.Bytes())
	switch err {
	case nil:
		p.Truncate(int(h.Length))
		return h, kept
	case ipx.Truncated:
		return h, dropTruncated
	case ipx.Short:
		return h, dropShort
	}
	return h, dropOverlong
}

// checkEnds refuses addresses that nobody can have. An IPXWAN router has no
// node yet, but whoever speaks IPXWAN takes its packets before they come here.
func checkEnds(h *ipx.Header) drop {
	switch {
	case h.Src.Node.IsGroup(), h.Src.Node.IsZero(), h.Src.Network == ipx.AllNetworks:
		return dropBadSource
	case h.Dst.Node.IsZero():
		return dropBadDestination
	}
	return kept
}

// fillIn writes the number of the wire where the sender did not know it.
func (a *Attached) fillIn(f *face, h *ipx.Header, pkt []byte) {
	if f.network == ipx.ThisNetwork {
		return
	}
	if h.Src.Network == ipx.ThisNetwork {
		h.Src.Network = f.network
		ipx.SetSrcNetwork(pkt, f.network)
		a.count.filled.Add(1)
	}
	if h.Dst.Network == ipx.ThisNetwork {
		h.Dst.Network = f.network
		ipx.SetDstNetwork(pkt, f.network)
	}
}

// nameless handles a LAN whose number is not known yet: only RIP and SAP are
// heard, from which it is learned.
func (a *Inlet) nameless(t *table, f *face, h *ipx.Header, p *packet.Buffer) drop {
	if !forRouter(h.Dst.Socket) || h.Dst.Node != f.node && h.Dst.Node != ipx.Broadcast {
		return dropNoNumber
	}
	return a.router.deliver(t, a, h, p)
}

// forFace reports whether dst, on the wire of f, is the router or everybody.
func forFace(f *face, dst ipx.Addr) bool { return dst.Node == f.node || dst.Node == ipx.Broadcast }

// forRouter reports whether a socket is spoken among routers.
func forRouter(s ipx.Socket) bool { return s == ipx.SocketRIP || s == ipx.SocketSAP }
