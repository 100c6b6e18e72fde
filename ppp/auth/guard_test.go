package auth

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"sitebridge/internal/secret"
)

// A testGuard lets everybody wait, and writes down what it hears.
type testGuard struct {
	wait  time.Duration
	asked []string
	heard []string
}

func (g *testGuard) Delay(name string) time.Duration {
	g.asked = append(g.asked, name)
	return g.wait
}

func (g *testGuard) Judged(name string, right bool) {
	g.heard = append(g.heard, fmt.Sprint(name, " ", right))
}

// proofTo runs an exchange up to the packet that holds the peer's proof.
func proofTo(a, p Exchange) (proof []byte) {
	out := p.Start()
	for pkt := a.Start().Send; ; pkt = a.Receive(out.Send).Send {
		if pkt != nil {
			out = p.Receive(bytes.Clone(pkt))
		}
		if a.Protocol() != protocolEAP || out.Send[4] == byte(typeMSCHAPv2) {
			return bytes.Clone(out.Send)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, m := range guarded {
		for _, c := range []struct {
			name, who, secret string
			right             bool
		}{
			{"right", "west", "right horse", true},
			{"wrong", "west", "left horse", false},
			{"unknown", "east", "right horse", false},
			{"our own name", "hq", "right horse", false},
		} {
			t.Run(m.String()+"/"+c.name, func(t *testing.T) {
				g := &testGuard{wait: 7 * time.Second}
				ac := hqConfig()
				ac.Guard = g
				a := NewAuthenticator(m, ac)
				pc := westConfig()
				pc.Name = c.who
				pc.Secret = secret.Secret(c.secret)
				proof := proofTo(a, NewPeer(m, pc))
				other := bytes.Clone(proof)
				other[len(other)-1] ^= 1

				out := a.Receive(proof)
				if out.Verdict != Pending || out.Send != nil || out.Wait != 7*time.Second || out.Drop != "" {
					t.Fatalf("a proof that must wait: %+v", out)
				}
				for _, pkt := range [][]byte{proof, other} {
					if out := a.Receive(pkt); out.Drop != DropWaiting || out.Send != nil || out.Wait != 0 || out.Verdict != Pending {
						t.Errorf("while it waits: %+v", out)
					}
				}
				if len(g.heard) != 0 {
					t.Errorf("judged too early: %q", g.heard)
				}
				out = a.Timeout()
				if out.Send == nil || (out.Verdict == Failure) != (!c.right && m != EAPMSCHAPv2) || out.GaveUp {
					t.Errorf("judged: %+v", out)
				}
				for _, pkt := range [][]byte{proof, other} {
					a.Receive(pkt)
				}
				if want := []string{fmt.Sprint(c.who, " ", c.right)}; !slices.Equal(g.heard, want) || !slices.Equal(g.asked, []string{c.who}) {
					t.Errorf("the guard was asked about %q and heard %q, want %q once", g.asked, g.heard, want)
				}
			})
		}
	}
}

// A guard that lets nobody wait costs no time.
func TestGuardAtOnce(t *testing.T) {
	for _, m := range guarded {
		g := &testGuard{}
		ac := hqConfig()
		ac.Guard = g
		a, p := carry(t, NewAuthenticator(m, ac), NewPeer(m, westConfig()))
		if a.Verdict != Success || p.Verdict != Success || !slices.Equal(g.heard, []string{"west true"}) {
			t.Errorf("%v: %v and %v, the guard heard %q", m, a.Verdict, p.Verdict, g.heard)
		}
	}
}

// A certificate is not guessed.
func TestGuardNotForTLS(t *testing.T) {
	g := &testGuard{wait: time.Hour}
	ac := hqConfig(EAPTLS)
	ac.Guard = g
	newDialog(t, NewAuthenticator(EAP, ac), NewPeer(EAP, westConfig(EAPTLS))).run(t).want(t, Success, "", "")
	if g.asked != nil || g.heard != nil {
		t.Errorf("the guard was asked about %q and heard %q", g.asked, g.heard)
	}
}

// A challenge that follows makes what waits void.
func TestGuardChallengeAgain(t *testing.T) {
	g := &testGuard{wait: time.Second}
	a := NewAuthenticator(CHAP, AuthenticatorConfig{Lookup: accounts("n", "s"), Guard: g})
	peer := NewPeer(CHAP, PeerConfig{Name: "n", Secret: "s"})
	a.Receive(proofTo(a, peer))
	second := peer.Receive(bytes.Clone(a.Start().Send)).Send
	if out := a.Receive(second); out.Wait != time.Second || g.heard != nil {
		t.Errorf("%+v, the guard heard %q", out, g.heard)
	}
	if out := a.Timeout(); out.Verdict != Success || len(g.heard) != 1 {
		t.Errorf("%+v, the guard heard %q", out, g.heard)
	}
}
