package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sitebridge/internal/ipfilter"
	"sitebridge/ipx/policy"
)

// The words of connect.
const (
	connectAlways = "always"
	connectDemand = "demand"
)

// Idle is at least a second, for tests; a real line is not hung up so soon.
const (
	defaultIdle = 15 * time.Minute
	minIdle     = time.Second
	maxIdle     = 24 * time.Hour
)

// A Demand is how a tunnel comes and goes that is up only while somebody needs it.
type Demand struct {
	Idle time.Duration // without traffic that counts, until we hang up
	// Hours are when traffic may dial. A call that is up stays until it is idle.
	Hours Hours
	// IP and IPX say which packets count, beyond what never does.
	IP  ipfilter.Filter
	IPX policy.Filter
}

// readDemand reads connect and what belongs to it; nil: the tunnel is kept up.
func readDemand(at *siteTables) *Demand {
	t := at.site
	if read(t, "connect", connectAlways, word(connectAlways, connectDemand)) != connectDemand {
		at.notOnDemand()
		return nil
	}
	d := &Demand{
		Idle:  read(t, "idle", defaultIdle, duration(minIdle, maxIdle)),
		Hours: readList(t, "hours", span),
	}
	if at.ip.present {
		d.IP = readList(at.ip, "interesting", interestingIP)
	}
	if at.ipx.present {
		d.IPX = readList(at.ipx, "interesting", interestingIPX)
	}
	return d
}

// notOnDemand reports keys that say nothing about a tunnel that is kept up. In the
// defaults they are for others, and known.
func (at *siteTables) notOnDemand() {
	const reason, fix = `it belongs to connect = "demand"`, "leave it out, or write that"
	refuse := func(t *table, keys ...string) {
		for _, key := range keys {
			if t.has(key) && at.site.at("connect").faultless() {
				t.stray(reason, fix, key)
			}
		}
	}
	refuse(at.site, "idle", "hours")
	if at.ip.present {
		refuse(at.ip, "interesting")
	}
	if at.ipx.present {
		refuse(at.ipx, "interesting")
	}
}

func interestingIP(raw any) (ipfilter.Rule, *mistake) {
	s, _ := raw.(string)
	r, err := ipfilter.ParseRule(s)
	if err != nil {
		return r, notA(raw, "a rule of what counts", `write "ignore" or "dial", perhaps a protocol, and pairs of a word and a value, as in "ignore udp port 123" or "dial tcp dst-net 10.2.0.0/16 dst-port 445-450"; words are port and net, also with src- or dst- before them`)
	}
	return r, nil
}

// interestingIPX parses the language of filter_in, with the words of what counts.
func interestingIPX(raw any) (policy.Rule, *mistake) {
	s, _ := raw.(string)
	verb, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	r, err := policy.ParseRule(map[string]string{"ignore": "deny", "dial": "permit"}[verb] + " " + rest)
	if err != nil {
		return r, notA(raw, "a rule of what counts", `write "ignore" or "dial" and pairs of a word and a value, as in "ignore socket 4003" or "dial dst-socket 0451"; words are network, node and socket, also with src- or dst- before them, and type`)
	}
	return r, nil
}

// speakFor has watchdogs answered where the file does not say, but for a link that
// nothing is held for: else each login would end with the first idle hour.
func (t *table) speakFor(x *IPX) {
	if !t.has("watchdogs") && x.Hold > 0 {
		x.Watchdogs = true
	}
}

// agreeOnDemand checks what a site needs whose tunnel is down most of the time: all
// that a call would agree on must be known before it.
func (d *draft) agreeOnDemand() {
	for _, s := range d.Sites {
		if s.Demand == nil {
			continue
		}
		at := d.siteAt[s]
		if s.Segment != nil {
			at.site.at("connect").fault(fmt.Sprintf("the site is in segment %s, whose broadcasts would keep the tunnel up", s.Segment.Name),
				`write connect = "always", or route IPX`)
			continue
		}
		if len(s.Dial) == 0 {
			at.site.stray("the site has no dial, and never dials", "leave it out, or write dial", "hours")
		}
		if s.IP != nil {
			at.ip.agreeOnIdleIP(s.IP)
			at.agreeOnFullTunnel(s)
		}
		if s.IPX != nil {
			at.ipx.agreeOnIdleIPX(s.IPX)
			at.ipx.speakFor(s.IPX)
		}
	}
}

const staticFix = `, or connect = "always"`

func (t *table) agreeOnIdleIP(ip *IP) {
	switch {
	case !t.at("address").faultless() || !t.at("peer").faultless() || ip.Pool.IsValid(): // a pool has callers, and does not dial
	case ip.Mode == FromPeer:
		t.at("address").fault(`with connect = "demand" our address must be known while there is no call`, `write address and peer, or "unnumbered"`+staticFix)
	case ip.Mode == Static && !ip.Peer.IsValid():
		t.below("peer").fault(`with connect = "demand" the peer's address must be known while there is no call`, `write peer = "10.255.0.2"`+staticFix)
	}
}

// agreeOnFullTunnel checks that a site through which everything goes can be dialled:
// the question for its peer's name would go into the tunnel that it is asked for.
func (at *siteTables) agreeOnFullTunnel(s *Site) {
	const half = 1 // two halves are as good as a default route
	full := slices.ContainsFunc(s.IP.Routes, func(p netip.Prefix) bool { return p.Addr().Is4() && p.Bits() <= half })
	named := slices.IndexFunc(s.Dial, func(e Endpoint) bool { _, err := netip.ParseAddr(e.Host); return err != nil })
	if full && named >= 0 {
		at.site.at("dial").fault(fmt.Sprintf(`with connect = "demand" and a route for everything, nobody can be asked where %s is`, s.Dial[named].Host), "write its address"+staticFix)
	}
}

func (t *table) agreeOnIdleIPX(x *IPX) {
	switch {
	case !t.at("exchange").faultless() || !t.at("workstation").faultless():
	case x.Workstation:
		t.at("workstation").fault(`connect = "demand" is for two routers`, "leave one of them out")
	case x.Exchange != ExchangeStatic && x.Exchange != ExchangeAutoStatic:
		t.at("exchange").fault(fmt.Sprintf(`with connect = "demand" what is behind the peer must be known while there is no call, and %q would keep it up`, x.Exchange),
			`write exchange = "static", with routes, or "auto-static"`+staticFix)
	case x.IPXWAN:
		t.at("ipxwan").fault(`with connect = "demand" the link must be known while there is no call, and IPXWAN agrees on it anew each time`, "leave it out"+staticFix)
	}
}
