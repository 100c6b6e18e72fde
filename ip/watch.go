package ip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// gather is how long a Watch waits for more after a change: who changes an
	// address or a route takes the old one away first.
	gather = 200 * time.Millisecond
	// rest is the least time between two reports, so that a table of routes that
	// never comes to rest costs little.
	rest = time.Second
)

// A Watch tells when the host's IPv4 network has changed: an interface, an address, a
// route or a rule. What has changed it does not tell: a look at what is of interest
// costs less than following a table of a hundred thousand routes.
type Watch struct {
	f    *os.File
	buf  []byte
	last time.Time // of the last report
}

// OpenWatch listens to the kernel of the calling thread's network namespace
// (rtnetlink(7)). Every change from now on is reported.
func OpenWatch() (*Watch, error) {
	f, err := listenNetlink(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | rulesGroup)
	if err != nil {
		return nil, err
	}
	return &Watch{f: f, buf: make([]byte, 1<<16)}, nil
}

const rulesGroup = 1 << (unix.RTNLGRP_IPV4_RULE - 1)

// listenNetlink opens a socket that hears what the kernel tells groups of listeners.
func listenNetlink(groups uint32) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to the host's network: %w", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// Close ends the Watch, and a Next that waits.
func (w *Watch) Close() error { return w.f.Close() }

// Next waits until something changes, gathers what changes with it, and returns; or
// ctx ended, and it tells so. Only one goroutine may wait.
func (w *Watch) Next(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		changed, err := w.read()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("listen to the host's network: %w", err)
		case changed:
			return w.settle(ctx)
		}
	}
}

// read waits for one message and tells whether it is of interest. That the kernel had
// more to say than there was room for says that something changed.
func (w *Watch) read() (bool, error) {
	n, err := w.f.Read(w.buf)
	if errors.Is(err, unix.ENOBUFS) {
		return true, nil
	}
	return others(w.buf[:max(n, 0)]), err
}

// settle waits until it is time to report, and forgets what was heard until then: the
// look that follows sees it.
func (w *Watch) settle(ctx context.Context) error {
	select {
	case <-time.After(max(gather, time.Until(w.last.Add(rest)))):
	case <-ctx.Done():
		return ctx.Err()
	}
	w.last = time.Now()
	raw, err := w.f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		for { // what goes on and on is left for the next time
			_, err := unix.Read(int(fd), w.buf)
			if err != nil && err != unix.ENOBUFS && err != unix.EINTR || time.Since(w.last) > gather {
				return true
			}
		}
	})
}

const (
	nlHeaderLen  = 16 // struct nlmsghdr (netlink(7))
	nlPortAt     = 12
	rtProtocolAt = 5 // in struct rtmsg (rtnetlink(7))
)

// others reports whether one of the messages is about something else than what we do
// with routes of ours.
func others(b []byte) bool {
	for len(b) >= nlHeaderLen {
		n := int(binary.NativeEndian.Uint32(b))
		if n < nlHeaderLen || n > len(b) {
			return true // what we do not understand may be anything
		}
		kind, body := binary.NativeEndian.Uint16(b[4:]), b[nlHeaderLen:n]
		route := kind == unix.RTM_NEWROUTE || kind == unix.RTM_DELROUTE && !stranger(b)
		if !route || len(body) <= rtProtocolAt || !ours(body[rtProtocolAt]) {
			return true
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return false
}

// stranger reports whether a message tells of something that another program did, as far
// as the number of its socket shows that: the first of a process has the number of the
// process, the others have negative ones, and the kernel has none (netlink(7)).
func stranger(message []byte) bool {
	port := int32(binary.NativeEndian.Uint32(message[nlPortAt:]))
	return port > 0 && int(port) != os.Getpid()
}

func ours(protocol byte) bool {
	return protocol == byte(ProtoUnreachable) || protocol == byte(ProtoLive)
}
