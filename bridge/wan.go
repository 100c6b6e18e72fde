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
// Its goroutine owns the machine. Where it is needed, the link carries no other IPX
// until the ends have agreed, and none while they begin anew.
type wan struct {
	cfg    ipxwan.Config
	in     chan *packet.Buffer       // never closed
	agreed func(ipxwan.Result) error // the link can be used so
	undone func()                    // it cannot any more, for now
	failed func(reason string)       // it cannot, and will not
	stop   context.CancelFunc
}

// startWAN begins IPXWAN: at once when begin says so, else when the peer does.
// l.mu is held.
func (l *ipxLink) startWAN(got agreement, begin bool) {
	ctx, cancel := context.WithCancel(l.n.s.ctx)
	w := &wan{
		cfg:    l.wanConfig(),
		in:     make(chan *packet.Buffer, wanQueue),
		failed: func(reason string) { l.n.s.link.CloseLayer("IPXCP", reason) },
		stop:   cancel,
	}
	w.agreed = func(r ipxwan.Result) error { return l.agreedByWAN(w, got, r) }
	w.undone = func() { l.undoneByWAN(w) }
	l.wan.Store(w)
	l.n.s.d.sessions.Go(func() { w.run(ctx, begin) })
}

// stopWAN ends it; its goroutine finds out. l.mu is held.
func (l *ipxLink) stopWAN() {
	if w := l.wan.Swap(nil); w != nil {
		w.stop()
	}
}

func (l *ipxLink) wanConfig() ipxwan.Config {
	c := l.n.st.cfg
	return ipxwan.Config{
		NodeID:      l.plane.internal,
		Name:        c.Auth.Name,
		Network:     c.IPX.Network,
		Static:      c.IPX.Exchange == config.ExchangeStatic || c.IPX.Exchange == config.ExchangeAutoStatic,
		Workstation: c.IPX.Workstation,
		InUse:       l.inUse,
		Send: func(pkt []byte) {
			p := packet.Get()
			defer packet.Put(p)
			p.Set(pkt)
			l.send([]*packet.Buffer{p}) // a lost one is sent again
		},
	}
}

// agreedByWAN attaches the link with what IPXWAN says, and what IPXCP said where
// that says nothing.
func (l *ipxLink) agreedByWAN(w *wan, got agreement, r ipxwan.Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wan.Load() != w {
		return nil // the link is down
	}
	l.release()
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
	return l.attach(got)
}

// undoneByWAN takes the link out of use while the ends agree anew: what was learned
// by it is forgotten (RFC 1634, section 3.4).
func (l *ipxLink) undoneByWAN(w *wan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wan.Load() == w && l.routed.Load() != nil {
		l.release()
		l.plane.router.Forget(l.n.st.cfg.Name)
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

// run speaks until ctx ends or nothing can come of it.
func (w *wan) run(ctx context.Context, begin bool) {
	defer w.drain()
	m := ipxwan.New(w.cfg)
	if begin {
		m.Up(time.Now())
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for generation := 0; w.follow(m, &generation); {
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

// follow tells the link what the machine has come to, generation by generation. It
// reports false at the end.
func (w *wan) follow(m *ipxwan.Machine, generation *int) bool {
	result, connected := m.Result()
	switch {
	case m.Err() != nil:
		w.failed("IPXWAN: " + m.Err().Error())
		return false
	case connected && result.Generation != *generation:
		*generation = result.Generation
		if err := w.agreed(result); err != nil {
			w.failed(err.Error())
			return false
		}
	case !connected && m.State() != ipxwan.Idle:
		w.undone()
	}
	return true
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
