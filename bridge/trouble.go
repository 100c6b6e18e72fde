package bridge

import (
	"fmt"
	"time"

	"sitebridge/ipx/port"
)

// How many frames we must have sent to single stations of a wire, and broadcasts
// heard from it, before silence means something. A client that got an answer from
// us sends us its next packet.
const (
	mutedOut       = 5
	mutedBroadcast = 10
)

// recently is how long a trouble is told after it was last seen.
const recently = 5 * time.Minute

// trouble says in words what is wrong with a LAN.
func trouble(s LANStatus, now time.Time) []string {
	var words []string
	if !s.Up {
		words = append(words, fmt.Sprintf("interface %s is down or gone", s.Device))
	}
	if muted(s.Stats) {
		words = append(words, fmt.Sprintf("broadcasts are heard on %s, but no frame addressed to a station ever arrives: "+
			"Wi-Fi, or a hypervisor that refuses promiscuous mode and foreign MAC addresses? Use a wired interface, or allow both on the virtual switch", s.Device))
	}
	if last := s.Heard.LastOwn; !last.IsZero() && now.Sub(last) < recently {
		words = append(words, fmt.Sprintf("frames from our own address %v come in by %s: "+
			"a second machine has it, the wire is a loop, or a switch mirrors what we send", s.MAC, s.Device))
	}
	for _, w := range s.Wires {
		for _, c := range w.Claims {
			words = append(words, fmt.Sprintf("%s says that the network of %s is %v, not %v: give both the same number", c.Node, w.Name, c.Network, w.Network))
		}
	}
	return words
}

// muted recognises a wire that carries broadcasts and hides what is addressed to
// one station: we hear the one, send the other, and never get any.
func muted(s port.Stats) bool {
	return s.BroadcastIn >= mutedBroadcast && s.UnicastOut >= mutedOut && s.UnicastIn == 0 && s.OtherIn == 0
}
