package port

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// iovec and mmsghdr are what sendmmsg(2) and recvmmsg(2) work on.
type (
	iovec   = unix.Iovec
	mmsghdr struct {
		hdr unix.Msghdr
		len uint32
	}
)

// point makes h send or fill b.
func (h *mmsghdr) point(v *iovec, b []byte) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
	h.hdr = unix.Msghdr{Iov: v}
	h.hdr.SetIovlen(1)
}

// mmsg does one of the two calls, without blocking, as often as it is
// interrupted.
func mmsg(call, fd uintptr, headers []mmsghdr) (n int, errno syscall.Errno) {
	for {
		r, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(headers))),
			uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(r), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// An incoming is a batch of buffers that the kernel fills with frames. mmsg and
// read fill it from a socket or a TAP interface; they are what a RawConn's Read
// wants, and report false when there is nothing yet.
type incoming struct {
	batch      *packet.Batch
	headers    [packet.BatchLen]mmsghdr
	vectors    [packet.BatchLen]iovec
	n          int           // frames filled in
	errno      syscall.Errno // why none could be
	mmsg, read func(fd uintptr) bool
}

func newIncoming() *incoming {
	in := &incoming{batch: packet.GetBatch()}
	for i, b := range in.batch.Buffers {
		in.headers[i].point(&in.vectors[i], b.Space())
	}
	in.mmsg, in.read = in.receiveAll, in.readAll
	return in
}

func (in *incoming) close() { packet.PutBatch(in.batch) }

// receiveAll takes what is in the queue of a socket, in one call.
func (in *incoming) receiveAll(fd uintptr) bool {
	in.n, in.errno = mmsg(unix.SYS_RECVMMSG, fd, in.headers[:])
	return in.errno != unix.EAGAIN
}

// readAll takes what is in the queue of a TAP interface, which gives one frame
// a call.
func (in *incoming) readAll(fd uintptr) bool {
	in.n, in.errno = 0, 0
	for in.n < len(in.headers) {
		b := in.batch.Buffers[in.n]
		b.Reset()
		n, err := unix.Read(int(fd), b.Space())
		switch err {
		case nil:
			in.headers[in.n].len = uint32(n)
			in.n++
		case unix.EINTR:
		case unix.EAGAIN:
			return in.n > 0
		default:
			in.errno, _ = err.(syscall.Errno)
			return true
		}
	}
	return true
}

// frames returns the frames that were filled in last. The vectors point at the
// start of empty buffers, so each is emptied first.
func (in *incoming) frames() []*packet.Buffer {
	for i, b := range in.batch.Buffers[:in.n] {
		b.Reset()
		b.SetLen(int(in.headers[i].len))
	}
	return in.batch.Buffers[:in.n]
}

// sendAll sends the batch on a socket: in one call, unless the kernel refuses
// some of it.
func (o *outgoing) sendAll(fd uintptr) {
	for i, f := range o.frames {
		o.headers[i].point(&o.vectors[i], f.Bytes())
	}
	for left := o.headers[:len(o.frames)]; len(left) > 0; {
		n, errno := mmsg(unix.SYS_SENDMMSG, fd, left)
		o.sent(n)
		left = left[n:]
		if errno == 0 {
			continue
		}
		reason := sendReason(errno)
		if reason != ipx.TooLong { // one frame's fault; the others may pass
			o.failed(len(left), reason)
			break
		}
		o.failed(1, reason)
		left = left[1:]
	}
	clear(o.vectors[:len(o.frames)])
}

// writeAll writes the batch to a TAP interface, which takes one frame a call.
func (o *outgoing) writeAll(fd uintptr) {
	for _, f := range o.frames {
		_, err := unix.Write(int(fd), f.Bytes())
		if errno, failed := err.(syscall.Errno); failed {
			o.failed(1, sendReason(errno))
			continue
		}
		o.sent(1)
	}
}

// sendReason says in our words why the kernel did not take a frame.
func sendReason(errno syscall.Errno) ipx.DropReason {
	switch errno {
	case unix.EMSGSIZE:
		return ipx.TooLong
	case unix.EAGAIN, unix.ENOBUFS:
		return dropSendQueueFull
	case unix.ENETDOWN, unix.ENXIO, unix.ENODEV, unix.EIO, unix.EBADFD:
		return dropInterfaceDown
	}
	return dropSendFailed
}
