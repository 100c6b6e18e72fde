package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// An End is one of the two sites, as the WAN between them knows it.
type End int

// The ends.
const (
	A End = iota
	B
)

// Other is the end that frames of e are for.
func (e End) Other() End { return 1 - e }

func (e End) String() string { return [...]string{"site a", "site b"}[e] }

// A Frame is an Ethernet frame on the WAN.
type Frame struct {
	From   End
	Octets []byte
}

// A Relay takes the place of the WAN's switch: each frame passes through the hands
// of the test.
type Relay struct {
	t     interface{ Errorf(string, ...any) }
	ports [2]*os.File

	mu   sync.Mutex // guards what follows, and writing
	hook func(Frame) []Frame
}

// Relay replaces the switch, before any daemon is started. Hook gets each frame, one
// at a time, and returns what goes on in its place; nil lets all pass. A frame that
// is not GRE may be dropped or repeated, but not changed: the kernel leaves checksums
// of TCP to whoever is last on the way.
func (w *World) Relay(hook func(Frame) []Frame) *Relay {
	w.T.Helper()
	r := &Relay{t: w.T, hook: hook}
	for end, port := range []string{"site-a", "site-b"} {
		w.Unplug(port)
		f, err := relayPort(w.WAN, port)
		if err != nil {
			w.T.Fatalf("relay: %s: %v", port, err)
		}
		r.ports[end] = f
	}
	var running sync.WaitGroup
	running.Go(func() { r.run(A) })
	running.Go(func() { r.run(B) })
	w.T.Cleanup(func() {
		r.ports[A].Close()
		r.ports[B].Close()
		running.Wait()
	})
	return r
}

// relayPort opens an interface for all that comes in there, and for sending. Before
// each frame stands a virtio header, in which the kernel says what it has left to be
// done (packet(7), PACKET_VNET_HDR).
func relayPort(ns *netlab.Namespace, name string) (f *os.File, err error) {
	link, err := ns.Handle().LinkByName(name)
	if err != nil {
		return nil, err
	}
	ifindex := link.Attrs().Index
	err = ns.Do(func() error {
		const flags = unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
		fd, err := unix.Socket(unix.AF_PACKET, flags, 0)
		if err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		f = os.NewFile(uintptr(fd), "relay of "+name)
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(ifindex), Type: unix.PACKET_MR_PROMISC}),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex}),
		)
	})
	return f, err
}

// vnetLen is the length of the virtio header.
const vnetLen = 10

// run carries what one end sends, until its port is closed.
func (r *Relay) run(from End) {
	buf := make([]byte, 1<<17)
	for {
		n, err := r.ports[from].Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.ENETDOWN):
			continue // it may come back
		case err != nil || n < vnetLen:
			r.t.Errorf("relay: read from %v: %d octets, %v", from, n, err)
			return
		}
		r.mu.Lock()
		frames := []Frame{{from, buf[vnetLen:n]}}
		if r.hook != nil {
			frames = r.hook(frames[0])
		}
		for _, f := range frames {
			r.write(buf[:vnetLen], f)
		}
		r.mu.Unlock()
	}
}

// write sends a frame, with a virtio header, to the end that it is for.
func (r *Relay) write(head []byte, f Frame) {
	_, err := r.ports[f.From.Other()].Write(append(append([]byte{}, head...), f.Octets...))
	if err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, unix.ENETDOWN) {
		r.t.Errorf("relay: a frame of %d octets from %v: %v", len(f.Octets), f.From, err)
	}
}

// Inject sends frames that are nobody's.
func (r *Relay) Inject(frames ...Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range frames {
		r.write(make([]byte, vnetLen), f)
	}
}
