package auth

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// controlVectors are the PAP and CHAP packets as Wireshark reads them.
func controlVectors(t testing.TB) map[string][]byte {
	t.Helper()
	var all []struct{ Name, Protocol, Hex string }
	readJSON(t, "testdata/ppp_control.json", &all)
	found := make(map[string][]byte)
	for _, v := range all {
		if v.Protocol == "c023" || v.Protocol == "c223" {
			found[v.Name] = unhex(t, v.Hex)
		}
	}
	if len(found) != 9 {
		t.Fatalf("%d PAP and CHAP vectors, want 9", len(found))
	}
	return found
}

func TestControlVectors(t *testing.T) {
	for name, b := range controlVectors(t) {
		p, ok := parsePacket(b)
		if !ok || !bytes.Equal(p.encode(), b) {
			t.Errorf("%s came back as % x", name, p.encode())
		}
		for n := range b {
			if _, ok := parsePacket(b[:n]); ok {
				t.Errorf("%s parsed when cut to %d octets", name, n)
			}
		}
	}
}

func TestExchangesOnTheWire(t *testing.T) {
	v := controlVectors(t)
	step := func(what string, got Output, want string) {
		t.Helper()
		if !bytes.Equal(got.Send, v[want]) {
			t.Errorf("%s sent % x, want %s: % x", what, got.Send, want, v[want])
		}
	}
	fixed := func(digits string) *bytes.Reader { return bytes.NewReader(unhex(t, digits)) }

	pap := NewPeer(PAP, PeerConfig{Name: "site-a", Secret: "secret", Rand: fixed("01")})
	step("PAP peer", pap.Start(), "PAP Authenticate-Request")
	papServer := NewAuthenticator(PAP, AuthenticatorConfig{Lookup: accounts("site-a", "secret")})
	step("PAP authenticator", papServer.Receive(v["PAP Authenticate-Request"]), "PAP Authenticate-Ack")
	if out := pap.Receive(v["PAP Authenticate-Nak"]); out.Reason != `peer refused us as "site-a": it said "Login wrong"` {
		t.Errorf("Nak: %+v", out)
	}

	const chap7, chapR = `CHAP-MD5 Challenge id 7 from "site-b"`, `CHAP-MD5 Response id 7 from "site-a", secret "secret"`
	server := NewAuthenticator(CHAP, AuthenticatorConfig{
		Name: "site-b", Lookup: accounts("site-a", "secret"), Rand: fixed("0700112233445566778899aabbccddeeff")})
	step("CHAP authenticator", server.Start(), chap7)
	peer := NewPeer(CHAP, PeerConfig{Name: "site-a", Secret: "secret"})
	step("CHAP peer", peer.Receive(v[chap7]), chapR)
	if out := server.Receive(v[chapR]); out.Verdict != Success || out.Name != "site-a" {
		t.Errorf("CHAP response: %+v", out)
	}

	const ms1, msR, msS, msF = "MS-CHAPv2 Challenge id 1, no name", `MS-CHAPv2 Response id 1, user "User"`,
		"MS-CHAPv2 Success id 1", "MS-CHAPv2 Failure id 1, retry allowed with a new challenge"
	newMSPeer := func() Exchange {
		p := NewPeer(MSCHAPv2, PeerConfig{Name: "User", Secret: "clientPass", Rand: fixed("21402324255e262a28295f2b3a337c7e")})
		step("MS-CHAPv2 peer", p.Receive(v[ms1]), msR)
		return p
	}
	msServer := NewAuthenticator(MSCHAPv2, AuthenticatorConfig{
		Lookup: accounts("User", "clientPass"), Rand: fixed("015b5d7c7d7b3f2f3e3c2c602132262628")})
	step("MS-CHAPv2 authenticator", msServer.Start(), ms1)
	if out := msServer.Receive(v[msR]); out.Verdict != Success ||
		string(out.Send[4:]) != "S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Access granted" {
		t.Errorf("MS-CHAPv2 response: %q, %v", out.Send, out.Verdict)
	}
	if out := newMSPeer().Receive(v[msS]); out.Verdict != Success || hex.EncodeToString(out.Keys.(*MasterKeys).ntResponse[:4]) != "82309ecd" {
		t.Errorf("MS-CHAPv2 success: %+v", out)
	}
	const want = `peer refused us as "User": unknown name or wrong password (error 691), it said "Authentication failure"`
	if out := newMSPeer().Receive(v[msF]); out.Verdict != Failure || out.Reason != want || out.Send != nil {
		t.Errorf("MS-CHAPv2 failure: %+v, want %s", out, want)
	}
}

func TestMSFailureTexts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "unknown name or wrong password (error 691)"},
		{"E=646 R=0 V=3", "not at this time of day (error 646)"},
		{"E=647", "the account is disabled (error 647)"},
		{"R=0 E=648 V=3 M=Password expired E=1", `the password has expired; it must be changed by other means (error 648), it said "Password expired E=1"`},
		{"E=649 R=0 M=", "the account has no dial-in permission (error 649)"},
		{"E=709", "the password could not be changed (error 709)"},
		{"E=77", "an error it does not explain (error 77)"},
		{"E=99999999999", "unknown name or wrong password (error 691)"},
		{"go away\n", "unknown name or wrong password (error 691)"},
		{"M=go\x1b[2J away", `unknown name or wrong password (error 691), it said "go\x1b[2J away"`},
	} {
		if got := (msCHAPv2{}).refusal([]byte(c.text)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}
