package interop

import (
	"path/filepath"
	"testing"

	"sitebridge/bridge"
)

func TestEAPTLSWithPPPDThatCallsUs(t *testing.T) { testEAPTLS(t, theyCall) }

func TestEAPTLSWithPPTPDThatWeCall(t *testing.T) { testEAPTLS(t, weCall) }

func testEAPTLS(t *testing.T, way direction) {
	l := newLab(t)
	go certificates() // while the guest boots
	g := way.boot(t, l)
	p := theCertificates(t)
	ours, theirs := "server", "client" // as umlpeer names its certificates
	if way.weCall {
		ours, theirs = theirs, ours
	}
	for _, c := range []struct {
		name         string
		dir          string
		ours, theirs string
		tls          string
	}{
		{"TLS 1.2, certificates of OpenSSL", p.openssl, ours, theirs, "1.2"},
		{"TLS 1.3, certificates of ours", p.own, way.us, way.them, "1.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			s := certified(c.dir, c.ours, c.dir)
			s.encryption, s.more = mppe128, way.ip
			s.auth += "tls13 = \"pppd-2.4.9\"\n" // which says nothing of TLS 1.2
			d := way.begin(t, l, g, s, "--auth", "eap-tls", "--mppe", "128", "--tls-max", c.tls, "--certs", c.dir, "--cert", c.theirs)
			st := d.waitUp()
			g.linkUp(t)
			g.logged(t, map[string]string{"1.2": "label = client EAP encryption", "1.3": "label = EXPORTER_EAP_TLS_Key_Material"}[c.tls])
			if who := st.Tunnel.PPP.Peer; who.Name != way.them || who.Method != "eap-tls" || !who.Proved {
				t.Errorf("the peer is %+v, want %s, proved by eap-tls", who, way.them)
			}
			way.wantTraffic(t, l, g)
			wantMPPE(t, d.status(), stateless)
			d.stop()
			way.wantEncrypted(t, stop(), 50)
		})
	}
}

// wantRefused asserts that nobody was let in, and that the status says why. A caller
// that has not shown which site it is is a stranger.
func (d direction) wantRefused(t *testing.T, own *daemon, words ...string) {
	t.Helper()
	if d.weCall {
		own.wantReason(words...)
	} else {
		own.wantLog("call ended before its caller was known")
		var s bridge.Status
		if err := own.client.Get(t.Context(), "/v1/status", &s); err != nil {
			t.Fatal(err)
		}
		if !hasAll(s.Strangers.Reason, words) {
			t.Errorf("the status says of strangers %q, want %q", s.Strangers.Reason, words)
		}
	}
	own.wantNeverUp()
}

func (d *daemon) wantNeverUp() {
	d.t.Helper()
	if s := d.status(); s.Ups != 0 {
		d.t.Errorf("the site was up %d times", s.Ups)
	}
}

func TestAttackA13PPPDThatCallsUs(t *testing.T) { testA13(t, theyCall) }

func TestAttackA13PPTPDThatWeCall(t *testing.T) { testA13(t, weCall) }

// testA13: certificates that are not right, the guest's and ours.
func testA13(t *testing.T, way direction) {
	l := newLab(t)
	go certificates()
	g := way.boot(t, l)
	p := theCertificates(t)
	usage := "lacks clientAuth"
	if way.weCall {
		usage = "lacks serverAuth"
	}
	const refused = "peer's certificate is refused: "
	for _, c := range []struct {
		name         string
		ours, theirs string
		words        []string
	}{
		{"theirs, of another CA", way.us, "other-" + way.them, []string{refused, `signed by "CN=elsewhere"`}},
		{"theirs, expired", way.us, "expired-" + way.them, []string{refused, "expired on"}},
		{"theirs, with another name", way.us, "mallory", []string{refused, `is for "mallory" and not for`}},
		{"theirs, for another use", way.us, "wrong-usage-" + way.them, []string{refused, usage}},
		{"theirs, revoked", way.us, "revoked-" + way.them, []string{refused, "was revoked by"}},
		{"ours, of another CA", "other-" + way.us, way.them, []string{"peer refuses our certificate: unknown certificate authority"}},
		{"ours, with another name", "mallory", way.them, []string{"peer ended TLS: internal error", "not for the name that it expects"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			s := certified(p.own, c.ours, p.own)
			s.auth += "crl = \"" + filepath.Join(p.own, "ca.crl") + "\"\n"
			s.encryption, s.more = mppe128, way.ip
			d := way.begin(t, l, g, s, "--auth", "eap-tls", "--mppe", "128", "--certs", p.own, "--cert", c.theirs)
			way.wantRefused(t, d, c.words...)
			d.stop()
			way.wantNobody(t, stop())
		})
	}
	if way.weCall {
		return // it takes us half a minute to say so
	}
	t.Run("A11, TLS 1.3 that is older than RFC 9190", func(t *testing.T) { // its last word is malformed: no capture
		s := certified(p.own, way.us, p.own)
		s.encryption, s.more = mppe128, way.ip
		d := way.begin(t, l, g, s, "--auth", "eap-tls", "--mppe", "128", "--tls-max", "1.3", "--certs", p.own, "--cert", way.them)
		way.wantRefused(t, d, `is its TLS 1.3 that of pppd 2.4.9? auth.tls13 can say so`)
	})
}
