package port

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
)

// DOSBoxEncapsulation is how the packets of a DOSBox port look to router and
// segment. On their wire there are no frames.
const DOSBoxEncapsulation = ipx.EthernetII

// tickEvery is how often a port looks after its clients.
const tickEvery = time.Second

// DOSBoxConfig describes a port to which emulators connect by UDP.
type DOSBoxConfig struct {
	Name   string // of the port
	Listen netip.AddrPort
	// Routed says that the wire is a network of its own. A packet for a node that
	// is no client then goes to the router: it has no frame that could say so.
	Routed  bool
	Clients int // at most so many; 0: 64
	Rate    int // packets a second from one client; 0: 1000
	Log     *slog.Logger
}

// A dosboxPort is a Port whose wire is the emulators that are connected to it.
type dosboxPort struct {
	common
	cfg    DOSBoxConfig
	house  *house
	conn   *net.UDPConn
	raw    syscall.RawConn
	closed atomic.Bool
}

// OpenDOSBox opens a server for DOSBox, DOSBox-X and emulators like them (package
// ipxnet). It uses the socket that systemd handed over, if one is bound to
// cfg.Listen. The port that it returns also is a DOSBoxHost.
func OpenDOSBox(ctx context.Context, cfg DOSBoxConfig) (Port, error) {
	if cfg.Clients == 0 {
		cfg.Clients = 64
	}
	if cfg.Rate == 0 {
		cfg.Rate = 1000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := inherited.take(cfg.Listen)
	if err == nil && conn == nil {
		conn, err = listenDOSBox(ctx, cfg.Listen)
	}
	if err != nil {
		return nil, err
	}
	p, err := newDOSBoxPort(cfg, conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up the DOSBox port on UDP %v: %w", cfg.Listen, err), conn.Close())
	}
	return p, nil
}

// listenDOSBox opens a socket of our own.
func listenDOSBox(ctx context.Context, listen netip.AddrPort) (*net.UDPConn, error) {
	family := "udp" // [::] is IPv4 too
	if listen.Addr().Is4() {
		family = "udp4" // for Go, 0.0.0.0 would be IPv6 too
	}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, family, listen.String())
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open the DOSBox port: %w: ports below 1024 are root's: choose one above (ipxnet connect HOST PORT), or let systemd open it (packaging/sitebridge-dosbox.socket)", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("open the DOSBox port: %w: `ss -ulpn` tells by whom", err)
	case err != nil:
		return nil, fmt.Errorf("open the DOSBox port: %w", err)
	}
	return conn.(*net.UDPConn), nil
}

func newDOSBoxPort(cfg DOSBoxConfig, conn *net.UDPConn) (*dosboxPort, error) {
	var mac ipx.Node
	rand.Read(mac[:])
	mac = local(mac)
	p := &dosboxPort{cfg: cfg, conn: conn, house: newHouse(mac, cfg.Clients, cfg.Rate, time.Now())}
	p.name = cfg.Name
	p.mac.Store(&mac)
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	p.raw = raw
	if failed := raw.Control(func(fd uintptr) { err = setUpDOSBox(int(fd)) }); failed != nil {
		return nil, failed
	}
	return p, err
}

// A DOSBoxHost is what a port for DOSBox can tell beside what all ports do.
type DOSBoxHost interface {
	// Clients returns who is connected.
	Clients() []DOSBoxClient
	// Address is where the port listens.
	Address() netip.AddrPort
}

func (p *dosboxPort) Clients() []DOSBoxClient { return p.house.list() }

func (p *dosboxPort) Address() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *dosboxPort) Up() bool { return !p.closed.Load() }

// Stats also asks the kernel how many datagrams its queue had no room for.
func (p *dosboxPort) Stats() Stats {
	p.raw.Control(func(fd uintptr) {
		p.count.dropped[dropReceiveQueueFull].Store(socketDrops(fd))
	})
	return p.count.stats()
}

// Close ends Run and lets the socket go.
func (p *dosboxPort) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	return p.conn.Close()
}

// Send gives packets to the client whose node dst is, or to all. There is no frame
// around them, so encap and src say nothing.
func (p *dosboxPort) Send(_ ipx.Encapsulation, dst, _ ipx.Node, pkts []*packet.Buffer) error {
	if p.closed.Load() {
		p.count.dropped[dropInterfaceDown].Add(uint64(len(pkts)))
		return ErrDown
	}
	to := p.house.clients.Load()
	if !dst.IsGroup() && to.byNode[dst] == nil {
		p.count.dropped[dropNoClient].Add(uint64(len(pkts)))
		return nil
	}
	o := p.getOut()
	o.single = !dst.IsGroup()
	for _, b := range pkts {
		h, kind, err := ipxnet.Read(b.Bytes())
		switch {
		case err == nil:
			o.deliver(to, nil, dst, b.Bytes()[:h.Length], kind)
		case b.Len() > ipx.MaxLen:
			p.count.drop(ipx.TooLong)
		default:
			p.count.drop(dropBadPacket)
		}
	}
	return o.put()
}

// deliver adds a packet for one client, or for all but the one that sent it. A
// ping is also for newcomers.
func (o *datagramsOut) deliver(to *roster, from *client, dst ipx.Node, pkt []byte, kind ipxnet.Kind) {
	if !dst.IsGroup() {
		if c := to.byNode[dst]; c != nil && c != from {
			o.add(c.path.Load(), pkt)
		}
		return
	}
	for _, c := range to.all {
		if c != from {
			o.add(c.path.Load(), pkt)
		}
	}
	if kind == ipxnet.Ping {
		o.pings = o.port.house.pingable(o.pings[:0])
		for _, path := range o.pings {
			o.add(path, pkt)
		}
		clear(o.pings)
	}
}

func (p *dosboxPort) Run(ctx context.Context, h Handler) error {
	stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	in := newDatagramsIn()
	defer in.close()
	for next := time.Now(); ; {
		if now := time.Now(); !now.Before(next) {
			p.tick(now)
			next = now.Add(tickEvery)
			p.conn.SetReadDeadline(next)
		}
		if ctx.Err() != nil { // looked at after the deadline was set, which undoes that of stop
			return nil
		}
		err := p.raw.Read(in.receive)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return net.ErrClosed
		case in.errno != 0: // an ICMP error came back
			p.readErrors(time.Now())
		default:
			p.take(in, time.Now(), h)
		}
	}
}

// take hands a batch to the other clients and to h.
func (p *dosboxPort) take(in *datagramsIn, now time.Time, h Handler) {
	o, n := p.getOut(), 0
	o.quiet = true // the wire carries it and not we
	for i := range in.n {
		f, why, ok := p.receive(in, i, now, o)
		switch {
		case why != 0:
			p.count.drop(why)
		case ok:
			p.frames[n] = f
			n++
		}
	}
	o.put() // before h, which may change the packets
	if n == 0 {
		return
	}
	p.observe(p.frames[:n], p.MAC())
	h(p.frames[:n])
	clear(p.frames[:n])
}

// receive takes one datagram. ok says that it is a packet for the wire, which has
// been added to o for the other clients.
func (p *dosboxPort) receive(in *datagramsIn, i int, now time.Time, o *datagramsOut) (f Frame, why ipx.DropReason, ok bool) {
	b, whole := in.datagram(i)
	if !whole {
		return f, ipx.Overlong, false
	}
	h, kind, err := ipxnet.Read(b.Bytes())
	if reason, bad := err.(ipx.DropReason); bad {
		return f, reason, false
	}
	from := in.from(i)
	if kind == ipxnet.Registration {
		return f, p.register(from, in.path(i), now), false
	}
	before := p.house.clients.Load()
	c, why := p.house.sender(from, h.Src.Node, func() *path { return in.path(i) }, now)
	if why != 0 {
		return f, why, false
	}
	to := p.house.clients.Load()
	if to != before {
		p.cfg.Log.Info("DOSBox client connected", "address", c.addr, "node", c.node, "clients", len(to.all))
	}
	mac := p.MAC()
	if kind == ipxnet.Pong && h.Dst.Node == mac {
		return f, 0, false // it lives, which is what we asked
	}
	b.Truncate(int(h.Length))
	o.deliver(to, c, h.Dst.Node, b.Bytes(), kind)
	return Frame{b, DOSBoxEncapsulation, p.addressee(to, h.Dst.Node, mac), c.node}, 0, true
}

// addressee says what the frame's destination would have been on an Ethernet.
func (p *dosboxPort) addressee(to *roster, dst, mac ipx.Node) ipx.Node {
	if p.cfg.Routed && !dst.IsGroup() && to.byNode[dst] == nil {
		return mac
	}
	return dst
}

// register answers a registration.
func (p *dosboxPort) register(from netip.AddrPort, back *path, now time.Time) ipx.DropReason {
	node, why := p.house.register(from, back, now)
	if why != 0 {
		return why
	}
	var reply [ipx.HeaderLen]byte
	o := p.getOut()
	o.quiet = true
	o.add(back, ipxnet.AppendReply(reply[:0], node, p.MAC()))
	o.put()
	p.house.expect(from, back, now)
	return 0
}

// tick looks after the clients once a second.
func (p *dosboxPort) tick(now time.Time) {
	p.readErrors(now)
	left, ping := p.house.tick(now)
	p.farewell(left, "silent")
	if len(ping) == 0 {
		return
	}
	var b [ipx.HeaderLen]byte
	ipxnet.AppendPing(b[:0], p.MAC())
	o := p.getOut()
	o.quiet = true
	for _, to := range ping {
		o.add(to, b[:])
	}
	o.put()
}

func (p *dosboxPort) readErrors(now time.Time) {
	p.raw.Control(func(fd uintptr) {
		readErrors(int(fd), func(addr netip.AddrPort) { p.farewell(p.house.refused(addr, now), "nobody listens there any more") })
	})
}

func (p *dosboxPort) farewell(left []*client, why string) {
	for _, c := range left {
		p.cfg.Log.Info("DOSBox client gone", "address", c.addr, "node", c.node, "reason", why)
	}
}
