package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/diagnose"
	"sitebridge/ip"
	"sitebridge/ppp"
)

// What ICMP tells of a path (RFC 792): pings of several sizes, and what routers say of
// packets of ours.

const (
	icmpEchoReply   = 0
	icmpUnreachable = 3
	icmpEcho        = 8
	icmpTooBig      = 4 // code of icmpUnreachable
	ipHeaderLen     = 20
	icmpHeaderLen   = 8
	protocolGRE     = 47
	protocolUDP     = 17
	udpHeaderLen    = 8
)

// openICMP opens a socket that gets every ICMP message for this host.
func openICMP() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, fmt.Errorf("open raw socket for ICMP: %w: needs the capability CAP_NET_RAW", err)
	}
	return os.NewFile(uintptr(fd), "icmp"), nil
}

// An icmpMessage is one that came, with what it is about.
type icmpMessage struct {
	from       netip.Addr
	kind, code byte
	id, seq    uint16     // of an echo
	mtu        int        // of icmpTooBig
	about      netip.Addr // for icmpUnreachable: where the packet was to go
	protocol   byte       // and what it carried
	port       uint16     // of UDP: from where
}

// parseICMP reads a message as a raw socket gives it, with its IP header.
func parseICMP(b []byte) (m icmpMessage, ok bool) {
	at := headerOf(b)
	if at == 0 || len(b) < at+icmpHeaderLen {
		return m, false
	}
	m.from = netip.AddrFrom4([4]byte(b[12:16]))
	b = b[at:]
	m.kind, m.code = b[0], b[1]
	m.id, m.seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	if m.kind != icmpUnreachable {
		return m, true
	}
	m.mtu = int(m.seq)
	quoted := b[icmpHeaderLen:]
	if headerOf(quoted) == 0 {
		return m, false
	}
	m.about, m.protocol = netip.AddrFrom4([4]byte(quoted[16:20])), quoted[9]
	if rest := quoted[headerOf(quoted):]; m.protocol == protocolUDP && len(rest) >= 2 {
		m.port = binary.BigEndian.Uint16(rest)
	}
	return m, true
}

// headerOf returns the length of an IPv4 header, 0 when there is none (RFC 791).
func headerOf(b []byte) int {
	if len(b) < ipHeaderLen || b[0]>>4 != 4 {
		return 0
	}
	n := int(b[0]&15) * 4
	if n < ipHeaderLen || n > len(b) {
		return 0
	}
	return n
}

// readICMP hands every message to take until the file is closed.
func readICMP(f *os.File, take func(icmpMessage)) {
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		if m, ok := parseICMP(buf[:n]); ok {
			take(m)
		}
	}
}

// listenICMP notes what routers say of our GRE, and of UDP from our port, until stop is
// called. said returns what concerns a peer. Without the privilege nothing is heard.
func listenICMP(port uint16) (said func(netip.Addr) []diagnose.ICMP, stop func()) {
	f, err := openICMP()
	if err != nil {
		return func(netip.Addr) []diagnose.ICMP { return nil }, func() {}
	}
	var mu sync.Mutex
	heard := map[netip.Addr][]diagnose.ICMP{}
	var reading sync.WaitGroup
	reading.Go(func() {
		readICMP(f, func(m icmpMessage) {
			mu.Lock()
			defer mu.Unlock()
			udp := m.protocol == protocolUDP && m.port == port && port != 0
			if m.kind == icmpUnreachable && (udp || m.protocol == protocolGRE) && len(heard) < 64 && len(heard[m.about]) < 64 {
				heard[m.about] = append(heard[m.about], diagnose.ICMP{From: m.from, Type: m.kind, Code: m.code, UDP: udp})
			}
		})
	})
	said = func(peer netip.Addr) []diagnose.ICMP {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(heard[peer])
	}
	return said, func() {
		f.Close()
		reading.Wait()
	}
}

// smallPing is a size that any path carries.
const smallPing = 84

// pingSizes are tried when the longest that the kernel believes in is not answered, in
// octets with the IP header: what tunnels, PPPoE and mobile networks leave.
var pingSizes = []int{1492, 1480, 1476, 1472, 1460, 1454, 1448, 1440, 1432, 1420, 1412, 1400, 1380, 1360, 1340, 1320, 1300, 1280, 1200, 1100, 1000, 800, 576}

// pathWait is how long the answers to pings may take.
const pathWait = time.Second

// pathMTU is what the kernel believes in for the path of a.
func (p *prober) pathMTU(a diagnose.Attempt) (int, error) {
	device, err := p.st.sourceDevice()
	if err != nil {
		return 0, err
	}
	return p.d.host.PathMTU(a.Local, a.Peer, device)
}

// Path implements diagnose.World.
func (p *prober) Path(ctx context.Context, a diagnose.Attempt) diagnose.Path {
	out := diagnose.Path{Peer: a.Peer}
	if out.Believed, out.Err = p.pathMTU(a); out.Err != nil {
		return out
	}
	if m := a.MTU; m.InnerMTU > 0 {
		out.Overhead = m.Around()
	}
	if s := p.session(); s != nil && a.Up {
		out.Inner, out.InnerTried = through(ctx, s, out.Believed)
		if mtu, err := p.pathMTU(a); err == nil && mtu < out.Believed {
			out.Told = mtu // a router has told the kernel of the echoes
			return out
		}
	}
	pings, err := openPinger(a.Local, a.Peer)
	if err != nil {
		out.Err = err
		return out
	}
	defer pings.close()
	out.Tried = out.Believed
	answered := pings.ping(ctx, smallPing, out.Believed)
	if out.Small = answered[smallPing]; answered[out.Believed] {
		out.Outer, out.Small = out.Believed, true
		return out
	}
	if out.Told = pings.told(); out.Told > 0 || !out.Small {
		return out
	}
	less := slices.DeleteFunc(slices.Clone(pingSizes), func(n int) bool { return n >= out.Believed })
	for size := range pings.ping(ctx, less...) {
		out.Outer = max(out.Outer, size)
	}
	if out.Outer == 0 {
		out.Outer = smallPing
	}
	return out
}

// aroundLCP is what is around an LCP packet in the carrier's, but for UDP: IP, GRE with sequence and
// acknowledgement, and the PPP header, which LCP has whole (RFC 1661, section 6.6).
const aroundLCP = ipHeaderLen + 16 + 4

// through sends echoes through a tunnel that must not be cut on the way, and returns the
// longest that was answered and the longest that was sent, as octets of the carrier's
// packet. A peer that answers no short one answers none: tried is 0 then.
func through(ctx context.Context, s *session, believed int) (passes, tried int) {
	around := aroundLCP
	if s.carrier.Load().inUDP() {
		around += udpHeaderLen
	}
	tried = min(believed, s.link.PeerMRU()+around)
	for range 2 { // one may be lost
		if got := echoes(ctx, s.link, around, smallPing, tried); got > 0 {
			passes = max(passes, got)
		}
		if passes == tried {
			return passes, tried
		}
	}
	if passes == 0 {
		return 0, 0
	}
	less := slices.DeleteFunc(slices.Clone(pingSizes), func(n int) bool { return n >= tried })
	return max(passes, echoes(ctx, s.link, around, less...)), tried
}

// echoes returns the longest that was answered, with so much around each.
func echoes(ctx context.Context, link *ppp.Link, around int, sizes ...int) (most int) {
	ctx, cancel := context.WithTimeout(ctx, pathWait/2)
	defer cancel()
	answered := make([]bool, len(sizes))
	var asked sync.WaitGroup
	for i, size := range sizes {
		asked.Go(func() { answered[i] = link.EchoSize(ctx, size-around) })
	}
	asked.Wait()
	for i, size := range sizes {
		if answered[i] {
			most = max(most, size)
		}
	}
	return most
}

// A pinger sends pings to one address that must not be cut on the way.
type pinger struct {
	file *os.File
	conn syscall.RawConn
	to   netip.Addr
	id   uint16

	reading  sync.WaitGroup
	mu       sync.Mutex // guards what follows
	answered map[int]bool
	mtu      int           // that a router told
	news     chan struct{} // holds one
}

func openPinger(from, to netip.Addr) (*pinger, error) {
	f, err := openICMP()
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err == nil {
		err = errors.Join(err, conn.Control(func(fd uintptr) {
			err = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(ip.Mark)),
				// Do not fragment, and do not believe what is known of the path (ip(7)).
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
				unix.Bind(int(fd), &unix.SockaddrInet4{Addr: from.As4()}),
			)
		}))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("prepare pings: %w", err)
	}
	p := &pinger{file: f, conn: conn, to: to, id: uint16(rand.Uint32()), answered: map[int]bool{}, news: make(chan struct{}, 1)}
	p.reading.Go(func() { readICMP(f, p.take) })
	return p, nil
}

func (p *pinger) close() {
	p.file.Close()
	p.reading.Wait()
}

// take notes an answer, or what a router says of a ping. A ping's number is its size.
func (p *pinger) take(m icmpMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case m.kind == icmpEchoReply && m.from == p.to && m.id == p.id:
		p.answered[int(m.seq)] = true
	case m.kind == icmpUnreachable && m.code == icmpTooBig && m.about == p.to && m.mtu > 0:
		p.mtu = m.mtu
	default:
		return
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *pinger) told() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mtu
}

// ping sends pings of these sizes, and again what is not answered in half the time. It
// returns those that were answered, soon after the largest was, or a router has spoken.
func (p *pinger) ping(ctx context.Context, sizes ...int) map[int]bool {
	for range 2 {
		for _, size := range sizes {
			if !p.has(size) {
				p.send(size)
			}
		}
		timer := time.NewTimer(pathWait / 2)
		for waiting := true; waiting && !p.done(sizes); {
			select {
			case <-p.news:
			case <-timer.C:
				waiting = false
			case <-ctx.Done():
				waiting = false
			}
		}
		timer.Stop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.answered)
}

func (p *pinger) has(size int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered[size]
}

func (p *pinger) done(sizes []int) bool {
	return p.told() > 0 || len(sizes) == 0 || p.has(slices.Max(sizes))
}

// send sends one ping of so many octets with its IP header. What cannot be sent is not
// answered.
func (p *pinger) send(size int) {
	b := echoRequest(p.id, size)
	p.conn.Control(func(fd uintptr) {
		unix.Sendto(int(fd), b, 0, &unix.SockaddrInet4{Addr: p.to.As4()})
	})
}

// echoRequest is a ping, whose sequence number is its size.
func echoRequest(id uint16, size int) []byte {
	b := make([]byte, size-ipHeaderLen)
	b[0] = icmpEcho
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], uint16(size))
	var sum uint32 // the data is zero
	for i := 0; i < icmpHeaderLen; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum&0xffff+sum>>16))
	return b
}
