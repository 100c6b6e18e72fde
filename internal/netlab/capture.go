package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/stamp"
)

// A Capture writes every frame that passes an interface, in both directions, to
// a file that tshark reads.
type Capture struct {
	socket  *os.File
	file    *os.File
	out     *bufio.Writer
	frames  int
	ifindex int
	limit   int        // of frames; 0: none
	ended   chan error // the reader's end
	err     error      // why the capture failed to begin
}

// captureBuffer is what the kernel may queue for us: some 0.1 s at 1 Gbit/s.
const captureBuffer = 16 << 20

// Capture begins to write the frames of an interface to the file at path. They
// are caught from the time it returns.
func (ns *Namespace) Capture(name, path string) *Capture {
	ns.lab.helper()
	return ns.CaptureFirst(name, path, 0)
}

// CaptureFirst is Capture that stops looking after so many frames, at no cost
// for those that follow. 0: never.
func (ns *Namespace) CaptureFirst(name, path string, limit int) *Capture {
	ns.lab.helper()
	c := &Capture{ended: make(chan error, 1), limit: limit}
	ns.step(fmt.Sprintf("capture %s to %s", name, path), func() error {
		c.err = ns.openCapture(c, name, path)
		return c.err
	})
	if c.socket == nil {
		c.err = errors.Join(c.err, ns.lab.Err())
		return c
	}
	go func() { c.ended <- c.run() }()
	return c
}

func (ns *Namespace) openCapture(c *Capture, name, path string) error {
	link, err := ns.handle.LinkByName(name)
	if err != nil {
		return err
	}
	var fd int
	if err := ns.Do(func() (err error) { fd, err = packetSocket(link.Attrs().Index); return err }); err != nil {
		return err
	}
	c.ifindex = link.Attrs().Index
	socket := os.NewFile(uintptr(fd), "capture of "+name)
	if c.file, err = os.Create(path); err != nil {
		return errors.Join(err, socket.Close())
	}
	c.socket, c.out = socket, bufio.NewWriterSize(c.file, 1<<16)
	_, err = c.out.Write(pcapHeader(linkType(link)))
	return err
}

// packetSocket opens a non-blocking packet socket that sees all frames of one
// interface, those that leave included (packet(7)).
func packetSocket(ifindex int) (fd int, err error) {
	const flags = unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	if fd, err = unix.Socket(unix.AF_PACKET, flags, 0); err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	// Queues nothing before the bind, which names a protocol.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer) // a smaller one also works
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
	err = errors.Join(
		stamp.Ask(uintptr(fd)),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex}),
	)
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// linkType returns the file format's word for what frames look like there.
func linkType(link netlink.Link) uint32 {
	if link.Attrs().EncapType == "none" { // a TUN interface
		return linkTypeRaw
	}
	return linkTypeEthernet
}

// run reads frames until the deadline that Stop sets, and then those that are
// queued already.
func (c *Capture) run() error {
	conn, err := c.socket.SyscallConn()
	if err != nil {
		return err
	}
	frame, oob := make([]byte, 1<<17), make([]byte, 128)
	for stopping := false; ; {
		var n, oobn int
		var rerr error
		read := func(fd uintptr) bool {
			n, oobn, _, _, rerr = unix.Recvmsg(int(fd), frame, oob, 0)
			return !errors.Is(rerr, unix.EAGAIN) || stopping
		}
		if !stopping {
			if err := conn.Read(read); errors.Is(err, os.ErrDeadlineExceeded) {
				stopping = true
				continue
			} else if err != nil {
				return err
			}
		} else if err := conn.Control(func(fd uintptr) { read(fd) }); err != nil {
			return err
		}
		switch {
		case errors.Is(rerr, unix.EAGAIN):
			return nil // stopping, and nothing is left
		case errors.Is(rerr, unix.ENETDOWN), errors.Is(rerr, unix.EINTR):
			continue // the interface went down; it may come back
		case rerr != nil:
			return fmt.Errorf("read frame: %w", rerr)
		}
		if c.full() {
			continue // it was queued before the filter was there
		}
		if err := writeRecord(c.out, stamp.Of(oob[:oobn]), frame[:n]); err != nil {
			return err
		}
		if c.frames++; c.full() {
			if err := conn.Control(func(fd uintptr) { rerr = refuseAll(int(fd), c.ifindex) }); err != nil || rerr != nil {
				return errors.Join(err, rerr)
			}
		}
	}
}

// full reports whether the capture has all the frames it was to have.
func (c *Capture) full() bool { return c.limit > 0 && c.frames >= c.limit }

// refuseAll has the kernel queue nothing for a socket any more, and show it nothing
// but a protocol that nobody speaks: it would copy each frame for the filter to drop.
func refuseAll(fd, ifindex int) error {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}} // keep 0 octets
	const experimental = 0xB588                                     // 0x88B5 (IEEE 802, 9.2.3), in network order
	return errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: experimental, Ifindex: ifindex}),
	)
}

// Stop ends the capture and returns the number of frames in the file. It fails
// when the kernel lost some.
func (c *Capture) Stop() (frames int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	if err := c.socket.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return 0, err
	}
	err = <-c.ended
	var stats *unix.TpacketStats
	if conn, cerr := c.socket.SyscallConn(); cerr == nil {
		conn.Control(func(fd uintptr) {
			stats, _ = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		})
	}
	if stats != nil && stats.Drops > 0 {
		err = errors.Join(err, fmt.Errorf("capture lost %d of %d frames", stats.Drops, stats.Packets))
	}
	c.err = errors.New("capture was stopped")
	return c.frames, errors.Join(err, c.out.Flush(), c.file.Close(), c.socket.Close())
}
