package gre

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// A NextHop is how packets leave by an Ethernet interface.
type NextHop struct {
	Device   int
	To, From [6]byte // hardware addresses
	MTU      int     // of the path, IP header included
}

const (
	// bypassFrom is how many packets a batch has that is worth it: a stream.
	bypassFrom = 16
	// bypassTime is for how long a NextHop is believed. Then a batch goes by the raw
	// socket, which makes the kernel find out whether the neighbour is still there, and
	// tells of a path that has become narrower.
	bypassTime = time.Second
	hopSlots   = 1024
)

// A bypass sends ready-made Ethernet frames by a packet socket: past the routing
// decision, netfilter's output hooks and the neighbour's table, each of which a raw
// socket pays for with every packet; not past the queue discipline.
type bypass struct {
	socket *socket
	look   func(Path) (NextHop, error)
	log    *slog.Logger
	hops   [hopSlots]atomic.Pointer[hop] // two paths may want the same one: then neither has it for long
	// changes counts those of the host's network: a hop of before is not used.
	changes atomic.Uint64

	asks    chan Path
	end     chan struct{} // closed by close
	ended   sync.WaitGroup
	closing sync.Once
}

func openBypass(cfg RawConfig) (*bypass, error) {
	if cfg.NextHop == nil {
		return nil, nil
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: it receives nothing
	if err != nil {
		return nil, fmt.Errorf("open packet socket for GRE: %w", err)
	}
	if err := setMark(fd, cfg.Mark); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
	b := &bypass{look: cfg.NextHop, log: cfg.Log, asks: make(chan Path, 16), end: make(chan struct{})}
	if b.socket, err = adopt(fd, "gre-bypass"); err != nil {
		return nil, err
	}
	b.ended.Go(b.learn)
	return b, nil
}

// close ends learn, and waits for it.
func (b *bypass) close() {
	if b == nil {
		return
	}
	b.closing.Do(func() { close(b.end) })
	b.ended.Wait()
	b.socket.close()
}

// learn looks up what senders have asked for, who do not wait.
func (b *bypass) learn() {
	for {
		select {
		case path := <-b.asks:
			if h := b.slot(path).Load(); h == nil || !b.holds(h, path) {
				b.renew(path, h)
			}
		case <-b.end:
			return
		}
	}
}

func (b *bypass) renew(path Path, old *hop) {
	changes := b.changes.Load() // what changes while we look counts
	n, err := b.look(path)
	h := newHop(path, n)
	h.changes, h.until, h.usable = changes, time.Now().Add(bypassTime), err == nil
	b.slot(path).Store(h)
	if err != nil && (old == nil || old.path != path || old.usable) {
		b.log.Info("raw GRE does not bypass the host's IP layer", "peer", path.Remote, "reason", err)
	}
}

func (b *bypass) slot(path Path) *atomic.Pointer[hop] {
	a := path.Remote.As4()
	return &b.hops[binary.BigEndian.Uint32(a[:])*2654435761>>22] // the golden ratio's, by Knuth
}

func (b *bypass) holds(h *hop, path Path) bool {
	return h.path == path && h.changes == b.changes.Load() && time.Now().Before(h.until)
}

// find returns how a batch can leave; nil: by a raw socket.
func (b *bypass) find(path Path, pkts []*packet.Buffer, df bool) *hop {
	if b == nil || !df || len(pkts) < bypassFrom || !path.Local.IsValid() {
		return nil
	}
	h := b.slot(path).Load()
	if h == nil || !b.holds(h, path) {
		select {
		case b.asks <- path:
		default:
		}
		return nil
	}
	if !h.usable || !h.takes(pkts) {
		return nil
	}
	return h
}

// A hop is a NextHop with the headers that packets need for it.
type hop struct {
	path    Path
	usable  bool
	changes uint64
	until   time.Time
	mtu     int
	to      unix.RawSockaddrLinklayer
	head    [ethernetLen + ipHeaderLen]byte
	sum     uint32 // of the IP header but for the length
}

const ethernetLen = 14

func newHop(path Path, n NextHop) *hop {
	h := &hop{path: path, mtu: n.MTU}
	h.to = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(n.Device), Halen: 6}
	h.to.Protocol = binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})
	copy(h.to.Addr[:], n.To[:])

	copy(h.head[0:], n.To[:])
	copy(h.head[6:], n.From[:])
	binary.BigEndian.PutUint16(h.head[12:], unix.ETH_P_IP)

	// RFC 791, section 3.1. What may not be cut needs no identification (RFC 6864,
	// section 4.1).
	ip := h.head[ethernetLen:]
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, unix.IPPROTO_GRE
	from, to := path.Local.As4(), path.Remote.As4()
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	for i := 0; i < len(ip); i += 2 {
		h.sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	return h
}

// takes reports whether all packets are short enough. The raw socket knows what to say
// of those that are not.
func (h *hop) takes(pkts []*packet.Buffer) bool {
	for _, p := range pkts {
		if p.Len()+ipHeaderLen > h.mtu {
			return false
		}
	}
	return true
}

// put puts both headers in front of a packet.
func (h *hop) put(p *packet.Buffer) {
	b := p.Prepend(len(h.head))
	copy(b, h.head[:])
	ip := b[ethernetLen:]
	sum := h.sum + uint32(len(ip))
	sum = sum&0xffff + sum>>16
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
}

// sendPast sends packets by a hop, and returns those that the raw socket must take.
func (r *Raw) sendPast(h *hop, b *sendBatch, pkts []*packet.Buffer) []*packet.Buffer {
	for _, p := range pkts {
		h.put(p)
	}
	b.addressFrame(h)
	for len(pkts) > 0 {
		b.fill(pkts)
		err := r.bypass.socket.send(b)
		r.counters.sent.Add(uint64(b.sent))
		r.counters.bypassed.Add(uint64(b.sent))
		pkts = pkts[b.sent:]
		switch err {
		case nil:
		case unix.ENOBUFS: // the queue discipline has dropped the first of these
			r.counters.sendQueueFull.Add(1)
			pkts = pkts[1:]
		case unix.EAGAIN:
			r.counters.sendQueueFull.Add(uint64(len(pkts)))
			return nil
		default: // the interface is gone, or down
			r.bypass.changes.Add(1)
			for _, p := range pkts {
				p.TrimFront(len(h.head))
			}
			return pkts
		}
	}
	return nil
}

// HostChanged says that an interface, an address, a route or a neighbour has changed:
// nothing that RawConfig.NextHop said before holds.
func (r *Raw) HostChanged() {
	if r.bypass != nil {
		r.bypass.changes.Add(1)
	}
}
