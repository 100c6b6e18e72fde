package ip

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Whatever stands in a message about a route, it is one of ours with the family that was
// asked for, or none.
func FuzzParseKept(f *testing.F) {
	route := func(family, length uint8, attributes ...*nl.RtAttr) []byte {
		msg := nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Dst_len: length, Protocol: uint8(ProtoLive), Table: unix.RT_TABLE_MAIN}}
		b := msg.Serialize()
		for _, a := range attributes {
			b = append(b, a.Serialize()...)
		}
		return b
	}
	number := func(kind int, n uint32) *nl.RtAttr { return nl.NewRtAttr(kind, nl.Uint32Attr(n)) }
	f.Add(route(unix.AF_INET, 16, nl.NewRtAttr(unix.RTA_DST, []byte{10, 7, 0, 0}), number(unix.RTA_OIF, 3), number(unix.RTA_PRIORITY, 77)), false)
	f.Add(route(unix.AF_INET6, 0, number(unix.RTA_TABLE, 5121)), true)
	f.Add([]byte{2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 8, 0, 8, 0, 1, 0, 10, 7, 0, 1, 5, 0, 12, 0, 173, 0, 0, 0}, false)
	f.Add(route(unix.AF_INET, 200, nl.NewRtAttr(unix.RTA_DST, []byte{10})), false)
	f.Fuzz(func(t *testing.T, m []byte, v6 bool) {
		if key, _, ok := parseProxy(m); ok && (!key.addr.IsValid() || key.addr.Is4In6()) {
			t.Errorf("% x: proxy ARP of %v", m, key)
		}
		fam := unix.AF_INET
		if v6 {
			fam = unix.AF_INET6
		}
		r, ok := parseKept(fam, ProtoLive, m)
		if short := len(m) < unix.SizeofRtMsg; ok && (short || int(m[0]) != fam || m[5] != byte(ProtoLive)) {
			t.Errorf("% x: %+v", m, r)
		}
		if !ok && r != (keptRoute{}) {
			t.Errorf("% x: none, and %+v", m, r)
		}
	})
}
