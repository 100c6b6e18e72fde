package soak

import (
	"context"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// Sockets of the hosts by IPX: one that answers whatever comes, and those of the askers,
// which begin at the second.
const (
	socketEcho  ipx.Socket = 0x5A00
	socketAsker ipx.Socket = 0x5B00
)

// An ipxHost answers, by IPX and in whichever frame type it is asked, and asks.
type ipxHost struct {
	port port.Port

	mu     sync.Mutex // guards askers
	askers map[ipx.Socket]*asker
}

// openIPX puts a host on the LAN of a place. It runs until the test ends.
func (w *world) openIPX(p *place) *ipxHost {
	w.t.Helper()
	h := &ipxHost{askers: map[ipx.Socket]*asker{}}
	err := p.host.Do(func() (err error) {
		h.port, err = port.OpenLAN(port.LANConfig{Interface: "lan"})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.port.Run(ctx, h.receive)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-ended
		h.port.Close()
	})
	return h
}

func (h *ipxHost) receive(frames []port.Frame) {
	for _, f := range frames {
		head, payload, err := ipx.Parse(f.Packet.Bytes())
		if err != nil || f.Dst != h.port.MAC() || head.Dst.Node != h.port.MAC() {
			continue
		}
		if head.Dst.Socket == socketEcho {
			h.put(f.Encap, ipx.Header{Type: head.Type, Src: head.Dst, Dst: head.Src}, payload, f.Src)
			continue
		}
		h.mu.Lock()
		a := h.askers[head.Dst.Socket]
		h.mu.Unlock()
		if a != nil {
			a.heard(payload)
		}
	}
}

// put puts one packet on the wire, to a card.
func (h *ipxHost) put(enc ipx.Encapsulation, head ipx.Header, payload []byte, to ipx.Node) error {
	b := packet.Get()
	defer packet.Put(b)
	b.Set(ipx.AppendPacket(nil, head, payload))
	return h.port.Send(enc, to, h.port.MAC(), []*packet.Buffer{b})
}

// asks has this host ask another one: by the router of its LAN, or on one network that is
// bridged.
func (h *ipxHost) asks(from *place, other *ipxHost, to *place, id uint64, oneNetwork bool) *asker {
	enc, via := ipx.Ethernet8022, from.router
	src := ipx.Addr{Network: from.network(), Node: h.port.MAC(), Socket: socketAsker + ipx.Socket(id)}
	dst := ipx.Addr{Network: to.network(), Node: other.port.MAC(), Socket: socketEcho}
	if oneNetwork {
		enc, via = ipx.Ethernet8023, dst.Node
		src.Network, dst.Network = 0, 0
	}
	a := &asker{name: "IPX " + from.name + " to " + to.name, id: id, send: func(b []byte) error {
		return h.put(enc, ipx.Header{Type: ipx.TypePEP, Src: src, Dst: dst}, b, via)
	}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.askers[src.Socket] = a
	return a
}
