package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

var (
	// ErrNoRoute is a destination whose network nobody knows.
	ErrNoRoute = errors.New("no route to that network")
	// ErrNoSource is sent when the router has no numbered network at all that an
	// answer could come back to.
	ErrNoSource = errors.New("no network of our own that an answer could come back to")
)

// Dynamic sockets are handed out to programs that ask for any.
const (
	firstDynamic ipx.Socket = 0x4000
	lastDynamic  ipx.Socket = 0x7FFF
)

// socketQueue is how many packets a socket holds for its reader.
const socketQueue = 64

// A Socket is an IPX socket of the daemon's own: it hears what is sent to the
// router's nodes, or to everybody, on its number. Its methods are safe for
// concurrent use.
type Socket struct {
	router *Router
	number ipx.Socket
	queue  chan *packet.Buffer // never closed
	closed chan struct{}       // closed by Close
	once   sync.Once
}

// OpenSocket opens the socket with that number, or any free one for 0.
func (r *Router) OpenSocket(number ipx.Socket) (*Socket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number == 0 {
		number = r.freeSocket()
	}
	if _, taken := r.sockets[number]; number == 0 || taken || forRouter(number) || isPing(number) || number == ipx.SocketDiagnostics {
		return nil, fmt.Errorf("IPX socket %v is in use", number)
	}
	s := &Socket{router: r, number: number, queue: make(chan *packet.Buffer, socketQueue), closed: make(chan struct{})}
	r.sockets[number] = s
	r.publish()
	return s, nil
}

// freeSocket returns a dynamic socket that nobody has, or 0. r.mu is held.
func (r *Router) freeSocket() ipx.Socket {
	for s := firstDynamic; s <= lastDynamic; s++ {
		if _, taken := r.sockets[s]; !taken {
			return s
		}
	}
	return 0
}

// Number returns the socket's number.
func (s *Socket) Number() ipx.Socket { return s.number }

// put copies a received packet to the reader.
func (s *Socket) put(p *packet.Buffer) bool {
	c := packet.Get()
	c.Set(p.Bytes())
	select {
	case s.queue <- c:
		return true
	default:
		packet.Put(c)
		return false
	}
}

// ReadFrom waits for a packet and copies its data to b, cut to the length of b.
// The header tells who sent it. After Close the error is net.ErrClosed.
func (s *Socket) ReadFrom(ctx context.Context, b []byte) (n int, h ipx.Header, err error) {
	select {
	case p := <-s.queue:
		defer packet.Put(p)
		h, payload, err := ipx.Parse(p.Bytes())
		return copy(b, payload), h, err
	case <-s.closed:
		return 0, h, net.ErrClosed
	case <-ctx.Done():
		return 0, h, ctx.Err()
	}
}

// WriteTo sends b to dst, whose network must be given. It comes from our node
// on that network when it is one of ours; else from our first LAN, which other
// sites know better than the links between us.
func (s *Socket) WriteTo(b []byte, typ ipx.PacketType, dst ipx.Addr) error {
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		return s.router.send(ipx.Header{Type: typ, Src: ipx.Addr{Socket: s.number}, Dst: dst}, b)
	}
}

// Close ends waiting and later reads.
func (s *Socket) Close() error {
	s.once.Do(func() {
		r := s.router
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.sockets, s.number)
		r.publish()
		close(s.closed)
	})
	return nil
}

// send routes a packet of ours. The source, unless given, is chosen by the way.
func (r *Router) send(h ipx.Header, payload []byte) error {
	t := r.table.Load()
	way, found := t.find(h.Dst.Network)
	switch {
	case !found, way.held != nil:
		return fmt.Errorf("%v: %w", h.Dst.Network, ErrNoRoute)
	case ipx.HeaderLen+len(payload) > ipx.MaxLen, way.face != nil && ipx.HeaderLen+len(payload) > way.face.mtu:
		return fmt.Errorf("%d octets to %v: %w", len(payload), h.Dst, ipx.TooLong)
	}
	if h.Src.Network == ipx.ThisNetwork {
		src := t.source(way)
		h.Src.Network, h.Src.Node = src.Network, src.Node
	}
	if h.Src.Network == ipx.ThisNetwork {
		return ErrNoSource
	}
	p := packet.Get()
	defer packet.Put(p)
	build(p, h, payload)
	if t.ours(way, h.Dst.Node) {
		if why := r.deliver(t, nil, &h, p); why != kept {
			return fmt.Errorf("%v is our own, but nobody listens there", h.Dst)
		}
		return nil
	}
	emit(target{way.face, way.toward(h.Dst.Node)}, []*packet.Buffer{p})
	return nil
}

// source chooses whom a packet that goes that way comes from.
func (t *table) source(way hop) ipx.Addr {
	switch f := way.face; {
	case f == nil: // the internal network
		return ipx.Addr{Network: t.internal, Node: ipx.ServerNode}
	case way.direct, t.home.Network == ipx.ThisNetwork:
		return ipx.Addr{Network: f.network, Node: f.node}
	}
	return t.home
}

// ours reports whether node, at the end of the way, is the router itself.
func (t *table) ours(way hop, node ipx.Node) bool {
	return way.face == nil || way.direct && node == way.face.node
}
