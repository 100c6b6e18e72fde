package gre

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RawStats are a Raw's counters.
type RawStats struct {
	Received uint64   `json:"received"`
	Sent     uint64   `json:"sent"`
	Drops    RawDrops `json:"drops"`
}

// RawDrops are packets dropped, by reason.
type RawDrops struct {
	ReceiveQueueFull uint64 `json:"receive_queue_full"` // we read too slowly
	SendQueueFull    uint64 `json:"send_queue_full"`
	Overlong         uint64 `json:"overlong"`      // longer than any packet we take
	BadIPHeader      uint64 `json:"bad_ip_header"` // never seen: the kernel checks it
}

type rawCounters struct {
	received, sent, sendQueueFull, overlong, badIPHeader atomic.Uint64
}

// Stats returns the counters.
func (r *Raw) Stats() RawStats {
	n := &r.counters
	return RawStats{
		Received: n.received.Load(),
		Sent:     n.sent.Load(),
		Drops: RawDrops{
			ReceiveQueueFull: r.receive.overflow(),
			SendQueueFull:    n.sendQueueFull.Load(),
			Overlong:         n.overlong.Load(),
			BadIPHeader:      n.badIPHeader.Load(),
		},
	}
}

// overflow returns how many packets did not fit the receive queue.
func (s *rawSocket) overflow() uint64 {
	var info [9]uint32 // SK_MEMINFO_VARS
	const drops = 8    // SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_ = s.conn.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(info[drops])
}
