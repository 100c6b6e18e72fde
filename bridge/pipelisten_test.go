package bridge

import (
	"net"
	"net/netip"
	"sync"
)

// A pipeListener is TCP's listening end in memory, for virtual time.
type pipeListener struct {
	at     netip.AddrPort
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener(at netip.AddrPort) *pipeListener {
	return &pipeListener{at: at, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// dial connects from an address, once the listener accepts.
func (l *pipeListener) dial(from netip.AddrPort) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- pipeConn{far, l.at, from}:
		return pipeConn{near, from, l.at}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
