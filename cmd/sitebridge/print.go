package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ppp"
)

// printStatus prints what an operator wants to see first at the top: which site
// is not up, and why.
func printStatus(w io.Writer, s *bridge.Status, now time.Time) {
	fmt.Fprintf(w, "%s, sitebridge %s, running for %s\n", escape(s.Name), s.Version, ago(now, s.Started))
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	for _, c := range s.Clashes {
		fmt.Fprintf(w, "clash: network %v, %s: %s (first seen %s ago, last %s ago)\n", c.Network, strings.ReplaceAll(c.Kind, "_", " "), c.Text, ago(now, c.First), ago(now, c.Last))
	}
	for i := range s.Sites {
		fmt.Fprintln(w)
		printSite(w, &s.Sites[i], now)
	}
	for i := range s.LANs {
		fmt.Fprintln(w)
		printLAN(w, &s.LANs[i], now)
	}
	for i := range s.Segments {
		fmt.Fprintln(w)
		printSegment(w, &s.Segments[i], now)
	}
	if x := s.Strangers; x.Count > 0 {
		fmt.Fprintf(w, "\ncallers that did not show which site they are: %d; the last from %v, %s ago: %s\n", x.Count, x.From, ago(now, x.Last), x.Reason)
	}
	if g := s.Guard; g.Wrong > 0 {
		fmt.Fprintf(w, "wrong proofs: %d, and %d had to wait; slowed down now: %s, %s\n", g.Wrong, g.Delayed, amountOf(g.Sources, "address", "addresses"), amount(g.Names, "name"))
		for _, worst := range append(g.WorstSources, g.WorstNames...) {
			fmt.Fprintf(w, "  %s: %d, the last %s ago\n", worst.Who, worst.Wrong, ago(now, worst.Last))
		}
	}
	printRADIUS(w, s.RADIUS)
	for _, c := range s.Certificates {
		fmt.Fprintf(w, "certificate %s (%s): until %s, %s; %s\n", escape(c.Name), c.Use, date(c.NotAfter), daysLeft(c.DaysLeft), c.Fingerprint)
	}
	fmt.Fprintf(w, "\ntunnels' packets: %d received%s\n", s.GRE.Received, drops(s.GRE.Drops))
	if d := drops(s.Sockets.Drops); d != "" {
		fmt.Fprintf(w, "GRE sockets%s\n", d)
	}
	if s.UDP != nil {
		fmt.Fprintf(w, "tunnels in UDP on port %d: %s received%s\n", s.UDPPort, amount(s.UDP.Received, "packet"), drops(s.UDP.Drops))
	}
	for _, l := range s.Listeners {
		fmt.Fprintf(w, "calls on %s: %s, %d of them without a call, %d pushed out, %d refused%s\n",
			l.Address, amount(l.Connections, "connection"), l.Vacant, l.Evicted, l.Refused, drops(l.Drops))
	}
}

func ago(now, t time.Time) string { return now.Sub(t).Round(time.Second).String() }

func printSite(w io.Writer, s *bridge.SiteStatus, now time.Time) {
	fmt.Fprintf(w, "site %s: %s for %s\n", escape(s.Name), strings.ToUpper(string(s.State)), ago(now, s.Since))
	if s.Reason != "" {
		fmt.Fprintf(w, "  reason      %s\n", s.Reason)
	}
	if !s.NextTry.IsZero() {
		fmt.Fprintf(w, "  next try    in %s\n", s.NextTry.Sub(now).Round(100*time.Millisecond))
	}
	if s.Pool != nil {
		printCallers(w, s)
	} else {
		fmt.Fprintf(w, "  history     up %s, dialled %s, %s refused\n", amount(s.Ups, "time"), amount(s.Dials, "time"), amount(s.Refused, "call"))
	}
	if s.Demand != nil {
		printDemand(w, s, now)
	}
	if t := s.Tunnel; t != nil {
		printTunnel(w, t, now)
	}
	if s.IP != nil {
		printIP(w, s.IP)
	}
	if s.IPX != nil {
		printIPX(w, s.IPX)
	}
	if d := s.Watchdogs; d != nil {
		state := "waiting"
		if d.Answering {
			state = "answering for hosts behind the lost tunnel"
		}
		fmt.Fprintf(w, "  watchdogs   %s; %d NetWare and %d SPX sessions known, %d answered%s\n", state, d.Sessions, d.Connections, d.Answered, counts("refused", d.Refused))
	}
}

func printIPX(w io.Writer, x *bridge.IPXStatus) {
	network := "network " + x.Network.String()
	if x.Network == ipx.ThisNetwork {
		network = "unnumbered"
	}
	fmt.Fprintf(w, "  IPX         %s, node %v, peer's %v", network, x.Local, x.Peer)
	if x.PeerRouter != "" {
		fmt.Fprintf(w, " (%s)", escape(x.PeerRouter))
	}
	if x.IPXWAN {
		fmt.Fprint(w, ", agreed by IPXWAN")
	}
	if x.Segment != "" {
		fmt.Fprintf(w, ", bridged: segment %s", x.Segment)
	}
	if x.Exchange != "" {
		fmt.Fprintf(w, ", exchange %s, %s", x.Exchange, amount(x.Ticks, "tick"))
	}
	if x.Stats != nil {
		fmt.Fprintf(w, "; in %d, out %d%s", x.Stats.PacketsIn, x.Stats.PacketsOut, drops(x.Stats.Drops))
	}
	fmt.Fprintln(w)
	if c := x.Compression; c != nil {
		fmt.Fprintf(w, "  CIPX        out %d of %d octets%s\n", c.Out.After, c.Out.Before, drops(c.In.Dropped))
	}
}

func printTunnel(w io.Writer, t *bridge.Tunnel, now time.Time) {
	by := "the peer called"
	if t.Dialed {
		by = "we called"
	}
	from := t.Local.String()
	if t.Interface != "" {
		from += " (" + t.Interface + ")"
	}
	fmt.Fprintf(w, "  call        %s to %v, %s %s ago; peer %s (%s); call IDs ours %d, theirs %d\n",
		from, t.Peer, by, ago(now, t.Began), t.PeerHost, t.PeerVendor, t.CallID, t.PeerCallID)
	if d := drops(t.Control.Drops); d != "" {
		fmt.Fprintf(w, "  control%s\n", d)
	}
	if t.Carrier != "" {
		fmt.Fprintf(w, "  carrier     %s\n", carrierWords(t))
	}
	fmt.Fprintf(w, "  %-11s sent %d packets, %d octets; received %d, %d; lost %d, reordered %d%s\n",
		carrierName(t), t.GRE.PacketsSent, t.GRE.OctetsSent, t.GRE.PacketsReceived, t.GRE.OctetsReceived, t.GRE.Lost, t.GRE.Reordered, drops(t.GRE.Drops))
	if n := t.GRE.SendErrors; n > 0 {
		fmt.Fprintf(w, "              %d times this machine itself refused to send: is there a firewall or a rule against %s?\n", n, medium(t))
	}
	printPPP(w, &t.PPP, now)
}

// carrierName is what a tunnel's packets travel in, in a word.
func carrierName(t *bridge.Tunnel) string {
	if t.PeerPort != 0 {
		return "UDP"
	}
	return "GRE"
}

// carrierWords says what a tunnel's packets travel in, and why in that.
func carrierWords(t *bridge.Tunnel) string {
	words := "GRE, IP protocol 47"
	if t.PeerPort != 0 {
		words = fmt.Sprintf("UDP, peer's port %d", t.PeerPort)
	}
	return words + ": " + t.CarrierReason
}

// medium is what a firewall may have a rule against.
func medium(t *bridge.Tunnel) string {
	if t.PeerPort != 0 {
		return fmt.Sprintf("UDP to port %d", t.PeerPort)
	}
	return "IP protocol 47"
}

// printEncryption says what protects the link, and what it would have had.
func printEncryption(w io.Writer, e *ppp.EncryptionStatus, phase ppp.Phase) {
	if e.Policy == "" {
		return // no peer yet
	}
	if phase < ppp.PhaseNetwork { // before that it is not known how the link is to be encrypted
		fmt.Fprintln(w, "  encryption  not yet: nothing passes before the peer has shown who it is")
		return
	}
	what := "none: who is on the way can read and change all that passes"
	switch {
	case e.Agreed != "":
		what = e.Agreed
	case e.Waiting:
		what = "not yet: nothing passes until it is agreed on"
	}
	fmt.Fprintf(w, "  encryption  %s (policy %s)", what, e.Policy)
	if e.Strength != "" {
		fmt.Fprintf(w, ", %s", e.Strength)
	}
	if e.Packets != nil {
		dropped := maps.Clone(e.Packets)
		delete(dropped, "sealed")
		delete(dropped, "opened")
		fmt.Fprintf(w, "; sealed %d, opened %d%s", e.Packets["sealed"], e.Packets["opened"], drops(dropped))
	}
	fmt.Fprintln(w)
	if e.Reason != "" {
		fmt.Fprintf(w, "              not agreed on: %s\n", e.Reason)
	}
}

func printPPP(w io.Writer, p *ppp.Status, now time.Time) {
	fmt.Fprintf(w, "  PPP         phase %v, LCP %s; ours: %s; peer's: %s\n", p.Phase, p.LCP, options(p.Ours), options(p.Peers))
	if p.Peer.Proved {
		fmt.Fprintf(w, "  peer is     %s, proved by %s\n", p.Peer.Name, p.Peer.Method)
	}
	printEncryption(w, &p.Encryption, p.Phase)
	for _, said := range p.Peer.Said {
		fmt.Fprintf(w, "  peer says   %s\n", said)
	}
	for _, n := range p.NCPs {
		fmt.Fprintf(w, "  %-11s %s", n.Name, n.State)
		if n.Reason != "" {
			fmt.Fprintf(w, ": %s", n.Reason)
		}
		fmt.Fprintln(w)
	}
	if !p.LastHeard.IsZero() {
		fmt.Fprintf(w, "  last heard  %s ago", ago(now, p.LastHeard))
		if p.RoundTrip > 0 {
			fmt.Fprintf(w, ", round trip %v", p.RoundTrip.Round(10*time.Microsecond))
		}
		fmt.Fprintln(w)
	}
	if d := drops(p.Stats.Drops); d != "" {
		fmt.Fprintf(w, "  PPP         %s\n", strings.TrimPrefix(d, "; "))
	}
}

func options(o ppp.OptionSet) string {
	words := []string{fmt.Sprintf("MRU %d", o.MRU)}
	if o.Auth != "" {
		words = append(words, "auth "+o.Auth)
	}
	if o.PFC {
		words = append(words, "PFC")
	}
	if o.ACFC {
		words = append(words, "ACFC")
	}
	return strings.Join(words, " ")
}

func printIP(w io.Writer, s *bridge.IPStatus) {
	fmt.Fprintf(w, "  IP          %s", s.Device)
	if s.Local.IsValid() {
		fmt.Fprintf(w, " %v", s.Local)
	}
	if s.Peer.IsValid() {
		fmt.Fprintf(w, " peer %v", s.Peer)
	}
	fmt.Fprintf(w, ", behind it %v\n", s.Routes)
	if s.MTU > 0 {
		fmt.Fprintf(w, "  MTU         %s\n", s.MTUSum)
	}
	fmt.Fprintf(w, "  packets     out %d, in %d; MSS clamped %d%s\n", s.Stats.PacketsOut, s.Stats.PacketsIn, s.Stats.Clamped, drops(s.Stats.Drops))
}

func printLAN(w io.Writer, l *bridge.LANStatus, now time.Time) {
	state := "up"
	if !l.Up {
		state = "DOWN"
	}
	fmt.Fprintf(w, "LAN %s: %s on %s, MAC %v\n", escape(l.Name), state, l.Device, l.MAC)
	for _, t := range l.Trouble {
		fmt.Fprintf(w, "  trouble     %s\n", t)
	}
	if d := l.DOSBox; d != nil {
		fmt.Fprintf(w, "  DOSBox      ipxnet connect %v %d\n", d.Address.Addr(), d.Address.Port())
		for _, c := range d.Clients {
			fmt.Fprintf(w, "              %v at %v for %s, %s, last heard %s ago\n", c.Node, c.Address, ago(now, c.Since), amount(c.Packets, "packet"), ago(now, c.Last))
		}
	}
	for _, x := range l.Wires {
		network := "is network " + x.Network.String()
		switch {
		case x.Learned:
			network += " (learned)"
		case x.Network == ipx.ThisNetwork:
			network = "has no number yet"
		}
		fmt.Fprintf(w, "  routed      %s %s; in %d, out %d%s\n", x.Name, network, x.Stats.PacketsIn, x.Stats.PacketsOut, drops(x.Stats.Drops))
	}
	fmt.Fprintf(w, "  frames in   II %d, 802.2 %d, 802.3 %d, SNAP %d; broadcast %d, to us %d, to others %d%s\n",
		l.Stats.In.EthernetII, l.Stats.In.Ethernet8022, l.Stats.In.Ethernet8023, l.Stats.In.EthernetSNAP,
		l.Stats.BroadcastIn, l.Stats.UnicastIn, l.Stats.OtherIn, drops(l.Stats.Drops))
	for _, c := range l.Heard.Claims {
		fmt.Fprintf(w, "  heard       %v network %v, last from %v %s ago, %s\n", c.Encap, c.Network, c.Node, ago(now, c.Last), amount(c.Packets, "packet"))
	}
}

func printSegment(w io.Writer, s *bridge.SegmentStatus, now time.Time) {
	fmt.Fprintf(w, "segment %s: network %v, %s\n", escape(s.Name), s.Network, amount(len(s.Stations), "station"))
	for _, t := range s.Troubles {
		fmt.Fprintf(w, "  trouble     %s: %s (for %s, %s)\n", t.Port, t.Text, ago(now, t.Since), amount(t.Count, "time"))
	}
	for _, p := range s.Ports {
		state := ""
		switch {
		case !p.Blocked.IsZero():
			state = fmt.Sprintf(" BLOCKED for a loop, tried again in %s;", p.Until.Sub(now).Round(time.Second))
		case !p.Lost.IsZero():
			state = fmt.Sprintf(" lost, its stations are known for another %s;", p.Held.Sub(now).Round(time.Second))
		}
		fmt.Fprintf(w, "  port        %s:%s %s, in %d, out %d%s\n", p.Name, state, amount(p.Stations, "station"), p.Stats.PacketsIn, p.Stats.PacketsOut, drops(p.Stats.Drops))
	}
}

// drops prints the counters of a struct of drops.
func drops(v any) string { return counts("dropped", v) }

// counts prints the counters of a struct that are not zero, by the names that they
// have in JSON.
func counts(what string, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var all map[string]uint64
	if json.Unmarshal(b, &all) != nil {
		return ""
	}
	var words []string
	for name, n := range all {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %d", name, n))
		}
	}
	if len(words) == 0 {
		return ""
	}
	slices.Sort(words)
	return "; " + what + ": " + strings.Join(words, ", ")
}

// amount is a number of things: "1 hop", "2 hops".
func amount[N ~int | ~uint8 | ~uint16 | ~uint64](n N, thing string) string {
	return amountOf(n, thing, thing+"s")
}

func amountOf[N ~int | ~uint8 | ~uint16 | ~uint64](n N, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}
