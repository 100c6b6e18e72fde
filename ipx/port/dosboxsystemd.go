package port

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited is the sockets that systemd opened for us (sd_listen_fds(3)). They
// are looked for when a port is first opened, and kept: a port uses a copy.
var inherited handedOver

type handedOver struct {
	once  sync.Once
	files []*os.File
}

// take returns a copy of the UDP socket that is bound to addr; nil when there is
// none.
func (s *handedOver) take(addr netip.AddrPort) (*net.UDPConn, error) {
	s.once.Do(func() { s.files = activation.Files(false) })
	for _, f := range s.files {
		conn, err := net.FilePacketConn(f)
		if err != nil {
			continue // no socket, or no UDP; somebody else's
		}
		udp, ok := conn.(*net.UDPConn)
		if ok && boundTo(udp.LocalAddr().(*net.UDPAddr).AddrPort(), addr) {
			return udp, nil
		}
		if err := conn.Close(); err != nil {
			return nil, fmt.Errorf("look at the sockets that systemd handed over: %w", err)
		}
	}
	return nil, nil
}

// boundTo reports whether a socket at bound is what was wanted. One for all of
// IPv6 takes in IPv4 too, so that ListenDatagram=213 is 0.0.0.0:213.
func boundTo(bound, want netip.AddrPort) bool {
	b, w := bound.Addr().Unmap(), want.Addr().Unmap()
	return bound.Port() == want.Port() && (b == w || b.IsUnspecified() && w.IsUnspecified())
}
