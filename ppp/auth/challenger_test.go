package auth

import (
	"strings"
	"testing"

	"sitebridge/internal/secret"
)

// A hub that is asked back proves itself to each branch with what is meant for
// that branch, by the name in the challenge.
func TestPeerAnswersByChallenger(t *testing.T) {
	proofs := map[string]secret.Secret{"west": "for the west", "east": "for the east"}
	peer := func() Exchange {
		return NewPeer(CHAP, PeerConfig{Name: "hub", ForChallenger: func(name string) (string, secret.Secret, bool) {
			s, ok := proofs[name]
			return "hub-of-" + name, s, ok
		}})
	}
	for name, s := range proofs {
		asks := NewAuthenticator(CHAP, AuthenticatorConfig{Name: name, Lookup: accounts("hub-of-"+name, s.Reveal())})
		a, p := carry(t, asks, peer())
		if a.Verdict != Success || p.Verdict != Success || a.Name != "hub-of-"+name {
			t.Errorf("%s: authenticator %v as %q (%s), peer %v (%s)", name, a.Verdict, a.Name, a.Reason, p.Verdict, p.Reason)
		}
	}
	// A name that is not known gets nothing, also after one that was.
	e := peer()
	e.Receive(started(NewAuthenticator(CHAP, AuthenticatorConfig{Name: "west", Lookup: accounts("x", "x")})).Start().Send)
	asks := NewAuthenticator(CHAP, AuthenticatorConfig{Name: "stranger", Lookup: accounts("hub", "x")})
	out := e.Receive(started(asks).Start().Send)
	if out.Verdict != Failure || out.Send != nil || !strings.Contains(out.Reason, `"stranger"`) {
		t.Errorf("asked by a stranger: %v, sent % x, reason %q", out.Verdict, out.Send, out.Reason)
	}
}
