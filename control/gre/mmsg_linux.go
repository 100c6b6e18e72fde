package gre

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
)

// messages are a batch of packets as the kernel wants them described.
type messages struct {
	hdrs [packet.BatchLen]mmsg.Message
	iovs [packet.BatchLen]unix.Iovec
}

// point makes message i the octets of p.
func (m *messages) point(i int, p []byte) { m.hdrs[i].Point(&m.iovs[i], p) }

// A sendBatch is packets for one peer.
type sendBatch struct {
	messages
	to   unix.RawSockaddrInet4
	link unix.RawSockaddrLinklayer // instead, for whole frames
	from struct {                  // control message: the source address, and the interface
		hdr  unix.Cmsghdr
		info unix.Inet4Pktinfo
	}
	n, sent int
	errno   unix.Errno
	call    func(fd uintptr)
}

func newSendBatch() *sendBatch {
	b := new(sendBatch)
	b.to.Family = unix.AF_INET
	b.from.hdr.Level, b.from.hdr.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	b.from.hdr.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	b.call = func(fd uintptr) {
		b.sent, b.errno = mmsg.Send(fd, b.hdrs[:b.n])
	}
	return b
}

// address sets both ends of all packets.
func (b *sendBatch) address(path Path) {
	b.to.Addr = path.Remote.As4()
	var control *byte
	length := 0
	if path.Local.IsValid() || path.Device != 0 {
		b.from.info = unix.Inet4Pktinfo{Ifindex: int32(path.Device)}
		if path.Local.IsValid() {
			b.from.info.Spec_dst = path.Local.As4()
		}
		control, length = (*byte)(unsafe.Pointer(&b.from)), unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	b.describe((*byte)(unsafe.Pointer(&b.to)), unix.SizeofSockaddrInet4, control, length)
}

// addressFrame is address for packets that have all their headers.
func (b *sendBatch) addressFrame(h *hop) {
	b.link = h.to
	b.describe((*byte)(unsafe.Pointer(&b.link)), unix.SizeofSockaddrLinklayer, nil, 0)
}

func (b *sendBatch) describe(name *byte, nameLen uint32, control *byte, controlLen int) {
	for i := range b.hdrs {
		h := &b.hdrs[i].Hdr
		h.Name, h.Namelen, h.Control = name, nameLen, control
		h.SetControllen(controlLen)
	}
}

// fill takes as many packets as fit.
func (b *sendBatch) fill(pkts []*packet.Buffer) {
	b.n = min(len(pkts), packet.BatchLen)
	for i, p := range pkts[:b.n] {
		b.point(i, p.Bytes())
	}
}

// send sends the batch; b.sent says how many went before the error. It takes no
// lock, as a RawConn's Write would for all sites together, and does not wait.
func (s *socket) send(b *sendBatch) error {
	if err := s.conn.Control(b.call); err != nil {
		b.sent = 0
		return s.failure(err)
	}
	if b.errno != 0 {
		return b.errno
	}
	return nil
}
