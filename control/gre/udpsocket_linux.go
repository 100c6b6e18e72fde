package gre

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// open opens the sockets. The receiver has the port for itself first, so that a program
// which has it already is noticed. Then SO_REUSEADDR is on for as long as the senders
// need to get the same port, and off again, so that nobody else ever does: a program of
// another user's could take our packets otherwise.
func (u *UDP) open(cfg UDPConfig) (err error) {
	defer func() {
		if err != nil {
			u.Close()
		}
	}()
	if u.receive, err = openUDPReceiver(cfg); err != nil {
		return err
	}
	if u.port, err = u.receive.port(); err != nil {
		return err
	}
	cfg.Port = u.port
	if err = u.receive.share(1); err != nil {
		return err
	}
	if u.whole, err = openUDPSender(cfg, unix.IP_PMTUDISC_DO); err != nil {
		return err
	}
	if u.fragment, err = openUDPSender(cfg, unix.IP_PMTUDISC_DONT); err != nil {
		return err
	}
	u.plain.always = !u.whole.segments()
	return errors.Join(u.receive.share(0), u.whole.share(0), u.fragment.share(0))
}

// openUDPReceiver opens a socket that the runtime polls for us. It has the mark, too,
// for what the kernel learns of a path from an ICMP message.
func openUDPReceiver(cfg UDPConfig) (*socket, error) {
	return openUDPSocket(cfg, unix.SOCK_NONBLOCK, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
			return fmt.Errorf("ask for the addresses of UDP: %w", err)
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) // it is only faster
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
		return bindUDP(fd, cfg.Port, [4]byte{})
	})
}

// openUDPSender opens a socket that is not polled and never waits. It is bound to an
// address that is no host's own, so that it receives nothing, and sends from another
// all the same: the kernel takes this one for no source address (__inet_bind in
// net/ipv4/af_inet.c).
func openUDPSender(cfg UDPConfig, discover int) (*socket, error) {
	return openUDPSocket(cfg, 0, func(fd int) error {
		if err := attachFilter(fd, nothing); err != nil {
			return fmt.Errorf("filter UDP socket: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fmt.Errorf("share UDP port: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover); err != nil {
			return fmt.Errorf("set path MTU discovery of UDP socket: %w", err)
		}
		setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
		return bindUDP(fd, cfg.Port, [4]byte{255, 255, 255, 255})
	})
}

func openUDPSocket(cfg UDPConfig, flags int, configure func(fd int) error) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|flags, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open UDP socket for GRE: %w", err)
	}
	if err := errors.Join(setMark(fd, cfg.Mark), configure(fd)); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return adopt(fd, "gre-in-udp")
}

func bindUDP(fd int, port uint16, addr [4]byte) error {
	err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: addr})
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("UDP port %d for GRE: %w: choose another, or stop what has it (ss -ulnp shows)", port, err)
	} else if err != nil {
		return fmt.Errorf("UDP port %d for GRE: %w", port, err)
	}
	return nil
}

// port returns the one that a socket is bound to.
func (s *socket) port() (port uint16, err error) {
	failed := s.conn.Control(func(fd uintptr) {
		var at unix.Sockaddr
		if at, err = unix.Getsockname(int(fd)); err == nil {
			port = uint16(at.(*unix.SockaddrInet4).Port)
		}
	})
	return port, errors.Join(failed, err)
}

// share says whether others that say the same may have the port, too.
func (s *socket) share(value int) (err error) {
	failed := s.conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, value)
	})
	if err := errors.Join(failed, err); err != nil {
		return fmt.Errorf("share UDP port: %w", err)
	}
	return nil
}

// segments reports whether the kernel knows UDP_SEGMENT. One that does not would take a
// run of packets for a single datagram.
func (s *socket) segments() (known bool) {
	_ = s.conn.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		known = err == nil
	})
	return known
}
