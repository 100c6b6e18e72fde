package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// How TestAttackG11Overload loads a tunnel.
const (
	overloadTime    = 2500 * time.Millisecond
	overloadSenders = 4 // at a host
	overloadPayload = 64
	overloadRatio   = 2        // offered to carried, at least
	overloadMemory  = 32 << 20 // by which a daemon may grow, the race detector's own part included
)

// TestAttackG11Overload: hosts offer more than twice what a tunnel carries, in small packets, one
// way and then both ways at once. Data alone suffers: the call goes on, LCP and the control
// connection answer each other, status answers, memory stays within bounds. Afterwards
// every packet is accounted for. One tunnel at a time: it is that which is overloaded, and not
// the machine by many of them.
func TestAttackG11Overload(t *testing.T) {
	const echo = `echo = { interval = "1s", failures = 2 }`
	for _, c := range []struct {
		name   string
		config lab.Config
	}{
		{"UDP, AEAD", lab.Config{Site: echo}.Certified()},
		{"GRE, AEAD", lab.Config{Site: echo}.Certified().InGRE()},
		{"GRE, MPPE-128", lab.Config{Site: echo, Encryption: `policy = "required"`}.InGRE()},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.IPX = "none"
			w := lab.Unjudged(t)
			for _, ns := range []*netlab.Namespace{w.HostA, w.SiteA, w.HostB, w.SiteB} {
				ns.Sysctl("net.ipv6.conf.all.disable_ipv6", "1") // nothing but the test's packets
			}
			x := &overload{World: w}
			x.ends[0] = &overloaded{d: w.Start(w.SiteA, c.config.A()), peer: "b", host: w.HostA, to: lab.AddrB}
			x.ends[1] = &overloaded{d: w.Start(w.SiteB, c.config.B()), peer: "a", host: w.HostB, to: lab.AddrA}
			for _, e := range x.ends {
				e.d.WaitUp(e.peer)
				w.ListenUDP(e.host, "0.0.0.0:9") // what comes there is counted before
			}
			w.WantPing(w.HostA, lab.AddrB)
			t.Run("one way", func(t *testing.T) { x.load(t, x.ends[0]) })
			t.Run("both ways", func(t *testing.T) { x.load(t, x.ends[:]...) })
		})
	}
}

type overload struct {
	*lab.World
	ends [2]*overloaded
}

// An overloaded is one end of the tunnel.
type overloaded struct {
	d    *lab.Daemon
	peer string // how its site is called here
	host *netlab.Namespace
	to   string // the other host

	offered atomic.Uint64
	before  tallies
	now     tallies
}

// tallies are all counters of one end.
type tallies struct {
	hostLAN, siteLAN, tun, wan link
	daemon                     bridge.Status
	bridge.SiteStatus
}

type link struct{ rx, tx, rxDropped, txDropped uint64 }

// count reads all counters of an end.
func (x *overload) count(t *testing.T, e *overloaded) (n tallies) {
	t.Helper()
	s, err := e.d.Status()
	if err != nil {
		t.Fatal(err)
	}
	n.daemon, n.SiteStatus = s, s.Sites[0]
	if n.Tunnel == nil {
		t.Fatalf("%s has lost the tunnel: %s", e.d.NS.Name(), n.Reason)
	}
	n.hostLAN, n.siteLAN = counted(t, e.host, "lan"), counted(t, e.d.NS, "lan")
	n.wan, n.tun = counted(t, x.WAN, e.d.NS.Name()), counted(t, e.d.NS, n.IP.Device)
	return n
}

func counted(t *testing.T, ns *netlab.Namespace, name string) link {
	t.Helper()
	l, err := ns.Handle().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	s := l.Attrs().Statistics
	return link{s.RxPackets, s.TxPackets, s.RxDropped, s.TxDropped}
}

// load has the hosts of some ends send as fast as they can, and looks what became of it.
func (x *overload) load(t *testing.T, from ...*overloaded) {
	for _, e := range x.ends {
		e.before = x.count(t, e)
		e.offered.Store(0)
	}
	until := time.Now().Add(overloadTime)
	var all sync.WaitGroup
	for _, e := range from {
		for range overloadSenders {
			c := x.ListenUDP(e.host, "0.0.0.0:0")
			all.Go(func() { e.send(c, until) })
		}
	}
	var grown int64
	for time.Now().Before(until) {
		for _, e := range x.ends {
			grown = max(grown, x.count(t, e).daemon.Process.Resident-e.before.daemon.Process.Resident)
		}
		time.Sleep(100 * time.Millisecond)
	}
	all.Wait()
	for _, e := range from {
		x.accounted(t, e)
	}
	for _, e := range x.ends {
		e.spared(t, x.other(e))
	}
	t.Logf("a daemon grew by %d MiB at most", grown>>20)
	if grown > overloadMemory {
		t.Errorf("a daemon grew by %d MiB", grown>>20)
	}
}

func (x *overload) other(e *overloaded) *overloaded { return x.ends[1-slices.Index(x.ends[:], e)] }

func (e *overloaded) send(c *net.UDPConn, until time.Time) {
	p, ms := ipv4.NewPacketConn(c), make([]ipv4.Message, 64)
	for i := range ms {
		ms[i].Buffers, ms[i].Addr = [][]byte{make([]byte, overloadPayload)}, &net.UDPAddr{IP: net.ParseIP(e.to), Port: 9}
	}
	for time.Now().Before(until) {
		if n, err := p.WriteBatch(ms, 0); err == nil {
			e.offered.Add(uint64(n))
		}
	}
}

// spared wants all but data to have passed from e to the other end: the call is the one
// that it was, and nothing of PPP's control protocols is missing, nor of the control connection.
func (e *overloaded) spared(t *testing.T, to *overloaded) {
	t.Helper()
	was, is := e.before, e.now
	if is.Ups != was.Ups || is.Tunnel.CallID != was.Tunnel.CallID || is.State != bridge.StateUp {
		t.Errorf("%s: up %d times, was %d; call %d, was %d; %s %s", e.d.NS.Name(), is.Ups, was.Ups, is.Tunnel.CallID, was.Tunnel.CallID, is.State, is.Reason)
	}
	sent, came := is.Tunnel.PPP.Stats.ControlOut-was.Tunnel.PPP.Stats.ControlOut, to.now.Tunnel.PPP.Stats.ControlIn-to.before.Tunnel.PPP.Stats.ControlIn
	echoes := is.Tunnel.Control.In.EchoReply + is.Tunnel.Control.Out.EchoReply - was.Tunnel.Control.In.EchoReply - was.Tunnel.Control.Out.EchoReply
	if want := uint64(overloadTime / (2 * time.Second)); came != sent || echoes < want {
		t.Errorf("%s: of %d control packets %d came; %d echoes of the control connection, want %d", e.d.NS.Name(), sent, came, echoes, want)
	}
	t.Logf("%s: %d control packets, all came; %d echoes of the control connection", e.d.NS.Name(), sent, echoes)
}

// accounted waits until each packet that the host of e has sent is accounted for.
func (x *overload) accounted(t *testing.T, e *overloaded) {
	t.Helper()
	var b *books
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		for _, e := range x.ends {
			e.now = x.count(t, e)
		}
		if b = e.books(x.other(e)); b.balance() {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%s: some packets are not accounted for:", e.d.NS.Name())
			break
		}
	}
	t.Logf("%s offered %d, %d were carried:%s", e.host.Name(), e.offered.Load(), b.carried, b)
	if e.offered.Load() < overloadRatio*b.carried {
		t.Errorf("that is no overload: want %d to one", overloadRatio)
	}
}

// books say step by step what became of packets.
type books struct {
	steps   []step
	carried uint64
}

// A step has so many packets come in, and go on or be dropped for a reason.
type step struct {
	what    string
	in, out uint64
	drops   []drop
	slack   uint64 // other packets than ours: ARP
}

type drop struct {
	why string
	n   uint64
}

func (s step) dropped() (n uint64) {
	for _, d := range s.drops {
		n += d.n
	}
	return n
}

func (s step) balances() bool {
	missing := int64(s.in - s.out - s.dropped())
	return max(missing, -missing) <= int64(s.slack)
}

func (b *books) balance() bool {
	return !slices.ContainsFunc(b.steps, func(s step) bool { return !s.balances() })
}

func (b *books) String() string {
	var text strings.Builder
	for _, s := range b.steps {
		fmt.Fprintf(&text, "\n  %-40s in %d, out %d", s.what, s.in, s.out)
		for _, d := range s.drops {
			if d.n != 0 {
				fmt.Fprintf(&text, ", %s %d", d.why, d.n)
			}
		}
		if !s.balances() {
			fmt.Fprintf(&text, ": %d UNEXPLAINED", int64(s.in-s.out-s.dropped()))
		}
	}
	return text.String()
}

// books follow the packets of e's host to the other one.
func (e *overloaded) books(to *overloaded) *books {
	was, is, was2, is2 := e.before, e.now, to.before, to.now
	arp := uint64(8)
	out, in := is.Tunnel.GRE.PacketsSent-was.Tunnel.GRE.PacketsSent, is2.Tunnel.GRE.PacketsReceived-was2.Tunnel.GRE.PacketsReceived
	late := is2.Tunnel.GRE.Drops.Late - was2.Tunnel.GRE.Drops.Late
	far := is2.Tunnel.GRE.Drops.FarAhead - was2.Tunnel.GRE.Drops.FarAhead
	lost := is2.Tunnel.GRE.Lost - was2.Tunnel.GRE.Lost
	b := &books{carried: is2.hostLAN.rx - was2.hostLAN.rx, steps: []step{
		{"host to site", e.offered.Load(), is.siteLAN.rx - was.siteLAN.rx, []drop{
			{"LAN interface full", is.hostLAN.txDropped - was.hostLAN.txDropped},
		}, arp},
		{"site's kernel to TUN", is.siteLAN.rx - was.siteLAN.rx, is.tun.tx - was.tun.tx, []drop{
			{"TUN queue full", is.tun.txDropped - was.tun.txDropped},
		}, arp},
		{"TUN to link", is.tun.tx - was.tun.tx, is.IP.Stats.PacketsOut - was.IP.Stats.PacketsOut, []drop{
			{"link refused", is.IP.Stats.Drops.LinkRefused - was.IP.Stats.Drops.LinkRefused},
		}, 0},
		{"link, with its control packets, to GRE", is.Tunnel.PPP.Stats.PacketsOut + is.Tunnel.PPP.Stats.ControlOut - was.Tunnel.PPP.Stats.PacketsOut - was.Tunnel.PPP.Stats.ControlOut, out, nil, 0},
		{"GRE to GRE, by sequence numbers", out, in, []drop{
			{"overload", is2.Tunnel.GRE.Drops.Overload - was2.Tunnel.GRE.Drops.Overload},
			{"lost", lost},
		}, 0},
		{"GRE to link", in, is2.Tunnel.PPP.Stats.PacketsIn + is2.Tunnel.PPP.Stats.ControlIn - was2.Tunnel.PPP.Stats.PacketsIn - was2.Tunnel.PPP.Stats.ControlIn, is2.cipherDrops(was2), 0},
		{"link to TUN", is2.Tunnel.PPP.Stats.PacketsIn - was2.Tunnel.PPP.Stats.PacketsIn, is2.IP.Stats.PacketsIn - was2.IP.Stats.PacketsIn, []drop{
			{"refused by the kernel", is2.IP.Stats.Drops.InterfaceRefused - was2.IP.Stats.Drops.InterfaceRefused},
		}, 0},
		{"TUN to the other site's kernel", is2.IP.Stats.PacketsIn - was2.IP.Stats.PacketsIn, is2.tun.rx - was2.tun.rx, []drop{
			{"TUN", is2.tun.rxDropped - was2.tun.rxDropped},
		}, 0},
		{"the other site to its host", is2.tun.rx - was2.tun.rx, is2.hostLAN.rx - was2.hostLAN.rx, []drop{
			{"LAN interface full", is2.siteLAN.txDropped - was2.siteLAN.txDropped},
		}, arp},
	}}
	wire := is.wan.rxDropped + is.wan.txDropped + is2.wan.txDropped - was.wan.rxDropped - was.wan.txDropped - was2.wan.txDropped
	why := step{"what is lost between", lost, 0, []drop{
		{"late", late}, {"far ahead", far}, {"on the wire", wire},
		{"receive queue full", is2.queueFull() - was2.queueFull()},
	}, 0}
	if is2.Tunnel.Carrier == "udp" && is2.queueFull() > was2.queueFull() {
		why.slack = lost // the kernel counts runs of packets
	}
	b.steps = append(b.steps, why)
	return b
}

// queueFull counts what found the receive queues full.
func (n *tallies) queueFull() uint64 {
	return n.daemon.UDP.Drops.ReceiveQueueFull + n.daemon.Sockets.Drops.ReceiveQueueFull
}

// cipherDrops are the packets that the cipher did not let through.
func (n *tallies) cipherDrops(was tallies) (drops []drop) {
	for why, count := range n.Tunnel.PPP.Encryption.Packets {
		if why != "opened" && why != "sealed" {
			drops = append(drops, drop{why, count - was.Tunnel.PPP.Encryption.Packets[why]})
		}
	}
	return drops
}
