package port

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A path is how datagrams get to a client, in the kernel's words: its address, and
// ours, which it called. It is not changed.
type path struct {
	to      unix.RawSockaddrInet6 // or an Inet4, which is shorter
	toLen   uint32
	from    pktinfo
	fromLen int // 0: the kernel chooses
}

// pktinfo is a control message that names our own address of a datagram. A socket
// for IPv6 takes it too, for the IPv4 that comes and goes through it.
type pktinfo struct {
	hdr  unix.Cmsghdr
	info unix.Inet4Pktinfo
}

const pktinfoLen = int(unsafe.Sizeof(pktinfo{}))

// A datagramsIn is a batch of buffers that the kernel fills with datagrams.
type datagramsIn struct {
	batch   *packet.Batch
	headers [packet.BatchLen]mmsg.Message
	vectors [packet.BatchLen]unix.Iovec
	names   [packet.BatchLen]unix.RawSockaddrInet6
	infos   [packet.BatchLen]pktinfo
	n       int           // datagrams filled in
	errno   syscall.Errno // why none could be
	receive func(fd uintptr) bool
}

func newDatagramsIn() *datagramsIn {
	in := &datagramsIn{batch: packet.GetBatch()}
	in.receive = in.receiveAll // made once, so that handing it to a RawConn allocates nothing
	for i := range in.headers {
		in.headers[i].Hdr.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		in.headers[i].Hdr.Control = (*byte)(unsafe.Pointer(&in.infos[i]))
		in.rearm(i)
	}
	return in
}

func (in *datagramsIn) close() { packet.PutBatch(in.batch) }

// rearm makes place i as the kernel wants it before it fills it in.
func (in *datagramsIn) rearm(i int) {
	in.batch.Buffers[i].Reset()
	h := &in.headers[i]
	h.Point(&in.vectors[i], in.batch.Buffers[i].Space())
	h.Hdr.Namelen = unix.SizeofSockaddrInet6
	h.Hdr.SetControllen(pktinfoLen)
}

func (in *datagramsIn) receiveAll(fd uintptr) bool {
	for i := range in.n {
		in.rearm(i)
	}
	in.n, in.errno = mmsg.Receive(fd, in.headers[:])
	return in.errno != unix.EAGAIN
}

// datagram returns datagram i, and whether it is whole.
func (in *datagramsIn) datagram(i int) (b *packet.Buffer, whole bool) {
	b = in.batch.Buffers[i]
	b.SetLen(int(in.headers[i].Len))
	return b, !in.headers[i].Truncated()
}

// from returns who sent datagram i.
func (in *datagramsIn) from(i int) netip.AddrPort {
	return addrPort(&in.names[i])
}

// path returns the way back to who sent datagram i.
func (in *datagramsIn) path(i int) *path {
	h := &in.headers[i].Hdr
	p := &path{to: in.names[i], toLen: h.Namelen}
	c := &in.infos[i]
	if int(h.Controllen) >= unix.CmsgLen(unix.SizeofInet4Pktinfo) && c.hdr.Level == unix.IPPROTO_IP && c.hdr.Type == unix.IP_PKTINFO {
		p.from.hdr = c.hdr
		p.from.info.Spec_dst = c.info.Spec_dst // and no interface: routes decide
		p.fromLen = pktinfoLen
	}
	return p
}

// addrPort reads an address that the kernel has written.
func addrPort(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port)
}

// A datagramsOut is a batch of datagrams to send.
type datagramsOut struct {
	port    *dosboxPort
	single  bool // for one station, and not for all or a group
	quiet   bool // not counted: from client to client, or of the port's own making
	n       int
	headers [packet.BatchLen]mmsg.Message
	vectors [packet.BatchLen]unix.Iovec
	pings   []*path // newcomers that get one
	send    func(fd uintptr)
}

var datagramsOuts = sync.Pool{New: func() any {
	o := new(datagramsOut)
	o.send = o.sendAll
	return o
}}

func (p *dosboxPort) getOut() *datagramsOut {
	o := datagramsOuts.Get().(*datagramsOut)
	o.port, o.single, o.quiet = p, false, false
	return o
}

// put sends what is left and gives o back.
func (o *datagramsOut) put() error {
	err := o.flush()
	o.port = nil
	datagramsOuts.Put(o)
	return err
}

// add adds a datagram, which stays as it is until the next flush.
func (o *datagramsOut) add(to *path, b []byte) (err error) {
	if o.n == len(o.headers) {
		err = o.flush()
	}
	h := &o.headers[o.n]
	h.Point(&o.vectors[o.n], b)
	h.Hdr.Name, h.Hdr.Namelen = (*byte)(unsafe.Pointer(&to.to)), to.toLen
	h.Hdr.Control = nil
	if to.fromLen > 0 {
		h.Hdr.Control = (*byte)(unsafe.Pointer(&to.from))
	}
	h.Hdr.SetControllen(to.fromLen)
	o.n++
	return err
}

// flush sends what was added.
func (o *datagramsOut) flush() error {
	if o.n == 0 {
		return nil
	}
	err := o.port.raw.Control(o.send)
	if err != nil { // closed
		o.failed(o.n, dropInterfaceDown)
		err = ErrDown
	}
	clear(o.headers[:o.n])
	clear(o.vectors[:o.n])
	o.n = 0
	return err
}

// sendAll sends the batch: in one call, unless the kernel refuses some of it. An
// error may also be an old one, which the kernel had no other occasion to tell:
// then the same datagram passes at the second try.
func (o *datagramsOut) sendAll(fd uintptr) {
	again := false
	for left := o.headers[:o.n]; len(left) > 0; {
		n, errno := mmsg.Send(fd, left)
		o.sent(n)
		left = left[n:]
		switch {
		case errno == 0:
			again = false
		case errno == unix.EAGAIN, errno == unix.ENOBUFS:
			o.failed(len(left), dropSendQueueFull)
			return
		case !again && errno != unix.EMSGSIZE:
			again = true
		default: // this one's fault; the others may pass
			o.failed(1, sendReason(errno))
			left, again = left[1:], false
		}
	}
}

func (o *datagramsOut) sent(n int) {
	if o.quiet {
		return
	}
	o.port.count.out[DOSBoxEncapsulation].Add(uint64(n))
	if o.single {
		o.port.count.unicastOut.Add(uint64(n))
	}
}

func (o *datagramsOut) failed(n int, reason ipx.DropReason) {
	o.port.count.dropped[reason].Add(uint64(n))
}

// setUpDOSBox makes a UDP socket tell what the port wants to know: the address
// that was called, and the errors that come back.
func setUpDOSBox(fd int) error {
	setQueue(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	setQueue(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && domain == unix.AF_INET6 {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1) // it is better with, and works without
	}
	for _, option := range []struct{ name, value int }{
		{unix.IP_PKTINFO, 1},
		{unix.IP_RECVERR, 1},
		{unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT}, // IPX cannot be cut, so IP may
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, option.name, option.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// readErrors takes what is in the socket's queue of errors, and calls refused
// with the addresses at which nobody listens.
func readErrors(fd int, refused func(netip.AddrPort)) {
	var data [ipx.HeaderLen]byte
	var control [256]byte
	for range packet.BatchLen {
		_, n, _, to, err := unix.Recvmsg(fd, data[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		if isRefusal(control[:n]) {
			switch to := to.(type) {
			case *unix.SockaddrInet4:
				refused(netip.AddrPortFrom(netip.AddrFrom4(to.Addr), uint16(to.Port)))
			case *unix.SockaddrInet6:
				refused(netip.AddrPortFrom(netip.AddrFrom16(to.Addr).Unmap(), uint16(to.Port)))
			}
		}
	}
}

// isRefusal reports whether control messages hold an ICMP error that says "port
// unreachable" (struct sock_extended_err begins with the error).
func isRefusal(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		isError := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if isError && len(m.Data) >= 4 && syscall.Errno(binary.NativeEndian.Uint32(m.Data)) == unix.ECONNREFUSED {
			return true
		}
	}
	return false
}

// socketDrops returns how many datagrams found the socket's queue full (SO_MEMINFO
// of socket(7), the last of nine numbers).
func socketDrops(fd uintptr) uint64 {
	var info [9]uint32
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 || length < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return uint64(info[8])
}
