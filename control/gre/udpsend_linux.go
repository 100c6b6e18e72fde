package gre

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/clock"
	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
)

const (
	// maxRun is how many packets the kernel takes as one (UDP_MAX_SEGMENTS of those
	// kernels that take the fewest).
	maxRun = 64
	// maxDatagram is the longest payload of UDP over IPv4, which a run must not exceed.
	maxDatagram = math.MaxUint16 - ipHeaderLen - udpHeaderLen
	// fragmentRun is the longest packet that goes in a run when it may be fragmented: as
	// long as an Ethernet has room for. The kernel refuses a run whose packets do not fit
	// the path, and they go singly, in fragments.
	fragmentRun = 1500 - ipHeaderLen - udpHeaderLen
)

// Segments are a batch of packets for one peer as the kernel wants them described: runs
// of one length, the last of each perhaps shorter, with an iovec for every packet.
type segments struct {
	hdrs  [packet.BatchLen]mmsg.Message
	iovs  [packet.BatchLen]unix.Iovec
	ctls  [packet.BatchLen]segmentControl
	count [packet.BatchLen]int // packets of each message
	to    unix.RawSockaddrInet4
	bound bool // the path has a source address or an interface

	longest int // the longest packet that may go in a run
	n, sent int // messages
	failed  int // packets of the message that the kernel refused
	errno   unix.Errno
	call    func(fd uintptr)
}

// A segmentControl is the control messages of one message: how long its packets are,
// and the source address and the interface. Either may go without the other.
type segmentControl struct {
	segment struct {
		hdr  unix.Cmsghdr
		size uint16
		_    [unsafe.Sizeof(uintptr(0)) - 2]byte // CMSG_ALIGN
	}
	from struct {
		hdr  unix.Cmsghdr
		info unix.Inet4Pktinfo
	}
}

var (
	segmentSpace = unix.CmsgSpace(2)
	fromSpace    = unix.CmsgSpace(unix.SizeofInet4Pktinfo)
)

func newSegments() *segments {
	b := new(segments)
	b.to.Family = unix.AF_INET
	for i := range b.hdrs {
		h := &b.hdrs[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&b.to))
		h.Namelen = unix.SizeofSockaddrInet4
		c := &b.ctls[i]
		c.segment.hdr.Level, c.segment.hdr.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.segment.hdr.SetLen(unix.CmsgLen(2))
		c.from.hdr.Level, c.from.hdr.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		c.from.hdr.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	}
	b.call = func(fd uintptr) { b.sent, b.errno = mmsg.Send(fd, b.hdrs[:b.n]) }
	return b
}

// address sets both ends of all packets.
func (b *segments) address(path Path) {
	b.to.Addr = path.Remote.As4()
	*(*[2]byte)(unsafe.Pointer(&b.to.Port)) = [2]byte{byte(path.Port >> 8), byte(path.Port)}
	b.bound = path.Local.IsValid() || path.Device != 0
	if !b.bound {
		return
	}
	info := unix.Inet4Pktinfo{Ifindex: int32(path.Device)}
	if path.Local.IsValid() {
		info.Spec_dst = path.Local.As4()
	}
	for i := range b.ctls {
		b.ctls[i].from.info = info
	}
}

// fill takes as many packets as fit, the first few singly.
func (b *segments) fill(pkts []*packet.Buffer, singly int) {
	pkts = pkts[:min(len(pkts), packet.BatchLen)]
	b.n = 0
	for i := 0; i < len(pkts); b.n++ {
		n := 1
		if i >= singly {
			n = b.run(pkts[i:])
		}
		for j, p := range pkts[i : i+n] {
			v := &b.iovs[i+j]
			v.Base = unsafe.SliceData(p.Bytes())
			v.SetLen(p.Len())
		}
		b.describe(b.n, &b.iovs[i], n, pkts[i].Len())
		i += n
	}
}

// run returns how many packets at the front can go as one message.
func (b *segments) run(pkts []*packet.Buffer) int {
	size := pkts[0].Len()
	if size > b.longest || size == 0 {
		return 1
	}
	n := 1
	for most := min(len(pkts), maxRun, maxDatagram/size); n < most && pkts[n].Len() == size; {
		n++
	}
	if n < min(len(pkts), maxRun) {
		if last := pkts[n].Len(); 0 < last && last < size && n*size+last <= maxDatagram {
			n++
		}
	}
	return n
}

// describe makes message i n packets, from iovec v on.
func (b *segments) describe(i int, v *unix.Iovec, n, size int) {
	b.count[i] = n
	h, c := &b.hdrs[i].Hdr, &b.ctls[i]
	h.Iov = v
	h.SetIovlen(n)
	h.Control = nil
	length := 0
	if b.bound {
		h.Control, length = (*byte)(unsafe.Pointer(&c.from)), fromSpace
	}
	if n > 1 {
		c.segment.size = uint16(size)
		h.Control = (*byte)(unsafe.Pointer(&c.segment))
		length += segmentSpace
	}
	h.SetControllen(length)
}

// sendSegments sends the batch. It returns how many packets went before the error, and
// b.failed says how many packets the message has that caused it.
func (s *socket) sendSegments(b *segments) (sent int, err error) {
	b.failed = 0
	if err := s.conn.Control(b.call); err != nil {
		return 0, s.failure(err)
	}
	if b.errno != 0 {
		b.failed = b.count[0]
		return 0, b.errno
	}
	for _, n := range b.count[:b.sent] {
		sent += n
	}
	return sent, nil
}

// PlainPaths remember where runs cannot be sent, for some time.
type plainPaths struct {
	always bool // the kernel cannot
	// slots have the address and, in the lower half, the second until which it counts.
	// An address that falls on another's slot takes it: then the other is tried again.
	slots [64]atomic.Uint64
}

// plainFor is for how long: routes and devices change.
const plainFor = time.Minute

func (p *plainPaths) slot(path Path) (slot *atomic.Uint64, addr uint64) {
	a := path.Remote.As4()
	return &p.slots[(a[2]^a[3])%64], uint64(a[0])<<56 | uint64(a[1])<<48 | uint64(a[2])<<40 | uint64(a[3])<<32
}

func (p *plainPaths) remember(path Path) {
	slot, addr := p.slot(path)
	slot.Store(addr | uint64(uint32(seconds()+int64(plainFor/time.Second))))
}

// seconds is the present moment in what fits half a word.
func seconds() int64 { return clock.Now() / int64(time.Second) }

// longest returns how long a packet may be that goes in a run; 0: there are none.
func (p *plainPaths) longest(path Path, df bool) int {
	slot, addr := p.slot(path)
	switch v := slot.Load(); {
	case p.always:
		return 0
	case v != 0 && v&^math.MaxUint32 == addr && int64(v&math.MaxUint32) > seconds():
		return 0
	case !df:
		return fragmentRun
	}
	return maxDatagram
}
