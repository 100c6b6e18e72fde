package topology

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

const (
	// perBranch is how many networks, and how many services, each branch has.
	perBranch = 500
	// gap is one tick, as routers keep between packets.
	gap = 55 * time.Millisecond
	// lanFrame is the frame type of the routed LANs.
	lanFrame = ipx.Ethernet8022
)

// An offer is what a router on a LAN announces.
type offer struct {
	routes   []rip.Entry
	services []sap.Service
}

// offerOf makes the networks and services of a branch: in various distances, with
// names of all lengths, each service on the internal network of a server of its own.
func offerOf(branch int) (o offer) {
	types := []sap.ServiceType{sap.FileServer, 0x0007, sap.Directory, 0x030C}
	for i := range perBranch {
		n := ipx.Network(branch<<16 | 1 + i)
		hops := uint16(1 + i%4)
		o.routes = append(o.routes, rip.Entry{Network: n, Hops: hops, Ticks: hops + uint16(i%7)})
		name := fmt.Sprintf("B%d-SERVER-%03d-", branch, i)
		name += strings.Repeat("_", i%(sap.MaxName+1-len(name)))
		o.services = append(o.services, sap.Service{
			Type: types[i%len(types)], Name: name, Hops: hops,
			Addr: ipx.Addr{Network: n, Node: ipx.ServerNode, Socket: ipx.SocketNCP},
		})
	}
	return o
}

// some is a part of an offer.
func (o offer) some(from, to int) offer { return offer{o.routes[from:to], o.services[from:to]} }

// gone is an offer taken back.
func (o offer) gone() offer {
	o = offer{slices.Clone(o.routes), slices.Clone(o.services)}
	for i := range o.routes {
		o.routes[i].Hops = rip.Infinity
	}
	for i := range o.services {
		o.services[i].Hops = sap.Infinity
	}
	return o
}

type serviceKey struct {
	typ  sap.ServiceType
	name string
}

// A neighbor is a router on a LAN: it announces what it is told to, and keeps what the
// daemon announces there.
type neighbor struct {
	t       *testing.T
	port    port.Port
	network ipx.Network

	mu       sync.Mutex // guards what follows
	routes   map[ipx.Network]rip.Entry
	services map[serviceKey]sap.Service
	echoes   []string // what we announced ourselves and heard back
	own      map[ipx.Network]bool
}

func newNeighbor(t *testing.T, p *place) *neighbor {
	t.Helper()
	n := &neighbor{
		t: t, network: p.network,
		routes: map[ipx.Network]rip.Entry{}, services: map[serviceKey]sap.Service{}, own: map[ipx.Network]bool{},
	}
	err := p.host.Do(func() (err error) {
		n.port, err = port.OpenLAN(port.LANConfig{Interface: "lan"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.port.Run(ctx, n.hear)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		n.port.Close()
	})
	return n
}

// hear keeps what is announced.
func (n *neighbor) hear(frames []port.Frame) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range frames {
		h, payload, err := ipx.Parse(f.Packet.Bytes())
		if err != nil || f.Encap != lanFrame || h.Dst.Node != ipx.Broadcast {
			continue
		}
		switch h.Dst.Socket {
		case ipx.SocketRIP:
			n.hearRoutes(payload)
		case ipx.SocketSAP:
			n.hearServices(payload)
		}
	}
}

func (n *neighbor) hearRoutes(payload []byte) {
	m, err := rip.Parse(payload)
	if err != nil || m.Operation != rip.OpResponse {
		return
	}
	if len(m.Entries) > rip.MaxEntries {
		n.t.Errorf("%d routes in one packet", len(m.Entries))
	}
	for _, e := range m.Entries {
		switch {
		case n.own[e.Network]:
			n.echoes = append(n.echoes, fmt.Sprintf("%v hops %d", e.Network, e.Hops))
		case e.Hops >= rip.Infinity:
			delete(n.routes, e.Network)
		default:
			n.routes[e.Network] = e
		}
	}
}

func (n *neighbor) hearServices(payload []byte) {
	m, err := sap.Parse(payload)
	if err != nil || m.Operation != sap.OpResponse {
		return
	}
	if len(m.Services) > sap.MaxServices {
		n.t.Errorf("%d services in one packet", len(m.Services))
	}
	for _, s := range m.Services {
		switch k := (serviceKey{s.Type, s.Name}); {
		case n.own[s.Addr.Network]:
			n.echoes = append(n.echoes, fmt.Sprintf("%v %q hops %d", s.Type, s.Name, s.Hops))
		case s.Hops >= sap.Infinity:
			delete(n.services, k)
		default:
			n.services[k] = s
		}
	}
}

// sizes are how many networks and services it was told of.
func (n *neighbor) sizes() (routes, services int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.routes), len(n.services)
}

// announce tells what is in o, one packet in a tick.
func (n *neighbor) announce(o offer) {
	n.mu.Lock()
	for _, e := range o.routes {
		n.own[e.Network] = true
	}
	n.mu.Unlock()
	for part := range slices.Chunk(o.routes, rip.MaxEntries) {
		n.broadcast(ipx.SocketRIP, ipx.TypeRIP, rip.Message{Operation: rip.OpResponse, Entries: part}.Append(nil))
		time.Sleep(gap)
	}
	for part := range slices.Chunk(o.services, sap.MaxServices) {
		n.broadcast(ipx.SocketSAP, ipx.TypePEP, sap.Message{Operation: sap.OpResponse, Services: part}.Append(nil))
		time.Sleep(gap)
	}
}

func (n *neighbor) broadcast(socket ipx.Socket, typ ipx.PacketType, payload []byte) {
	mac := n.port.MAC()
	b := packet.Get()
	defer packet.Put(b)
	b.Set(ipx.AppendPacket(nil, ipx.Header{
		Type: typ,
		Src:  ipx.Addr{Network: n.network, Node: mac, Socket: socket},
		Dst:  ipx.Addr{Network: n.network, Node: ipx.Broadcast, Socket: socket},
	}, payload))
	if err := n.port.Send(lanFrame, ipx.Broadcast, mac, []*packet.Buffer{b}); err != nil {
		n.t.Errorf("announce: %v", err)
	}
}
