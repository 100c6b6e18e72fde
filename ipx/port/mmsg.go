package port

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sitebridge/internal/mmsg"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// An incoming is a batch of buffers that the kernel fills with frames. mmsg and
// read fill it from a socket or a TAP interface; they are what a RawConn's Read
// wants, and report false when there is nothing yet.
type incoming struct {
	batch      *packet.Batch
	headers    [packet.BatchLen]mmsg.Message
	vectors    [packet.BatchLen]unix.Iovec
	n          int           // frames filled in
	errno      syscall.Errno // why none could be
	mmsg, read func(fd uintptr) bool
}

func newIncoming() *incoming {
	in := &incoming{batch: packet.GetBatch()}
	for i, b := range in.batch.Buffers {
		in.headers[i].Point(&in.vectors[i], b.Space())
	}
	in.mmsg, in.read = in.receiveAll, in.readAll
	return in
}

func (in *incoming) close() { packet.PutBatch(in.batch) }

// receiveAll takes what is in the queue of a socket, in one call.
func (in *incoming) receiveAll(fd uintptr) bool {
	in.n, in.errno = mmsg.Receive(fd, in.headers[:])
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
			in.headers[in.n].Len = uint32(n)
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
		b.SetLen(int(in.headers[i].Len))
	}
	return in.batch.Buffers[:in.n]
}

// sendAll sends the batch on a socket: in one call, unless the kernel refuses
// some of it.
func (o *outgoing) sendAll(fd uintptr) {
	for i, f := range o.frames {
		o.headers[i].Point(&o.vectors[i], f.Bytes())
	}
	for left := o.headers[:len(o.frames)]; len(left) > 0; {
		n, errno := mmsg.Send(fd, left)
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
