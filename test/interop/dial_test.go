package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
)

// dialing is our configuration for a guest that we call, without encryption.
func dialing(method, secret, more string) string {
	return setup{auth: provingOurselves(method, secret), encryption: disabled, more: more}.dialing()
}

// provingOurselves is what a dialler needs for a method that uses a secret.
func provingOurselves(method, secret string) string {
	return fmt.Sprintf("methods = [%q]\nsecret_out_file = \"$DIR/%s\"", method, secret)
}

// staticIP has both ends of the tunnel told their addresses.
const staticIP = `
[site.rigserver.ip]
address = "10.255.0.101"
peer = "10.255.0.1"
`

// givenIP takes what the server gives.
const givenIP = `
[site.rigserver.ip]
address = "from-peer"
`

func TestWeCallPPTPD(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "server", guestPPTP)
	for _, c := range []struct {
		name, method, ip string
		guest, logged    []string
		theyEnd          bool
	}{
		{name: "pap", method: "pap", ip: staticIP},
		{name: "chap", method: "chap", ip: givenIP, theyEnd: true},
		{name: "mschapv2", method: "mschapv2", ip: staticIP},
		{
			name: "header compression and deflate offered", method: "mschapv2", ip: givenIP,
			guest:  []string{"--vj", "on", "--comp", "deflate", "--lcp-echo", "1", "--pppd-opt", "debug"},
			logged: []string{"rcvd [IPCP ConfRej id=0x1 <compress VJ", "rcvd [LCP ProtRej", "rcvd [LCP EchoRep id=0x2"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			g.again(t, append([]string{"--auth", rigMethod[c.method]}, c.guest...)...)
			d := l.start(t, dialing(c.method, "secret", c.ip))
			s := d.waitUp()
			g.linkUp(t)
			if got := s.IP.Local.String() + " " + s.IP.Peer.String(); got != "10.255.0.101 10.255.0.1" {
				t.Errorf("the tunnel's addresses are %s, want 10.255.0.101 10.255.0.1", got)
			}
			if !s.Tunnel.Dialed || s.Tunnel.PeerVendor != "linux" {
				t.Errorf("dialed %v, vendor %q; want our call of pptpd, linux", s.Tunnel.Dialed, s.Tunnel.PeerVendor)
			}
			g.must(t, "ip route add 10.1.0.0/24 dev ppp0")
			g.ping(t, "10.255.0.101", farHost)
			ping(t, l.hq, "10.255.0.1")
			for _, words := range c.logged {
				g.logged(t, words)
			}
			if c.theyEnd {
				g.hangUp(t)
				d.wait(20*time.Second, "the end is noticed, and the site redialled", func(s bridge.SiteStatus) bool { return s.Ups == 2 })
				d.wantLog("site down", "peer ended the link")
			}
			d.stop()
			g.logged(t, "LCP terminated by peer")
			wantGoodbyes(t, stop(), callClearRequest) // at which pptpd closes the connection
		})
	}
	refusedByServer(t, l, g)
	t.Run("killed, and comes back", func(t *testing.T) { killed(t, l, g) })
}

// refusedByServer is the other outcome, with the same guest.
func refusedByServer(t *testing.T, l *lab, g *guest) {
	for _, method := range []string{"pap", "chap", "mschapv2"} {
		t.Run("wrong secret, "+method, func(t *testing.T) {
			l.capture(t)
			g.again(t, "--auth", rigMethod[method])
			d := l.start(t, dialing(method, "wrong", staticIP))
			s := d.wantReason("authentication with " + method + " failed")
			if s.State != bridge.StateWaiting || time.Until(s.NextTry) < time.Minute {
				t.Errorf("site is %s, next try in %v; want it to wait some minutes: trying faster locks accounts", s.State, time.Until(s.NextTry))
			}
		})
	}
	t.Run("no method in common", func(t *testing.T) {
		l.capture(t)
		g.again(t, "--auth", "pap")
		d := l.start(t, dialing("mschapv2", "secret", staticIP))
		d.wantReason("peer did not ask us to prove ourselves with mschapv2", "it asked for pap, and then for nothing")
	})
}

// killed takes the server away without a word, and brings it back.
func killed(t *testing.T, l *lab, g *guest) {
	l.capture(t)
	g.again(t, "--auth", "mschapv2")
	d := l.start(t, dialing("mschapv2", "secret", staticIP))
	d.waitUp()
	g.end("--hard")
	s := d.wait(20*time.Second, "the end is noticed", func(s bridge.SiteStatus) bool { return s.State != bridge.StateUp })
	// The guest is alone on its wire, which goes with it: either is noticed first.
	words := []string{"no echo reply in 3 s", "nothing received for 3s", "interface br0"}
	if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s.Reason, w) }) {
		t.Errorf("the reason is %q, want one of %q", s.Reason, words)
	}
	again := l.boot(t, "server", guestPPTP)
	d.wait(45*time.Second, "the site is up again", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp && s.Ups == 2 })
	again.linkUp(t)
	ping(t, l.hq, "10.255.0.1")
}
