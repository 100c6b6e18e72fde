package gre

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What the kernel lets into a socket's queue. The packet starts at its IP header.
var (
	// enhancedOnly keeps plain GRE (version 0) out: other tunnels of this host,
	// which are none of our business however many packets they have.
	enhancedOnly = []bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // X: length of the IP header
		bpf.LoadIndirect{Off: 0, Size: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: versionPPTP, SkipFalse: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
	nothing = []bpf.Instruction{bpf.RetConstant{Val: 0}}
)

// A rawSocket is a socket whose descriptor is in use by nobody else when it is
// closed.
type rawSocket struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// openReceiver opens a socket that the runtime polls for us. It has the mark,
// too: what the kernel learns of a path from an ICMP message, it learns for the
// sockets that the message would be for.
func openReceiver(cfg RawConfig) (*rawSocket, error) {
	return openSocket(cfg, unix.SOCK_NONBLOCK, func(fd int) error {
		if err := attachFilter(fd, enhancedOnly); err != nil {
			return fmt.Errorf("filter raw socket: %w", err)
		}
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
		return nil
	})
}

// openSender opens a socket that is not polled (os.NewFile leaves alone what
// blocks) and never waits (see messages.call). It receives nothing: what it is
// bound to is no host's own address. The kernel takes it for no source address
// either (raw_bind in net/ipv4/raw.c).
func openSender(cfg RawConfig, discover int) (*rawSocket, error) {
	return openSocket(cfg, 0, func(fd int) error {
		if err := attachFilter(fd, nothing); err != nil {
			return fmt.Errorf("filter raw socket: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{255, 255, 255, 255}}); err != nil {
			return fmt.Errorf("bind raw socket: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover); err != nil {
			return fmt.Errorf("set path MTU discovery of raw socket: %w", err)
		}
		setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
		return nil
	})
}

func openSocket(cfg RawConfig, flags int, configure func(fd int) error) (*rawSocket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, unix.IPPROTO_GRE)
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("open raw socket for GRE (IP protocol 47): %w: run as root or with CAP_NET_RAW", err)
	} else if err != nil {
		return nil, fmt.Errorf("open raw socket for GRE (IP protocol 47): %w", err)
	}
	if err := errors.Join(setMark(fd, cfg.Mark), configure(fd)); err != nil {
		unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "gre")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("use raw socket: %w", err)
	}
	return &rawSocket{file: file, conn: conn}, nil
}

func setMark(fd int, mark uint32) error {
	if mark == 0 {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
		return fmt.Errorf("mark raw socket: %w", err)
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
func (s *rawSocket) option(name int) (value int) {
	_ = s.conn.Control(func(fd uintptr) {
		value, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name)
	})
	return value
}

// close wakes whoever waits for the socket.
func (s *rawSocket) close() {
	if !s.closed.Swap(true) {
		s.file.Close()
	}
}

// failure gives a closed socket's error, of which there are several, one name.
func (s *rawSocket) failure(err error) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// pathMTU asks the kernel what it believes of the path; 0 when it does not say.
// Only a connected socket can be asked, so this makes one, which sends nothing.
func (r *Raw) pathMTU(path Path) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if r.mark != 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(r.mark))
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
