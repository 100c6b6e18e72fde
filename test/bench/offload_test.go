package bench

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// segmentation says whether an interface takes TCP segments of more than one
// packet (ethtool -K DEV tso on|off).
func segmentation(ns *netlab.Namespace, ifname string, on bool) error {
	value := struct{ command, data uint32 }{command: unix.ETHTOOL_STSO}
	if on {
		value.data = 1
	}
	return ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var request struct { // struct ifreq
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [24 - unsafe.Sizeof(uintptr(0))]byte
		}
		copy(request.name[:], ifname)
		request.data = unsafe.Pointer(&value)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return fmt.Errorf("%s: %s: segmentation: %w", ns.Name(), ifname, errno)
		}
		return nil
	})
}
