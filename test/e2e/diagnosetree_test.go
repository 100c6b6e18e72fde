package e2e

import (
	"os"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/bridge/diagnose"
	"sitebridge/internal/netlab"
	"sitebridge/ppp/fsm"
	"sitebridge/test/lab"
)

// What breaks each step of the fault tree, so that `diagnose` says just that. Two daemons
// and a kernel are broken where that can be done; the rest is judged in bridge/diagnose
// (TestJudge...), from facts that are made up, as all of these are there, too.
//
//	step            broken here by                                              only judged there
//	site            no daemon (WithoutDaemon), "down" (Calls)
//	name            a name that is none (Reach)                                 a DNS server that is silent
//	route           no route, prohibit, blackhole, unreachable, a source that
//	                is not ours (Reach), another rule's tunnel (FullTunnel)     an interface that is gone
//	rp_filter       strict, and another way back (Kernel)                       loose, and no way back
//	tcp             refused, no host, silence (Reach)                           reset, our own firewall
//	control         not PPTP, version 2.0, closed, silence, not authorised,
//	                our version refused (Reach)                                 no echo of one that is there
//	calls           nobody calls, strangers do (Calls, Pool)                    callers without GRE
//	call            busy (Reach)                                                no call in all the time
//	gre_out         dropped, refused by a router, refused here (GRE)            each ICMP code
//	gre_back        dropped (GRE), by a NAT (BehindNAT)                         a line that loses
//	nat             GRE from another address (NAT), one that knows no GRE,
//	                one that lets it pass (BehindNAT)                           a second GRE beside ours
//	path_mtu        a black hole, by echoes in the tunnel (Kernel)              the same by ping
//	link            -                                                           no answer to LCP, a line that is looped back
//	authentication  a wrong secret (Link), a certificate that has expired
//	                (Certificate), that is revoked, a list that is gone (Trust) a method that the peer does not ask for
//	encryption      required at one end (Link), two ciphers, keys that differ
//	                (Encryption)                                                preferred, and none agreed on
//	ipcp, ipv6cp    addresses that do not fit, a peer without IPv6 (NCPs)
//	ipxcp           a peer without IPX (Link)
//	interface       down, an address that is gone (Kernel)                      an interface that is gone
//	routes          gone, another one wins, a part of one elsewhere (Kernel),
//	                rules of a full tunnel (FullTunnel)
//	forwarding      off (Kernel)
//	mss             MTU changed, a LAN that is narrow (Kernel)                  a path of 576 octets
//	ipx_frames      another frame type, a LAN that is down, silence (IPX)       a LAN that hides unicasts
//	ipx_numbers     another number on the LAN (IPX)                             a number of two sites
//	ipx_behind      a list that lets in none of the peer's networks (Behind)    held networks, routes that are not written
//	certificates    expired (Certificate), a list that is gone (Trust)          not valid yet: test/interop, TestAttackH7

// translate has a namespace be a NAT, by rules of nft(8) instead of those that it has.
func translate(t *testing.T, ns *netlab.Namespace, rules string) {
	t.Helper()
	cmd := ns.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader("flush ruleset\ntable ip nat {\n" + rules + "\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// TestDiagnoseBehindNAT: site b is behind a NAT, which is Linux's own. Without its helper
// GRE does not come back; others do not even let it out. Then one is told what to do. UDP
// passes the plainest.
func TestDiagnoseBehindNAT(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	nat := w.Namespace("nat")
	w.Veth(nat, "wan", w.WAN, "nat")
	w.Plug("nat")
	nat.Addr("wan", "192.0.2.3/24")
	w.Veth(nat, "inside", w.SiteB, "up")
	nat.Addr("inside", "172.16.0.1/24")
	nat.Forward()
	w.SiteB.Addr("up", "172.16.0.2/24")
	w.SiteB.Down("wan")
	w.SiteB.Route("default", "172.16.0.1")
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.InGRE().B())
	a.WaitSite("b", "running", anyState)
	b.WaitSite("a", "running", anyState)
	const hide = "chain out {\ntype nat hook postrouting priority srcnat\noifname \"wan\" masquerade\n}\n"
	for _, c := range []struct{ name, rules string }{
		{"without its helper", hide},
		{"that lets no GRE out", hide + "chain through {\ntype filter hook forward priority filter\nip protocol gre drop\n}\n"},
	} {
		translate(t, nat, c.rules)
		b.Run("down", "a")
		b.Run("up", "a")
		x := fails(t, b, "a", "gre_back", "TCP 1723 works, and no GRE came back", "our address 172.16.0.2 is private")
		x.says(t, "nat", diagnose.Warning, "there is one before us")
		if !strings.Contains(x.result.Do, "nf_nat_pptp") || !strings.Contains(x.result.Do, "PPTP passthrough") {
			t.Errorf("%s: what a NAT needs is not told: %s", c.name, x.result.Do)
		}
	}
	translate(t, nat, hide+"chain in {\ntype nat hook prerouting priority dstnat\niifname \"wan\" ip protocol gre dnat to 172.16.0.2\n}\n")
	b.Run("down", "a")
	a.WaitSite("b", "down", notUp)
	b.Run("up", "a")
	x := heals(t, b, "a")
	x.says(t, "nat", diagnose.OK, "there is one before us", "lets GRE pass")

	// UDP needs nothing of the kind.
	translate(t, nat, hide)
	b.Stop()
	b = w.Start(w.SiteB, lab.Config{}.B())
	x = heals(t, b, "a")
	x.says(t, "carrier", diagnose.OK, "UDP port 4754")
	x.says(t, "nat", diagnose.OK, "there is one before us", "lets UDP pass")
}

// TestDiagnoseFullTunnel: all traffic of site b goes into the tunnel, but for the
// tunnel's own. Rules that keep it out of it vanish; those of somebody else lead into it.
func TestDiagnoseFullTunnel(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := lab.Config{Site: patient}
	full := config
	full.IP = "address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [\"0.0.0.0/0\"]"
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, full.B())
	b.WaitUp("a")
	a.WaitUp("b")
	diagnosed(t, b, "a").sound(t)

	x := robbed(t, w, b, "rule del pref 17487", "routes", diagnose.Fault)
	x.concludes(t, "routes", "rules of a full tunnel are missing: 17487: not fwmark 0x5b1d lookup 172300")
	diagnosed(t, b, "a").sound(t)

	w.IP(w.SiteB, "route", "add", "default", "dev", "sb-a", "table", "99")
	w.IP(w.SiteB, "rule", "add", "pref", "9", "to", lab.WANA, "lookup", "99")
	fails(t, b, "a", "route", "packets to 192.0.2.1 would enter the tunnel of site a")
	w.IP(w.SiteB, "rule", "del", "pref", "9")
	heals(t, b, "a")
}

// TestDiagnoseTrust: a certificate of either end is revoked, and the list is gone.
func TestDiagnoseTrust(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	list, revoke := revocation(t, w)
	revoke()
	c := lab.Config{Auth: "ca = \"ca.pem\"\ncrl = \"ca.crl\""}.Certified()
	a, b := w.Start(w.SiteA, c.A()), w.Start(w.SiteB, c.B())
	b.WaitUp("a")
	for _, broken := range []struct {
		name  string
		do    func()
		words string // of b
		calls string // of a
	}{
		{"ours", func() { revoke("b") }, "peer refuses our certificate", `the certificate of "b" was revoked by "test-CA"`},
		{"the peer's", func() { revoke("a") }, `the certificate of "a" was revoked by "test-CA"`, "refuses our certificate"},
		{"no list", func() { os.Remove(list) }, "cannot tell whether the peer's certificate is revoked", "refuses our certificate"},
	} {
		broken.do()
		again(a, b)
		x := fails(t, b, "a", "authentication", broken.words)
		if broken.name == "no list" {
			x.says(t, "certificates", diagnose.Fault, "the revocation list cannot be used")
		}
		a.WaitSite("b", "knows of the call", func(bridge.SiteStatus) bool {
			return strings.Contains(diagnosed(t, a, "b").found["calls"].Words, broken.calls)
		})
	}
}

// TestDiagnoseEncryption: both ends want to encrypt, by two ciphers, or with two keys.
func TestDiagnoseEncryption(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		"two ciphers": func(t *testing.T) {
			w := lab.New(t)
			ours, theirs := lab.Config{}, lab.Config{}
			ours.Encryption, theirs.Encryption = "policy = \"required\"\nmethods = [\"mppe-128\"]", "policy = \"required\"\nmethods = [\"aead\"]"
			a, b := w.Start(w.SiteA, theirs.Certified().A()), w.Start(w.SiteB, ours.Certified().B())
			a.WaitSite("b", "running", anyState)
			b.WaitSite("a", "running", anyState)
			x := fails(t, b, "a", "encryption", "mppe-128")
			x.says(t, "authentication", diagnose.OK)
		},
		"two keys": func(t *testing.T) {
			x := newWard(t, aead, aead.config, aead.config)
			x.up(t)
			x.ends[lab.B].Run("down", "a")
			x.ends[lab.A].WaitSite("b", "down", notUp)
			x.middle.Meddle(func(p lab.Packet) []lab.Packet {
				if p.Protocol == aead.control && len(p.Data) > fsm.HeaderLen {
					switch code := fsm.Code(p.Data[0]); {
					case code == fsm.ConfigureRequest && p.From == lab.A, code == fsm.ConfigureAck && p.From != lab.A:
						changeSalt(p)
					}
				}
				return []lab.Packet{p}
			})
			x.ends[lab.B].Run("up", "a")
			fails(t, x.ends[lab.B], "a", "encryption", "keys differ")
		},
	})
}

// TestDiagnoseNCPs: a network protocol fails, for want of addresses that fit or of a peer
// that has it, and no other is blamed for it.
func TestDiagnoseNCPs(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for name, c := range map[string]struct {
		b           lab.Config
		step, words string
	}{
		"addresses": {step: "ipcp", words: "peer insists that we are 10.255.0.2",
			b: lab.Config{IP: "address = \"10.255.0.9\"\npeer = \"10.255.0.1\"\nroutes = [\"10.1.0.0/16\"]"}},
		"no IPv6": {step: "ipv6cp", words: "IPV6CP: peer does not speak the protocol",
			b: lab.Config{Site: "required = [\"ipv6\"]", IP: "address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [\"2001:db8:1::/48\"]"}},
	} {
		tests[name] = func(t *testing.T) {
			w := lab.New(t)
			a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, c.b.B())
			a.WaitSite("b", "running", anyState)
			b.WaitSite("a", "running", anyState)
			x := fails(t, b, "a", c.step, c.words)
			x.says(t, "encryption", diagnose.OK)
		}
	}
	lab.Together(t, tests)
}

// TestDiagnoseBehind: the peer announces networks, and the site's list lets none of them in.
func TestDiagnoseBehind(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none", IPX: "exchange = \"rip-sap\""}.A())
	b := w.Start(w.SiteB, lab.Config{IP: "none", IPX: "exchange = \"rip-sap\"\naccept_networks = [\"00000099\"]"}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	x := diagnosed(t, b, "a")
	x.sound(t)
	x.says(t, "ipxcp", diagnose.OK)
	x.says(t, "ipx_behind", diagnose.Warning, "the peer has announced no network (exchange rip-sap)")
}
