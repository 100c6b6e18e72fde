package auth

import (
	"crypto/tls"
	"strings"
	"testing"
)

// TestOldTLS13: who has the TLS 1.3 of pppd 2.4.9 is asked for by the name that its
// certificate proves.
func TestOldTLS13(t *testing.T) {
	for name, old := range map[string]bool{"old": true, "not old": false} {
		t.Run(name, func(t *testing.T) {
			a, p := hqConfig(EAPTLS), westConfig(EAPTLS)
			asked := map[string]bool{}
			says := func(name string) bool { asked[name] = true; return old }
			a.TLS.Old, p.TLS.Old = says, says
			d := newDialog(t, NewAuthenticator(EAP, a), NewPeer(EAP, p)).run(t)
			d.want(t, Success, "", "")
			if !asked["west"] || !asked["hq"] || len(asked) != 2 {
				t.Errorf("asked about %v, want west and hq", asked)
			}
			x, y := d.a.Keys.(*TLSKeys), d.p.Keys.(*TLSKeys)
			if x.MSK() != y.MSK() || x.EMSK() != y.EMSK() || x.Version() != tls.VersionTLS13 {
				t.Error("the ends have different keys, or no TLS 1.3")
			}
		})
	}
}

// TestOldTLS13Unasked: an end that does as pppd 2.4.9 is refused, and what could be
// behind it is told.
func TestOldTLS13Unasked(t *testing.T) {
	t.Run("peer", func(t *testing.T) {
		p := NewPeer(EAP, westConfig(EAPTLS))
		d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), p)
		for d.steps < 5 {
			d.step()
		}
		id := d.wire[len(d.wire)-1][1]
		if out := p.Receive([]byte{eapSuccess, id, 0, 4}); out.Verdict != Pending {
			t.Fatalf("%+v", out)
		}
		if out := p.Timeout(); out.Verdict != Failure || !out.GaveUp || !strings.Contains(out.Reason, isItOld) {
			t.Errorf("%+v", out)
		}
	})
	t.Run("authenticator", func(t *testing.T) {
		a := NewAuthenticator(EAP, hqConfig(EAPTLS))
		request := a.Start().Send
		request = a.Receive(eapPacket(eapResponse, request[1], typeIdentity, []byte("west")...)).Send
		if out := a.Receive([]byte{eapResponse, request[1], 0, 4}); out.Verdict != Pending || out.Drop != DropMalformed {
			t.Fatalf("%+v", out)
		}
		if out := a.Receive(eapPacket(eapResponse, request[1], typeTLS, 0, 1, 2, 3, 4, 5, 6)); !strings.Contains(out.Reason+a.(Foreseer).Refusal(), isItOld) {
			t.Errorf("%+v", out)
		}
	})
}
