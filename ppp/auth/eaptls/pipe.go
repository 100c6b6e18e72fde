package eaptls

import (
	"net"
	"time"
)

// A pipe is the net.Conn below TLS. What TLS writes is gathered, and what it wants
// to read beyond what came lets it stand still: the octets gathered by
// then are one flight.
type pipe struct {
	in   []byte
	out  []byte
	wait func() bool // stands still until there is more to read; false: never again
}

func (p *pipe) Read(b []byte) (int, error) {
	for len(p.in) == 0 {
		if !p.wait() {
			return 0, net.ErrClosed
		}
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, nil
}

func (p *pipe) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}

// written hands over what was gathered.
func (p *pipe) written() []byte {
	b := p.out
	p.out = nil
	return b
}

// TLS asks for these and has no use for them here: the caller keeps the time.

func (*pipe) Close() error                     { return nil }
func (*pipe) SetDeadline(time.Time) error      { return nil }
func (*pipe) SetReadDeadline(time.Time) error  { return nil }
func (*pipe) SetWriteDeadline(time.Time) error { return nil }
func (*pipe) LocalAddr() net.Addr              { return nowhere{} }
func (*pipe) RemoteAddr() net.Addr             { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "eap-tls" }
func (nowhere) String() string  { return "eap-tls" }
