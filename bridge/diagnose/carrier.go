package diagnose

import (
	"fmt"
	"strings"
	"time"

	"sitebridge/ppp"
	"sitebridge/ppp/fsm"
)

// The data channel: GRE both ways, what is between, and which sizes pass.

// medium is what the call's packets travel in, as a firewall knows it.
func medium(a Attempt) string {
	if a.UDP != 0 {
		return fmt.Sprintf("UDP port %d", a.UDP)
	}
	return "IP protocol 47"
}

// packets are those of the call.
func packets(a Attempt) string {
	if a.UDP != 0 {
		return "UDP"
	}
	return "GRE"
}

// letPass is what to do where the call's packets are dropped.
func letPass(a Attempt, where string) string {
	if a.UDP != 0 {
		return fmt.Sprintf("let UDP port %d pass in the firewall %s, both ways; until then transport = \"gre\" at both ends does without", a.UDP, where)
	}
	do := fmt.Sprintf("let IP protocol 47 (GRE, which is neither TCP nor UDP) pass in the firewall %s; "+
		"a cloud's load balancer or a mobile network may not carry it at all", where)
	if a.NoUDP != "" {
		do += "; or let UDP pass, which the two ends would rather take: " + a.NoUDP
	}
	return do
}

func judgeCarrier(a Attempt) Finding {
	udp := about(a.ICMP, true)
	switch {
	case !a.Call || a.Carrier == "":
		return unknown("not chosen yet")
	case a.UDP != 0:
		return ok("UDP port %d: %s", a.UDP, a.Carrier)
	case a.NoUDP != "" && len(udp) > 0:
		return ok("GRE, IP protocol 47: %s; %s", a.Carrier, icmpWords(udp))
	}
	return ok("GRE, IP protocol 47: %s", a.Carrier)
}

// about picks the messages that are about UDP, or about GRE.
func about(all []ICMP, udp bool) (some []ICMP) {
	for _, m := range all {
		if m.UDP == udp {
			some = append(some, m)
		}
	}
	return some
}

func judgeOut(a Attempt) Finding {
	told := about(a.ICMP, a.UDP != 0)
	switch {
	case a.GRE.SendErrors > 0 && !arrived(a):
		return fault(fmt.Sprintf("look for a rule against %s in this machine's own firewall (`nft list ruleset`, `iptables -L OUTPUT`) and in `ip rule`", medium(a)),
			"this machine itself refused to send %s, %d times", packets(a), a.GRE.SendErrors)
	case len(told) > 0 && !arrived(a):
		return fault(letPass(a, "of that machine"), "%s", icmpWords(told))
	case arrived(a):
		return ok("%d packets sent, and the peer answered them", a.GRE.PacketsSent)
	case unheard(a):
		return fault(letPass(a, "at the peer and on the way there"), "our %s does not reach the peer: it repeats its own requests and answers none of ours%s", packets(a), natWords(a))
	case !a.Heard:
		return unknown("%d packets sent; nothing comes back that would tell whether they arrive", a.GRE.PacketsSent)
	}
	return unknown("%d packets sent, and no answer to them yet", a.GRE.PacketsSent)
}

// arrived reports whether the peer has answered something that we sent.
func arrived(a Attempt) bool {
	return a.GRE.AcksReceived > 0 || stageOf(a) > stageLCP || a.PPP.LCP == fsm.AckReceived.String() || a.PPP.LCP == fsm.Opened.String()
}

// unheard reports whether the peer speaks to us as if it did not hear us: it repeats its
// Configure-Request, which we have acknowledged (RFC 1661, section 4.2: Ack-Sent).
func unheard(a Attempt) bool {
	if a.PPP.End != nil && a.PPP.End.Kind == ppp.NotHeard {
		return true
	}
	return a.Live && a.Heard && a.PPP.LCP == fsm.AckSent.String() && a.For > 3*time.Second
}

// icmpWords says what routers told of our packets (RFC 792, RFC 1812 section 5.2.7.1).
func icmpWords(all []ICMP) string {
	var words []string
	for _, m := range all {
		what, ours := fmt.Sprintf("ICMP type %d code %d", m.Type, m.Code), "GRE"
		if m.UDP {
			ours = "UDP"
		}
		if m.Type == 3 {
			switch m.Code {
			case 0, 1, 5, 6, 7, 11, 12:
				what = "cannot be reached"
			case 2:
				what = "does not speak IP protocol 47 (protocol unreachable): no PPTP server runs there, or the packets went to another machine than TCP 1723 did"
			case 3:
				what = "rejects it (port unreachable): a firewall, or for UDP nothing that listens there"
			case 4:
				what = "is too long to pass (fragmentation needed)"
			case 9, 10, 13:
				what = "forbids it (administratively prohibited)"
			}
		}
		word := fmt.Sprintf("%v says of our %s: %s", m.From, ours, what)
		if !strings.Contains(strings.Join(words, "; "), word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, "; ")
}

func judgeBack(a Attempt) Finding {
	switch {
	case a.Heard:
		words := fmt.Sprintf("%d packets received", a.GRE.PacketsReceived)
		if n := a.GRE.Lost; n > 0 {
			words += fmt.Sprintf(", %d lost on the way", n)
		}
		if total := a.GRE.PacketsReceived + a.GRE.Lost; a.GRE.Lost*20 > total && total > 100 {
			return warning("the line is full or bad: does a ping to the peer lose packets too?", "%s", words)
		}
		return ok("%s", words)
	case a.Stranger.IsValid():
		return ok("it comes, but from %v: see nat", a.Stranger)
	}
	known := "TCP 1723 works"
	if !a.Dialed {
		known = "the peer reaches our TCP 1723"
	}
	return fault(letPass(a, "here, at the peer and on the way")+natDo(a), "%s, and no %s came back in %v: %s is blocked on the way%s", known, packets(a), a.For.Round(time.Second), medium(a), natWords(a))
}

// behindNAT reports whether one of the two addresses of a call shows that somebody
// between rewrites them: ours is private and the peer's is not.
func behindNAT(a Attempt) bool {
	return a.Local.IsValid() && a.Peer.IsValid() && private(a.Local) && !private(a.Peer)
}

func natWords(a Attempt) string {
	if behindNAT(a) {
		return fmt.Sprintf("; there is a NAT before us, since our address %v is private and the peer's %v is not", a.Local, a.Peer)
	}
	return ""
}

// Helper is what a Linux NAT needs to follow PPTP: since Linux 6.0 no helper is
// assigned by itself, and since 4.7 not by default.
const Helper = `a NAT that runs Linux needs its PPTP helper, which is off by default:
  modprobe nf_nat_pptp
  nft 'table ip pptp { ct helper pptp { type "pptp" protocol tcp; }; chain pre { type filter hook prerouting priority filter; tcp dport 1723 ct helper set "pptp"; }; }'
on another router it is called "PPTP passthrough" or "PPTP ALG"`

func natDo(a Attempt) string {
	if behindNAT(a) && a.UDP == 0 {
		return "\n" + Helper
	}
	return ""
}

func judgeNAT(a Attempt) Finding {
	switch {
	case a.Stranger.IsValid() && !a.Heard:
		return fault("bind the peer to one address (source or listen there), or mend the NAT; "+Helper,
			"%s for this call comes from %v and not from %v: a NAT or a second uplink rewrites the peer's address", packets(a), a.Stranger, a.Peer)
	case a.Stranger.IsValid():
		return warning("two machines behind one NAT with one call ID, or somebody who guesses: packets from there are dropped",
			"%s with this call's ID also comes from %v", packets(a), a.Stranger)
	case behindNAT(a) && a.Heard:
		return ok("there is one before us (our %v is private, the peer's %v is not), and it lets %s pass", a.Local, a.Peer, packets(a))
	case behindNAT(a) && a.UDP != 0:
		return ok("there is one before us (our %v is private, the peer's %v is not), which has let our first UDP pass", a.Local, a.Peer)
	case behindNAT(a):
		return warning(Helper, "there is one before us: our address %v is private, and the peer's %v is not", a.Local, a.Peer)
	case !a.Heard:
		return unknown("nothing to be seen of one")
	}
	return ok("%s comes from the address that TCP goes to", packets(a))
}

func judgePath(p Path) Finding {
	const do = "a firewall on the way drops ICMP \"fragmentation needed\" (type 3, code 4): let it pass"
	switch {
	case p.Told > 0:
		return ok("packets of %d octets pass, and routers say so of longer ones", p.Told)
	case p.InnerTried > 0 && p.Inner < p.InnerTried:
		return pathFault(do, p, p.Inner, p.InnerTried, "an echo through the tunnel")
	case p.Small && p.Outer < p.Tried:
		return pathFault(do, p, p.Outer, p.Tried, "a ping")
	case p.Small:
		return ok("packets of %d octets reach %v uncut", p.Outer, p.Peer)
	case p.InnerTried > 0:
		return ok("packets of %d octets cross the tunnel uncut", p.Inner)
	case p.Err != nil:
		return unknown("not looked at: %s", p.Err)
	case p.Believed > 0:
		return unknown("%v answers no ping; the kernel takes the path's MTU to be %d", p.Peer, p.Believed)
	}
	return unknown("%v answers no ping", p.Peer)
}

func pathFault(do string, p Path, passes, tried int, what string) Finding {
	if passes == 0 {
		return fault(do, "%s of %d octets vanishes on the way to %v, and no smaller one of those tried is answered", what, tried, p.Peer)
	}
	if mtu := passes - p.Overhead; p.Overhead > 0 && mtu > 0 {
		do += fmt.Sprintf("; until then mtu = %d in the site's table keeps IP below it", mtu)
	}
	return fault(do, "a black hole: %s of %d octets reaches %v, one of %d vanishes, and nobody says so (the kernel takes the path's MTU to be %d)", what, passes, p.Peer, tried, p.Believed)
}
