package port

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sockets are the two packet sockets of a LAN port. The kernel wakes whoever polls a
// socket for each frame that has left it (sock_def_write_space), and the Go runtime
// polls all that it reads from. So one is read, and the other one, which nobody
// polls, sends.
type sockets struct {
	receiver interface {
		SetReadDeadline(time.Time) error
		Close() error
	}
	sender *os.File
}

func (s *sockets) SetReadDeadline(t time.Time) error { return s.receiver.SetReadDeadline(t) }
func (s *sockets) Close() error                      { return errors.Join(s.receiver.Close(), s.sender.Close()) }

// addSender opens the socket that sends beside the one that receives. It has no
// protocol, so it gets nothing itself (packet(7)).
func (d *device) addSender(ifname string) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: d.index}); err != nil {
		return errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	setQueue(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	sender := os.NewFile(uintptr(fd), "sender on "+ifname) // it blocks, and so the runtime does not poll it
	if d.out, err = sender.SyscallConn(); err != nil {
		return errors.Join(err, sender.Close())
	}
	d.file = &sockets{d.file, sender}
	return d.raw.Control(ignoreOutgoing)
}

// ignoreOutgoing keeps the kernel from copying each frame that the host sends for a
// socket whose filter drops it. Kernels before 4.20 do copy.
func ignoreOutgoing(fd uintptr) {
	unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
}
