package router

import (
	"slices"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

const (
	// gap is one tick: packets of one answer come no faster, or 8-bit network
	// cards and slow links lose them.
	gap = 55 * time.Millisecond
	// maxAnswers is how many long answers may be under way.
	maxAnswers = 64
	// sweep is how often the tables are looked through for what is too old.
	sweep = 5 * time.Second
)

// An owner is the state of Run: who is being answered, and the timers.
type owner struct {
	r       *Router
	answers []*answer
	swept   time.Time
	pings   limiter

	diagnoses []*diagnosis
}

// An answer has more packets than one, sent one tick apart.
type answer struct {
	at       *Attached
	socket   ipx.Socket
	dst      ipx.Addr
	typ      ipx.PacketType
	payloads [][]byte // still to send
	due      time.Time
}

func newOwner(r *Router) *owner { return &owner{r: r, swept: time.Now()} }

// arrived handles one thing from the queue.
func (o *owner) arrived(a arrival) {
	switch {
	case a.pkt != nil:
		if why := o.packet(a); why != kept && a.at != nil {
			a.at.count.drop(why)
		}
		packet.Put(a.pkt)
	case a.at != nil:
		o.r.numberFound(a.at, a.number)
	}
}

func (o *owner) packet(a arrival) drop {
	h, payload, err := ipx.Parse(a.pkt.Bytes())
	if err != nil {
		return dropIgnored
	}
	switch h.Dst.Socket {
	case ipx.SocketRIP:
		return o.rip(a.at, &h, payload)
	case ipx.SocketSAP:
		return o.sap(a.at, &h, payload)
	case ipx.SocketDiagnostics:
		return o.diagnostics(a.at, &h, payload)
	}
	return o.ping(a.at, &h, payload)
}

// numberFound gives a LAN the number that its stations agree on, once.
func (r *Router) numberFound(a *Attached, n ipx.Network) {
	if a.Network() != ipx.ThisNetwork {
		return // an earlier packet was faster
	}
	if err := a.SetNetwork(n); err != nil {
		if now := time.Now(); now.Sub(a.refused) > time.Minute { // every packet says it again
			a.refused = now
			r.log.Warn("network number of a wire not usable", "lan", a.cfg.Name, "error", err)
		}
		return
	}
	r.log.Info("network number of a wire learned", "lan", a.cfg.Name, "network", n)
}

// reply answers the sender of h, where it asked: to its node and its socket.
// The first packet leaves at once. A host that asks again before it has the
// whole answer gets no second one.
func (o *owner) reply(at *Attached, h *ipx.Header, typ ipx.PacketType, payloads [][]byte) drop {
	if len(payloads) == 0 {
		return kept
	}
	same := func(other *answer) bool { return other.at == at && other.dst == h.Src && other.socket == h.Dst.Socket }
	if slices.ContainsFunc(o.answers, same) {
		return dropIgnored
	}
	at.sendFrom(h.Dst.Socket, h.Src, typ, payloads[0])
	if len(payloads) == 1 {
		return kept
	}
	if len(o.answers) == maxAnswers {
		return dropQueueFull
	}
	o.answers = append(o.answers, &answer{at, h.Dst.Socket, h.Src, typ, payloads[1:], time.Now().Add(gap)})
	return kept
}

// tick does what is due.
func (o *owner) tick() {
	now := time.Now()
	for _, a := range o.answers {
		if !now.Before(a.due) {
			a.at.sendFrom(a.socket, a.dst, a.typ, a.payloads[0])
			a.payloads, a.due = a.payloads[1:], now.Add(gap)
		}
	}
	o.answers = slices.DeleteFunc(o.answers, func(a *answer) bool { return len(a.payloads) == 0 })
	o.diagnose(now)
	o.initiate(now)
	if now.Sub(o.swept) >= sweep {
		o.swept = now
		o.r.expire(now)
	}
}

// pause is how long nothing is due.
func (o *owner) pause() time.Duration {
	now := time.Now()
	next := o.swept.Add(sweep)
	for _, a := range o.answers {
		next = earlier(next, a.due)
	}
	next = earlier(o.nextDiagnosis(next), o.r.nextRequest(next))
	return max(0, next.Sub(now))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// onWire reports whether the sender of h is on the wire of f itself: only a
// neighbour's RIP and SAP count. A peer on an unnumbered link may call itself
// anything.
func onWire(f *face, h *ipx.Header) bool {
	if f.network == ipx.ThisNetwork {
		return f.kind != LAN
	}
	return h.Src.Network == f.network
}
