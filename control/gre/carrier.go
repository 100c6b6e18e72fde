package gre

import (
	"errors"
	"fmt"
	"net/netip"

	"sitebridge/internal/packet"
)

// A Path is the two ends of a tunnel's outer packets as this host sees them. An
// IPv4 address is never written as an IPv6 one.
type Path struct {
	Local  netip.Addr // invalid when sending: the kernel chooses
	Remote netip.Addr
	Port   uint16 // the peer's UDP port; 0: IP protocol 47
	// Device is the number of the interface by which packets leave; 0: as the kernel
	// routes them. It does not matter by which one they come.
	Device int
}

// A Datagram is one packet received: its Buffer starts at the GRE header.
type Datagram struct {
	Path   Path
	Buffer *packet.Buffer
}

// A Carrier moves enhanced GRE packets in batches.
type Carrier interface {
	// Send sends packets, each from its GRE header on, to one peer. It does not
	// block: what finds a full queue is dropped, as in any router. With df the
	// outer packet must not be fragmented on its way; those that do not fit are
	// dropped, the others are sent, and the error is a *TooBigError. Safe for
	// concurrent use.
	Send(path Path, pkts []*packet.Buffer, df bool) error
	// Receive waits for packets and fills in from its start: as many as are
	// there, at least one unless in is empty. It resets the Buffers, which the caller provides,
	// and may swap them between the elements of in. One caller at a time.
	// After Close it returns net.ErrClosed.
	Receive(in []Datagram) (int, error)
	// Close wakes Receive. Closing twice does no harm.
	Close() error
}

// ErrTooBig is what errors.Is finds in a TooBigError.
var ErrTooBig = errors.New("packet too big for the path")

// A TooBigError says that packets with "don't fragment" set did not fit.
type TooBigError struct {
	MTU     int // of the path, outer IP header included; 0 when not known
	Packets int // how many packets of the batch were dropped for it
}

func (e *TooBigError) Error() string {
	if e.MTU == 0 {
		return ErrTooBig.Error()
	}
	return fmt.Sprintf("%v, whose MTU is %d", ErrTooBig, e.MTU)
}

// Dropped returns how many packets of the batch were not sent.
func (e *TooBigError) Dropped() int { return e.Packets }

// Is makes errors.Is(err, ErrTooBig) true.
func (e *TooBigError) Is(target error) bool { return target == ErrTooBig }
