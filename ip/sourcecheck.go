package ip

import (
	"net/netip"
	"slices"
)

// A sourceSet is the addresses that a peer may send from: its own, and what is
// behind it. It is the union of prefixes as disjoint spans in order, IPv4
// before IPv6, so that a lookup is one binary search without allocation.
type sourceSet []span

type span struct{ first, last netip.Addr }

// newSourceSet returns the set that the prefixes and addresses make up.
func newSourceSet(prefixes []netip.Prefix, addrs ...netip.Addr) sourceSet {
	var all []span
	for _, p := range prefixes {
		if p = unmap(p); p.IsValid() {
			all = append(all, span{p.Masked().Addr(), lastOf(p)})
		}
	}
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); a.IsValid() {
			all = append(all, span{a, a})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.first.Compare(b.first) })
	var set sourceSet
	for _, s := range all {
		if n := len(set); n > 0 && s.first.Compare(set[n-1].last) <= 0 {
			if s.last.Compare(set[n-1].last) > 0 {
				set[n-1].last = s.last
			}
			continue
		}
		set = append(set, s)
	}
	return set
}

// contains reports whether a lies in one of the spans.
func (s sourceSet) contains(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(s, a, func(s span, a netip.Addr) int { return s.first.Compare(a) })
	// i is the first span that begins at or after a; the one before may reach it.
	return found || i > 0 && s[i-1].last.Compare(a) >= 0
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// unmap turns an IPv4 prefix in IPv6 clothes (::ffff:0:0/96) into a plain one.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
