// Package policy says what may pass: which networks and services a neighbour
// may announce and be told of, and which packets may cross. It holds values
// that others ask; it knows no tables and no ports.
package policy

import (
	"fmt"
	"strings"

	"sitebridge/ipx"
)

// Networks are numbers that are allowed. Nil allows every number; an empty one
// that is not nil allows none.
type Networks []NetworkRange

// A NetworkRange is a run of numbers, both ends included.
type NetworkRange struct{ First, Last ipx.Network }

// Has reports whether n is allowed.
func (s Networks) Has(n ipx.Network) bool {
	if s == nil {
		return true
	}
	for _, r := range s {
		if r.Has(n) {
			return true
		}
	}
	return false
}

// Has reports whether n is in the range.
func (r NetworkRange) Has(n ipx.Network) bool { return r.First <= n && n <= r.Last }

// ParseNetworkRange reads "00000020" or "00000020-0000002F". The default route,
// FFFFFFFE, is a number like others here; 00000000 and FFFFFFFF are none.
func ParseNetworkRange(s string) (NetworkRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, errA := ipx.ParseNetwork(first)
	b, errB := ipx.ParseNetwork(last)
	if errA != nil || errB != nil || a > b || a == ipx.ThisNetwork || b == ipx.AllNetworks {
		return NetworkRange{}, fmt.Errorf(`%q is no range of IPX networks: want "00000020" or "00000020-0000002F"`, s)
	}
	return NetworkRange{a, b}, nil
}

// String is what ParseNetworkRange reads.
func (r NetworkRange) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}
