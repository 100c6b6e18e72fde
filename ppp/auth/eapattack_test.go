package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sitebridge/internal/secret"
	"sitebridge/ppp/auth/eaptls"
	"sitebridge/ppp/auth/eaptls/tlstest"
)

// A2: the weak methods are not there inside EAP either.
func TestAttackA2NoMD5InEAP(t *testing.T) {
	for _, methods := range [][]Method{{CHAP}, {PAP, CHAP, MSCHAPv2}} {
		if out := NewAuthenticator(EAP, AuthenticatorConfig{EAP: methods}).Start(); out.Send != nil || out.Verdict != Failure {
			t.Errorf("%v was offered inside EAP: %+v", methods, out)
		}
		p := startedPeer(t, PeerConfig{Name: "n", Secret: "s", EAP: methods})
		out := p.Receive(eapVectors(t)["MD5-Challenge request"])
		if want := []byte{eapResponse, 2, 0, 6, byte(typeNak), 0}; !bytes.Equal(out.Send, want) {
			t.Errorf("MD5-Challenge was answered with % x", out.Send)
		}
	}
}

// A4: our own challenge comes back by EAP, where we ask and are asked.
func TestAttackA4ReflectionInEAP(t *testing.T) {
	asks := NewAuthenticator(EAP, AuthenticatorConfig{EAP: []Method{EAPMSCHAPv2}, Lookup: accounts("n", "s")})
	id := asks.Start().Send[1]
	stolen := bytes.Clone(asks.Receive(eapPacket(eapResponse, id, typeIdentity)).Send)
	for _, m := range []Method{EAPMSCHAPv2, MSCHAPv2, CHAP} {
		p := NewPeer(m, PeerConfig{Name: "hq", Secret: "s", Outstanding: Outstanding(asks)})
		p.Start()
		pkt := stolen
		if m != EAPMSCHAPv2 {
			pkt = packet{chapChallenge, 9, stolen[9:]}.encode()
		}
		if out := p.Receive(pkt); out.Verdict != Failure || out.Send != nil || out.Reason != "peer sent our own challenge back" {
			t.Errorf("%v: %+v", m, out)
		}
	}
	p := startedPeer(t, PeerConfig{Name: "hq", Secret: "s", EAP: bothEAP, Outstanding: Outstanding(asks)})
	if out := p.Receive(eapVectors(t)["EAP-MSCHAPv2 Challenge"]); out.Send == nil {
		t.Errorf("a challenge of theirs: %+v", out)
	}
}

// nameSizes are those of attack row A5: all around each bound, and up to what the
// Length field can tell.
func nameSizes() (sizes []int) {
	for n := range 300 {
		sizes = append(sizes, n)
	}
	return append(sizes, 511, 512, 1015, 1020, 1024, 1500, 4096, 32767, 32768, 65000, 65465, 65474, 65530)
}

// A5: a name beyond its bound is dropped whole, and a long one never comes back out
// (CVE-2020-8597).
func TestAttackA5EAPNames(t *testing.T) {
	check := func(t *testing.T, n int, out Output) {
		t.Helper()
		if len(out.Send) > 1500 || len(out.Reason) > 500 || len(out.Name) > maxName || out.Verdict == Success {
			t.Errorf("a name of %d octets: sent %d octets, %+v", n, len(out.Send), out)
		}
		if n > maxName && out.Drop == "" && out.Send != nil && out.Send[0] != eapResponse {
			t.Errorf("a name of %d octets was taken: %+v", n, out)
		}
	}
	long := bytes.Repeat([]byte{0xff}, 65536)
	t.Run("identity", func(t *testing.T) {
		for _, n := range nameSizes() {
			a := NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2))
			id := a.Start().Send[1]
			out := a.Receive(eapPacket(eapResponse, id, typeIdentity, long[:n]...))
			check(t, n, out)
			if (n <= maxName) != (out.Drop == "") {
				t.Errorf("an identity of %d octets: %+v", n, out)
			}
		}
	})
	t.Run("name in the response", func(t *testing.T) {
		for _, n := range nameSizes() {
			if n > 65474 {
				continue
			}
			a := NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2))
			id := a.Start().Send[1]
			a.Receive(eapPacket(eapResponse, id, typeIdentity))
			body := chapValue{make([]byte, 49), long[:n]}.encode()
			check(t, n, a.Receive(eapPacket(eapResponse, id+1, typeMSCHAPv2, msMessage{chapResponse, id + 1, body}.encode()...)))
		}
	})
	t.Run("name in the challenge", func(t *testing.T) {
		for _, n := range nameSizes() {
			if n > 65474 {
				continue
			}
			body := chapValue{make([]byte, 16), long[:n]}.encode()
			out := startedPeer(t, westConfig(EAPMSCHAPv2)).Receive(eapPacket(eapRequest, 2, typeMSCHAPv2, msMessage{chapChallenge, 2, body}.encode()...))
			check(t, n, out)
			if (n <= maxName) != (out.Drop == "") {
				t.Errorf("a name of %d octets: %+v", n, out)
			}
		}
	})
	t.Run("prompt, notification, MD5-Challenge", func(t *testing.T) {
		for _, n := range nameSizes() {
			if n > 65500 {
				continue
			}
			for _, pkt := range [][]byte{
				eapPacket(eapRequest, 2, typeIdentity, long[:n]...),
				eapPacket(eapRequest, 2, typeNotification, long[:n]...),
				eapPacket(eapRequest, 2, typeMD5, append(append([]byte{16}, make([]byte, 16)...), long[:n]...)...),
				eapPacket(eapRequest, 2, 99, long[:n]...),
			} {
				out := startedPeer(t, westConfig(EAPMSCHAPv2)).Receive(pkt)
				check(t, n, out)
				if len(out.Notice) > 4*maxShown+10 {
					t.Errorf("a notice of %d octets", len(out.Notice))
				}
			}
		}
	})
}

// tlsData is type data of EAP-TLS.
func tlsData(flags byte, total uint32, data ...byte) []byte {
	b := []byte{flags}
	if flags&0x80 != 0 {
		b = binary.BigEndian.AppendUint32(b, total)
	}
	return append(b, data...)
}

// A6: lengths that lie end the exchange (CVE-2018-11574).
func TestAttackA6EAPTLSLengths(t *testing.T) {
	for _, c := range []struct {
		name    string
		packets [][]byte
	}{
		{"no flags", [][]byte{nil}},
		{"length cut", [][]byte{{0x80, 0, 0}}},
		{"length 0", [][]byte{tlsData(0xc0, 0, make([]byte, 100)...)}},
		{"length 1", [][]byte{tlsData(0xc0, 1, make([]byte, 100)...)}},
		{"length 2^31", [][]byte{tlsData(0xc0, 1<<31, make([]byte, 100)...)}},
		{"length 2^32-1", [][]byte{tlsData(0xc0, 1<<32-1, make([]byte, 100)...)}},
		{"length 1 MiB", [][]byte{tlsData(0xc0, 1<<20, make([]byte, 100)...)}},
		{"fragment past the length", [][]byte{tlsData(0xc0, 150, make([]byte, 100)...), tlsData(0x40, 0, make([]byte, 100)...)}},
		{"sum below the length", [][]byte{tlsData(0xc0, 1500, make([]byte, 100)...), tlsData(0, 0, make([]byte, 100)...)}},
		{"length that changes", [][]byte{tlsData(0xc0, 300, make([]byte, 100)...), tlsData(0xc0, 400, make([]byte, 100)...)}},
		{"no TLS", [][]byte{tlsData(0, 0, bytes.Repeat([]byte{0xff}, 500)...)}},
	} {
		t.Run(c.name+", to an authenticator", func(t *testing.T) {
			a, id := offeredTLS(t)
			var out Output
			for _, data := range c.packets {
				out = a.Receive(eapPacket(eapResponse, id, typeTLS, data...))
				id = out.Send[1]
			}
			if out.Verdict == Pending { // an alert, and its answer
				out = a.Receive(eapPacket(eapResponse, id, typeTLS, 0))
			}
			if out.Verdict != Failure || out.GaveUp || !bytes.Equal(out.Send, []byte{eapFailure, id, 0, 4}) || out.Keys != nil {
				t.Errorf("%+v", out)
			}
		})
		t.Run(c.name+", to a peer", func(t *testing.T) {
			p := startedPeer(t, westConfig(EAPTLS))
			p.Receive(eapPacket(eapRequest, 2, typeTLS, 0x20))
			out, id := Output{}, byte(2)
			for _, data := range c.packets {
				id++
				out = p.Receive(eapPacket(eapRequest, id, typeTLS, data...))
			}
			if out.Verdict == Pending {
				if early := p.Receive([]byte{eapSuccess, id, 0, 4}); early.Verdict == Success {
					t.Error("a Success was believed")
				}
				out = p.Receive([]byte{eapFailure, id, 0, 4})
			}
			if out.Verdict != Failure || out.GaveUp || strings.Contains(out.Reason, "no reason") {
				t.Errorf("%+v", out)
			}
		})
	}
}

// A7: fragments without end are cut off by rounds, and by time.
func TestAttackA7FragmentBombs(t *testing.T) {
	first, more := tlsData(0xc0, 65536, 0x16), tlsData(0x40, 0, 3)
	t.Run("to an authenticator", func(t *testing.T) {
		a, id := offeredTLS(t)
		data, rounds := first, 0
		out := Output{}
		for ; out.Verdict == Pending && rounds < 1000; rounds++ {
			out = a.Receive(eapPacket(eapResponse, id, typeTLS, data...))
			id, data = out.Send[1], more
		}
		if rounds > maxRounds || out.Verdict != Failure || out.Send[0] != eapFailure {
			t.Errorf("after %d rounds: %+v", rounds, out)
		}
	})
	t.Run("to a peer", func(t *testing.T) {
		p := startedPeer(t, westConfig(EAPTLS))
		p.Receive(eapPacket(eapRequest, 2, typeTLS, 0x20))
		data, rounds := first, 0
		out := Output{}
		for id := byte(3); out.Verdict == Pending && rounds < 1000; id++ {
			out = p.Receive(eapPacket(eapRequest, id, typeTLS, data...))
			data = more
			rounds++
			if out.Wait != 0 {
				t.Fatal("a fragment prolongs the time")
			}
		}
		if rounds > maxRounds || out.Verdict != Failure {
			t.Errorf("after %d rounds: %+v", rounds, out)
		}
	})
	t.Run("slowly", func(t *testing.T) { // one before each tick, so that none is late
		a, id := offeredTLS(t)
		data, seconds := first, 0
		out := Output{}
		for ; out.Verdict == Pending; seconds++ {
			if out = a.Receive(eapPacket(eapResponse, id, typeTLS, data...)); out.Wait != 0 {
				t.Fatal("a fragment prolongs the time")
			}
			id, data = out.Send[1], more
			out = a.Timeout()
		}
		if seconds != 30 || !out.GaveUp || out.Reason != "peer did not finish EAP-TLS in 30s" {
			t.Errorf("after %d s: %+v", seconds, out)
		}
	})
	t.Run("requests without end", func(t *testing.T) {
		for _, kind := range []eapType{typeIdentity, typeNotification, typeMD5} {
			p := NewPeer(EAP, westConfig(EAPTLS))
			p.Start()
			rounds, out := 0, Output{}
			for ; out.Verdict == Pending && rounds < 1000; rounds++ {
				out = p.Receive(eapPacket(eapRequest, byte(rounds), kind))
			}
			if rounds != maxRounds+1 || out.Send != nil {
				t.Errorf("type %d: after %d rounds: %+v", kind, rounds, out)
			}
		}
	})
}

// A8, inside EAP: sizes that are not right end the exchange, and not an octet leaves.
func TestAttackA8SizesInEAP(t *testing.T) {
	sizes := []int{17, 32, 48, 49, 50, 255}
	for n := range 16 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d octets", n), func(t *testing.T) {
			value := chapValue{make([]byte, n), []byte("west")}.encode()
			out := startedPeer(t, westConfig(EAPMSCHAPv2)).Receive(eapPacket(eapRequest, 2, typeMSCHAPv2, msMessage{chapChallenge, 2, value}.encode()...))
			if want := fmt.Sprintf("peer's MS-CHAPv2 challenge has %d octets", n); out.Verdict != Failure || out.Send != nil || out.Reason != want {
				t.Errorf("challenge: %+v", out)
			}
			a := NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2))
			id := a.Start().Send[1]
			a.Receive(eapPacket(eapResponse, id, typeIdentity))
			response := eapPacket(eapResponse, id+1, typeMSCHAPv2, msMessage{chapResponse, id + 1, value}.encode()...)
			out = a.Receive(response)
			if n == msResponseSize {
				if out.Send == nil || out.Verdict != Pending {
					t.Errorf("response: %+v", out)
				}
				return
			}
			if want := fmt.Sprintf("peer's MS-CHAPv2 response has %d octets instead of 49", n); out.Verdict != Failure || out.Send != nil || out.Reason != want {
				t.Errorf("response: %+v", out)
			}
			if out = a.Receive(response); out.Verdict != Failure || out.Send != nil {
				t.Errorf("response again: %+v", out)
			}
		})
	}
}

// A9, inside EAP: without its proof, any server would pass.
func TestAttackA9AuthenticatorResponseInEAP(t *testing.T) {
	const right = "407A5589115FD0D6209F510FE9C04566932CDA56"
	v := eapVectors(t)
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"right", "S=" + right + " M=Welcome", true},
		{"right, alone, in lower case", "S=" + strings.ToLower(right), true},
		{"empty", "", false},
		{"missing", "M=Welcome", false},
		{"cut", "S=" + right[:39], false},
		{"wrong", "S=" + right[:39] + "7", false},
		{"not first", "M=x S=" + right, false},
		{"right for another name", "S=" + strings.Repeat("0", 40), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPeer(EAPMSCHAPv2, PeerConfig{Name: "User", Secret: "clientPass", Rand: bytes.NewReader(unhex(t, "21402324255e262a28295f2b3a337c7e"))})
			p.Start()
			p.Receive(v["EAP-MSCHAPv2 Challenge"])
			out := p.Receive(eapPacket(eapRequest, 4, typeMSCHAPv2, msMessage{chapSuccess, 3, []byte(c.text)}.encode()...))
			success := []byte{eapSuccess, 4, 0, 4}
			if c.ok {
				if out.Verdict != Pending || !bytes.Equal(out.Send, v["EAP-MSCHAPv2 Success response (op code octet only)"]) || out.Keys != nil {
					t.Errorf("%+v", out)
				}
				if out = p.Receive(success); out.Verdict != Success || out.Keys == nil {
					t.Errorf("%+v", out)
				}
				return
			}
			const want = `peer did not prove itself: it accepted us as "User" without knowing our secret`
			if out.Verdict != Failure || out.Send != nil || out.Reason != want || out.Keys != nil {
				t.Errorf("%+v, want %s", out, want)
			}
			late := eapPacket(eapRequest, 5, typeMSCHAPv2, msMessage{chapSuccess, 3, []byte("S=" + right)}.encode()...)
			for _, pkt := range [][]byte{late, success, {eapSuccess, 3, 0, 4}} {
				if out := p.Receive(pkt); out.Verdict != Failure || out.Send != nil || out.Keys != nil {
					t.Errorf("% x after that made %+v", pkt[:4], out)
				}
			}
		})
	}
}

// A10: who has a good certificate of one site does not pass for another by saying
// so.
func TestAttackA10IdentityAndCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, identity := range []string{"west", "east", "", "WEST", "west.", "west\x00", "hq"} {
			t.Run(fmt.Sprintf("%s, certificate of west, identity %q", tls.VersionName(version), identity), func(t *testing.T) {
				p := westConfig(EAPTLS)
				p.Name, p.TLS.MaxVersion = identity, version
				d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), NewPeer(EAP, p)).run(t)
				if identity == "west" {
					d.want(t, Success, "", "")
					return
				}
				want := fmt.Sprintf(`peer's certificate is refused: peer calls itself %q, and its certificate is for "west"`, identity)
				d.want(t, Failure, strings.ReplaceAll(want, `\`, `\\`), "peer refuses our certificate: bad certificate; the peer's log says why")
				if d.a.Name != "" || d.a.Keys != nil || d.p.Keys != nil || d.wire[len(d.wire)-1][0] != eapFailure {
					t.Errorf("%+v", d.a)
				}
			})
		}
	}
	t.Run("the certificate decides", func(t *testing.T) {
		a, p := hqConfig(EAPTLS), westConfig(EAPTLS)
		a.TLS.Verify, p.Name = named(x509.ExtKeyUsageClientAuth), "anonymous"
		d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
		d.want(t, Success, "", "")
		if d.a.Name != "west" {
			t.Errorf("proved %q", d.a.Name)
		}
	})
}

// A11: a Success before the method's own result is nobody's. In TLS 1.3 that
// result is the octet 00 under the protection of TLS (RFC 9190, section 2.1.1).
func TestAttackA11EarlySuccess(t *testing.T) {
	for _, c := range []struct {
		name    string
		method  Method
		version uint16
	}{
		{"EAP-MSCHAPv2", EAPMSCHAPv2, 0},
		{"TLS 1.2", EAPTLS, tls.VersionTLS12},
		{"TLS 1.3", EAPTLS, tls.VersionTLS13},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := westConfig(c.method)
			p.TLS.MaxVersion = c.version
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(c.method)), NewPeer(EAP, p))
			for d.steps < 2 || d.peer.(*eapPeer).proved == nil {
				d.step()
				for id := range 256 {
					if d.peer.(*eapPeer).proved != nil {
						break
					}
					out := d.peer.Receive([]byte{eapSuccess, byte(id), 0, 4})
					if out.Verdict != Pending || out.Drop == "" || out.Keys != nil {
						t.Fatalf("after %d packets, a Success with identifier %d made %+v", d.steps, id, out)
					}
				}
				if d.a.Verdict != Pending {
					t.Fatalf("the authenticator was content before the peer: %+v", d.a)
				}
			}
			if d.steps < 5 {
				t.Errorf("proved after %d packets", d.steps)
			}
		})
	}
	t.Run("TLS 1.3 without the octet", func(t *testing.T) {
		d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), NewPeer(EAP, westConfig(EAPTLS)))
		var octet []byte // the Request that holds it
		for d.peer.(*eapPeer).proved == nil {
			octet = d.wire[len(d.wire)-1]
			if len(d.wire)%2 == 1 && len(octet) < 40 && d.steps > 4 {
				break
			}
			d.step()
		}
		if len(octet) != 4+2+5+1+1+16 || octet[5] != 0 || octet[6] != 23 {
			t.Fatalf("this is not the octet: % x", octet)
		}
		for _, id := range []byte{octet[1] - 1, octet[1]} {
			if out := d.peer.Receive([]byte{eapSuccess, id, 0, 4}); out.Verdict != Pending || out.Send != nil || out.Drop == "" {
				t.Fatalf("Success in its place: %+v", out)
			}
		}
		if out := d.peer.(Presumer).Presume(); out.Verdict != Pending {
			t.Errorf("presumed without the octet: %+v", out)
		}
		empty := d.peer.Receive(eapPacket(eapRequest, octet[1], typeTLS, 0))
		if out := d.peer.Receive([]byte{eapSuccess, octet[1], 0, 4}); out.Verdict == Success || empty.Verdict == Success {
			t.Errorf("an empty packet in its place: %+v, then %+v", empty, out)
		}
	})
}

// A fakeTLS is a conversation that fails as told.
type fakeTLS struct {
	step   eaptls.Step
	closed bool
}

func (f *fakeTLS) Start() eaptls.Step         { return eaptls.Step{Send: []byte{0x20}} }
func (f *fakeTLS) Receive([]byte) eaptls.Step { return f.step }
func (f *fakeTLS) Result() eaptls.Result      { return eaptls.Result{} }
func (f *fakeTLS) Close()                     { f.closed = true }

// A12: TLS 1.2 without the extended master secret leaves no safe keys. What makes
// eaptls say so is tested there; here, that both ends end with it, in words.
func TestAttackA12NoExtendedMasterSecret(t *testing.T) {
	const tooOld = "peer's TLS is too old for safe keys: it has no extended master secret (RFC 7627)"
	alert := []byte{0, 21, 3, 3, 0, 2, 2, 71}
	fake := &fakeTLS{step: eaptls.Step{Send: alert, State: eaptls.Failed, Reason: tooOld}}

	a, id := offeredTLS(t)
	a.(*eapAuthenticator).server.(*eapTLS).conversation = fake
	out := a.Receive(eapPacket(eapResponse, id, typeTLS, 0))
	if out.Verdict != Pending || !bytes.Equal(out.Send[5:], alert) {
		t.Fatalf("authenticator: %+v", out)
	}
	out = a.Receive(eapPacket(eapResponse, id+1, typeTLS, 0))
	if out.Verdict != Failure || out.Reason != tooOld || !bytes.Equal(out.Send, []byte{eapFailure, id + 1, 0, 4}) || !fake.closed {
		t.Errorf("authenticator: %+v", out)
	}

	p := startedPeer(t, westConfig(EAPTLS))
	p.Receive(eapPacket(eapRequest, 2, typeTLS, 0x20))
	p.(*eapPeer).client.(*eapTLS).conversation = fake
	out = p.Receive(eapPacket(eapRequest, 3, typeTLS, 0))
	if out.Verdict != Pending || !bytes.Equal(out.Send[5:], alert) || out.Wait != farewellTime {
		t.Fatalf("peer: %+v", out)
	}
	for _, pkt := range [][]byte{{eapSuccess, 3, 0, 4}, {eapSuccess, 4, 0, 4}, eapPacket(eapRequest, 4, typeTLS, 0)} {
		if out := p.Receive(pkt); out.Verdict != Pending || out.Send != nil {
			t.Errorf("peer, after its alert: %+v", out)
		}
	}
	if out := p.(Presumer).Presume(); out.Verdict != Pending {
		t.Errorf("peer presumed: %+v", out)
	}
	if out = p.Receive([]byte{eapFailure, 3, 0, 4}); out.Verdict != Failure || out.Reason != tooOld {
		t.Errorf("peer: %+v", out)
	}
}

// After an alert, whatever the other end says, there is a Failure and no Success.
func TestNoSuccessAfterAlert(t *testing.T) {
	for _, answer := range [][]byte{{0}, nil, {0x20}, make([]byte, 300)} {
		a := hqConfig(EAPTLS)
		a.TLS.Verify = func(string, []*x509.Certificate) (string, error) { return "west", errors.New("not today") }
		d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, westConfig(EAPTLS)))
		for d.authenticator.(*eapAuthenticator).refusal == "" {
			d.step()
		}
		id := d.last(eapRequest)[1]
		out := d.authenticator.Receive(eapPacket(eapResponse, id, typeTLS, answer...))
		if out.Verdict != Failure || out.Reason != "peer's certificate is refused: not today" || !bytes.Equal(out.Send, []byte{eapFailure, id, 0, 4}) || out.Name != "" {
			t.Errorf("answered with % x: %+v", answer, out)
		}
		if out := d.authenticator.Receive(eapPacket(eapResponse, id, typeTLS, 0)); out.Verdict != Failure || out.Send[0] != eapFailure {
			t.Errorf("once more: %+v", out)
		}
	}
}

// A13: a certificate that is not good is refused by either end, which says what is
// wrong with whose.
func TestAttackA13CertificatesInEAP(t *testing.T) {
	const refused, told = "peer's certificate is refused: ", "peer refuses our certificate: bad certificate; the peer's log says why"
	for _, c := range []struct {
		name       string
		cert       *tls.Certificate
		ofServer   bool
		words      string
		newJudging func(*TLSConfig)
	}{
		{"expired", pki().expired, false, "expired", nil},
		{"of another CA", pki().foreign, false, "unknown authority", nil},
		{"self-signed", tlstest.SelfSigned("west"), false, "unknown authority", nil},
		{"wrong usage", pki().ca.Issue("west", tlstest.Usage(x509.ExtKeyUsageServerAuth)), false, "usage", nil},
		{"revoked", pki().west, false, "revoked", func(c *TLSConfig) { c.Verify = revoking(pki().west) }},
		{"authenticator's expired", pki().ca.Issue("hq", tlstest.Expired), true, "expired", nil},
		{"authenticator's of another CA", pki().foreign, true, "unknown authority", nil},
		{"authenticator's wrong usage", pki().ca.Issue("hq", tlstest.Usage(x509.ExtKeyUsageClientAuth)), true, "usage", nil},
		{"authenticator's revoked", pki().hq, true, "revoked", func(c *TLSConfig) { c.Verify = revoking(pki().hq) }},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(c.name+", "+tls.VersionName(version), func(t *testing.T) {
				a, p := hqConfig(EAPTLS), westConfig(EAPTLS)
				shows, judges := p.TLS, a.TLS
				if c.ofServer {
					shows, judges = judges, shows
				}
				shows.Certificate, shows.MaxVersion = owning(c.cert), version
				if c.newJudging != nil {
					c.newJudging(judges)
				}
				d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
				judge, judged := d.a, d.p
				if c.ofServer {
					judge, judged = judged, judge
				}
				if judge.Verdict != Failure || judged.Verdict != Failure || !strings.HasPrefix(judge.Reason, refused) || !strings.Contains(judge.Reason, c.words) || judged.Reason != told {
					t.Errorf("who judges: %s\nwho is judged: %s", judge.Reason, judged.Reason)
				}
			})
		}
	}
	t.Run("our own has expired", func(t *testing.T) {
		const words = "our own certificate expired on 2026-01-02"
		none := func() (*tls.Certificate, error) { return nil, errors.New(words) }
		a, p := hqConfig(EAPTLS), westConfig(EAPTLS)
		a.TLS.Certificate = none
		newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t).want(t, Failure, words, `peer refused us as "west" before it asked for a proof`)
		a, p = hqConfig(EAPTLS), westConfig(EAPTLS)
		p.TLS.Certificate = none
		d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
		if d.p.Verdict != Failure || d.p.Reason != words || d.p.Send != nil {
			t.Errorf("%+v", d.p)
		}
	})
}

func revoking(c *tls.Certificate) func(string, []*x509.Certificate) (string, error) {
	return func(_ string, chain []*x509.Certificate) (string, error) {
		if chain[0].SerialNumber.Cmp(c.Leaf.SerialNumber) == 0 {
			return "", errors.New("the certificate is revoked")
		}
		return "", nil
	}
}

// A17: names are shown quoted, and cut.
func TestAttackA17NamesInReasons(t *testing.T) {
	for _, name := range []string{"$(reboot)", "a\nb", "a\x1b[2J\x00", "`id`", strings.Repeat("n", 253), "\xff\xfe", "\u202e"} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			check := func(what string, out Output, shown bool) {
				t.Helper()
				if out.Verdict != Failure || !printable(out.Reason) || len(out.Reason) > 500 || shown && !strings.Contains(out.Reason, quote([]byte(name))) {
					t.Errorf("%s: %v, %q", what, out.Verdict, out.Reason)
				}
			}
			p := westConfig(EAPMSCHAPv2)
			p.Name = name
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2)), NewPeer(EAP, p)).run(t)
			check("EAP-MSCHAPv2 authenticator", d.a, true)
			check("EAP-MSCHAPv2 peer", d.p, true)
			p = westConfig(EAPTLS)
			p.Name = name
			a := hqConfig(EAPTLS)
			a.TLS.Verify = func(identity string, _ []*x509.Certificate) (string, error) {
				return "", errors.New("no site calls itself " + identity) // not quoted
			}
			d = newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
			check("EAP-TLS authenticator", d.a, false)
			peer := NewPeer(EAP, PeerConfig{EAP: bothEAP, ForChallenger: func(string) (string, secret.Secret, bool) { return "", "", false }})
			value := chapValue{make([]byte, 16), []byte(name)}.encode()
			peer.Start()
			check("challenger", peer.Receive(eapPacket(eapRequest, 1, typeMSCHAPv2, msMessage{chapChallenge, 1, value}.encode()...)), true)
		})
	}
}
