package ipcp

import (
	"net/netip"

	"sitebridge/ppp/fsm"
)

// The options that are negotiated. IP-Addresses (1), IP-Compression-Protocol
// (2: Van Jacobson is not worth it in a tunnel) and Mobile-IPv4 (4) are
// rejected like those that nobody knows.
const optAddress = 3 // RFC 1332, section 3.3

// serverOptions are RFC 1877, section 1, in the order of their types: the
// primary ones of both kinds come before the secondary ones.
var serverOptions = [4]struct {
	kind byte
	nbns bool
	rank int
}{
	{129, false, 0},
	{130, true, 0},
	{131, false, 1},
	{132, true, 1},
}

// serverOption returns the index in serverOptions.
func serverOption(kind byte) (i int, ok bool) {
	i = int(kind) - int(serverOptions[0].kind)
	return i, i >= 0 && i < len(serverOptions)
}

// addrOption is an option whose data is one address.
func addrOption(kind byte, a netip.Addr) fsm.Option {
	b := a.As4()
	return fsm.Option{Type: kind, Data: b[:]}
}

// addr reads an option whose data is one address.
func addr(o fsm.Option) (a netip.Addr, ok bool) {
	if len(o.Data) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(o.Data)), true
}

// usable reports whether a host can have the address.
func usable(a netip.Addr) bool {
	first := a.As4()[0]
	return first != 0 && first < 224 && !a.IsLoopback()
}
