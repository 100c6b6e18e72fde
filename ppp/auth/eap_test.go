package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"strings"
	"testing"

	"sitebridge/internal/secret"
)

// eapVectors are EAP packets as Wireshark reads them.
func eapVectors(t testing.TB) map[string][]byte {
	t.Helper()
	var all []struct{ Name, Hex string }
	readJSON(t, "testdata/eap.json", &all)
	found := make(map[string][]byte)
	for _, v := range all {
		found[v.Name] = unhex(t, v.Hex)
	}
	if len(found) != 18 {
		t.Fatalf("%d EAP vectors, want 18", len(found))
	}
	return found
}

func TestEAPVectors(t *testing.T) {
	for name, b := range eapVectors(t) {
		p, ok := parsePacket(b)
		if !ok || !bytes.Equal(p.encode(), b) {
			t.Errorf("%s came back as % x", name, p.encode())
			continue
		}
		m, ok := parseEAPMessage(p)
		if p.code >= eapSuccess {
			if ok {
				t.Errorf("%s was taken for a message", name)
			}
			continue
		}
		if !ok || !bytes.Equal(m.encode(), b) {
			t.Errorf("%s came back as % x", name, m.encode())
		}
		if ms, ok := parseMSMessage(m.data); m.kind == typeMSCHAPv2 && len(m.data) > 1 && (!ok || !bytes.Equal(ms.encode(), m.data)) {
			t.Errorf("%s came back as % x", name, ms.encode())
		}
	}
}

// The two roles, packet by packet, against the vectors: a peer that refuses
// MD5-Challenge and EAP-TLS and proves itself by EAP-MSCHAPv2.
func TestEAPOnTheWire(t *testing.T) {
	v := eapVectors(t)
	check := func(what string, got Output, want string) {
		t.Helper()
		if !bytes.Equal(got.Send, v[want]) {
			t.Errorf("%s sent % x, want %s: % x", what, got.Send, want, v[want])
		}
	}
	fixed := func(digits string) *bytes.Reader { return bytes.NewReader(unhex(t, digits)) }
	const nak, none = "Legacy Nak asking for EAP-TLS then EAP-MSCHAPv2", "Expanded Nak is type 254; legacy Nak with 0 = nothing acceptable"

	peer := NewPeer(EAP, PeerConfig{Name: "User", Secret: "clientPass", EAP: bothEAP, TLS: westTLS(), Rand: fixed("21402324255e262a28295f2b3a337c7e")})
	peer.Start()
	check("peer", peer.Receive(v["Identity request"]), "Identity response")
	check("peer", peer.Receive(v["MD5-Challenge request"]), nak)
	check("peer", peer.Receive(v["EAP-MSCHAPv2 Challenge"]), "EAP-MSCHAPv2 Response")
	check("peer", peer.Receive(v["EAP-MSCHAPv2 Success request"]), "EAP-MSCHAPv2 Success response (op code octet only)")
	if out := peer.Receive([]byte{eapSuccess, 4, 0, 4}); out.Verdict != Success || out.Method != EAPMSCHAPv2 || out.Keys == nil {
		t.Errorf("peer: %+v", out)
	}
	unwilling := NewPeer(EAP, PeerConfig{Name: "User"})
	check("unwilling peer", unwilling.Receive(v["MD5-Challenge request"]), none)

	refused := NewPeer(EAPMSCHAPv2, PeerConfig{Name: "User", Secret: "clientPass", Rand: fixed("21402324255e262a28295f2b3a337c7e")})
	check("peer", refused.Receive(v["EAP-MSCHAPv2 Challenge"]), "EAP-MSCHAPv2 Response")
	check("peer", refused.Receive(v["EAP-MSCHAPv2 Failure request"]), "EAP-MSCHAPv2 Failure response (op code octet only)")
	const why = `peer refused us as "User": unknown name or wrong password (error 691), it said "Authentication failure"`
	if out := refused.Receive([]byte{eapFailure, 4, 0, 4}); out.Verdict != Failure || out.Reason != why {
		t.Errorf("refused peer: %+v, want %s", out, why)
	}

	server := NewAuthenticator(EAP, AuthenticatorConfig{Name: "site-b", Lookup: accounts("User", "clientPass"), EAP: bothEAP, TLS: hqTLS(),
		Rand: fixed("005b5d7c7d7b3f2f3e3c2c602132262628")})
	check("authenticator", server.Start(), "Identity request")
	if out := server.Receive(v["Identity response"]); !bytes.Equal(out.Send, unhex(t, "010200060d20")) {
		t.Errorf("authenticator began EAP-TLS with % x", out.Send)
	}
	check("authenticator", server.Receive(v[nak]), "EAP-MSCHAPv2 Challenge")
	out := server.Receive(v["EAP-MSCHAPv2 Response"])
	if want := "S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Access granted"; !bytes.Equal(out.Send[:7], unhex(t, "010400441a0303")) || string(out.Send[9:]) != want {
		t.Errorf("authenticator sent % x (%q)", out.Send[:9], out.Send[9:])
	}
	out = server.Receive(v["EAP-MSCHAPv2 Success response (op code octet only)"])
	if !bytes.Equal(out.Send, []byte{eapSuccess, 4, 0, 4}) || out.Verdict != Success || out.Name != "User" || out.Method != EAPMSCHAPv2 {
		t.Errorf("authenticator: %+v", out)
	}
}

func TestEAPTLSBothEnds(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			a, p := hqConfig(bothEAP...), westConfig(bothEAP...)
			a.TLS.MinVersion, a.TLS.MaxVersion = version, version
			d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
			d.want(t, Success, "", "")
			if d.a.Name != "west" || d.p.Name != "hq" || d.a.Method != EAPTLS || d.p.Method != EAPTLS {
				t.Errorf("proved %q by %v and %q by %v", d.a.Name, d.a.Method, d.p.Name, d.p.Method)
			}
			if err := sameKeys(d.a.Keys, d.p.Keys); err != nil {
				t.Error(err)
			}
			k := d.a.Keys.(*TLSKeys)
			if k.Version() != version || k.PeerCertificate() != sha256.Sum256(pki().west.Leaf.Raw) || k.AuthenticatorCertificate() != sha256.Sum256(pki().hq.Leaf.Raw) {
				t.Errorf("the keys are of %s and of other certificates", tls.VersionName(k.Version()))
			}
			for _, pkt := range d.wire {
				if len(pkt) > 1020 {
					t.Errorf("a packet of %d octets", len(pkt))
				}
			}
		})
	}
}

func TestEAPMSCHAPv2(t *testing.T) {
	for _, c := range []struct {
		name, identity, answer, secret string
		aReason, pReason               string
	}{
		{"right", "west", "west", "right horse", "", ""},
		{"identity alone", "west", "", "right horse", "", ""},
		{"another identity", "nobody", "west", "right horse", "", ""},
		{"wrong secret", "west", "west", "left horse", `wrong secret for name "west"`,
			`peer refused us as "west": unknown name or wrong password (error 691), it said "Authentication failure"`},
		{"unknown", "east", "east", "right horse", `no such name: "east"`,
			`peer refused us as "east": unknown name or wrong password (error 691), it said "Authentication failure"`},
		{"our own name", "hq", "hq", "right horse", `peer answered with our own name "hq"`,
			`peer refused us as "hq": unknown name or wrong password (error 691), it said "Authentication failure"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := westConfig(EAPMSCHAPv2)
			p.Name, p.Secret = c.answer, secret.Secret(c.secret)
			if c.answer == "" {
				p.Name = c.identity
			}
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2)), NewPeer(EAPMSCHAPv2, p))
			d.wire[0] = eapPacket(eapRequest, d.wire[0][1], typeIdentity)
			d.step()
			d.wire[1] = eapPacket(eapResponse, d.wire[0][1], typeIdentity, []byte(c.identity)...)
			d.step()
			d.step()
			if c.answer == "" { // as some peers do
				m := d.wire[3]
				d.wire[3] = eapPacket(eapResponse, m[1], typeMSCHAPv2, m[5:5+msHeaderLen+1+msResponseSize]...)
			}
			for d.step() {
			}
			if c.aReason == "" {
				d.want(t, Success, "", "")
				if err := sameKeys(d.a.Keys, d.p.Keys); err != nil || d.a.Name != "west" {
					t.Errorf("proved %q: %v", d.a.Name, err)
				}
				return
			}
			d.want(t, Failure, c.aReason, c.pReason)
			if d.a.Keys != nil || d.p.Keys != nil || d.a.GaveUp || d.p.GaveUp || d.a.Method != 0 {
				t.Errorf("a failure made %+v and %+v", d.a, d.p)
			}
			if want := []byte{eapFailure, d.wire[5][1], 0, 4}; !bytes.Equal(d.wire[6], want) {
				t.Errorf("the last packet is % x, want % x", d.wire[6], want)
			}
		})
	}
}

// Which method runs is for the authenticator's operator and the peer's together.
func TestEAPMethodChoice(t *testing.T) {
	for _, c := range []struct {
		name           string
		offer, willing []Method
		noTLS          bool
		want           Method
		aReason        string
		pReason        string
	}{
		{"strongest first", bothEAP, bothEAP, false, EAPTLS, "", ""},
		{"authenticator has one", []Method{EAPMSCHAPv2}, bothEAP, false, EAPMSCHAPv2, "", ""},
		{"peer has one", bothEAP, []Method{EAPMSCHAPv2}, false, EAPMSCHAPv2, "", ""},
		{"peer without certificate", bothEAP, bothEAP, true, EAPMSCHAPv2, "", ""},
		{"nothing in common", []Method{EAPTLS}, []Method{EAPMSCHAPv2}, false, 0,
			"peer refuses EAP-TLS: it wants EAP-MSCHAPv2", `peer refused us as "west": it asks for EAP-TLS, and we are willing to do EAP-MSCHAPv2`},
		{"peer has nothing", bothEAP, nil, false, 0,
			"peer refuses EAP-TLS: it wants nothing else", `peer refused us as "west": it asks for EAP-TLS, and we are willing to do nothing else`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := westConfig(c.willing...)
			if c.noTLS {
				p.TLS = nil
			}
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(c.offer...)), NewPeer(EAP, p)).run(t)
			if c.want == 0 {
				d.want(t, Failure, c.aReason, c.pReason)
				return
			}
			d.want(t, Success, "", "")
			if d.a.Method != c.want || d.p.Method != c.want {
				t.Errorf("%v and %v, want %v", d.a.Method, d.p.Method, c.want)
			}
		})
	}
	for _, c := range []AuthenticatorConfig{{}, {EAP: []Method{EAPTLS}}, {EAP: []Method{PAP, CHAP, MSCHAPv2, EAP, 0, 99}}} {
		out := NewAuthenticator(EAP, c).Start()
		if out.Verdict != Failure || out.Send != nil || out.Reason != "no EAP method is configured" {
			t.Errorf("with nothing to offer: %+v", out)
		}
	}
}

// offeredTLS is an authenticator that has just begun EAP-TLS, and could do
// EAP-MSCHAPv2, with its standing identifier.
func offeredTLS(t testing.TB) (Exchange, byte) {
	a := NewAuthenticator(EAP, hqConfig(bothEAP...))
	t.Cleanup(a.Close)
	id := a.Start().Send[1]
	out := a.Receive(eapPacket(eapResponse, id, typeIdentity, []byte("west")...))
	if !bytes.Equal(out.Send, []byte{eapRequest, id + 1, 0, 6, byte(typeTLS), 0x20}) || out.Wait != tlsTick {
		t.Fatalf("%+v", out)
	}
	return a, id + 1
}

func TestEAPNak(t *testing.T) {
	for _, c := range []struct {
		name, data string
		kind       eapType
		want       eapType // of the next Request; 0: Failure
		reason     string
	}{
		{"what we have", "1a", typeNak, typeMSCHAPv2, ""},
		{"among others", "041915 1a 1a 0d", typeNak, typeMSCHAPv2, ""},
		{"nothing", "00", typeNak, 0, "peer refuses EAP-TLS: it wants nothing else"},
		{"no data", "", typeNak, 0, "peer refuses EAP-TLS: it wants nothing else"},
		{"the same again", "0d", typeNak, 0, "peer refuses EAP-TLS: it wants EAP-TLS"},
		{"what nobody should have", "0419151f", typeNak, 0, "peer refuses EAP-TLS: it wants MD5-Challenge or PEAP or EAP-TTLS or EAP type 31"},
		{"no methods", "010203fe", typeNak, 0, "peer refuses EAP-TLS: it wants nothing else"},
		{"very many", strings.Repeat("04 0506", 80) + "0708090b0c0e0f", typeNak, 0,
			"peer refuses EAP-TLS: it wants MD5-Challenge or EAP type 5 or EAP type 6 or EAP type 7 or EAP type 8 or EAP type 9 or EAP type 11 or EAP type 12"},
		{"expanded, what we have", "00000000000003 fe0000000000001a", typeExpanded, typeMSCHAPv2, ""},
		{"expanded, among others", "00000000000003 fe00013700000001 fe0000000000001a", typeExpanded, typeMSCHAPv2, ""},
		{"expanded, of a vendor", "00000000000003 fe0001370000001a", typeExpanded, 0, "peer refuses EAP-TLS: it wants nothing else"},
		{"expanded, cut", "00000000000003 fe00000000000", typeExpanded, 0, "peer refuses EAP-TLS: it wants nothing else"},
		{"expanded, beyond an octet", "00000000000003 fe0000000000010d fe000000ffffff1a", typeExpanded, 0, "peer refuses EAP-TLS: it wants nothing else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, id := offeredTLS(t)
			digits := strings.ReplaceAll(c.data, " ", "")
			out := a.Receive(eapPacket(eapResponse, id, c.kind, unhex(t, digits[:len(digits)&^1])...))
			if c.want != 0 {
				if out.Verdict != Pending || out.Send[0] != eapRequest || out.Send[1] != id+1 || out.Send[4] != byte(c.want) || out.Wait != retryInterval {
					t.Errorf("%+v", out)
				}
				return
			}
			if out.Verdict != Failure || out.Reason != c.reason || !bytes.Equal(out.Send, []byte{eapFailure, id, 0, 4}) {
				t.Errorf("%+v, want %s", out, c.reason)
			}
		})
	}
	t.Run("not to the identity", func(t *testing.T) {
		a := NewAuthenticator(EAP, hqConfig(bothEAP...))
		id := a.Start().Send[1]
		if out := a.Receive(eapPacket(eapResponse, id, typeNak, 26)); out.Drop != DropWrongType || out.Verdict != Pending || out.Send != nil {
			t.Errorf("%+v", out)
		}
	})
	t.Run("not in the middle", func(t *testing.T) {
		d := newDialog(t, NewAuthenticator(EAP, hqConfig(bothEAP...)), NewPeer(EAP, westConfig(EAPTLS)))
		for range 4 {
			d.step()
		}
		id := d.last(eapRequest)[1]
		for _, nak := range [][]byte{eapPacket(eapResponse, id, typeNak, 26), eapPacket(eapResponse, id, typeExpanded, unhex(t, "00000000000003fe0000000000001a")...)} {
			if out := d.authenticator.Receive(nak); out.Drop != DropWrongType || out.Verdict != Pending || out.Send != nil {
				t.Errorf("%+v", out)
			}
		}
		d.run(t).want(t, Success, "", "")
	})
}
