package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sitebridge/internal/stamp"
)

// A Sighting is an IPX frame as it passed an interface: whole, with its padding,
// and also when its packet is no good.
type Sighting struct {
	Time  time.Time // the kernel's
	Frame []byte    // lent
	Own   bool      // the host itself sent it
}

// A Watch listens to all that passes one interface, the host's own frames too,
// and sends nothing: eyes for tools that show a wire, where a Port is the hands
// of somebody who takes part in it.
type Watch struct {
	name  string
	index int
	d     *device
	lost  uint64
}

// OpenWatch opens a watch on an Ethernet interface, which must be there and up.
func OpenWatch(cfg LANConfig) (*Watch, error) {
	ifi, err := net.InterfaceByName(cfg.Interface)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w: `ip link` lists those that are there", cfg.Interface, err)
	}
	d, err := openFiltered(cfg, true, watchFilter)
	if err != nil {
		return nil, err
	}
	w := &Watch{name: cfg.Interface, index: ifi.Index, d: d}
	var failed error
	err = d.raw.Control(func(fd uintptr) { failed = stamp.Ask(fd) })
	if err = errors.Join(err, failed); err != nil {
		return nil, errors.Join(fmt.Errorf("ask for times on %s: %w", cfg.Interface, err), d.file.Close())
	}
	return w, nil
}

// watchFilter is socketFilter without its question about what the host sends.
func watchFilter(promiscuous bool) ([]bpf.RawInstruction, error) {
	program := slices.Clone(filterArrival[:filterArrivalVLAN])
	if !promiscuous {
		program = append(program, filterOthers...)
	}
	return bpf.Assemble(append(program, filterFrame...))
}

// Run hands each frame to see until ctx ends, which is no error. It goes on when
// the interface is down for a while.
func (w *Watch) Run(ctx context.Context, see func(Sighting)) error {
	stop := context.AfterFunc(ctx, func() { w.d.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	frame, oob := make([]byte, 1<<16), make([]byte, 256)
	for ctx.Err() == nil {
		s, errno, err := w.receive(frame, oob)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("watch %s: %w", w.name, err)
		case errno == 0:
			see(s)
		case errno == unix.EINTR:
		case errno == unix.ENETDOWN && w.there():
		case errno == unix.ENETDOWN:
			return fmt.Errorf("interface %s is gone", w.name)
		default:
			return fmt.Errorf("watch %s: %w", w.name, os.NewSyscallError("recvmsg", errno))
		}
	}
	return nil
}

// receive waits for one frame.
func (w *Watch) receive(frame, oob []byte) (s Sighting, errno syscall.Errno, err error) {
	err = w.d.raw.Read(func(fd uintptr) bool {
		n, oobn, _, from, failed := unix.Recvmsg(int(fd), frame, oob, 0)
		if failed != nil {
			errno, _ = failed.(syscall.Errno)
			return errno != unix.EAGAIN
		}
		link, _ := from.(*unix.SockaddrLinklayer)
		s, errno = Sighting{stamp.Of(oob[:oobn]), frame[:n], link != nil && link.Pkttype == packetOutgoing}, 0
		return true
	})
	return s, errno, err
}

// there reports whether the interface still is the one that was opened.
func (w *Watch) there() bool {
	ifi, err := net.InterfaceByIndex(w.index)
	return err == nil && ifi.Name == w.name
}

// Lost returns how many frames found the kernel's queue full: the tool was too
// slow. It is not for use beside Run.
func (w *Watch) Lost() uint64 {
	w.lost += w.d.lost()
	return w.lost
}

// Close lets the interface go.
func (w *Watch) Close() error { return w.d.file.Close() }
