package diagnose

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// A step of the fault tree.
type step struct {
	name, looks string
	// needs are the steps without which this one makes no sense.
	needs []string
	// skip, unless nil, tells why the step has nothing to do with the site; "": it has.
	skip func(Setup) string
	look func(*walk) Finding
}

// steps is the fault tree, in the order in which a tunnel comes up and is used. The
// names are those of --json, and stay.
var steps = []step{
	{"site", "how the daemon says that the site stands", nil, nil, func(w *walk) Finding { return judgeSite(w.setup) }},
	{"name", "the names that the site dials", nil, noDial, (*walk).name},
	{"route", "how the kernel sends to the peer", []string{"name"}, noDial, (*walk).route},
	{"rp_filter", "the kernel's filter on the way back to the peer", []string{"name", "route"}, onePeer, func(w *walk) Finding { return judgeFilter(w.Filter()) }},
	{"tcp", "TCP to the peer's port", []string{"name", "route"}, noDial, (*walk).tcp},
	{"control", "the PPTP control connection and its version", []string{"tcp"}, noDial, func(w *walk) Finding { return judgeControl(w.reached) }},
	{"calls", "what came to the addresses where calls are answered", nil, noAnswer, func(w *walk) Finding { return judgeCalls(w.setup, w.Calls()) }},
	{"call", "a call to the peer", []string{"site", "control"}, onePeer, (*walk).call},
	{"carrier", "what the call's packets travel in", []string{"call"}, onePeer, func(w *walk) Finding { return judgeCarrier(w.attempt) }},
	{"gre_out", "the call's packets to the peer, in GRE (IP protocol 47) or UDP", []string{"call"}, onePeer, func(w *walk) Finding { return judgeOut(w.attempt) }},
	{"gre_back", "the call's packets from the peer", []string{"call"}, onePeer, func(w *walk) Finding { return judgeBack(w.attempt) }},
	{"nat", "address translation between the ends", []string{"call"}, onePeer, func(w *walk) Finding { return judgeNAT(w.attempt) }},
	{"path_mtu", "which sizes of packets reach the peer", []string{"call"}, onePeer, (*walk).path},
	{"link", "LCP, the agreement on the link", []string{"call", "gre_out", "gre_back", "nat"}, onePeer, func(w *walk) Finding { return judgeLink(w.attempt) }},
	{"authentication", "who proved what to whom", []string{"link"}, onePeer, func(w *walk) Finding { return judgeAuth(w.setup, w.attempt) }},
	{"encryption", "how packets are protected", []string{"authentication"}, onePeer, func(w *walk) Finding { return judgeEncryption(w.setup, w.attempt) }},
	{"ipcp", "IPv4 in the tunnel", []string{"encryption"}, without("IPCP"), func(w *walk) Finding { return judgeNCP("IPCP", w.setup, w.attempt) }},
	{"ipv6cp", "IPv6 in the tunnel", []string{"encryption"}, without("IPV6CP"), func(w *walk) Finding { return judgeNCP("IPV6CP", w.setup, w.attempt) }},
	{"ipxcp", "IPX in the tunnel", []string{"encryption"}, without("IPXCP"), func(w *walk) Finding { return judgeNCP("IPXCP", w.setup, w.attempt) }},
	{"interface", "the tunnel's interface and its addresses", nil, noIP, func(w *walk) Finding { return judgeInterface(w.theKernel()) }},
	{"routes", "routes and rules of what is behind the peer", []string{"interface"}, func(s Setup) string { return cmp.Or(onePeer(s), noIP(s)) }, func(w *walk) Finding { return judgeRoutes(w.theKernel()) }},
	{"forwarding", "whether the kernel forwards", nil, noIP, func(w *walk) Finding { return judgeForwarding(w.theKernel()) }},
	{"mss", "the tunnel's MTU, TCP's segments and the LANs", nil, func(s Setup) string { return cmp.Or(onePeer(s), noIP(s)) }, func(w *walk) Finding { return judgeMSS(w.theKernel()) }},
	{"ipx_frames", "the frame types that are spoken on the LANs", nil, noIPX, func(w *walk) Finding { return judgeFrames(w.theIPX()) }},
	{"ipx_numbers", "the network numbers that are claimed", nil, noIPX, func(w *walk) Finding { return judgeNumbers(w.theIPX()) }},
	{"ipx_behind", "the IPX networks behind the peer", []string{"ipxcp"}, noneBehind, func(w *walk) Finding { return judgeBehind(w.theIPX()) }},
	{"certificates", "the dates of certificates and revocation lists", nil, noTLS, func(w *walk) Finding { return judgeCertificates(w.Certificates()) }},
}

func noDial(s Setup) string {
	if !s.Dials {
		return "the peer dials, not we"
	}
	return ""
}

func noAnswer(s Setup) string {
	if !s.Answers {
		return "we dial, and take no calls"
	}
	return ""
}

func noIP(s Setup) string {
	if !s.IP {
		return "the site carries no IP"
	}
	return ""
}

func noIPX(s Setup) string {
	if !s.IPX {
		return "the site carries no IPX"
	}
	return ""
}

func noTLS(s Setup) string {
	if !s.TLS {
		return "no certificates have a part in it"
	}
	return ""
}

// onePeer is for what a site with many callers has not, or has for each of them.
func onePeer(s Setup) string {
	if s.Pool {
		return "many call: sitebridge status shows each"
	}
	return ""
}

func noneBehind(s Setup) string { return cmp.Or(onePeer(s), noIPX(s)) }

func without(ncp string) func(Setup) string {
	return func(s Setup) string {
		if !slices.Contains(s.NCPs, ncp) {
			return "the site does not carry it"
		}
		return onePeer(s)
	}
}

// StepNames lists the names of the steps in their order.
func StepNames() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// A walk is one diagnosis under way.
type walk struct {
	World
	ctx   context.Context
	setup Setup
	found map[string]Finding
	// behind names the fault for which a step was not looked at.
	behind map[string]string

	addrs   []netip.AddrPort
	reached []Reach
	attempt Attempt
	kernel  *Kernel
	ipx     *IPX
}

// Run walks the tree and calls tell for each finding as it is made. Steps that are no
// business of the site are left out.
func Run(ctx context.Context, from World, tell func(Finding)) Conclusion {
	w := &walk{World: from, ctx: ctx, setup: from.Setup(), found: map[string]Finding{}, behind: map[string]string{}}
	var all []Finding
	for _, s := range steps {
		if s.skip != nil {
			if why := s.skip(w.setup); why != "" {
				continue
			}
		}
		f := w.one(s)
		f.Step, f.Looked, f.Words, f.Do = s.name, s.looks, escape(f.Words), escapeLines(f.Do)
		w.found[s.name] = f
		all = append(all, f)
		tell(f)
	}
	return conclude(w.setup.Site, all)
}

// one makes one finding, or tells why it cannot.
func (w *walk) one(s step) Finding {
	if w.ctx.Err() != nil {
		return unknown("not looked at: the time is over")
	}
	if w.setup.State == "" && slices.Contains(daemonOnly, s.name) {
		return unknown("not looked at: only a running daemon knows")
	}
	for _, need := range s.needs {
		f, there := w.found[need]
		switch {
		case there && f.Verdict == Fault && !(w.setup.Call && early(need)):
			w.behind[s.name] = need
			return unknown("not looked at: %s is at fault", need)
		case w.behind[need] != "":
			w.behind[s.name] = w.behind[need]
			return unknown("not looked at: %s is at fault", w.behind[need])
		case there && f.Verdict == Unknown && mustKnow(need):
			return unknown("not looked at, as %s was not", need)
		}
	}
	return s.look(w)
}

// daemonOnly are the steps that are not for who looks from outside.
var daemonOnly = []string{"calls", "call", "interface", "routes", "mss", "ipx_frames", "ipx_numbers", "ipx_behind"}

// early tells the steps that a call which is there has behind it: a name that does not
// resolve any more does not end it.
func early(step string) bool {
	return slices.Contains([]string{"site", "name", "route", "tcp", "control"}, step)
}

// mustKnow tells the steps that lead on only when they were looked at.
func mustKnow(step string) bool {
	return slices.Contains([]string{"name", "route", "tcp", "control", "call", "link", "authentication", "encryption", "interface", "ipxcp"}, step)
}

// theKernel is asked once for all the steps that it concerns.
func (w *walk) theKernel() Kernel {
	if w.kernel == nil {
		k := w.Kernel()
		w.kernel = &k
	}
	return *w.kernel
}

func (w *walk) theIPX() IPX {
	if w.ipx == nil {
		x := w.IPX()
		w.ipx = &x
	}
	return *w.ipx
}

func (w *walk) name() Finding {
	lookups := w.Names(w.ctx)
	for _, l := range lookups {
		w.addrs = append(w.addrs, l.Addrs...)
	}
	return judgeNames(lookups)
}

func (w *walk) route() Finding { return judgeWays(w.setup, w.Ways(w.addrs)) }

func (w *walk) tcp() Finding {
	w.reached = w.Reach(w.ctx, w.addrs)
	return judgeTCP(w.reached)
}

func (w *walk) call() Finding {
	if why := noTry(w.setup); why != "" {
		return unknown("not looked at: %s", why)
	}
	w.attempt = w.Try(w.ctx)
	return judgeCall(w.setup, w.attempt)
}

// noTry tells why there will be no call however long we wait; "": there may be.
func noTry(s Setup) string {
	switch {
	case s.Call:
		return ""
	case s.Idle:
		return "the site dials when there is traffic for it: sitebridge up SITE has it dial now"
	case !s.Dials:
		return "the peer has not called"
	}
	return ""
}

func (w *walk) path() Finding { return judgePath(w.Path(w.ctx, w.attempt)) }

// conclude says the first fault once more, or the first warning.
func conclude(site string, all []Finding) Conclusion {
	c := Conclusion{Site: site, Verdict: OK, Words: fmt.Sprintf("nothing is wrong with %s", site)}
	for _, v := range []Verdict{Fault, Warning} {
		if i := slices.IndexFunc(all, func(f Finding) bool { return f.Verdict == v }); i >= 0 {
			f := all[i]
			return Conclusion{Site: site, Verdict: v, Step: f.Step, Words: f.Step + ": " + f.Words, Do: f.Do}
		}
	}
	if i := slices.IndexFunc(all, func(f Finding) bool { return f.Step == "call" && f.Verdict == Unknown }); i >= 0 {
		c.Verdict, c.Words = Unknown, "nothing is wrong as far as could be seen; call: "+all[i].Words
	}
	c.Words = escape(c.Words)
	return c
}
