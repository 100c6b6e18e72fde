package diagnose

import (
	"fmt"
	"strings"
)

// IPX: most troubles are a frame type or a number.

func judgeFrames(x IPX) Finding {
	var findings []Finding
	for _, l := range x.LANs {
		findings = append(findings, judgeFrame(l))
	}
	if len(findings) == 0 {
		return warning("name it: [lan.NAME] with interface and a frame type", "no LAN speaks IPX here: only what is behind the other sites can be reached")
	}
	return worst(findings[0], findings[1:]...)
}

func judgeFrame(l LAN) Finding {
	at := fmt.Sprintf("LAN %s (%s)", l.Name, l.Device)
	switch {
	case l.Down:
		return fault("plug it in, or `ip link set "+l.Device+" up`", "%s: the interface is down or gone", at)
	case len(l.Wrong) > 0:
		return fault("set up the frame type that the stations speak, or change theirs: both ends of a wire must have the same", "%s", strings.Join(l.Wrong, "; "))
	case len(l.Other) > 0:
		return fault("", "%s: %s", at, strings.Join(l.Other, "; "))
	case l.Frames == 0:
		return warning("is a station on, and on this wire? `sitebridge ipx listen -i "+l.Device+"` tells what speaks there", "%s: no IPX was heard at all", at)
	}
	return ok("%s: %s", at, l.Heard)
}

func judgeNumbers(x IPX) Finding {
	const do = "one wire and frame type has one network number, and no two wires have the same: change the one that is wrong"
	var findings []Finding
	for _, l := range x.LANs {
		for _, words := range l.Numbers {
			findings = append(findings, fault(do, "%s", words))
		}
	}
	for _, c := range x.Clashes {
		if c.Recent {
			findings = append(findings, fault(do, "%s", c.Words))
		} else {
			findings = append(findings, warning(do, "%s (not any more)", c.Words))
		}
	}
	if len(findings) == 0 {
		return ok("nobody claims another number, and none is used twice")
	}
	return worst(findings[0], findings[1:]...)
}

func judgeBehind(x IPX) Finding {
	switch {
	case !x.Routed:
		return ok("bridged: the segment has one number, and no networks behind the peer")
	case !x.Open:
		return unknown("IPXCP is not up")
	case x.Behind == 0 && x.Learns:
		return warning("does the peer speak IPX on a LAN, and exchange RIP and SAP on the link? accept_networks may be too narrow", "the peer has announced no network (exchange %s)", x.Exchange)
	case x.Behind == 0:
		return warning("write [site.X.ipx] routes, or another exchange", "no network is behind the peer (exchange %s)", x.Exchange)
	case x.Held == x.Behind:
		return warning("they are known from before, and end when `hold` is over", "%d networks behind the peer, all of them held", x.Behind)
	}
	return ok("%d networks behind the peer (exchange %s)", x.Behind, x.Exchange)
}
