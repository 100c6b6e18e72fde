// Package port moves IPX packets between this daemon and one LAN, in batches of
// Ethernet frames. A port is an AF_PACKET socket on an interface of the host, a
// TAP interface that the daemon makes for virtual machines, a UDP socket to which
// DOSBox and emulators like it connect, or one end of a Hub in memory for tests.
// It tells the frame types apart and counts; what becomes
// of a packet is decided by packages router and segment.
package port

import (
	"context"
	"errors"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A Frame is an IPX packet as it came from the wire.
type Frame struct {
	// Packet is the packet without its frame, as long as its header says.
	Packet   *packet.Buffer
	Encap    ipx.Encapsulation
	Dst, Src ipx.Node // Ethernet addresses
}

// A Handler takes the frames of one batch. They are lent until it returns: it
// may change the packets in place, and copies what it keeps.
type Handler func(frames []Frame)

// ErrDown is the answer of Send while the port's interface is not there.
var ErrDown = errors.New("interface is down or gone")

// A Port is one LAN.
type Port interface {
	// Name is the interface's name.
	Name() string
	// MAC is our own address on the wire. It may change when the interface goes
	// and comes back.
	MAC() ipx.Node
	// Send puts packets on the wire, each in a frame of its own. The packets are
	// as they were when it returns, so that they can go to another port too. It
	// never blocks; what cannot be sent is dropped and counted. Several
	// goroutines may send at once.
	Send(enc ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error
	// Run hands what comes from the wire to h, on the calling goroutine, until
	// ctx ends, which is no error, or the port is closed, which is
	// net.ErrClosed. It waits for an interface that has gone to come back. Call
	// it once.
	Run(ctx context.Context, h Handler) error
	// Up reports whether the interface is there.
	Up() bool
	Stats() Stats
	// Heard tells what the port has learned of the wire by listening.
	Heard() Heard
	Close() error
}
