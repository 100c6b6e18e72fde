package diagnose

import (
	"testing"

	"sitebridge/control/gre"
	"sitebridge/ppp"
)

// With UDP as the carrier, IP protocol 47 is nobody's business.
func TestJudgeUDP(t *testing.T) {
	udp := func(a Attempt) Attempt {
		a.UDP, a.Carrier = 4755, "the peer answered on UDP port 4755"
		return a
	}
	refusedUDP := []ICMP{{From: public, Type: 3, Code: 3, UDP: true}}
	fallback := func(a Attempt) Attempt {
		a.Carrier, a.NoUDP, a.ICMP = "no answer in UDP", "no answer in UDP", refusedUDP
		return a
	}
	judged(t, []judgement{
		{"carrier", judgeCarrier(udp(speaking(nil))), OK, "UDP port 4755: the peer answered on UDP port 4755", ""},
		{"carrier of old peers", judgeCarrier(speaking(func(a *Attempt) { a.Carrier = "the peer is not a sitebridge" })), OK, "GRE, IP protocol 47: the peer is not a sitebridge", ""},
		{"carrier, blocked", judgeCarrier(fallback(speaking(nil))), OK, "no answer in UDP; 198.51.100.2 says of our UDP: rejects it (port unreachable)", ""},
		{"carrier, not chosen", judgeCarrier(Attempt{Call: true}), Unknown, "not chosen", ""},
		{"carrier, no call", judgeCarrier(Attempt{}), Unknown, "not chosen", ""},
		{"out", judgeOut(udp(speaking(nil))), OK, "10 packets sent", ""},
		{"out, refused here", judgeOut(udp(deaf(func(a *Attempt) { a.GRE = gre.Stats{SendErrors: 3} }))), Fault, "refused to send UDP, 3 times", "a rule against UDP port 4755"},
		{"out, rejected", judgeOut(udp(deaf(func(a *Attempt) { a.ICMP = refusedUDP }))), Fault, "198.51.100.2 says of our UDP: rejects it", "let UDP port 4755 pass"},
		{"out, GRE rejected and not used", judgeOut(udp(deaf(func(a *Attempt) { a.ICMP = []ICMP{{From: public, Type: 3, Code: 2}} }))), Unknown, "nothing comes back", ""},
		{"out, UDP rejected and not used", judgeOut(fallback(deaf(nil))), Unknown, "nothing comes back", ""},
		{"out, not heard", judgeOut(udp(speaking(func(a *Attempt) {
			a.GRE.AcksReceived, a.PPP = 0, ppp.Status{LCP: "Ack-Sent", Phase: ppp.PhaseEstablish}
		}))), Fault, "our UDP does not reach the peer", "UDP port 4755"},
		{"back, none", judgeBack(udp(deaf(nil))), Fault, "TCP 1723 works, and no UDP came back in 7s: UDP port 4755 is blocked", `transport = "gre"`},
		{"back, none, nor in UDP", judgeBack(fallback(deaf(nil))), Fault, "IP protocol 47 is blocked", "or let UDP pass, which the two ends would rather take: no answer in UDP"},
		{"back, behind a NAT", judgeBack(udp(deaf(func(a *Attempt) { a.Local = inside }))), Fault, "there is a NAT before us", "UDP port 4755"},
		{"a NAT that needs no helper", judgeNAT(udp(deaf(func(a *Attempt) { a.Local = inside }))), OK, "which has let our first UDP pass", ""},
		{"a NAT", judgeNAT(udp(speaking(func(a *Attempt) { a.Local = inside }))), OK, "lets UDP pass", ""},
		{"no NAT", judgeNAT(udp(speaking(nil))), OK, "UDP comes from the address that TCP goes to", ""},
	})
}
