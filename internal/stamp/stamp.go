// Package stamp is the kernel's word on when a packet came (socket(7),
// SO_TIMESTAMPNS): a program that is late does not make the packet late.
package stamp

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ask has the kernel tell the time of each packet of a socket.
func Ask(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
}

// Of returns the time that came with a packet, or now if none did. oob is what
// recvmsg(2) received beside the packet.
func Of(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			var ts unix.Timespec
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&ts)), unsafe.Sizeof(ts)), m.Data)
			return time.Unix(ts.Unix())
		}
	}
	return time.Now()
}
