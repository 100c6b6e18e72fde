package gre

import (
	"errors"
	"fmt"

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

// openReceiver opens a socket that blocks whoever reads from it. It has the mark,
// too: what the kernel learns of a path from an ICMP message, it learns for the
// sockets that the message would be for.
func openReceiver(cfg RawConfig) (*socket, error) {
	return openSocket(cfg, func(fd int) error {
		if err := attachFilter(fd, enhancedOnly); err != nil {
			return fmt.Errorf("filter raw socket: %w", err)
		}
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
		return nil
	})
}

// openSender opens a socket that never waits (see package mmsg). It receives nothing: what it is
// bound to is no host's own address. The kernel takes it for no source address
// either (raw_bind in net/ipv4/raw.c).
func openSender(cfg RawConfig, discover int) (*socket, error) {
	return openSocket(cfg, func(fd int) error {
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

func openSocket(cfg RawConfig, configure func(fd int) error) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_GRE)
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("open raw socket for GRE (IP protocol 47): %w: run as root or with CAP_NET_RAW", err)
	} else if err != nil {
		return nil, fmt.Errorf("open raw socket for GRE (IP protocol 47): %w", err)
	}
	if err := errors.Join(setMark(fd, cfg.Mark), configure(fd)); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return adopt(fd, "gre")
}
