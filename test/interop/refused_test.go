package interop

import "testing"

func TestAttackE1PPPDThatCallsUs(t *testing.T) { testE1(t, theyCall) }

func TestAttackE1PPTPDThatWeCall(t *testing.T) { testE1(t, weCall) }

// testE1: encryption is required, and the peer does not agree on it, or does not get as
// far. Nothing crosses the wire in clear.
func testE1(t *testing.T, way direction) {
	l := newLab(t)
	g := way.boot(t, l)
	const asked = "mppe-128: CCP: we asked for MPPE 128 bits stateless; the peer offered "
	for _, c := range []struct {
		name  string
		guest []string
		words []string
	}{
		{"no MPPE", []string{"--mppe", "none"}, []string{"encryption is required, and was not agreed on: " + asked + "nothing: it rejects MPPE"}},
		{"no CCP", []string{"--mppe", "none", "--pppd-opt", "noccp"}, []string{"encryption is required, and was not agreed on: mppe-128: CCP: peer does not speak the protocol"}},
		{"another compression", []string{"--mppe", "default", "--comp", "deflate"}, []string{"encryption is required, and was not agreed on: " + asked}},
		{"A2, 40 bits", []string{"--mppe", "40"}, []string{"peer ended the link: ", "encryption was not agreed on: " + asked + "MPPE 40 bits stateless; rule: never less than 128 bits"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			d := way.begin(t, l, g, setup{auth: way.bySecret("mschapv2", "secret"), encryption: mppe128, more: way.ip}, append(c.guest, "--auth", "mschapv2")...)
			d.wantReason(c.words...)
			d.wantNeverUp()
			d.stop()
			way.wantNothing(t, stop())
		})
	}
	testProofs(t, way, l, g)
}

// testProofs: the peer does not prove itself, or refuses our proof.
func testProofs(t *testing.T, way direction, l *lab, g *guest) {
	secret, v1 := "wrong secret", "peer refuses to prove itself with mschapv2: it wants mschapv1"
	if way.weCall {
		secret, v1 = "wrong password", "peer did not ask us to prove ourselves with mschapv2"
	}
	for _, c := range []struct{ name, method, secret, guest, words string }{
		{"wrong password, mschapv2", "mschapv2", "wrong", "mschapv2", secret},
		{"wrong password, eap-mschapv2", "eap-mschapv2", "wrong", "eap-mschapv2", secret},
		{"A2, MS-CHAPv1", "mschapv2", "secret", "mschap", v1},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			d := way.begin(t, l, g, setup{auth: way.bySecret(c.method, c.secret), encryption: mppe128, more: way.ip}, "--auth", c.guest, "--mppe", "128")
			way.wantRefused(t, d, c.words)
			d.stop()
			way.wantNobody(t, stop())
		})
	}
}
