package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sitebridge/ip"
)

// The site's end in the kernel. The daemon writes no sysctl: what is missing is named.

func judgeInterface(k Kernel) Finding {
	name := k.Device.Name
	const made = "the daemon makes it anew within seconds: who deletes it?"
	switch {
	case k.DevErr != nil:
		return fault(made+" Its log says why if it cannot: /dev/net/tun, CAP_NET_ADMIN", "interface %s is not there: %s", name, plain(k.DevErr))
	case !k.Device.Up:
		return fault("ip link set "+name+" up; who took it down (NetworkManager, systemd-networkd)? Have that leave it alone", "interface %s is down", name)
	case k.up() && k.Local.IsValid() && !slices.Contains(k.Device.Addrs, k.Local):
		return fault("somebody took it away; the daemon puts it back within a minute: have NetworkManager or systemd-networkd leave "+name+" alone",
			"interface %s has not the address %v that was agreed on, but %s", name, k.Local, list(k.Device.Addrs))
	}
	words := fmt.Sprintf("%s is up", name)
	if k.Local.IsValid() {
		words += fmt.Sprintf(", %v", k.Local)
	}
	if k.Peer.IsValid() {
		words += fmt.Sprintf(", peer %v", k.Peer)
	}
	return ok("%s", words)
}

// up reports whether IP is up in the tunnel.
func (k Kernel) up() bool { return k.V4 || k.V6 }

func list[T fmt.Stringer](all []T) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func judgeRoutes(k Kernel) Finding {
	if k.Err != nil {
		return unknown("not looked at: %s", k.Err)
	}
	var findings []Finding
	if len(k.Rules) > 0 {
		findings = append(findings, fault("somebody took them away (a restart of systemd-networkd does: ManageForeignRoutingPolicyRules=no); the daemon puts them back within a minute",
			"rules of a full tunnel are missing: %s", strings.Join(k.Rules, "; ")))
	}
	for _, r := range k.Routes {
		findings = append(findings, judgeRoute(k, r))
	}
	switch {
	case len(findings) == 0:
		return ok("none are configured")
	case !slices.ContainsFunc(findings, func(f Finding) bool { return f.Verdict != OK }):
		return ok("%s", routesWords(k))
	}
	return worst(findings[0], findings[1:]...)
}

func routesWords(k Kernel) string {
	var dsts []netip.Prefix
	for _, r := range k.Routes {
		dsts = append(dsts, r.Dst)
	}
	if len(dsts) > 5 {
		return fmt.Sprintf("all %d lead into the tunnel", len(dsts))
	}
	if !k.up() {
		return list(dsts) + " wait for the tunnel, unreachable until then"
	}
	return list(dsts) + " by " + k.Device.Name
}

func judgeRoute(k Kernel, r ip.RouteState) Finding {
	const back = "somebody took it away; the daemon puts it back within a minute: have NetworkManager or systemd-networkd (ManageForeignRoutes=no) leave it alone"
	switch {
	case k.carries(r.Dst) && !r.Live:
		return fault(back, "the route to %v by %s is gone", r.Dst, k.Device.Name)
	case !r.Unreachable:
		return warning(back, "the unreachable route to %v is gone, which holds what is meant for the site while its tunnel is down", r.Dst)
	case k.carries(r.Dst) && r.Winner != "" && r.Winner != k.Device.Name:
		return fault("`ip route get` shows it: take that route away, or give the site a lower metric", "packets to %v do not go by %s but by %s: another route has a lower metric", r.Dst, k.Device.Name, r.Winner)
	case len(r.Longer) > 0:
		return warning("take those routes away, unless that is meant", "parts of %v go elsewhere, since a longer prefix wins: %s", r.Dst, strings.Join(r.Longer, ", "))
	}
	return ok("%v", r.Dst)
}

// carries reports whether the protocol of a route is up in the tunnel.
func (k Kernel) carries(dst netip.Prefix) bool {
	return dst.Addr().Is4() && k.V4 || dst.Addr().Is6() && k.V6
}

func judgeFilter(f ip.Filter) Finding {
	switch {
	case f.Device == "":
		return unknown("not looked at: it is not known where the peer is")
	case f.Mode == 0:
		return ok("off on %s", f.Device)
	case f.Back == f.Device:
		return ok("%s on %s lets the peer's packets in: the way back to it is the same", filterMode(f.Mode), f.Device)
	case f.Mode == 1 || f.Back == "":
		where := "by " + f.Back
		if f.Back == "" {
			where = "nowhere"
		}
		return fault(fmt.Sprintf("sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.%s.rp_filter=2 (0 if that does not do), and in /etc/sysctl.d to stay", f.Device),
			"net/ipv4/conf/%s/rp_filter is %d: packets of the peer %v come in by %s and are dropped, since the way back to it leads %s", f.Device, f.Mode, f.Peer, f.Device, where)
	}
	return ok("%s on %s lets the peer's packets in", filterMode(f.Mode), f.Device)
}

func filterMode(mode int) string {
	if mode == 1 {
		return "strict"
	}
	return "loose"
}

func judgeForwarding(k Kernel) Finding {
	var findings []Finding
	for _, s := range k.Settings {
		key := strings.ReplaceAll(s.Key, "/", ".")
		do := fmt.Sprintf("sysctl -w %s=%s, and in /etc/sysctl.d to stay (the package ships a file)", key, s.Want)
		if len(k.LANs) < 2 && strings.Contains(key, "forward") {
			findings = append(findings, warning(do+"; nothing need be done if only this machine itself uses the tunnel", "%s is %s: %s", key, s.Have, s.Why))
			continue
		}
		findings = append(findings, fault(do, "%s is %s: %s", key, s.Have, s.Why))
	}
	if len(findings) == 0 {
		return ok("on; what a firewall forbids cannot be seen from here: `nft list chain ip filter forward`, `iptables -L FORWARD`")
	}
	return worst(findings[0], findings[1:]...)
}

func judgeMSS(k Kernel) Finding {
	if k.Sum.InnerMTU == 0 {
		return unknown("the MTU is worked out when IP comes up")
	}
	words := fmt.Sprintf("%v; %d SYNs clamped", k.Sum, k.Stats.Clamped)
	var narrow []string
	for _, l := range k.LANs {
		if l.MTU > 0 && l.MTU < k.Sum.InnerMTU {
			narrow = append(narrow, fmt.Sprintf("%s %d", l.Name, l.MTU))
		}
	}
	switch {
	case k.Sum.InnerMTU < 576:
		return fault("which link on the way is that narrow? `tracepath` to the peer; or correct `mtu`", "only %d octets fit the tunnel: %s", k.Sum.InnerMTU, words)
	case k.up() && k.Device.MTU > 0 && k.Device.MTU != max(k.Sum.InnerMTU, 1280):
		return fault("somebody changed it: the daemon sets it when the path changes; `ip link set "+k.Device.Name+" mtu` puts it right", "interface %s has MTU %d, and not what fits: %s", k.Device.Name, k.Device.MTU, words)
	case len(narrow) > 0:
		return warning("long packets from the peer's side must be cut there: TCP to those LANs is clamped to the tunnel's MTU only; set `mtu` of the site to the least of them if connections hang",
			"%s; an interface of this machine takes less than the tunnel: %s", words, strings.Join(narrow, ", "))
	case k.Stats.Drops.TooBig > 0 && k.Stats.TooBigSent == 0:
		return warning("", "%s; %d packets were too big, and nobody could be told", words, k.Stats.Drops.TooBig)
	}
	return ok("%s", words)
}
