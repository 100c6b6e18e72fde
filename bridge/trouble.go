package bridge

import (
	"fmt"
	"time"

	"sitebridge/ipx/port"
)

const (
	// mutedAfter is how many frames we must have sent to stations of a wire, and
	// broadcasts heard from it, before silence means something.
	mutedAfter = 20
	mutedTime  = time.Minute
)

// trouble says in words what is wrong with a LAN.
func (l *lan) trouble(s LANStatus, now time.Time) []string {
	var words []string
	if !s.Up {
		words = append(words, fmt.Sprintf("interface %s is down or gone", s.Device))
	}
	if muted(s.Stats, s.Heard, now) {
		words = append(words, fmt.Sprintf("broadcasts are heard on %s, but no frame addressed to a station ever arrives: "+
			"Wi-Fi, or a hypervisor that refuses promiscuous mode and foreign MAC addresses? Use a wired interface, or allow both on the virtual switch", s.Device))
	}
	for _, w := range s.Wires {
		for _, c := range w.Claims {
			words = append(words, fmt.Sprintf("%s says that the network of %s is %v, not %v: give both the same number", c.Node, w.Name, c.Network, w.Network))
		}
	}
	return words
}

// muted recognises a wire that carries broadcasts and hides unicasts: many
// broadcasts over a while, answers of ours to stations, and never a frame to
// anybody in particular.
func muted(s port.Stats, h port.Heard, now time.Time) bool {
	out := s.Out.EthernetII + s.Out.Ethernet8022 + s.Out.Ethernet8023 + s.Out.EthernetSNAP
	return s.BroadcastIn >= mutedAfter && s.UnicastIn == 0 && s.OtherIn == 0 && out > 0 &&
		now.Sub(h.LastBroadcast) < 10*mutedTime
}
