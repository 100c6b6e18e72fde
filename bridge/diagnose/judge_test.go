package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/ip"
	"sitebridge/ppp"
)

var (
	peer    = netip.MustParseAddr("203.0.113.1")
	public  = netip.MustParseAddr("198.51.100.2")
	inside  = netip.MustParseAddr("10.0.0.7")
	target  = netip.AddrPortFrom(peer, 1723)
	other   = netip.AddrPortFrom(public, 1723)
	branch  = netip.MustParsePrefix("10.2.0.0/16")
	branch6 = netip.MustParsePrefix("2001:db8:2::/48")
	now     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

// A judgement is one finding, with what it must say.
type judgement struct {
	name    string
	got     Finding
	verdict Verdict
	words   string // part of Words
	do      string // part of Do
}

func judged(t *testing.T, all []judgement) {
	t.Helper()
	for _, j := range all {
		t.Run(j.name, func(t *testing.T) {
			if j.got.Verdict != j.verdict || !strings.Contains(j.got.Words, j.words) || !strings.Contains(j.got.Do, j.do) {
				t.Errorf("got %s: %s\nto do: %s\nwant %s with %q and %q", j.got.Verdict, j.got.Words, j.got.Do, j.verdict, j.words, j.do)
			}
		})
	}
}

func TestJudgeSite(t *testing.T) {
	judged(t, []judgement{
		{"up", judgeSite(Setup{State: "up", Up: true}), OK, "up", ""},
		{"a pool", judgeSite(Setup{State: "listening", Pool: true}), OK, "nobody calls", ""},
		{"idle", judgeSite(Setup{State: "idle", Idle: true}), OK, "idle", ""},
		{"stopped", judgeSite(Setup{Site: "hq", State: "stopped", Stopped: true}), Fault, "stopped by its operator", "sitebridge up hq"},
		{"waiting", judgeSite(Setup{State: "waiting", Reason: "peer refused"}), Unknown, "waiting: peer refused", ""},
		{"listening", judgeSite(Setup{State: "listening"}), Unknown, "listening", ""},
		{"no daemon", judgeSite(Setup{Reason: "no sitebridge answers"}), Fault, "no sitebridge answers", "sitebridge run"},
	})
}

func TestJudgeNames(t *testing.T) {
	good := Lookup{Host: "hq.example.net", Addrs: []netip.AddrPort{target}}
	none := Lookup{Host: "x.example.net", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	judged(t, []judgement{
		{"resolved", judgeNames([]Lookup{good}), OK, "hq.example.net is 203.0.113.1", ""},
		{"an address", judgeNames([]Lookup{{Host: "203.0.113.1", Addrs: []netip.AddrPort{target}}}), OK, "needs no resolver", ""},
		{"no such name", judgeNames([]Lookup{none}), Fault, "x.example.net: no such name", "resolv.conf"},
		{"no server", judgeNames([]Lookup{{Host: "x", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}}), Fault, "no DNS server answered", ""},
		{"no addresses", judgeNames([]Lookup{{Host: "x"}}), Fault, "no IPv4 address", ""},
		{"one of two", judgeNames([]Lookup{none, good}), Warning, "x.example.net: no such name; but hq.example.net is", ""},
	})
}

func TestJudgeWays(t *testing.T) {
	by := func(err error) Finding { return judgeWays(Setup{}, []Way{{To: target, Err: err}}) }
	good := Way{To: other, Way: ip.Way{Device: "wan", Source: inside, Gateway: public}}
	judged(t, []judgement{
		{"good", judgeWays(Setup{}, []Way{good}), OK, "198.51.100.2 by wan, router 198.51.100.2, from 10.0.0.7", ""},
		{"without our mark", judgeWays(Setup{Unmarked: true}, []Way{good}), OK, "without our mark", ""},
		{"prohibit", by(unix.EACCES), Fault, "forbids", "prohibit"},
		{"blackhole", by(unix.EINVAL), Fault, "swallows", "blackhole"},
		{"unreachable", by(unix.EHOSTUNREACH), Fault, "no route to 203.0.113.1", "uplink"},
		{"nothing", by(unix.ENETUNREACH), Fault, "no route to 203.0.113.1", "default route"},
		{"no such interface", by(unix.ENODEV), Fault, "`source`", ""},
		{"no such source", by(unix.EADDRNOTAVAIL), Fault, "not this machine's", "`source`"},
		{"into a tunnel", judgeWays(Setup{}, []Way{{To: target, Tunnel: "other"}}), Fault, "tunnel of site other", "ip rule"},
		{"one of two", judgeWays(Setup{}, []Way{{To: target, Err: unix.EACCES}, good}), Warning, "but 198.51.100.2 by wan", "prohibit"},
		{"none", judgeWays(Setup{}, nil), Unknown, "no address", ""},
	})
}

func TestJudgeTCP(t *testing.T) {
	by := func(err error) Finding { return judgeTCP([]Reach{{To: target, TCP: err}}) }
	judged(t, []judgement{
		{"answers", judgeTCP([]Reach{{To: target, Trip: 1234567}}), OK, "203.0.113.1:1723 answers in 1.23ms", ""},
		{"there already", judgeTCP([]Reach{{To: target, Before: true}}), OK, "connected", ""},
		{"refused", by(fmt.Errorf("TCP 1723: %w", unix.ECONNREFUSED)), Fault, "refuses", "ss -ltn"},
		{"timeout", by(context.DeadlineExceeded), Fault, "no answer", "open TCP 1723"},
		{"timeout of the kernel", by(unix.ETIMEDOUT), Fault, "no answer", "open TCP 1723"},
		{"reset", by(unix.ECONNRESET), Fault, "reset", "allow-list"},
		{"no host", by(unix.EHOSTUNREACH), Fault, "no route to host", "ping 203.0.113.1"},
		{"no network", by(unix.ENETUNREACH), Fault, "network is unreachable", "uplink"},
		{"forbidden", by(unix.EPERM), Fault, "forbids", "nft list ruleset"},
		{"no source", by(unix.EADDRNOTAVAIL), Fault, "not this machine's", "`source`"},
		{"no device", by(unix.ENODEV), Fault, "not there", "`source`"},
		{"something else", by(&net.OpError{Op: "dial", Err: errors.New("odd")}), Fault, "203.0.113.1:1723: odd", ""},
		{"one of two", judgeTCP([]Reach{{To: target, TCP: unix.ECONNREFUSED}, {To: other}}), Warning, "but 198.51.100.2:1723 answers", "ss -ltn"},
	})
}

func TestJudgeControl(t *testing.T) {
	by := func(err error) Finding { return judgeControl([]Reach{{To: target, Control: err}}) }
	judged(t, []judgement{
		{"answers", judgeControl([]Reach{{To: target, Peer: "hq (sitebridge)"}}), OK, "version 1.0, peer hq (sitebridge)", ""},
		{"there already", judgeControl([]Reach{{To: target, Before: true, Peer: "hq"}}), OK, "peer hq", ""},
		{"no echo", judgeControl([]Reach{{To: target, Before: true, Control: context.DeadlineExceeded}}), Fault, "does not answer an echo", "dialled again"},
		{"a version", by(&control.VersionError{Version: 0x200}), Fault, "version 2.0", "RFC 2637"},
		{"our version", by(&control.StartError{Result: control.VersionNotSupported}), Fault, "version not supported", "RFC 2637"},
		{"not allowed", by(&control.StartError{Result: control.NotAuthorised}), Fault, "not authorised", "list of addresses"},
		{"one already", by(&control.StartError{Result: control.ChannelExists}), Fault, "exists already", "NAT"},
		{"refused", by(&control.StartError{Result: control.StartGeneralError, ErrorCode: control.NoResource}), Fault, "no resource", "peer's log"},
		{"not PPTP", by(fmt.Errorf("x: %w", &control.MalformedError{})), Fault, "does not speak PPTP", "another program"},
		{"out of turn", by(&control.UnexpectedError{}), Fault, "does not speak PPTP", "another program"},
		{"closed", by(control.ErrPeerClosed), Fault, "closed at once", "allow our address"},
		{"silent", by(&control.TimeoutError{Awaited: "reply"}), Fault, "nothing answers in PPTP", "another program"},
		{"else", by(errors.New("odd")), Fault, "odd", ""},
		{"no TCP", judgeControl([]Reach{{To: target, TCP: unix.EPERM}}), Unknown, "no TCP", ""},
	})
}

func TestJudgeCalls(t *testing.T) {
	at := []string{"0.0.0.0:1723"}
	judged(t, []judgement{
		{"a call", judgeCalls(Setup{Call: true}, Calls{Listen: at}), OK, "answering on 0.0.0.0:1723", ""},
		{"nobody", judgeCalls(Setup{}, Calls{Listen: at}), Fault, "nobody has called", "tcpdump"},
		{"nobody, and we dial", judgeCalls(Setup{Dials: true}, Calls{Listen: at}), OK, "nobody has called", ""},
		{"a pool", judgeCalls(Setup{Pool: true, Callers: 2}, Calls{Listen: at}), OK, "2 callers now", ""},
		{"no PPTP", judgeCalls(Setup{}, Calls{Listen: at, Malformed: 3}), Fault, "spoke no PPTP", ""},
		{"no call", judgeCalls(Setup{}, Calls{Listen: at, Requests: 3}), Fault, "none asked for a call", ""},
		{"calls of others", judgeCalls(Setup{}, Calls{Listen: at, Requests: 3, Calls: 2}), Unknown, "2 calls", ""},
		{"not listening", judgeCalls(Setup{}, Calls{}), Fault, "no address", "listen ="},
		{"strangers", judgeCalls(Setup{}, Calls{Listen: at, Requests: 1, Calls: 1, GRE: 9, Strangers: 1, From: peer, Reason: "peer refused"}), Fault, "the last from 203.0.113.1, 0s ago: peer refused", "auth.peer_name"},
		{"strangers without GRE", judgeCalls(Setup{}, Calls{Listen: at, Requests: 1, Calls: 1, Strangers: 1, From: peer}), Fault, "1 calls ended", "IP protocol 47"},
		{"a stranger who is there", judgeCalls(Setup{}, Calls{Listen: at, Requests: 1, Calls: 1, Waiting: WaitingCall{From: peer, For: 9 * time.Second, On: "no GRE came back"}}), Fault, "from 203.0.113.1 has been there for 9s, and its caller has not shown which site it is: no GRE came back", "peer's log"},
		{"a stranger who has just come", judgeCalls(Setup{}, Calls{Listen: at, Requests: 1, Calls: 1, Waiting: WaitingCall{From: peer, For: time.Second}}), Unknown, "1s", ""},
		{"strangers long ago", judgeCalls(Setup{}, Calls{Listen: at, Requests: 1, Calls: 1, Strangers: 1, From: peer, Last: 2 * time.Hour}), Unknown, "1 calls", ""},
	})
}

func TestJudgeCall(t *testing.T) {
	judged(t, []judgement{
		{"there", judgeCall(Setup{}, Attempt{Call: true, Live: true, Dialed: true, Local: inside, Peer: peer}), OK, "10.0.0.7 to 203.0.113.1, we called", ""},
		{"over", judgeCall(Setup{}, Attempt{Call: true, Local: inside, Peer: peer, For: 3 * time.Second}), OK, "the peer called; it ended after 3s", ""},
		{"busy", judgeCall(Setup{}, Attempt{Err: fmt.Errorf("x: %w", &control.CallError{Result: control.Busy})}), Fault, "busy", "wait some minutes"},
		{"not accepted", judgeCall(Setup{}, Attempt{Err: &control.CallError{Result: control.DoNotAccept}}), Fault, "not accepted", "configuration"},
		{"refused", judgeCall(Setup{}, Attempt{Err: &control.CallError{Result: control.NoCarrier}}), Fault, "no carrier", "peer's log"},
		{"else", judgeCall(Setup{}, Attempt{Err: errors.New("odd")}), Fault, "odd", "peer's log"},
		{"nothing", judgeCall(Setup{}, Attempt{For: time.Minute}), Fault, "no call came about in 1m0s", ""},
	})
}

// speaking is a call whose GRE works.
func speaking(change func(*Attempt)) Attempt {
	a := Attempt{Call: true, Live: true, Dialed: true, Local: public, Peer: peer, For: time.Minute, Heard: true, Carrier: "why",
		GRE: gre.Stats{PacketsSent: 10, PacketsReceived: 9, AcksReceived: 4}, PPP: ppp.Status{LCP: "Opened", Phase: ppp.PhaseAuthenticate}}
	if change != nil {
		change(&a)
	}
	return a
}

// deaf is a call of which nothing comes back.
func deaf(change func(*Attempt)) Attempt {
	a := Attempt{Call: true, Live: true, Dialed: true, Local: public, Peer: peer, For: 7 * time.Second, Carrier: "why", GRE: gre.Stats{PacketsSent: 3}, PPP: ppp.Status{LCP: "Req-Sent", Phase: ppp.PhaseEstablish}}
	if change != nil {
		change(&a)
	}
	return a
}

func TestJudgeGRE(t *testing.T) {
	unheard := speaking(func(a *Attempt) {
		a.GRE.AcksReceived, a.PPP = 0, ppp.Status{LCP: "Ack-Sent", Phase: ppp.PhaseEstablish}
	})
	said := func(code uint8) Finding {
		return judgeOut(deaf(func(a *Attempt) { a.ICMP = []ICMP{{From: public, Type: 3, Code: code}} }))
	}
	behind := deaf(func(a *Attempt) { a.Local = inside })
	judged(t, []judgement{
		{"out", judgeOut(speaking(nil)), OK, "10 packets sent", ""},
		{"out, unknown", judgeOut(deaf(nil)), Unknown, "nothing comes back", ""},
		{"out, early", judgeOut(speaking(func(a *Attempt) { a.GRE.AcksReceived, a.PPP.LCP, a.PPP.Phase = 0, "Req-Sent", ppp.PhaseEstablish })), Unknown, "no answer to them yet", ""},
		{"out, refused here", judgeOut(deaf(func(a *Attempt) { a.GRE.SendErrors = 3 })), Fault, "this machine itself refused to send GRE, 3 times", "nft list ruleset"},
		{"out, not heard", judgeOut(unheard), Fault, "does not reach the peer", "IP protocol 47"},
		{"out, ended so", judgeOut(speaking(func(a *Attempt) {
			a.Live, a.GRE.AcksReceived, a.PPP = false, 0, ppp.Status{End: &ppp.End{Kind: ppp.NotHeard, Reason: "x"}}
		})), Fault, "does not reach the peer", ""},
		{"out, behind a NAT", judgeOut(speaking(func(a *Attempt) { *a = unheard; a.Local = inside })), Fault, "NAT before us", ""},
		{"protocol unreachable", said(2), Fault, "198.51.100.2 says of our GRE: does not speak IP protocol 47", ""},
		{"prohibited", said(13), Fault, "forbids it", ""},
		{"port unreachable", said(3), Fault, "rejects it", ""},
		{"host unreachable", said(1), Fault, "cannot be reached", ""},
		{"too big", said(4), Fault, "too long", ""},
		{"odd", said(15), Fault, "type 3 code 15", ""},
		{"back", judgeBack(speaking(nil)), OK, "9 packets received", ""},
		{"back, none", judgeBack(deaf(nil)), Fault, "TCP 1723 works, and no GRE came back in 7s", "IP protocol 47"},
		{"back, none, called", judgeBack(deaf(func(a *Attempt) { a.Dialed = false })), Fault, "the peer reaches our TCP 1723", ""},
		{"back, none, behind a NAT", judgeBack(behind), Fault, "our address 10.0.0.7 is private", "ct helper"},
		{"back, from elsewhere", judgeBack(deaf(func(a *Attempt) { a.Stranger = public })), OK, "from 198.51.100.2", ""},
		{"back, lossy", judgeBack(speaking(func(a *Attempt) { a.GRE.PacketsReceived, a.GRE.Lost = 900, 100 })), Warning, "100 lost", "line"},
		{"nat, none", judgeNAT(speaking(nil)), OK, "", ""},
		{"nat, unknown", judgeNAT(deaf(nil)), Unknown, "", ""},
		{"nat that works", judgeNAT(speaking(func(a *Attempt) { a.Local = inside })), OK, "lets GRE pass", ""},
		{"nat that may not", judgeNAT(behind), Warning, "10.0.0.7 is private", "nf_nat_pptp"},
		{"nat that rewrites", judgeNAT(deaf(func(a *Attempt) { a.Stranger = inside })), Fault, "comes from 10.0.0.7 and not from 203.0.113.1", "ct helper"},
		{"a second one", judgeNAT(speaking(func(a *Attempt) { a.Stranger = inside })), Warning, "also comes from 10.0.0.7", "dropped"},
	})
}

func TestJudgePath(t *testing.T) {
	judged(t, []judgement{
		{"whole", judgePath(Path{Peer: peer, Believed: 1500, Tried: 1500, Outer: 1500, Small: true}), OK, "1500 octets", ""},
		{"told", judgePath(Path{Peer: peer, Believed: 1500, Tried: 1500, Small: true, Told: 1400}), OK, "1400 octets pass", ""},
		{"black hole", judgePath(Path{Peer: peer, Believed: 1500, Tried: 1500, Outer: 1400, Small: true, Overhead: 66}), Fault, "a ping of 1400 octets reaches 203.0.113.1, one of 1500 vanishes", "mtu = 1334"},
		{"inside", judgePath(Path{Peer: peer, Believed: 1500, InnerTried: 1500, Inner: 1400}), Fault, "an echo through the tunnel of 1400", "fragmentation needed"},
		{"inside, whole", judgePath(Path{Peer: peer, InnerTried: 1500, Inner: 1500}), OK, "cross the tunnel", ""},
		{"all vanish", judgePath(Path{Peer: peer, InnerTried: 1500}), Fault, "no smaller one", ""},
		{"no answer", judgePath(Path{Peer: peer, Believed: 1500, Tried: 1500}), Unknown, "answers no ping; the kernel takes the path's MTU to be 1500", ""},
		{"not known", judgePath(Path{Peer: peer}), Unknown, "answers no ping", ""},
		{"no privilege", judgePath(Path{Err: errors.New("needs CAP_NET_RAW")}), Unknown, "CAP_NET_RAW", ""},
	})
}

// ended is a call that ended for this reason.
func ended(kind ppp.EndKind, reason string) Attempt {
	return speaking(func(a *Attempt) {
		a.Live, a.PPP = false, ppp.Status{End: &ppp.End{Kind: kind, Reason: reason}}
		a.End = a.PPP.End
	})
}

func inNetwork(change func(*ppp.Status)) Attempt {
	return speaking(func(a *Attempt) {
		a.PPP.Phase, a.PPP.Ours.MRU = ppp.PhaseNetwork, 1500
		change(&a.PPP)
	})
}

func TestJudgeLink(t *testing.T) {
	s := Setup{Site: "hq", Methods: []string{"mschapv2"}, Policy: "required", Required: []string{"IPCP"}}
	tls := Setup{Methods: []string{"eap-tls"}, TLS: true}
	waiting := inNetwork(func(p *ppp.Status) { p.Encryption.Waiting = true })
	secret := inNetwork(func(p *ppp.Status) {
		p.Encryption = ppp.EncryptionStatus{Agreed: "AES", Strength: "strong: x", Packets: map[string]uint64{"opened": 1}}
		p.Peer = ppp.PeerStatus{Proved: true, Name: "hq", Method: "eap-tls"}
		p.NCPs = []ppp.NCPState{{Name: "IPCP", State: "Opened", Opened: true}, {Name: "IPXCP", State: "Stopped", Reason: "peer rejects it"}, {Name: "IPV6CP", State: "Req-Sent"}}
	})
	judged(t, []judgement{
		{"lcp", judgeLink(secret), OK, "MRU 1500", ""},
		{"lcp not agreed", judgeLink(ended(ppp.NotAgreed, "peer refused the MRU")), Fault, "peer refused the MRU", "options"},
		{"lcp looped", judgeLink(ended(ppp.LoopedBack, "looped")), Fault, "looped", "talk to ourselves"},
		{"lcp unanswered", judgeLink(ended(ppp.NoAnswer, "no answer")), Fault, "no answer", "pppd"},
		{"lcp under way", judgeLink(speaking(func(a *Attempt) { a.PPP.Phase, a.Pending = ppp.PhaseEstablish, "LCP is Req-Sent" })), Fault, "not done after 1m0s: LCP is Req-Sent", ""},
		{"peer said goodbye", judgeLink(ended(ppp.PeerTerminated, "peer ended the link")), Fault, "peer ended the link", ""},
		{"proved", judgeAuth(s, secret), OK, "proved to be hq, by eap-tls", ""},
		{"by a method", judgeAuth(s, inNetwork(func(p *ppp.Status) { p.Method = "mschapv2"; p.NCPs = []ppp.NCPState{{Name: "IPCP"}} })), OK, "by mschapv2", ""},
		{"wrong secret", judgeAuth(s, ended(ppp.AuthFailed, "peer refused our proof")), Fault, "peer refused our proof", "secret_out_file"},
		{"wrong certificate", judgeAuth(tls, ended(ppp.AuthFailed, "unknown CA")), Fault, "unknown CA", "fingerprint"},
		{"not proved", judgeAuth(s, ended(ppp.PeerNotProved, "peer did not ask")), Fault, "peer did not ask", "auth.methods (mschapv2)"},
		{"not admitted", judgeAuth(s, ended(ppp.Refused, "another peer")), Fault, "another peer", "auth.peer_name"},
		{"auth timeout", judgeAuth(s, ended(ppp.AuthTimeout, "no answer")), Fault, "no answer", "RADIUS"},
		{"auth under way", judgeAuth(s, speaking(func(a *Attempt) { a.Pending = "x" })), Fault, "not done after", "peer does not answer"},
		{"sealed", judgeEncryption(s, secret), OK, "AES, strong: x", ""},
		{"encryption refused", judgeEncryption(s, ended(ppp.EncryptionFailed, "peer rejects CCP")), Fault, "peer rejects CCP", "encryption.policy"},
		{"encryption waits", judgeEncryption(s, waiting), Fault, "not done after", "encryption.policy"},
		{"none preferred", judgeEncryption(Setup{Policy: "preferred"}, inNetwork(func(p *ppp.Status) {
			p.NCPs, p.Encryption.Reason = []ppp.NCPState{{Name: "IPCP"}}, "peer rejects CCP"
		})), Warning, "peer rejects CCP", ""},
		{"none", judgeEncryption(Setup{Policy: "disabled"}, inNetwork(func(p *ppp.Status) { p.NCPs = []ppp.NCPState{{Name: "IPCP"}} })), OK, "none (policy disabled)", ""},
		{"keys differ", judgeEncryption(s, inNetwork(func(p *ppp.Status) {
			p.NCPs, p.Encryption.Agreed, p.Stats.Drops.UnknownProtocol = []ppp.NCPState{{Name: "IPCP"}}, "MPPE", 20
		})), Fault, "nothing that comes can be decrypted", "keys"},
		{"keys differ, AEAD", judgeEncryption(s, inNetwork(func(p *ppp.Status) {
			p.NCPs, p.Encryption.Agreed, p.Encryption.Packets = []ppp.NCPState{{Name: "IPCP"}}, "AEAD", map[string]uint64{"sealed": 9, "forged": 9}
		})), Fault, "nothing that comes can be decrypted", "keys"},
		{"ncp up", judgeNCP("IPCP", s, secret), OK, "up", ""},
		{"ncp refused, not required", judgeNCP("IPXCP", s, secret), Warning, "peer rejects it", "fit together"},
		{"ncp under way, not required", judgeNCP("IPV6CP", s, secret), Warning, "Req-Sent", ""},
		{"ncp refused", judgeNCP("IPXCP", Setup{Required: []string{"IPXCP"}}, secret), Fault, "peer rejects it", ""},
		{"ncp stuck", judgeNCP("IPV6CP", Setup{Required: []string{"IPV6CP"}}, secret), Fault, "not up after 1m0s", ""},
		{"ncp gone", judgeNCP("IPCP", s, ended(ppp.NoNetwork, "IPCP: address in use")), Fault, "IPCP: address in use", ""},
		{"another ncp gone", judgeNCP("IPCP", s, ended(ppp.NoNetwork, "no network protocol can run: IPV6CP: rejected; IPXCP: x")), Unknown, "because of another", ""},
		{"all ncps gone", judgeNCP("IPCP", s, ended(ppp.NoNetwork, "the peer is gone")), Fault, "the peer is gone", ""},
		{"ncp not begun", judgeNCP("IPCP", s, speaking(nil)), Unknown, "not begun", ""},
	})
}

// TestStages: each kind of end is a fault of the step that it belongs to, and of none before.
func TestStages(t *testing.T) {
	for kind, want := range map[ppp.EndKind]stage{
		ppp.NothingReceived: stageGRE, ppp.NotHeard: stageGRE, ppp.NoAnswer: stageLCP, ppp.NotAgreed: stageLCP, ppp.LoopedBack: stageLCP,
		ppp.AuthFailed: stageAuth, ppp.AuthTimeout: stageAuth, ppp.PeerNotProved: stageAuth, ppp.Refused: stageAuth,
		ppp.EncryptionFailed: stageEncryption, ppp.EncryptionLost: stageEncryption, ppp.NoNetwork: stageNCP,
	} {
		if got := stageOf(ended(kind, "x")); got != want {
			t.Errorf("%v is at stage %d, want %d", kind, got, want)
		}
	}
}

func TestStuck(t *testing.T) {
	for name, c := range map[string]struct {
		a    Attempt
		want bool
	}{
		"over":             {ended(ppp.AuthFailed, "x"), true},
		"nothing heard":    {deaf(nil), true},
		"too early":        {deaf(func(a *Attempt) { a.For = 6 * time.Second }), false},
		"from elsewhere":   {deaf(func(a *Attempt) { a.For, a.Stranger = time.Second, public }), true},
		"under way":        {speaking(func(a *Attempt) { a.For = 10 * time.Second }), false},
		"under way, older": {speaking(func(a *Attempt) { a.For = 22 * time.Second }), true},
	} {
		if got := c.a.Stuck(7 * time.Second); got != c.want {
			t.Errorf("%s: stuck is %v", name, got)
		}
	}
}

func TestJudgeKernel(t *testing.T) {
	k := func(change func(*Kernel)) Kernel {
		k := Kernel{Device: ip.Device{Name: "sb-hq", Up: true, MTU: 1434, Addrs: []netip.Addr{inside}}, Local: inside, Peer: peer, V4: true,
			Routes: []ip.RouteState{{Dst: branch, Live: true, Unreachable: true, Winner: "sb-hq"}},
			LANs:   []ip.Device{{Name: "wan", MTU: 1500}, {Name: "lan", MTU: 1500}}, Sum: ip.InnerMTU(1500, 30, 0)}
		change(&k)
		return k
	}
	as := func(*Kernel) {}
	route := func(r ip.RouteState) Finding {
		return judgeRoutes(k(func(k *Kernel) { r.Dst = branch; k.Routes = []ip.RouteState{r} }))
	}
	forward := []ip.Setting{{Key: "net/ipv4/ip_forward", Have: "0", Want: "1", Why: "hosts do not reach"}}
	judged(t, []judgement{
		{"interface", judgeInterface(k(as)), OK, "sb-hq is up, 10.0.0.7, peer 203.0.113.1", ""},
		{"interface gone", judgeInterface(k(func(k *Kernel) { k.DevErr = errors.New("not found") })), Fault, "sb-hq is not there", "/dev/net/tun"},
		{"interface down", judgeInterface(k(func(k *Kernel) { k.Device.Up = false })), Fault, "is down", "ip link set sb-hq up"},
		{"address gone", judgeInterface(k(func(k *Kernel) { k.Device.Addrs = nil })), Fault, "has not the address 10.0.0.7", "NetworkManager"},
		{"routes", judgeRoutes(k(as)), OK, "10.2.0.0/16 by sb-hq", ""},
		{"routes of a site that is down", judgeRoutes(k(func(k *Kernel) { k.V4, k.Routes[0].Live = false, false })), OK, "wait for the tunnel", ""},
		{"IPv6 not up", judgeRoutes(k(func(k *Kernel) { k.Routes = []ip.RouteState{{Dst: branch6, Unreachable: true}} })), OK, "", ""},
		{"no routes", judgeRoutes(k(func(k *Kernel) { k.Routes = nil })), OK, "none", ""},
		{"route gone", route(ip.RouteState{Unreachable: true}), Fault, "the route to 10.2.0.0/16 by sb-hq is gone", "ManageForeignRoutes"},
		{"unreachable gone", route(ip.RouteState{Live: true, Winner: "sb-hq"}), Warning, "unreachable route to 10.2.0.0/16 is gone", ""},
		{"another wins", route(ip.RouteState{Live: true, Unreachable: true, Winner: "eth0"}), Fault, "not go by sb-hq but by eth0", "metric"},
		{"a part elsewhere", route(ip.RouteState{Live: true, Unreachable: true, Winner: "sb-hq", Longer: []string{"10.2.3.0/24 by eth0"}}), Warning, "10.2.3.0/24 by eth0", ""},
		{"rules gone", judgeRoutes(k(func(k *Kernel) { k.Rules = []string{"17487: not fwmark"} })), Fault, "17487: not fwmark", "ManageForeignRoutingPolicyRules"},
		{"no netlink", judgeRoutes(k(func(k *Kernel) { k.Err = errors.New("odd") })), Unknown, "odd", ""},
		{"no filter", judgeFilter(ip.Filter{Peer: peer, Device: "wan"}), OK, "off", ""},
		{"filter, same way", judgeFilter(ip.Filter{Peer: peer, Device: "wan", Mode: 1, Back: "wan"}), OK, "strict", ""},
		{"filter, another way", judgeFilter(ip.Filter{Peer: peer, Device: "wan", Mode: 1, Back: "sb-hq"}), Fault, "conf/wan/rp_filter is 1", "sysctl -w net.ipv4.conf.all.rp_filter=2"},
		{"loose filter, another way", judgeFilter(ip.Filter{Peer: peer, Device: "wan", Mode: 2, Back: "sb-hq"}), OK, "loose", ""},
		{"loose filter, no way", judgeFilter(ip.Filter{Peer: peer, Device: "wan", Mode: 2}), Fault, "nowhere", "sysctl"},
		{"filter, unknown", judgeFilter(ip.Filter{}), Unknown, "not known", ""},
		{"forwarding", judgeForwarding(k(as)), OK, "on", ""},
		{"forwarding off", judgeForwarding(k(func(k *Kernel) { k.Settings = forward })), Fault, "net.ipv4.ip_forward is 0", "sysctl -w net.ipv4.ip_forward=1"},
		{"forwarding off, one interface", judgeForwarding(k(func(k *Kernel) { k.Settings, k.LANs = forward, nil })), Warning, "net.ipv4.ip_forward is 0", "only this machine"},
		{"mss", judgeMSS(k(as)), OK, "1500 - 20 IP - 16 GRE - 30 PPP = 1434; 0 SYNs clamped", ""},
		{"mss unknown", judgeMSS(Kernel{}), Unknown, "when IP comes up", ""},
		{"narrow tunnel", judgeMSS(k(func(k *Kernel) { k.Sum = ip.InnerMTU(500, 30, 0) })), Fault, "only 434 octets", "tracepath"},
		{"mtu changed", judgeMSS(k(func(k *Kernel) { k.Device.MTU = 1500 })), Fault, "sb-hq has MTU 1500", "ip link set sb-hq mtu"},
		{"narrow LAN", judgeMSS(k(func(k *Kernel) { k.LANs[1].MTU = 1400 })), Warning, "lan 1400", "`mtu`"},
		{"too big in silence", judgeMSS(k(func(k *Kernel) { k.Stats.Drops.TooBig = 7 })), Warning, "7 packets were too big", ""},
	})
}

func TestJudgeIPX(t *testing.T) {
	lan := func(l LAN) Finding { l.Name, l.Device = "office", "eth1"; return judgeFrames(IPX{LANs: []LAN{l}}) }
	judged(t, []judgement{
		{"heard", lan(LAN{Frames: 3, Heard: "ethernet_802_2 3"}), OK, "LAN office (eth1): ethernet_802_2 3", ""},
		{"silence", lan(LAN{}), Warning, "no IPX was heard at all", "ipx listen -i eth1"},
		{"down", lan(LAN{Down: true}), Fault, "down or gone", "ip link set eth1 up"},
		{"another frame type", lan(LAN{Frames: 3, Wrong: []string{"ethernet_ii is spoken on eth1"}}), Fault, "ethernet_ii is spoken", "frame type"},
		{"muted", lan(LAN{Frames: 3, Other: []string{"no frame addressed to a station"}}), Fault, "no frame addressed", ""},
		{"no LAN", judgeFrames(IPX{}), Warning, "no LAN", "[lan.NAME]"},
		{"numbers", judgeNumbers(IPX{LANs: []LAN{{}}}), OK, "", ""},
		{"another number", judgeNumbers(IPX{LANs: []LAN{{Numbers: []string{"x says 77"}}}}), Fault, "x says 77", "one network number"},
		{"a clash", judgeNumbers(IPX{Clashes: []Clash{{"two have 20", true}}}), Fault, "two have 20", ""},
		{"a clash of old", judgeNumbers(IPX{Clashes: []Clash{{"two had 20", false}}}), Warning, "not any more", ""},
		{"behind", judgeBehind(IPX{Routed: true, Open: true, Behind: 3, Exchange: "rip-sap"}), OK, "3 networks", ""},
		{"bridged", judgeBehind(IPX{Open: true}), OK, "bridged", ""},
		{"not up", judgeBehind(IPX{Routed: true}), Unknown, "IPXCP", ""},
		{"peer is silent", judgeBehind(IPX{Routed: true, Open: true, Learns: true, Exchange: "rip-sap"}), Warning, "announced no network (exchange rip-sap)", "accept_networks"},
		{"none written", judgeBehind(IPX{Routed: true, Open: true, Exchange: "static"}), Warning, "no network", "routes"},
		{"held", judgeBehind(IPX{Routed: true, Open: true, Behind: 2, Held: 2}), Warning, "all of them held", ""},
	})
}

func TestJudgeCertificates(t *testing.T) {
	day := 24 * time.Hour
	of := func(from, to time.Duration) Finding {
		return judgeCertificates(Certificates{Now: now, All: []Certificate{{"hq", "our own", now.Add(from), now.Add(to)}}})
	}
	good := Certificate{"ca", "CA", now.Add(-day), now.Add(900 * day)}
	judged(t, []judgement{
		{"good", of(-day, 100*day), OK, "hq (our own) until 2027-03-03", ""},
		{"soon", of(-day, 20*day), Warning, "in 20 days", "Renewal"},
		{"expired", of(-2*day, -day), Fault, "expired on 2026-11-22", "clock"},
		{"not yet", of(day, 2*day), Fault, "not valid before", "timedatectl"},
		{"no list", judgeCertificates(Certificates{Now: now, All: []Certificate{good}, Unlisted: errors.New("no such file")}), Fault, "no such file", "identity revoke"},
		{"a list without end", judgeCertificates(Certificates{Now: now, All: []Certificate{{Name: "ca"}}}), OK, "no end", ""},
		{"none", judgeCertificates(Certificates{}), Unknown, "none", ""},
	})
}
