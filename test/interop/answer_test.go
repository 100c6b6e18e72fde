package interop

import (
	"fmt"
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/judge"
)

// answering is our configuration for a guest that calls, without encryption.
func answering(method, auth, more string) string {
	return setup{auth: `methods = ["` + method + `"]` + "\nsecret_in_file = \"$DIR/secret\"\n" + auth, encryption: disabled, more: more}.answering()
}

// callersIP gives the caller an address.
const callersIP = `
[site.alice.ip]
address = "10.255.0.1"
peer = "10.255.0.101"
dns = ["10.1.0.53", "10.1.0.54"]
`

// proofBack is what we prove ourselves with to a caller that asks back.
const proofBack = `secret_out_file = "$DIR/other"`

// The rig's words for our methods.
var rigMethod = map[string]string{"pap": "pap", "chap": "chap-md5", "mschapv2": "mschapv2"}

func TestPPPDCallsUs(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle")
	for _, c := range []struct {
		name, method string
		guest        []string // its further options
		proof        string   // that we also give
		logged       []string // what pppd then logs
		theyEnd      bool
	}{
		{name: "pap", method: "pap"},
		{name: "chap", method: "chap", theyEnd: true},
		{name: "mschapv2", method: "mschapv2"},
		{
			name: "mutual chap", method: "chap", proof: proofBack, theyEnd: true,
			guest:  []string{"--mutual", "--mutual-password", otherSecret},
			logged: []string{"sent [CHAP Success", "Script /etc/ppp/auth-up started"},
		},
		{
			name: "header compression offered", method: "mschapv2",
			guest:  []string{"--vj", "on"},
			logged: []string{"rcvd [IPCP ConfRej id=0x1 <compress VJ"},
		},
		{
			name: "name servers asked for", method: "mschapv2",
			guest:  []string{"--pppd-opt", "usepeerdns"},
			logged: []string{"primary   DNS address 10.1.0.53", "secondary DNS address 10.1.0.54"},
		},
		{
			name: "deflate offered", method: "mschapv2",
			guest:  []string{"--comp", "deflate"},
			logged: []string{"sent [CCP ConfReq", "rcvd [LCP ProtRej"},
		},
		{
			name: "synchronous framing and echoes each second", method: "mschapv2", theyEnd: true,
			guest:  []string{"--sync", "--lcp-echo", "1", "--pppd-opt", "debug"}, // told twice it logs echoes,
			logged: []string{"sent [LCP EchoReq id=0x2", "rcvd [LCP EchoRep id=0x2"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			d := l.start(t, answering(c.method, c.proof, callersIP))
			g.again(t, append([]string{"--auth", rigMethod[c.method]}, c.guest...)...)
			s := d.waitUp()
			g.linkUp(t)
			if p := s.Tunnel.PPP.Peer; !p.Proved || p.Name != "alice" || p.Method != c.method {
				t.Errorf("peer is %q, proved %v by %q; want alice by %s", p.Name, p.Proved, p.Method, c.method)
			}
			if got := s.IP.Peer.String(); got != "10.255.0.101" {
				t.Errorf("peer's address is %s, want what we gave it: 10.255.0.101", got)
			}
			g.must(t, "ip route add 10.1.0.0/24 dev ppp0")
			g.ping(t, "10.255.0.1", farHost)
			ping(t, l.hq, "10.255.0.101")
			for _, words := range c.logged {
				g.logged(t, words)
			}
			if c.theyEnd {
				g.hangUp(t)
				d.wantReason("peer ended the link")
				g.exit(t)
				return
			}
			d.stop()
			g.exit(t)
			wantGoodbyes(t, stop(), callDisconnectNotify)
		})
	}
	refuseCallers(t, l, g)
}

// refuseCallers is the other outcome, with the same guest.
func refuseCallers(t *testing.T, l *lab, g *guest) {
	for _, method := range []string{"pap", "chap", "mschapv2"} {
		t.Run("wrong password, "+method, func(t *testing.T) {
			l.capture(t)
			d := l.start(t, answering(method, "", callersIP))
			g.again(t, "--auth", rigMethod[method], "--password", "not it")
			const authenticationFailed = "19"
			if got := g.exit(t); got != authenticationFailed {
				t.Errorf("pppd ended with %s, want %s: it was refused", got, authenticationFailed)
			}
			d.wantLog("call ended before its caller was known", "peer did not prove itself with "+method)
			if s := d.status(); s.State != bridge.StateListening || s.Ups != 0 {
				t.Errorf("site is %s and was up %d times, want it listening", s.State, s.Ups)
			}
		})
	}
	t.Run("wrong password of ours, mutual chap", func(t *testing.T) {
		l.capture(t)
		d := l.start(t, answering("chap", proofBack, callersIP))
		g.again(t, "--auth", "chap-md5", "--mutual", "--mutual-password", "not ours")
		g.logged(t, "sent [CHAP Failure")
		g.exit(t)
		d.wantLog("call ended", "authentication with chap failed")
	})
}

// The control messages by which we end a call, as PNS and as PAC. A
// Stop-Control-Connection-Request follows only if the peer has not closed TCP by
// then, as these do.
const (
	callClearRequest     = 12
	callDisconnectNotify = 13
)

// wantGoodbyes asserts that we ended the link in order, and then, with the
// control message given, what carried it.
func wantGoodbyes(t *testing.T, pcap string, message int) {
	t.Helper()
	wantNoUDP(t, pcap)
	ends := fmt.Sprintf("ip.src == %s && (ppp.code == 5 && lcp || pptp.control_message_type == %d)", ourAddr, message)
	var link, call bool
	for _, f := range judge.Fields(t, pcap, ends, "ppp.code", "pptp.control_message_type") {
		link, call = link || f[0] != "", call || f[1] != ""
	}
	if !link || !call {
		t.Errorf("at the end we sent an LCP Terminate-Request: %v, and a control message %d: %v; want both", link, message, call)
	}
}
