package interop

import (
	"fmt"
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/judge"
)

// answering is our configuration for a guest that calls.
func answering(method, more string) string {
	return fmt.Sprintf(`
[daemon]
name = "rigserver"
listen = ["%s:1723"]
status = "$DIR/s"

[site.alice.auth]
methods = ["%s"]
secret_in_file = "$DIR/secret"

[site.alice.encryption]
policy = "disabled"
%s`, ourAddr, method, more)
}

// callersIP gives the caller an address.
const callersIP = `
[site.alice.ip]
address = "10.255.0.1"
peer = "10.255.0.101"
`

// The rig's words for our methods.
var rigMethod = map[string]string{"pap": "pap", "chap": "chap-md5", "mschapv2": "mschapv2"}

func TestPPPDCallsUs(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle")
	for _, method := range []string{"pap", "chap", "mschapv2"} {
		t.Run(method, func(t *testing.T) {
			stop := l.capture(t)
			d := l.start(t, answering(method, callersIP))
			g.again(t, "--auth", rigMethod[method])
			s := d.waitUp()
			g.linkUp(t)
			if p := s.Tunnel.PPP.Peer; !p.Proved || p.Name != "alice" || p.Method != method {
				t.Errorf("peer is %q, proved %v by %v; want alice by %s", p.Name, p.Proved, p.Method, method)
			}
			if got := s.IP.Peer.String(); got != "10.255.0.101" {
				t.Errorf("peer's address is %s, want what we gave it: 10.255.0.101", got)
			}
			g.must(t, "ip route add 10.1.0.0/24 dev ppp0")
			g.ping(t, "10.255.0.1")
			g.ping(t, farHost)
			ping(t, l.hq, "10.255.0.101")
			d.stop()
			g.exit(t)
			wantGoodbyes(t, stop())
		})
	}
}

// wantGoodbyes asserts that we ended the link, the call and the control
// connection in order.
func wantGoodbyes(t *testing.T, pcap string) {
	t.Helper()
	for what, filter := range map[string]string{
		"LCP Terminate-Request":           "lcp && ppp.code == 5 && ip.src == " + ourAddr,
		"Stop-Control-Connection-Request": "pptp.control_message_type == 3 && ip.src == " + ourAddr,
	} {
		if judge.Count(t, pcap, filter) == 0 {
			t.Errorf("no %s from us at the end", what)
		}
	}
}

var _ bridge.State
