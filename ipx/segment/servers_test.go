package segment

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// A server is a NetWare server: its card on a wire, and node 000000000001 of its
// internal network.
type server struct {
	*host
	internal ipx.Network
	mute     atomic.Bool // it runs no more
}

func (w *world) server(hub *port.Hub, card ipx.Node, internal ipx.Network) *server {
	s := &server{host: &host{node: card, wire: hub.Port("server", card, false), heard: map[string]int{}}, internal: internal}
	go s.wire.Run(w.ctx, func(frames []port.Frame) {
		for _, f := range frames {
			s.hear(f)
		}
	})
	return s
}

// announce is RIP and SAP to everybody.
func (s *server) announce(hops uint16) {
	s.say20(ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: ipx.SocketRIP}, ipx.Broadcast, s.card(ipx.SocketRIP),
		rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: s.internal, Hops: hops, Ticks: 2}}}.Append(nil))
	s.say20(ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: ipx.SocketSAP}, ipx.Broadcast, s.card(ipx.SocketSAP),
		sap.Message{Operation: sap.OpResponse, Services: []sap.Service{{Type: sap.FileServer, Name: fmt.Sprint("FS", s.internal),
			Addr: ipx.Addr{Network: s.internal, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: hops}}}.Append(nil))
}

func (s *server) card(socket ipx.Socket) ipx.Addr {
	return ipx.Addr{Network: netA, Node: s.node, Socket: socket}
}

func (s *server) say20(to ipx.Addr, dst ipx.Node, from ipx.Addr, data []byte) {
	if s.mute.Load() {
		return
	}
	p := ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypePEP, Src: from, Dst: to}, data)
	s.wire.Send(ipx.EthernetII, dst, s.node, []*packet.Buffer{buffer(p)})
}

// hear answers RIP requests, and what is for its inside by echoing it.
func (s *server) hear(f port.Frame) {
	h, data, err := ipx.Parse(f.Packet.Bytes())
	if err != nil || s.mute.Load() {
		return
	}
	s.mu.Lock()
	s.heard[string(data)]++
	s.mu.Unlock()
	switch {
	case h.Dst.Socket == ipx.SocketRIP:
		m, err := rip.Parse(data)
		if err != nil || m.Operation != rip.OpRequest || m.Entries[0].Network != s.internal {
			return
		}
		s.say20(h.Src, f.Src, s.card(ipx.SocketRIP),
			rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: s.internal, Hops: 1, Ticks: 2}}}.Append(nil))
	case h.Dst.Network == s.internal:
		s.say20(h.Src, f.Src, h.Dst, []byte("answer to "+string(data)))
	}
}

// asks has a client find the way to a network by RIP, as a shell does, and reports
// whether the server there answers. The first to answer RIP is its router.
func (h *host) asks(w *world, n ipx.Network) bool {
	words := fmt.Sprint("question ", time.Now(), h.node, n)
	way := make(chan ipx.Node, 16)
	h.mu.Lock()
	h.way = way
	h.mu.Unlock()
	request := rip.Ask(n)
	h.sayTo(ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: ipx.SocketRIP}, ipx.Broadcast, 0x4003, string(request.Append(nil)))
	time.Sleep(200 * time.Millisecond)
	var router ipx.Node
	select {
	case router = <-way:
	default:
		return false
	}
	h.sayTo(ipx.Addr{Network: n, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, router, 0x4003, words)
	time.Sleep(200 * time.Millisecond)
	return h.got("answer to "+words) == 1
}

func (h *host) sayTo(to ipx.Addr, dst ipx.Node, from ipx.Socket, data string) {
	p := ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypePEP, Src: ipx.Addr{Network: netA, Node: h.node, Socket: from}, Dst: to}, []byte(data))
	h.wire.Send(ipx.EthernetII, dst, h.node, []*packet.Buffer{buffer(p)})
}

// sites is wires joined by one segment each and links between those.
type sites struct {
	*world
	wires    []*port.Hub
	segments []*Segment
	clients  []*host
	lans     []*Port
}

// hubAndSpokes has n sites; the first is the hub.
func (w *world) hubAndSpokes(n int, cfg Config) *sites {
	s := &sites{world: w}
	for i := range n {
		hub, seg := port.NewHub(), New(cfg)
		s.wires, s.segments = append(s.wires, hub), append(s.segments, seg)
		s.lans = append(s.lans, w.wire(seg, "wire", hub, ipx.Node{2, 0, 0, 1, byte(i), 0xFF}))
		s.clients = append(s.clients, w.host(hub, ipx.Node{2, 0, 0, 1, byte(i), 1}))
		if i > 0 {
			w.link(fmt.Sprint("site ", i), s.segments[0], seg, time.Duration(5+i)*time.Millisecond)
		}
	}
	return s
}

func TestTwoServersOnOneSegment(t *testing.T) {
	for _, tt := range []struct {
		name       string
		siteA, ofB int
	}{
		{"one at each end", 0, 1},
		{"both at the hub", 0, 0},
		{"both at one spoke", 2, 2},
		{"at two spokes", 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				l := w.hubAndSpokes(3, Config{Network: netA})
				for i, site := range []int{tt.siteA, tt.ofB} {
					w.server(l.wires[site], ipx.Node{2, 0, 0, 2, byte(i), 1}, ipx.Network(0x5EA1+i)).announce(1)
				}
				time.Sleep(time.Second)
				for i, c := range l.clients {
					for n := range ipx.Network(2) {
						if !c.asks(w, 0x5EA1+n) {
							t.Errorf("the client of site %d does not reach server %d", i, n+1)
						}
					}
				}
			})
		})
	}
}

// TestServerMoves: clients everywhere find a server that was carried to another
// site, once it announces itself there.
func TestServerMoves(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to int
		leave    func(s *server)
		wait     time.Duration // until it speaks in its new place
		settled  time.Duration // how long it may then take
	}{
		{"from a spoke to the hub, in words", 1, 0, func(s *server) { s.announce(16) }, 10 * time.Second, time.Second},
		{"from the hub to a spoke, in words", 0, 1, func(s *server) { s.announce(16) }, 10 * time.Second, time.Second},
		{"between spokes, in words", 1, 2, func(s *server) { s.announce(16) }, 10 * time.Second, time.Second},
		{"from a spoke to the hub, without a word", 1, 0, nil, 5 * time.Second, 3 * time.Second},
		{"from the hub to a spoke, without a word", 0, 1, nil, 5 * time.Second, 3 * time.Second},
		{"between spokes, without a word", 1, 2, nil, 5 * time.Second, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				l := w.hubAndSpokes(3, Config{Network: netA})
				s := w.server(l.wires[tt.from], node("020000000201"), 0x5EA1)
				s.announce(1)
				time.Sleep(time.Second)
				for i, c := range l.clients {
					if !c.asks(w, 0x5EA1) {
						t.Errorf("the client of site %d does not reach it in its old place", i)
					}
				}
				if tt.leave != nil {
					tt.leave(s)
				}
				time.Sleep(100 * time.Millisecond)
				s.mute.Store(true)
				time.Sleep(tt.wait)
				s = w.server(l.wires[tt.to], node("020000000201"), 0x5EA1)
				s.announce(1)
				time.Sleep(tt.settled)
				for i, c := range l.clients {
					c.say(ipx.Broadcast, fmt.Sprint("somebody speaks", i))
					if !c.asks(w, 0x5EA1) {
						t.Errorf("the client of site %d does not find it", i)
					}
				}
			})
		})
	}
}

// TestServerKeepsItsNetwork: a peer cannot take a network over that is alive, not
// even when its server says nothing for a minute between two announcements, as
// servers do.
func TestServerKeepsItsNetwork(t *testing.T) {
	for _, at := range []int{0, 1} {
		t.Run(fmt.Sprint("at site ", at), func(t *testing.T) {
			inWorld(t, func(w *world) {
				l := w.hubAndSpokes(3, Config{Network: netA})
				s := w.server(l.wires[at], node("020000000201"), 0x5EA1)
				evil := w.server(l.wires[2], node("020000000666"), 0x5EA1)
				s.announce(1)
				time.Sleep(time.Second)
				evil.mute.Store(false)
				for i := range 300 {
					evil.announce(1)
					if i%60 == 59 {
						s.announce(1)
					}
					time.Sleep(time.Second)
				}
				if p, _ := l.segments[0].wayTo(0x5EA1, clock.Now()); p == nil || p.isLAN() != (at == 0) || p.name == "site 2" {
					t.Errorf("the network is now beyond %v", p.label())
				}
				evil.mute.Store(true)
				if !l.clients[at].asks(w, 0x5EA1) {
					t.Error("not reached any more")
				}
				if asked := s.got(string(rip.Message{Operation: rip.OpRequest, Entries: rip.Ask(0x5EA1).Entries}.Append(nil))); asked < 10 || asked > 200 {
					t.Errorf("the server was asked %d times", asked)
				}
			})
		})
	}
}

// TestServerGetsANewCard: its network is at another Ethernet address of the same
// wire from its first announcement on.
func TestServerGetsANewCard(t *testing.T) {
	inWorld(t, func(w *world) {
		l := w.hubAndSpokes(2, Config{Network: netA})
		old := w.server(l.wires[0], node("020000000201"), 0x5EA1)
		old.announce(1)
		time.Sleep(time.Second)
		old.mute.Store(true)
		w.server(l.wires[0], node("020000000202"), 0x5EA1).announce(1)
		time.Sleep(time.Second)
		if !l.clients[1].asks(w, 0x5EA1) {
			t.Error("not found")
		}
	})
}

func TestHubAndSpokes(t *testing.T) {
	for _, split := range []bool{false, true} {
		t.Run(fmt.Sprint("split horizon ", split), func(t *testing.T) {
			inWorld(t, func(w *world) {
				l := w.hubAndSpokes(5, Config{Network: netA, SplitHorizon: split})
				for i, c := range l.clients {
					c.say(ipx.Broadcast, fmt.Sprint("from ", i))
				}
				time.Sleep(time.Second)
				for i, c := range l.clients {
					for j := range l.clients {
						want := 1
						if i == j || split && i != 0 && j != 0 {
							want = 0
						}
						c.say(l.clients[j].node, fmt.Sprint("alone ", i, j))
						time.Sleep(time.Second)
						if got := c.got(fmt.Sprint("from ", j)); got != want {
							t.Errorf("client %d heard client %d %d times, want %d", i, j, got, want)
						}
						if got := l.clients[j].got(fmt.Sprint("alone ", i, j)); i != j && got != want {
							t.Errorf("client %d was heard by %d alone %d times, want %d", i, j, got, want)
						}
					}
				}
				if n := l.segments[0].Stats().Drops.SplitHorizon; (n > 0) != split {
					t.Errorf("%d packets were kept from other links", n)
				}
			})
		})
	}
}

// TestNetworkZero: hosts that know no network, those that do, and both together,
// at two sites.
func TestNetworkZero(t *testing.T) {
	for _, tt := range []struct {
		name   string
		number ipx.Network // configured
		a, b   ipx.Network // as the hosts give it
	}{
		{"both 0", netA, 0, 0},
		{"one 0", netA, 0, netA},
		{"both 0, no number configured", 0, 0, 0},
		{"one 0, no number configured", 0, 0xB0B0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: tt.number})
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(in(tt.a, host1), in(tt.a, ipx.Broadcast), "here I am"))
			l.link1.receive(pkt(in(tt.b, far1), in(tt.b, ipx.Broadcast), "me too"))
			l.pipe1.take()
			l.pipe2.take()
			l.cable1.take()
			there, back := pkt(in(tt.a, host1), in(tt.a, far1), "there"), pkt(in(tt.b, far1), in(tt.b, host1), "back")
			l.lan1.hear(ipx.EthernetII, far1, there)
			l.link1.receive(back)
			wantPackets(t, "there", &l.pipe1, there)
			wantPackets(t, "nowhere else", &l.pipe2)
			wantFrames(t, "back", &l.cable1, "ethernet_ii 020000001101 > 020000000101")
		})
	}
}

// TestPeerCannotMakeANetworkOurs: without a configured number a peer could say
// that a server's network is the segment's, and the server would be lost.
func TestPeerCannotMakeANetworkOurs(t *testing.T) {
	const netZ ipx.Network = 0x5EA1
	for _, tt := range []struct {
		name string
		run  func(l *lab)
	}{
		{"after the server spoke", func(l *lab) {
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, ripResponse(host1, netZ, 1))
			l.link1.receive(pkt(in(netZ, far1), in(netZ, ipx.Broadcast), "ours"))
		}},
		{"before it", func(l *lab) {
			l.link1.receive(pkt(in(netZ, far1), in(netZ, ipx.Broadcast), "ours"))
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, ripResponse(host1, netZ, 1))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{})
			tt.run(l)
			l.cable1.take()
			l.link1.receive(pkt(in(0, far1), in(netZ, ipx.ServerNode), "x"))
			wantFrames(t, "to the server", &l.cable1, "ethernet_ii 020000001101 > 020000000101")
		})
	}
}
