package ip

import (
	"iter"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attributes are those of a message of rtnetlink(7), by kind, until one is not as long as
// it says. Those of the library panic at a last one whose padding is missing.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(take func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(nl.NativeEndian().Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) || !take(nl.NativeEndian().Uint16(b[2:]), b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min((n+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(b)):]
		}
	}
}
