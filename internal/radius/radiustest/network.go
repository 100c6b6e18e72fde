// Package radiustest has a RADIUS server in memory, for tests in virtual time: what a
// server answers is the test's, octet for octet if it wants to lie.
package radiustest

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"
)

// A Datagram is one packet on its way to a client.
type Datagram struct {
	From netip.AddrPort
	Data []byte
}

// A Network carries requests to servers, each a func that returns what it sends back.
type Network struct {
	mu      sync.Mutex // guards what follows
	servers map[netip.AddrPort]func(request []byte) []Datagram
	seen    [][]byte
}

// Serve has a func answer at an address.
func (n *Network) Serve(at netip.AddrPort, answer func(request []byte) []Datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = map[netip.AddrPort]func([]byte) []Datagram{}
	}
	n.servers[at] = answer
}

// Seen are all requests that were sent, to anybody.
func (n *Network) Seen() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([][]byte(nil), n.seen...)
}

// Listen opens a socket, as radius.Config wants it.
func (n *Network) Listen(context.Context) (net.PacketConn, error) {
	return &conn{n: n, in: make(chan Datagram, 64), closed: make(chan struct{})}, nil
}

type conn struct {
	n        *Network
	in       chan Datagram
	deadline time.Time
	once     sync.Once
	closed   chan struct{}
}

func (c *conn) WriteTo(b []byte, to net.Addr) (int, error) {
	at := to.(*net.UDPAddr).AddrPort()
	c.n.mu.Lock()
	b = append([]byte(nil), b...)
	c.n.seen = append(c.n.seen, b)
	answer := c.n.servers[at]
	c.n.mu.Unlock()
	if answer != nil {
		for _, d := range answer(b) {
			c.in <- d
		}
	}
	return len(b), nil
}

func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	timer := time.NewTimer(time.Until(c.deadline))
	defer timer.Stop()
	select {
	case d := <-c.in:
		return copy(b, d.Data), net.UDPAddrFromAddrPort(d.From), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-timer.C:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *conn) LocalAddr() net.Addr                { return &net.UDPAddr{} }
func (c *conn) SetDeadline(t time.Time) error      { c.deadline = t; return nil }
func (c *conn) SetReadDeadline(t time.Time) error  { c.deadline = t; return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { return nil }

// A Reply is what an honest server says.
type Reply struct {
	Code       radius.Code
	Attributes radius.Attributes
}

// Honest makes the func for Serve of a server that signs as it should. Nil: it says
// nothing.
func Honest(at netip.AddrPort, key string, decide func(*radius.Packet) *Reply) func([]byte) []Datagram {
	return func(request []byte) []Datagram {
		p, err := radius.Parse(request, []byte(key))
		if err != nil {
			panic(err)
		}
		r := decide(p)
		if r == nil {
			return nil
		}
		return []Datagram{{at, Seal(p, r, key)}}
	}
}

// Seal encodes and signs an answer to a request.
func Seal(request *radius.Packet, r *Reply, key string) []byte {
	p := request.Response(r.Code)
	p.Secret = []byte(key)
	if r.Code == radius.CodeAccountingResponse {
		return sure(p.Encode())
	}
	p.Attributes = append(radius.Attributes{{Type: rfc2869.MessageAuthenticator_Type, Attribute: make([]byte, md5.Size)}}, r.Attributes...)
	mac := hmac.New(md5.New, p.Secret)
	mac.Write(sure(p.MarshalBinary()))
	p.Attributes[0].Attribute = mac.Sum(nil)
	return sure(p.Encode())
}

func sure(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
