package bridge

import (
	"context"
	"encoding/binary"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxwan"
)

// wanQueue is how many packets of IPXWAN may wait: a conversation has two under
// way at most.
const wanQueue = 8

// A wan is IPXWAN on one link (RFC 1634), from the opening of IPXCP to its end.
// Its goroutine owns the machine. The link carries no other IPX until the
// machine has agreed, and none while it begins anew.
type wan struct {
	l       *ipxLink
	byIPXCP agreement
	in      chan *packet.Buffer // never closed
	stop    context.CancelFunc
}

// startWAN begins IPXWAN: at once when begin says so, else when the peer does.
// l.mu is held.
func (l *ipxLink) startWAN(got agreement, begin bool) {
	ctx, cancel := context.WithCancel(l.n.s.ctx)
	w := &wan{l: l, byIPXCP: got, in: make(chan *packet.Buffer, wanQueue), stop: cancel}
	l.wan = w
	l.early.Store(w)
	l.n.s.d.sessions.Go(func() { w.run(ctx, begin) })
}

// stopWAN ends it; its goroutine finds out. l.mu is held.
func (l *ipxLink) stopWAN() {
	if l.wan != nil {
		l.early.Store(nil)
		l.wan.stop()
		l.wan = nil
	}
}

// take queues what is for IPXWAN and returns the rest.
func (w *wan) take(pkts []*packet.Buffer) []*packet.Buffer {
	rest := pkts[:0]
	for _, p := range pkts {
		if !forWAN(p.Bytes()) {
			rest = append(rest, p)
			continue
		}
		c := packet.Get()
		c.Set(p.Bytes())
		select {
		case w.in <- c:
		default: // the peer says it again
			packet.Put(c)
		}
	}
	return rest
}

// forWAN reports whether a packet is for the socket of IPXWAN.
func forWAN(pkt []byte) bool {
	const offSocket = 16
	return len(pkt) >= ipx.HeaderLen && ipx.Socket(binary.BigEndian.Uint16(pkt[offSocket:])) == ipx.SocketIPXWAN
}

func (w *wan) run(ctx context.Context, begin bool) {
	defer w.drain()
	m := ipxwan.New(w.config())
	if begin {
		m.Up(time.Now())
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for generation := 0; ; {
		result, connected := m.Result()
		switch {
		case m.Err() != nil:
			w.l.n.s.link.CloseLayer("IPXCP", "IPXWAN: "+m.Err().Error())
			return
		case connected && result.Generation != generation:
			w.release() // of what was agreed on before
			w.agreed(result)
			generation = result.Generation
		case !connected && m.State() != ipxwan.Idle:
			w.release()
		}
		if next := m.Next(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case p := <-w.in:
			m.Receive(p.Bytes(), time.Now())
			packet.Put(p)
		case <-timer.C:
			m.Tick(time.Now())
		}
	}
}

// drain gives back what nobody reads any more.
func (w *wan) drain() {
	for {
		select {
		case p := <-w.in:
			packet.Put(p)
		default:
			return
		}
	}
}

func (w *wan) config() ipxwan.Config {
	c := w.l.n.st.cfg
	return ipxwan.Config{
		NodeID:      w.l.plane.internal,
		Name:        c.Auth.Name,
		Network:     c.IPX.Network,
		Static:      c.IPX.Exchange == config.ExchangeStatic || c.IPX.Exchange == config.ExchangeAutoStatic,
		Workstation: c.IPX.Workstation,
		InUse:       w.l.inUse,
		Send:        w.send,
	}
}

func (w *wan) send(pkt []byte) {
	p := packet.Get()
	defer packet.Put(p)
	p.Set(pkt)
	w.l.send([]*packet.Buffer{p}) // a lost one is sent again
}

// agreed attaches the link with what IPXWAN says, and what IPXCP said where that
// says nothing.
func (w *wan) agreed(r ipxwan.Result) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.wan != w {
		return // the link is down
	}
	got := w.byIPXCP
	got.network, got.byWAN, got.static = r.Network, true, r.Routing == ipxwan.OnDemand
	if !r.Local.IsZero() {
		got.local = r.Local
	}
	if !r.Peer.IsZero() {
		got.peer = r.Peer
	}
	if r.PeerName != "" {
		got.peerName = r.PeerName
	}
	if err := w.l.attach(got); err != nil {
		w.l.n.s.link.CloseLayer("IPXCP", err.Error())
	}
}

// release takes the link out of use while the ends agree anew: what was learned by
// it is forgotten (RFC 1634, section 3.4).
func (w *wan) release() {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.wan == w {
		w.l.release()
	}
}
