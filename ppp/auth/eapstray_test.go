package auth

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// startedPeer is a peer that has answered Request 1 for its identity.
func startedPeer(t testing.TB, c PeerConfig) Exchange {
	p := NewPeer(EAP, c)
	t.Cleanup(p.Close)
	p.Start()
	p.Receive(eapPacket(eapRequest, 1, typeIdentity))
	return p
}

func TestEAPStrayPackets(t *testing.T) {
	authenticator := func() Exchange {
		a := NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2))
		a.(*eapAuthenticator).Rand = zeros{}
		a.Start()
		return a // Identity is Request 1
	}
	challenged := func() Exchange {
		a := authenticator()
		a.Receive(eapPacket(eapResponse, 1, typeIdentity, []byte("west")...))
		return a // Challenge is Request 2
	}
	peer := func() Exchange { return startedPeer(t, westConfig(bothEAP...)) }
	answered := func() Exchange {
		p := peer()
		p.Receive(eapVectors(t)["EAP-MSCHAPv2 Challenge"]) // is Request 3
		return p
	}
	ms := func(op, id byte, body ...byte) []byte { return msMessage{op, id, body}.encode() }
	response := append(append([]byte{49}, make([]byte, 49)...), "west"...)
	for _, c := range []struct {
		name     string
		exchange Exchange
		pkt      []byte
		drop     Drop
	}{
		{"short", authenticator(), []byte{2, 1, 0}, DropMalformed},
		{"response without a type", authenticator(), []byte{2, 1, 0, 4}, DropMalformed},
		{"type 0", authenticator(), eapPacket(eapResponse, 1, 0), DropMalformed},
		{"request to an authenticator", authenticator(), eapPacket(eapRequest, 1, typeIdentity), DropUnexpectedCode},
		{"success to an authenticator", authenticator(), []byte{eapSuccess, 1, 0, 4}, DropUnexpectedCode},
		{"response before a request", NewAuthenticator(EAP, hqConfig(EAPTLS)), eapPacket(eapResponse, 0, typeIdentity), DropWrongIdentifier},
		{"response to another request", authenticator(), eapPacket(eapResponse, 2, typeIdentity), DropWrongIdentifier},
		{"proof before the identity", authenticator(), eapPacket(eapResponse, 1, typeMSCHAPv2, ms(2, 1, response...)...), DropWrongType},
		{"notification to an authenticator", authenticator(), eapPacket(eapResponse, 1, typeNotification), DropWrongType},
		{"identity again", challenged(), eapPacket(eapResponse, 2, typeIdentity, []byte("hq")...), DropWrongType},
		{"the response to the request before", challenged(), eapPacket(eapResponse, 1, typeIdentity, []byte("west")...), DropWrongIdentifier},
		{"another method", challenged(), eapPacket(eapResponse, 2, typeTLS, 0), DropWrongType},
		{"expanded type", challenged(), eapPacket(eapResponse, 2, typeExpanded, 0, 0, 0, 0, 0, 0, 26, 2), DropWrongType},
		{"nothing in it", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2), DropMalformed},
		{"half a header", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, 2, 2, 0), DropMalformed},
		{"response without a value", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, ms(2, 2)...), DropMalformed},
		{"value beyond the packet", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, ms(2, 2, 49, 0)...), DropMalformed},
		{"identifier of another challenge", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, ms(2, 3, response...)...), DropWrongIdentifier},
		{"success before it was judged", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, 3), DropUnexpectedCode},
		{"failure before it was judged", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, 4), DropUnexpectedCode},
		{"change of password", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, ms(7, 2, make([]byte, 582)...)...), DropUnexpectedCode},
		{"a challenge back", challenged(), eapPacket(eapResponse, 2, typeMSCHAPv2, ms(1, 2, response...)...), DropUnexpectedCode},

		{"request without a type", peer(), []byte{1, 2, 0, 4}, DropMalformed},
		{"type 0 to a peer", peer(), eapPacket(eapRequest, 2, 0), DropMalformed},
		{"response to a peer", peer(), eapPacket(eapResponse, 1, typeIdentity), DropUnexpectedCode},
		{"code 5", peer(), []byte{5, 1, 0, 4}, DropUnexpectedCode},
		{"nak in a request", peer(), eapPacket(eapRequest, 2, typeNak, 26), DropWrongType},
		{"success before a method", peer(), []byte{eapSuccess, 1, 0, 4}, DropUnexpectedCode},
		{"success with data", peer(), []byte{eapSuccess, 1, 0, 5, 0}, DropMalformed},
		{"success of another identifier", peer(), []byte{eapSuccess, 3, 0, 4}, DropWrongIdentifier},
		{"failure of another identifier", peer(), []byte{eapFailure, 0, 0, 4}, DropWrongIdentifier},
		{"failure with data", peer(), []byte{eapFailure, 1, 0, 5, 0}, DropMalformed},
		{"failure before a request", started(NewPeer(EAP, westConfig(EAPTLS))), []byte{eapFailure, 0, 0, 4}, DropWrongIdentifier},
		{"success before a request", started(NewPeer(EAP, westConfig(EAPTLS))), []byte{eapSuccess, 0, 0, 4}, DropWrongIdentifier},
		{"success of a method that did not begin", peer(), eapPacket(eapRequest, 2, typeMSCHAPv2, ms(3, 2)...), DropUnexpectedCode},
		{"failure of a method that did not begin", peer(), eapPacket(eapRequest, 2, typeMSCHAPv2, ms(4, 2)...), DropUnexpectedCode},
		{"method without data", peer(), eapPacket(eapRequest, 2, typeMSCHAPv2), DropMalformed},
		{"challenge without a value", peer(), eapPacket(eapRequest, 2, typeMSCHAPv2, ms(1, 2)...), DropMalformed},
		{"challenge beyond the packet", peer(), eapPacket(eapRequest, 2, typeMSCHAPv2, ms(1, 2, 16, 0)...), DropMalformed},
		{"identity in the middle", answered(), eapPacket(eapRequest, 4, typeIdentity), DropWrongType},
		{"another method in the middle", answered(), eapPacket(eapRequest, 4, typeTLS, 0x20), DropWrongType},
		{"MD5-Challenge in the middle", answered(), eapVectors(t)["MD5-Challenge request"], DropWrongType},
		{"second challenge", answered(), eapPacket(eapRequest, 4, typeMSCHAPv2, ms(1, 4, append([]byte{16}, make([]byte, 16)...)...)...), DropUnexpectedCode},
		{"success in the middle", answered(), []byte{eapSuccess, 3, 0, 4}, DropUnexpectedCode},
		{"unknown op code", answered(), eapPacket(eapRequest, 4, typeMSCHAPv2, ms(9, 4)...), DropUnexpectedCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.exchange.Receive(c.pkt)
			if out.Drop != c.drop || out.Send != nil || out.Wait != 0 || out.Verdict != Pending {
				t.Errorf("%+v, want a drop as %s", out, c.drop)
			}
			c.exchange.Close()
		})
	}
}

// A method whose first Request was not understood is not begun: another may come.
func TestEAPPeerNotCommitted(t *testing.T) {
	p := startedPeer(t, westConfig(bothEAP...))
	p.Receive(eapPacket(eapRequest, 2, typeMSCHAPv2, 9))
	if out := p.Receive(eapPacket(eapRequest, 3, typeTLS, 0x20)); out.Send == nil || out.Send[4] != byte(typeTLS) || out.Wait != tlsTime {
		t.Errorf("%+v", out)
	}
}

func TestEAPNotification(t *testing.T) {
	d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), NewPeer(EAP, westConfig(EAPTLS)))
	for range 4 {
		d.step()
	}
	out := d.peer.Receive(eapPacket(eapRequest, 200, typeNotification, []byte("password expires\nsoon\x1b[2J")...))
	if want := []byte{eapResponse, 200, 0, 5, byte(typeNotification)}; !bytes.Equal(out.Send, want) || out.Verdict != Pending || out.Wait != 0 {
		t.Errorf("%+v, want % x", out, want)
	}
	if want := `"password expires\nsoon\x1b[2J"`; out.Notice != want {
		t.Errorf("notice %s, want %s", out.Notice, want)
	}
	if out := d.peer.Receive(eapPacket(eapRequest, 201, typeNotification)); out.Notice != `""` || out.Send == nil {
		t.Errorf("without text: %+v", out)
	}
	d.run(t).want(t, Success, "", "")
}

func TestEAPTypesNaked(t *testing.T) {
	for _, kind := range []eapType{typeMD5, 5, typeTTLS, typePEAP, 31, typeExpanded, 255} {
		p := startedPeer(t, westConfig(EAPTLS, EAPMSCHAPv2))
		out := p.Receive(eapPacket(eapRequest, 2, kind, 0, 0, 0, 0, 0, 0, 13, 0x20))
		if want := []byte{eapResponse, 2, 0, 7, byte(typeNak), 13, 26}; !bytes.Equal(out.Send, want) || out.Wait != patience {
			t.Errorf("%v: answered % x, want % x", kind, out.Send, want)
		}
	}
}

// Only the authenticator repeats. The peer says the same again to the same; what
// comes back late changes nothing.
func TestEAPRepeats(t *testing.T) {
	for _, m := range bothEAP {
		t.Run(m.String(), func(t *testing.T) {
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(m)), NewPeer(EAP, westConfig(m)))
			for more := true; more; {
				var pkt []byte
				if pkt = d.wire[len(d.wire)-1]; pkt[0] == eapRequest {
					if again := repeated(d.authenticator); !bytes.Equal(again, pkt) {
						t.Fatalf("Request % x was repeated as % x", pkt[:5], again)
					}
				}
				more = d.step()
				if pkt[0] != eapRequest || !more {
					continue
				}
				answer := d.wire[len(d.wire)-1]
				for _, same := range [][]byte{pkt, append(bytes.Clone(pkt), 0, 0)} {
					if out := d.peer.Receive(same); !bytes.Equal(out.Send, answer) || out.Verdict != Pending || out.Wait != 0 {
						t.Fatalf("to % x again: %+v", same[:5], out)
					}
				}
				more = d.step()
				if out := d.authenticator.Receive(answer); out.Verdict == Pending && (out.Drop != DropWrongIdentifier || out.Send != nil) {
					t.Fatalf("% x again: %+v", answer[:5], out)
				}
			}
			d.want(t, Success, "", "")
			last := d.last(eapResponse)
			for range 3 { // the Success was lost
				out := d.authenticator.Receive(last)
				if !bytes.Equal(out.Send, d.last(eapSuccess)) || out.Verdict != Success || out.Name != "west" || out.Method != m || out.Keys != nil {
					t.Errorf("the last Response again: %+v", out)
				}
				if out := d.peer.Receive(d.last(eapRequest)); !bytes.Equal(out.Send, last) || out.Verdict != Success || out.Keys != nil {
					t.Errorf("the last Request again: %+v", out)
				}
			}
			for _, late := range [][]byte{{eapFailure, last[1], 0, 4}, {eapSuccess, last[1], 0, 4}, {eapFailure, last[1] + 1, 0, 4}, eapPacket(eapRequest, 250, typeIdentity)} {
				if out := d.peer.Receive(late); out.Verdict != Success || out.Drop != DropUnexpectedCode || out.Send != nil {
					t.Errorf("% x after the verdict: %+v", late, out)
				}
			}
		})
	}
}

// repeated is what an authenticator sends when nothing comes.
func repeated(a Exchange) []byte {
	for range 3 {
		if out := a.Timeout(); out.Send != nil {
			return bytes.Clone(out.Send)
		}
	}
	return nil
}

// Some authenticators count on for their verdict (pppd), or use an identifier
// again for something new.
func TestEAPIdentifiersOfOthers(t *testing.T) {
	d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2)), NewPeer(EAP, westConfig(EAPMSCHAPv2)))
	for range 6 {
		d.step()
	}
	last := d.wire[6]
	if last[0] != eapSuccess {
		t.Fatalf("% x", last)
	}
	if out := d.peer.Receive([]byte{eapSuccess, last[1] + 1, 0, 4}); out.Verdict != Success {
		t.Errorf("a Success with the next identifier: %+v", out)
	}
	p := startedPeer(t, westConfig(EAPMSCHAPv2))
	if out := p.Receive([]byte{eapFailure, 2, 0, 4}); out.Verdict != Failure || out.Reason != `peer refused us as "west" before it asked for a proof` {
		t.Errorf("a Failure with the next identifier: %+v", out)
	}
	p = startedPeer(t, westConfig(EAPMSCHAPv2))
	if out := p.Receive(eapPacket(eapRequest, 1, typeMD5, 1, 0)); out.Send == nil || out.Send[4] != byte(typeNak) {
		t.Errorf("another Request under the same identifier: %+v", out)
	}
}

// Nobody answers: each end gives up in time, and says that it judges nothing.
func TestEAPSilence(t *testing.T) {
	tlsStarted, _ := offeredTLS(t)
	inTLS := startedPeer(t, westConfig(EAPTLS))
	inTLS.Receive(eapPacket(eapRequest, 2, typeTLS, 0x20))
	for _, c := range []struct {
		name     string
		exchange Exchange
		first    Output
		sends    int
		after    time.Duration
		reason   string
	}{
		{"authenticator", NewAuthenticator(EAP, hqConfig(EAPTLS)), Output{}, 10, 30 * time.Second, "peer did not answer 10 EAP requests"},
		{"authenticator in EAP-TLS", tlsStarted, Output{Wait: tlsTick}, 28, 30 * time.Second, "peer did not finish EAP-TLS in 30s"},
		{"peer", NewPeer(EAP, westConfig(EAPTLS)), Output{}, 0, 30 * time.Second, "peer sent no EAP request in 30s"},
		{"peer after its identity", startedPeer(t, westConfig(EAPTLS)), Output{Wait: patience}, 0, 30 * time.Second, "peer said nothing to our EAP response in 30s"},
		{"peer in EAP-TLS", inTLS, Output{Wait: tlsTime}, 0, 30 * time.Second, "peer did not finish EAP-TLS in 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.first
			if out.Wait == 0 {
				out = c.exchange.Start()
			}
			var sends int
			var after time.Duration
			for out.Verdict == Pending {
				if out.Send != nil {
					sends++
				}
				if out.Wait <= 0 {
					t.Fatal("a step that waits for nothing")
				}
				after += out.Wait
				out = c.exchange.Timeout()
			}
			if out.Verdict != Failure || !out.GaveUp || out.Reason != c.reason || sends != c.sends || after != c.after || out.Send != nil {
				t.Errorf("%v after %v and %d packets: %s", out.Verdict, after, sends, out.Reason)
			}
			if again := c.exchange.Timeout(); again.Verdict != Failure || again.Send != nil {
				t.Errorf("a late timeout made %+v", again)
			}
		})
	}
}

// A peer that never answers our refusal gets the Failure all the same, and it is a
// verdict; so is what a peer knows of when the Failure is lost.
func TestEAPSilenceAfterRefusal(t *testing.T) {
	p := westConfig(EAPMSCHAPv2)
	p.Secret = "left horse"
	d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPMSCHAPv2)), NewPeer(EAP, p))
	for range 5 {
		d.step()
	}
	if !strings.Contains(string(d.wire[4]), "E=691 R=0 C=") {
		t.Fatalf("refused by % x", d.wire[4])
	}
	var sends [][]byte
	out := Output{}
	for out.Verdict == Pending {
		if out = d.authenticator.Timeout(); out.Send != nil {
			sends = append(sends, bytes.Clone(out.Send))
		}
	}
	if len(sends) != maxFarewells || sends[2][0] != eapFailure || out.GaveUp || out.Reason != `wrong secret for name "west"` {
		t.Errorf("sent % x: %+v", sends, out)
	}
	if d.p.Wait != farewellTime {
		t.Errorf("the peer waits %v for the Failure", d.p.Wait)
	}
	lost := d.peer.Timeout()
	if lost.Verdict != Failure || lost.GaveUp || !strings.Contains(lost.Reason, "wrong password (error 691)") {
		t.Errorf("the peer: %+v", lost)
	}
}

func TestEAPPresume(t *testing.T) {
	for _, m := range bothEAP {
		t.Run(m.String(), func(t *testing.T) {
			d := newDialog(t, NewAuthenticator(EAP, hqConfig(m)), NewPeer(EAP, westConfig(m)))
			presume := d.peer.(Presumer).Presume
			for d.peer.(*eapPeer).proved == nil {
				if out := presume(); out.Verdict != Pending {
					t.Fatalf("presumed after %d packets: %+v", d.steps, out)
				}
				d.step()
			}
			out := presume() // the authenticator has our last word, and its Success is lost
			d.run(t)
			if out.Verdict != Success || out.Method != m || sameKeys(d.a.Keys, out.Keys) != nil || (m == EAPTLS) != (out.Name == "hq") {
				t.Errorf("%+v", out)
			}
			if out := presume(); out.Verdict != Success || out.Keys != nil {
				t.Errorf("the second time: %+v", out)
			}
			if out := d.peer.Receive(d.last(eapSuccess)); out.Verdict != Success || out.Keys != nil {
				t.Errorf("the Success came late: %+v", out)
			}
		})
	}
}

func TestEAPClose(t *testing.T) {
	for steps := range 12 {
		d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), NewPeer(EAP, westConfig(EAPTLS)))
		for range steps {
			d.step()
		}
		for _, e := range []Exchange{d.authenticator, d.peer} {
			e.Close()
			e.Close()
			for _, pkt := range d.wire {
				if out := e.Receive(pkt); out.Verdict == Pending || out.Keys != nil {
					t.Errorf("closed after %d packets, it took % x: %+v", steps, pkt[:4], out)
				}
			}
		}
	}
	for _, m := range allMethods {
		NewAuthenticator(m, AuthenticatorConfig{}).Close()
		NewPeer(m, PeerConfig{}).Close()
	}
}

func TestEAPConfigurations(t *testing.T) {
	if out := NewPeer(EAP, PeerConfig{Name: strings.Repeat("n", 257)}).Start(); out.Verdict != Failure || out.Reason != "our name is longer than the 256 octets of an identity" {
		t.Errorf("%+v", out)
	}
	dry := hqConfig(EAPMSCHAPv2)
	dry.Rand = bytes.NewReader(nil)
	if out := NewAuthenticator(EAP, dry).Start(); out.Verdict != Failure || out.Send != nil {
		t.Errorf("without a random identifier: %+v", out)
	}
	dry.Rand = bytes.NewReader([]byte{0})
	a := NewAuthenticator(EAP, dry)
	a.Start()
	if out := a.Receive(eapPacket(eapResponse, 1, typeIdentity)); out.Verdict != Failure || !strings.HasPrefix(out.Reason, "no random challenge: ") {
		t.Errorf("without a random challenge: %+v", out)
	}
	p := westConfig(EAPMSCHAPv2)
	p.Rand = bytes.NewReader(nil)
	if out := startedPeer(t, p).Receive(eapVectors(t)["EAP-MSCHAPv2 Challenge"]); out.Verdict != Failure || out.Send != nil {
		t.Errorf("without a random peer challenge: %+v", out)
	}
	for _, c := range []*TLSConfig{{}, {Certificate: hqTLS().Certificate}, {Verify: hqTLS().Verify}} {
		t.Run(fmt.Sprint("TLS with judge ", c.Verify != nil), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("a TLSConfig without Certificate or Verify was taken")
				}
			}()
			NewPeer(EAP, PeerConfig{TLS: c})
		})
	}
}
