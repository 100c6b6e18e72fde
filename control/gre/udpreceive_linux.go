package gre

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
)

const (
	// maxRuns is how many datagrams, or runs of them, are received by one system call.
	maxRuns = 64
	// runSpace is the room for each, with what keeps equal parts of neighbours from the
	// same place of the processor's caches. Memory that no run needed is never touched.
	runSpace = 1<<16 + 1<<10 + 64
)

// Datagrams are what one system call has received and Receive has not yet handed out:
// the kernel gives a run of packets of one length and one sender as one (UDP_GRO).
type datagrams struct {
	hdrs  [maxRuns]mmsg.Message
	iovs  [maxRuns]unix.Iovec
	froms [maxRuns]unix.RawSockaddrInet4
	ctls  [maxRuns][8]uint64 // aligned as control messages are
	mem   []byte

	next, got int // messages
	off       int // octets of the next one that are handed out
	path      Path
	segment   int // how long the packets of the next one are

	errno unix.Errno
	crowd Crowd
	call  func(fd uintptr) (done bool)
}

func newDatagrams() *datagrams {
	b := &datagrams{mem: make([]byte, maxRuns*runSpace), next: maxRuns, got: maxRuns}
	for i := range b.hdrs {
		b.hdrs[i].Point(&b.iovs[i], b.room(i))
		b.hdrs[i].Hdr.Name = (*byte)(unsafe.Pointer(&b.froms[i]))
		b.hdrs[i].Hdr.Control = (*byte)(unsafe.Pointer(&b.ctls[i]))
	}
	b.call = func(fd uintptr) bool {
		b.got, b.errno = mmsg.Receive(fd, b.hdrs[:])
		if b.crowd = Roomy; b.got == maxRuns {
			b.crowd = crowdOf(fd)
		}
		return b.errno != unix.EAGAIN // then wait until there is something
	}
	return b
}

func (b *datagrams) room(i int) []byte { return b.mem[i*runSpace:][:1<<16] }

// receiveDatagrams waits for datagrams, after all that came before are handed out.
func (s *socket) receiveDatagrams(b *datagrams) error {
	for i := range b.hdrs[:b.got] {
		b.rewind(i)
	}
	b.next, b.got = 0, 0
	if err := s.conn.Read(b.call); err != nil {
		return s.failure(err)
	}
	if b.errno != 0 {
		return os.NewSyscallError("recvmmsg", b.errno)
	}
	return nil
}

// rewind gives the kernel the room again that it has used less of.
func (b *datagrams) rewind(i int) {
	b.hdrs[i].Hdr.Namelen = unix.SizeofSockaddrInet4
	b.hdrs[i].Hdr.SetControllen(int(unsafe.Sizeof(b.ctls[i])))
}

// split hands packets out, copied each into a Buffer of its own, until there are no more
// or in is full. It counts what is dropped.
func (b *datagrams) split(in []Datagram, n *udpCounters) (filled int) {
	for ; b.next < b.got; b.next++ {
		run := b.room(b.next)[:min(int(b.hdrs[b.next].Len), 1<<16)]
		if b.off == 0 && !b.begin(len(run), n) {
			continue
		}
		for first := true; first || b.off < len(run); first = false { // an empty one is one
			if filled == len(in) {
				return filled
			}
			p := run[b.off:min(b.off+b.segment, len(run))]
			if b.off += len(p); in[filled].Buffer.Set(p) {
				in[filled].Path = b.path
				filled++
			} else {
				n.overlong.Add(1)
			}
		}
		b.off = 0
	}
	return filled
}

// begin reads where the next message came from, and to.
func (b *datagrams) begin(length int, n *udpCounters) bool {
	h, from := &b.hdrs[b.next], &b.froms[b.next]
	port := (*[2]byte)(unsafe.Pointer(&from.Port))
	b.path = Path{Remote: netip.AddrFrom4(from.Addr), Port: uint16(port[0])<<8 | uint16(port[1])}
	b.segment = length
	b.control(h)
	switch {
	case h.Truncated():
		n.overlong.Add(1)
	case !b.path.Local.IsValid() || h.Hdr.Namelen != unix.SizeofSockaddrInet4:
		n.noAddress.Add(1)
	case b.path.Port == 0: // nobody can be answered there
		n.noPort.Add(1)
	default:
		return true
	}
	return false
}

// control reads the control messages of the next message: the address that it came to,
// and how long its packets are when they are several.
func (b *datagrams) control(h *mmsg.Message) {
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&b.ctls[b.next])), min(int(h.Hdr.Controllen), int(unsafe.Sizeof(b.ctls[0]))))
	data := unix.CmsgLen(0)
	for len(mem) >= data {
		c := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(mem)))
		size := int(c.Len)
		if size < data || size > len(mem) {
			return
		}
		switch body := mem[data:size]; {
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO && len(body) >= unix.SizeofInet4Pktinfo:
			b.path.Local = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(unsafe.SliceData(body))).Addr)
		case c.Level == unix.SOL_UDP && c.Type == unix.UDP_GRO && len(body) >= 4:
			if s := int(*(*int32)(unsafe.Pointer(unsafe.SliceData(body)))); s > 0 {
				b.segment = s
			}
		}
		mem = mem[min(unix.CmsgSpace(size-data), len(mem)):]
	}
}
