package bridge

import (
	"fmt"
	"time"

	"sitebridge/ipx"
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

// How many packets there must be of a frame type that nobody asked for: a few are a
// passer-by's, or of one who tries all four. Without a number it takes more, since it
// is not known when they were.
const (
	leastClaims = 3
	leastFrames = 100
)

// trouble says in words what is wrong with a LAN.
func trouble(s LANStatus, used frameTypes, now time.Time) []string {
	var words []string
	if !s.Up {
		words = append(words, fmt.Sprintf("interface %s is down or gone", s.Device))
	}
	words = append(words, wireTrouble(s, now)...)
	words = append(words, unusedFrames(s, used, now)...)
	return append(words, numberTrouble(s)...)
}

// wireTrouble tells of frames that do not come in, and of some that should not.
func wireTrouble(s LANStatus, now time.Time) (words []string) {
	if muted(s.Stats) {
		words = append(words, fmt.Sprintf("broadcasts are heard on %s, but no frame addressed to a station ever arrives: "+
			"Wi-Fi, or a hypervisor that refuses promiscuous mode and foreign MAC addresses? Use a wired interface, or allow both on the virtual switch", s.Device))
	}
	if last := s.Heard.LastOwn; !last.IsZero() && now.Sub(last) < recently {
		words = append(words, fmt.Sprintf("frames from our own address %v come in by %s: "+
			"a second machine has it, the wire is a loop, or a switch mirrors what we send", s.MAC, s.Device))
	}
	return words
}

// numberTrouble tells of frame types without a number, and with more than one.
func numberTrouble(s LANStatus) (words []string) {
	for _, w := range s.Wires {
		if w.Network == ipx.ThisNetwork && s.Up {
			words = append(words, fmt.Sprintf("%s: no number learned yet: nobody on %s tells one; write a number if there is no server there", w.Name, s.Device))
		}
		for _, c := range w.Claims {
			words = append(words, fmt.Sprintf("%s says that the network of %s is %v, not %v: give both the same number", c.Node, w.Name, c.Network, w.Network))
		}
	}
	return words
}

// frameTypes are the frame types of a LAN that are routed or bridged.
type frameTypes [ipx.Encapsulations]bool

// unusedFrames tells of stations that nobody here hears, for their frame type is
// neither routed nor bridged.
func unusedFrames(s LANStatus, used frameTypes, now time.Time) (words []string) {
	if s.DOSBox != nil {
		return nil // emulators have no frames
	}
	numbered := frameTypes{}
	for _, c := range s.Heard.Claims {
		if used[c.Encap] || c.Packets < leastClaims {
			continue
		}
		numbered[c.Encap] = true
		if now.Sub(c.Last) < recently {
			words = append(words, fmt.Sprintf("%v is spoken on %s with network %v and is not in [lan.%s]: write %v = \"%v\"",
				c.Encap, s.Device, c.Network, s.Name, c.Encap, c.Network))
		}
	}
	in := s.Stats.In
	for e, n := range [ipx.Encapsulations]uint64{in.EthernetII, in.Ethernet8023, in.Ethernet8022, in.EthernetSNAP} {
		if e := ipx.Encapsulation(e); !used[e] && !numbered[e] && n >= leastFrames {
			words = append(words, fmt.Sprintf("%d frames of %v came in on %s, which is not in [lan.%s], from stations that tell no network number: "+
				"write %v with a number that nothing else has, or name the LAN in a segment", n, e, s.Device, s.Name, e))
		}
	}
	return words
}

// muted recognises a wire that carries broadcasts and hides what is addressed to
// one station: we hear the one, send the other, and never get any.
func muted(s port.Stats) bool {
	return s.BroadcastIn >= mutedBroadcast && s.UnicastOut >= mutedOut && s.UnicastIn == 0 && s.OtherIn == 0
}
