package ip

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// ErrGone says that somebody deleted the interface under us.
var ErrGone = errors.New("the interface was deleted")

// A tun is a TUN interface whose packets have a virtio header in front
// (Documentation/networking/tuntap.rst; virtio 1.2, section 5.1.6), so that one
// system call moves up to 64 KiB of one TCP connection. It is the device of
// golang.zx2c4.com/wireguard/tun in idea, without what that one holds for each
// interface: two goroutines and some 2 MiB of tables.
type tun struct {
	file *os.File
	conn syscall.RawConn
	name string
}

const cloneDevice = "/dev/net/tun"

// openTUN makes the interface. It lives as long as the file is open.
func openTUN(name string) (*tun, error) {
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w%s", cloneDevice, err, openHint(err))
	}
	if err := setTUN(fd, name); err != nil {
		return nil, errors.Join(fmt.Errorf("make interface %s: %w%s", name, err, tunHint(err)), unix.Close(fd))
	}
	t := &tun{file: os.NewFile(uintptr(fd), cloneDevice), name: name}
	if t.conn, err = t.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, t.file.Close())
	}
	return t, nil
}

// setTUN ties the descriptor to an interface. The kernel may then leave
// checksums to us and hand over TCP segments of up to 64 KiB. It cuts UDP
// itself.
func setTUN(fd int, name string) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return errors.New("a name has 1 to 15 octets")
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
}

// openHint says what to do about a device that cannot be opened.
func openHint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return ": let everybody use that device, as Debian does (chmod 666 " + cloneDevice + "), or a group that this user is in (chgrp, chmod 660), and a container have it"
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV):
		return ": load the kernel module tun (modprobe tun), or give the container that device"
	}
	return ""
}

// tunHint says what to do about an interface that cannot be made.
func tunHint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return ": needs the capability CAP_NET_ADMIN"
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EINVAL):
		return ": another program has an interface of this name"
	}
	return ""
}

// gone reports whether the error of a read means that the interface was deleted.
// The read itself may say so (drivers/net/tun.c: EIO while it is unregistered,
// EBADFD afterwards), or only that the descriptor has an error condition, which
// is what the runtime's poller makes of it.
func (t *tun) gone(err error) bool {
	if errors.Is(err, unix.EBADFD) || errors.Is(err, unix.EIO) {
		return true
	}
	t.conn.Control(func(fd uintptr) {
		var req unix.Ifreq
		err = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, &req)
	})
	return errors.Is(err, unix.EBADFD)
}

// rawFrame is memory for one read: a virtio header and the longest packet.
type rawFrame [virtioHeaderLen + 65535]byte

var rawFrames = sync.Pool{New: func() any { return new(rawFrame) }}

// A tunReader reads raw frames. It holds memory only while there are frames to
// read: an interface that is idle waits with none.
type tunReader struct {
	conn syscall.RawConn
	wait bool // block until there is a frame
	mem  *rawFrame
	n    int
	err  error
	try  func(fd uintptr) bool // made once: a closure per call would be garbage
}

func newTUNReader(conn syscall.RawConn) *tunReader {
	r := &tunReader{conn: conn}
	r.try = func(fd uintptr) bool {
		if r.mem == nil {
			r.mem = rawFrames.Get().(*rawFrame)
		}
		for {
			if r.n, r.err = unix.Read(int(fd), r.mem[:]); r.err != unix.EINTR {
				break
			}
		}
		if r.err != nil {
			r.release()
		}
		return r.err != unix.EAGAIN || !r.wait
	}
	return r
}

// read returns the next frame, good until the next call. Without wait, the
// error is EAGAIN when none is there.
func (r *tunReader) read(wait bool) ([]byte, error) {
	r.wait = wait
	if err := r.conn.Read(r.try); err != nil {
		r.release()
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.mem[:r.n], nil
}

func (r *tunReader) release() {
	if r.mem != nil {
		rawFrames.Put(r.mem)
		r.mem = nil
	}
}

// A tunWriter writes a batch. Writers belong to a pool, not to an interface.
type tunWriter struct {
	coalescer
	iov   [packet.BatchLen]unix.Iovec
	count int
	err   error
	try   func(fd uintptr) bool
}

var tunWriters = sync.Pool{New: func() any {
	w := new(tunWriter)
	w.try = func(fd uintptr) bool {
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&w.iov[0])), uintptr(w.count))
		w.err = nil
		if errno != 0 {
			w.err = errno
		}
		return errno != unix.EAGAIN
	}
	return w
}}

// write sends the pieces, which are one frame, in one system call.
func (w *tunWriter) write(conn syscall.RawConn, pieces [][]byte) error {
	w.count = len(pieces)
	for i, p := range pieces {
		w.iov[i].Base = unsafe.SliceData(p)
		w.iov[i].SetLen(len(p))
	}
	err := conn.Write(w.try)
	clear(w.iov[:w.count]) // the pool must not keep the packets
	if err != nil {
		return err
	}
	return w.err
}
