package gre

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A socket is a socket whose descriptor is in use by nobody else when it is
// closed.
type socket struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// adopt makes a socket of a descriptor, which is closed when that fails.
func adopt(fd int, name string) (*socket, error) {
	file := os.NewFile(uintptr(fd), name)
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("use socket: %w", err)
	}
	return &socket{file: file, conn: conn}, nil
}

func setMark(fd int, mark uint32) error {
	if mark == 0 {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
		return fmt.Errorf("mark socket: %w", err)
	}
	return nil
}

// setBuffer asks for a buffer beyond the system's limit, which needs
// CAP_NET_ADMIN, else for as much as the limit allows.
func setBuffer(fd, force, ordinary, octets int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, octets) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, octets)
	}
}

func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// option returns an integer socket option, 0 when the socket is closed.
func (s *socket) option(name int) (value int) {
	_ = s.conn.Control(func(fd uintptr) {
		value, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name)
	})
	return value
}

// close wakes whoever waits for the socket: the poller those whom it knows, shutdown
// who waits in the kernel. One that is not connected says that it is not, and does it.
func (s *socket) close() {
	if !s.closed.Swap(true) {
		_ = s.conn.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RD) })
		s.file.Close()
	}
}

// failure gives a closed socket's error, of which there are several, one name.
func (s *socket) failure(err error) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// pathMTU asks the kernel what it believes of the path; 0 when it does not say.
// Only a connected socket can be asked, so this makes one, which sends nothing.
func pathMTU(path Path, mark uint32) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if mark != 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	}
	if path.Device != 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, path.Device)
	}
	if path.Local.IsValid() {
		_ = unix.Bind(fd, &unix.SockaddrInet4{Addr: path.Local.As4()})
	}
	if unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: path.Remote.As4()}) != nil {
		return 0
	}
	mtu, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
	if err != nil {
		return 0
	}
	return mtu
}

// overflow returns how many packets did not fit the receive queue.
func (s *socket) overflow() uint64 {
	var info [9]uint32 // SK_MEMINFO_VARS
	const drops = 8    // SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_ = s.conn.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[drops])
}
