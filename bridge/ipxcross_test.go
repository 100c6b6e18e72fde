package bridge

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
)

// What hosts on the LANs of two daemons say to each other across a link, routed and
// bridged alike: what the configuration of the site makes of it.

// A listener is a LAN that remembers the packets that a daemon puts on it.
type listener struct {
	mac ipx.Node

	mu   sync.Mutex
	pkts [][]byte
}

func (l *listener) hear(pkts []*packet.Buffer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range pkts {
		l.pkts = append(l.pkts, bytes.Clone(p.Bytes()))
	}
	return nil
}

// data returns what the packets from one address to another held, and forgets all.
func (l *listener) data(from, to ipx.Addr) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.pkts {
		if h, data, err := ipx.Parse(b); err == nil && h.Src == from && h.Dst == to {
			all = append(all, string(data))
		}
	}
	l.pkts = nil
	return all
}

// routedLAN and bridgedLAN are a listener as the router and as a segment see it.
type (
	routedLAN  struct{ *listener }
	bridgedLAN struct{ *listener }
)

func (l routedLAN) Send(_ ipx.Node, pkts []*packet.Buffer) error { return l.hear(pkts) }

func (l bridgedLAN) MAC() ipx.Node { return l.mac }

func (l bridgedLAN) Send(_ ipx.Encapsulation, _, _ ipx.Node, pkts []*packet.Buffer) error {
	return l.hear(pkts)
}

// A host is on the LAN of a daemon, or behind a router there.
type host struct {
	ipx.Addr
	lan *listener
	say func(typ ipx.PacketType, from, to ipx.Addr, data ...byte)
}

func packetOf(typ ipx.PacketType, from, to ipx.Addr, data []byte) *packet.Buffer {
	p := new(packet.Buffer)
	p.Set(ipx.AppendPacket(nil, ipx.Header{Type: typ, Src: from, Dst: to}, data))
	return p
}

const (
	serverNet ipx.Network = 0x5EA1 // inside alpha's server
	gamesNet  ipx.Network = 0x77   // of the segment
)

// A crossing is a server on alpha's LAN, a client on beta's, and the link between.
type crossing struct {
	a, b           *testDaemon
	server, client host
}

// crossings are the two ways in which a link carries IPX.
var crossings = []struct {
	name string
	make func(t *testing.T, w *world, atAlpha, atBeta config.IPX) *crossing
}{{"routed", routedCrossing}, {"bridged", bridgedCrossing}}

func eachCrossing(t *testing.T, atAlpha, atBeta config.IPX, test func(t *testing.T, c *crossing)) {
	for _, way := range crossings {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, way.make(t, newWorld(t), atAlpha, atBeta))
			})
		})
	}
}

func routedCrossing(t *testing.T, w *world, atAlpha, atBeta config.IPX) *crossing {
	t.Helper()
	atAlpha.Exchange, atBeta.Exchange = config.ExchangeRIPSAP, config.ExchangeRIPSAP
	c := &crossing{
		a: w.startInside("alpha", 0xA, ipxSite("alpha", "beta", false, atAlpha)),
		b: w.startInside("beta", 0xB, ipxSite("beta", "alpha", true, atBeta)),
	}
	join := func(d *testDaemon, wire ipx.Network, at ipx.Addr) host {
		h := host{Addr: at, lan: &listener{mac: ipx.Node{2, 5: byte(wire)}}}
		cfg := router.Attachment{Name: "lan", Kind: router.LAN, Network: wire, Node: h.lan.mac, Send: routedLAN{h.lan}}
		if at.Network != wire {
			cfg.Routes = []router.Route{{Network: at.Network, Hops: 1, Ticks: 2, Next: ipx.Node{2, 4: 1, 5: byte(wire)}}}
		}
		lan, err := d.ipx.router.Attach(cfg)
		if err != nil {
			t.Fatal(err)
		}
		h.say = func(typ ipx.PacketType, from, to ipx.Addr, data ...byte) {
			lan.Input([]router.In{{Packet: packetOf(typ, from, to, data), Dst: router.ToUs}})
			synctest.Wait()
		}
		return h
	}
	c.server = join(c.a, alphaWire, ipx.Addr{Network: serverNet, Node: ipx.ServerNode, Socket: ipx.SocketNCP})
	c.client = join(c.b, betaWire, ipx.Addr{Network: betaWire, Node: ipx.Node{2, 5: 0x99}, Socket: 0x4003})
	reaches(t, 10*time.Second, "client known at alpha", c.a.knows(betaWire))
	reaches(t, 10*time.Second, "server known at beta", c.b.knows(serverNet))
	return c
}

func bridgedCrossing(t *testing.T, w *world, atAlpha, atBeta config.IPX) *crossing {
	t.Helper()
	start := func(us, them string, dial bool, x config.IPX) *testDaemon {
		s := ipxSite(us, them, dial, x)
		s.Segment = &config.Segment{Name: "games", Network: gamesNet}
		return w.start(us, s)
	}
	c := &crossing{a: start("alpha", "beta", false, atAlpha)}
	delete(w.daemons, addrOf["alpha"]) // not reached until there are segments
	c.b = start("beta", "alpha", true, atBeta)
	join := func(d *testDaemon, at ipx.Addr, mac ipx.Node) host {
		h := host{Addr: at, lan: &listener{mac: ipx.Node{2, 4: 0xFF, 5: mac[5]}}}
		s := segment.New(segment.Config{Network: gamesNet})
		d.ipx.segments = map[string]*segment.Segment{"games": s}
		lan := s.AttachLAN(segment.LANConfig{Name: "lan", Wire: bridgedLAN{h.lan}, Encapsulations: []ipx.Encapsulation{ipx.EthernetII}})
		h.say = func(typ ipx.PacketType, from, to ipx.Addr, data ...byte) {
			dst := to.Node
			if to.Network != gamesNet {
				dst = h.lan.mac // we are the router for what is behind the far one
			}
			lan.InputFrames([]port.Frame{{Packet: packetOf(typ, from, to, data), Encap: ipx.EthernetII, Dst: dst, Src: mac}})
			synctest.Wait()
		}
		return h
	}
	c.server = join(c.a, ipx.Addr{Network: serverNet, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, ipx.Node{2, 5: 0x51})
	client := ipx.Node{2, 5: 0x99}
	c.client = join(c.b, ipx.Addr{Network: gamesNet, Node: client, Socket: 0x4003}, client)
	w.mu.Lock()
	w.daemons[addrOf["alpha"]] = c.a
	w.mu.Unlock()
	reaches(t, 2*time.Minute, "both up", both(c.a, c.b, StateUp))
	// A link is believed about the networks that were announced behind it.
	self := ipx.Addr{Network: gamesNet, Node: ipx.Node{2, 5: 0x51}, Socket: ipx.SocketRIP}
	everybody := ipx.Addr{Network: gamesNet, Node: ipx.Broadcast, Socket: ipx.SocketRIP}
	c.server.say(ipx.TypeRIP, self, everybody, 0, 2, 0, 0, 0x5E, 0xA1, 0, 1, 0, 2)
	return c
}

// mute has neither daemon hear the other any more.
func (c *crossing) mute() {
	c.a.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
	c.b.carrier.SetLine(gre.Line{Fault: gre.Lose(2, 1)})
}

func rule(t *testing.T, s string) policy.Filter {
	t.Helper()
	r, err := policy.ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Filter{r}
}

// TestGateOfASite: the filters of a site, and what crosses no link unless the file
// says so, in both modes and both directions.
func TestGateOfASite(t *testing.T) {
	gate := policy.Gate{In: rule(t, "deny socket 4001"), Out: rule(t, "deny socket 4002")}
	eachCrossing(t, config.IPX{Gate: gate}, config.IPX{Gate: policy.Gate{PassSNMP: true, PassNetBIOS: true}}, func(t *testing.T, c *crossing) {
		for _, tt := range []struct {
			socket  ipx.Socket
			in, out bool // of alpha
		}{
			{0x4000, true, true},
			{0x4001, false, true},
			{0x4002, true, false},
			{ipx.SocketSNMP, false, false},
			{ipx.SocketNetBIOS, false, false},
		} {
			at, from := c.server.Addr, c.client.Addr
			at.Socket = tt.socket
			c.client.say(ipx.TypePEP, from, at, []byte("in")...)
			time.Sleep(time.Second)
			if got := len(c.server.lan.data(from, at)) == 1; got != tt.in {
				t.Errorf("socket %v: came in %v, want %v", tt.socket, got, tt.in)
			}
			at, from = c.client.Addr, c.server.Addr
			at.Socket = tt.socket
			c.server.say(ipx.TypePEP, from, at, []byte("out")...)
			time.Sleep(time.Second)
			if got := len(c.client.lan.data(from, at)) == 1; got != tt.out {
				t.Errorf("socket %v: went out %v, want %v", tt.socket, got, tt.out)
			}
		}
	})
}

// TestWatchdogOfASite: a client beyond a link that is lost is answered for, with
// watchdogs = true and for the time of hold, and not else.
func TestWatchdogOfASite(t *testing.T) {
	for _, on := range []bool{true, false} {
		eachCrossing(t, config.IPX{Hold: 5 * time.Minute, Watchdogs: on}, config.IPX{}, func(t *testing.T, c *crossing) {
			server, client := c.server.Addr, c.client.Addr
			pause := func() { time.Sleep(time.Second) }
			c.client.say(ipx.TypeNCP, client, server, 0x11, 0x11, 0, 0xFF, 0, 0xFF, 0) // create a connection
			pause()
			c.server.say(ipx.TypeNCP, server, client, 0x33, 0x33, 0, 7, 0, 0, 0, 0)
			pause()
			c.client.say(ipx.TypeNCP, client, server, 0x22, 0x22, 1, 7, 1, 0, 0x61, 4, 8)
			pause()
			c.server.say(ipx.TypeNCP, server, client, 0x33, 0x33, 1, 7, 1, 0, 0, 0)
			pause()
			if got := c.client.lan.data(server, client); len(got) != 2 {
				t.Fatalf("the client heard %q", got)
			}
			c.mute()
			reaches(t, time.Minute, "the loss is noticed", func() bool { return !c.a.is(StateUp)() })
			asks := client
			asks.Socket++
			asked := func() []string {
				c.server.lan.data(asks, server)
				c.server.say(ipx.TypePEP, server, asks, 7, '?')
				pause()
				return c.server.lan.data(asks, server)
			}
			if got := asked(); (len(got) == 1 && got[0] == "\x07Y") != on {
				t.Errorf("watchdogs %v: answered %q", on, got)
			}
			time.Sleep(5 * time.Minute)
			if got := asked(); len(got) != 0 {
				t.Errorf("watchdogs %v, after the time of hold: %q", on, got)
			}
		})
	}
}
