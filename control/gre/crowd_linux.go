package gre

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A receive queue that is so full is crowded: see Crowd. Beyond three quarters every
// other batch of data goes, and what the kernel still adds has a reason to be there.
// Beyond seven eighths all data goes, since what finds the queue full is dropped by the
// kernel, which knows no difference between packets.
const (
	crowdedFrom = 6 // eighths
	jammedFrom  = 7
)

// crowdOf looks how full the receive queue of a socket is. Whoever has just received as
// much as one system call gives asks; else there is nothing in it.
func crowdOf(fd uintptr) Crowd {
	var info [9]uint32 // SK_MEMINFO_VARS
	const allocated, limit = 0, 1
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	switch full := 8 * uint64(info[allocated]); {
	case errno != 0:
		return Roomy
	case full >= jammedFrom*uint64(info[limit]):
		return Jammed
	case full >= crowdedFrom*uint64(info[limit]):
		return Crowded
	}
	return Roomy
}
