package gre

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
)

// A stream brings packets one by one, and a wake-up for each few of them costs more
// than they do, here and at the LAN hosts, who get smaller runs and acknowledge more
// of them. So after a batch that begins to look like a stream the receiver rests
// before it looks again, as a network interface does that moderates its interrupts.
// Whoever rests is woken by no packet. A full batch says that there are more already.
const (
	restAfter = 4 // packets
	rest      = 200 * time.Microsecond
)

// A receiveBatch is used by one receiver at a time.
type receiveBatch struct {
	messages
	asked, got int
	errno      unix.Errno
	crowd      Crowd
	call       func(fd uintptr) // made once: a closure per call would be an allocation
}

func newReceiveBatch() *receiveBatch {
	b := new(receiveBatch)
	b.call = func(fd uintptr) {
		if restAfter <= b.got && b.got < b.asked {
			moment := unix.NsecToTimespec(int64(rest))
			_ = unix.Nanosleep(&moment, nil) // a signal may cut it short
		}
		if b.got, b.errno = mmsg.Receive(fd, b.hdrs[:b.asked]); b.errno == unix.EAGAIN {
			b.got, b.errno = mmsg.Wait(fd, b.hdrs[:b.asked])
		}
		if b.crowd = Roomy; b.got == packet.BatchLen {
			b.crowd = crowdOf(fd)
		}
	}
	return b
}

// receive waits for packets and fills in with them, IP header and all. The wait
// occupies a thread: by way of the runtime's poller a wake-up costs two.
func (s *socket) receive(b *receiveBatch, in []Datagram) (int, error) {
	b.asked = min(len(in), packet.BatchLen)
	for i := range in[:b.asked] {
		in[i].Buffer.Reset()
		b.point(i, in[i].Buffer.Space())
	}
	if err := s.conn.Control(b.call); err != nil || s.closed.Load() {
		return 0, s.failure(err)
	}
	if b.errno != 0 {
		return 0, os.NewSyscallError("recvmmsg", b.errno)
	}
	for i := range in[:b.got] {
		in[i].Buffer.SetLen(int(b.hdrs[i].Len))
	}
	return b.got, nil
}

// truncated reports whether packet i of the last receive was longer than its
// buffer.
func (b *receiveBatch) truncated(i int) bool { return b.hdrs[i].Truncated() }
