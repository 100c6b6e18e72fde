package bench

import "fmt"

// A quantity is what is measured of a way.
type quantity struct {
	name     string
	decimals int
	whole    bool // the mean counts and not the median: nothing may be lost in any round
}

var (
	tcpRate   = &quantity{name: "TCP, one stream, Mbit/s"}
	cpuPerGiB = &quantity{"CPU seconds for a GiB, both ends", 1, false}
	smallRate = &quantity{name: "UDP, 64 octets, packets a second"}
	smallLoss = &quantity{fmt.Sprintf("loss at %.1f of wireguard-go's rate, %%", below), 2, true}
	addedP50  = &quantity{name: "round trip when idle, added, p50, µs"}
	addedP99  = &quantity{name: "round trip when idle, added, p99, µs"}

	routedAlone  = &quantity{name: "IPX routed, 576 octets, bursts of 64, a second"}
	routedFour   = &quantity{name: "IPX routed, four such bursts under way, a second"}
	routedLoss   = &quantity{"IPX routed, loss of those, %", 2, true}
	routedCPU    = &quantity{"IPX routed, CPU µs a packet, both ends", 1, false}
	bridgedAlone = &quantity{name: "IPX bridged, 576 octets, bursts of 64, a second"}
	bridgedFour  = &quantity{name: "IPX bridged, four such bursts under way, a second"}
	bridgedLoss  = &quantity{"IPX bridged, loss of those, %", 2, true}
	bridgedCPU   = &quantity{"IPX bridged, CPU µs a packet, both ends", 1, false}
)

// quantities are the rows of the table in order, and ourPaths the order of those within.
var (
	quantities = append([]*quantity{tcpRate, cpuPerGiB, smallRate, smallLoss, addedP50, addedP99,
		routedAlone, routedFour, routedLoss, routedCPU, bridgedAlone, bridgedFour, bridgedLoss, bridgedCPU}, sizes...)
	ourPaths = []string{"UDP clear", "UDP AEAD", "GRE clear", "GRE AEAD", "GRE MPPE-128", "IPX clear", "IPX AEAD"}
)

func (q *quantity) show(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f", q.decimals, q.middle(v))
}

// middle is what stands for all rounds.
func (q *quantity) middle(v []float64) float64 {
	if q.whole {
		return mean(v)
	}
	return median(v)
}

// A goal is what some of our ways should reach beside a peer, or without one.
type goal struct {
	of   *quantity
	ours []string
	peer string
	kind kind
	bar  float64
}

type kind int

const (
	atLeast kind = iota // times the peer's
	atMost
	none // nothing at all, whatever the peer
)

// goals are those of the project's issue on speed.
var goals = []goal{
	{tcpRate, []string{"UDP clear"}, wireGuard, atLeast, 1.5},
	{tcpRate, []string{"UDP AEAD"}, wireGuard, atLeast, 1.15},
	{tcpRate, []string{"GRE clear"}, wireGuard, atLeast, 0.65},
	{tcpRate, []string{"GRE clear"}, openVPNNone, atLeast, 3.5},
	{tcpRate, []string{"GRE AEAD"}, wireGuard, atLeast, 0.55},
	{tcpRate, []string{"GRE MPPE-128"}, wireGuard, atLeast, 0.4},
	{tcpRate, []string{"GRE MPPE-128"}, openVPNCBC, atLeast, 2.5},
	{cpuPerGiB, []string{"UDP AEAD", "GRE AEAD"}, wireGuard, atMost, 1},
	{smallRate, []string{"UDP AEAD"}, wireGuard, atLeast, 1},
	{smallLoss, []string{"UDP AEAD"}, wireGuard, none, 0},
	{addedP50, []string{"UDP clear", "UDP AEAD", "GRE clear", "GRE AEAD", "GRE MPPE-128"}, wireGuard, atMost, 1},
	{addedP99, []string{"UDP clear", "UDP AEAD", "GRE clear", "GRE AEAD", "GRE MPPE-128"}, wireGuard, atMost, 1},
	{routedAlone, []string{"IPX clear"}, openVPNNone, atLeast, 2},
	{routedAlone, []string{"IPX AEAD"}, openVPNGCM, atLeast, 2},
	{bridgedAlone, []string{"IPX clear"}, openVPNNone, atLeast, 2},
	{bridgedAlone, []string{"IPX AEAD"}, openVPNGCM, atLeast, 2},
	{routedLoss, []string{"IPX clear", "IPX AEAD"}, "", none, 0},
	{bridgedLoss, []string{"IPX clear", "IPX AEAD"}, "", none, 0},
}

// verdict says whether the goal is met.
func (g goal) verdict(ours, peers []float64) string {
	if g.kind == none {
		return "goal 0: " + met(mean(ours) == 0)
	}
	if len(peers) == 0 {
		return "without " + g.peer
	}
	each := ratios(ours, peers)
	ratio := median(each)
	word, ok := "at least", ratio >= g.bar
	if g.kind == atMost {
		word, ok = "at most", ratio <= g.bar
	}
	return fmt.Sprintf("%.2f (%s) of %s, goal %s %.2f: %s", ratio, span(each), g.peer, word, g.bar, met(ok))
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "NOT MET"
}
