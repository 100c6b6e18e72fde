package auth

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A2: MS-CHAPv1 is recognised by nothing here, so LCP cannot agree to it.
func TestAttackA2NoMSCHAPv1(t *testing.T) {
	if m, ok := ParseLCPOption([]byte{0xc2, 0x23, 0x80}); ok {
		t.Errorf("MS-CHAPv1 was taken for %v", m)
	}
}

// A4: with one secret for both directions, an attacker that knows none of it
// lets us answer our own challenges.
func TestAttackA4Reflection(t *testing.T) {
	for _, ask := range []Method{CHAP, MSCHAPv2} {
		for _, prove := range []Method{CHAP, MSCHAPv2} {
			t.Run(fmt.Sprintf("our %v challenge returned as %v", ask, prove), func(t *testing.T) {
				authenticator := NewAuthenticator(ask, AuthenticatorConfig{Name: "hq", Lookup: accounts("branch1", "shared", "hq", "shared")})
				stolen := bytes.Clone(authenticator.Start().Send)
				for _, name := range []string{"", "branch1", "hq"} {
					peer := NewPeer(prove, PeerConfig{Name: "hq", Secret: "shared", Outstanding: Outstanding(authenticator)})
					peer.Start()
					out := peer.Receive(packet{chapChallenge, 200, chapValue{stolen[5:21], []byte(name)}.encode()}.encode())
					if out.Verdict != Failure || out.Send != nil || out.Reason != "peer sent our own challenge back" {
						t.Errorf("from %q: %+v", name, out)
					}
				}
			})
		}
	}
	for _, m := range allMethods {
		t.Run(fmt.Sprintf("our own %v answer returned", m), func(t *testing.T) {
			// The attacker lets us answer its own copy of the challenge on another
			// link, where we cannot know it, and returns the answer here.
			authenticator := NewAuthenticator(m, AuthenticatorConfig{
				Name: "hq", OwnNames: []string{"hq-at-branch1"}, Lookup: accounts("hq-at-branch1", "shared")})
			elsewhere := NewPeer(m, PeerConfig{Name: "hq-at-branch1", Secret: "shared"})
			ours := bytes.Clone(elsewhere.Start().Send)
			if challenge := authenticator.Start().Send; challenge != nil {
				ours = bytes.Clone(elsewhere.Receive(challenge).Send)
			}
			out := authenticator.Receive(ours)
			if out.Verdict != Failure || out.Reason != `peer answered with our own name "hq-at-branch1"` {
				t.Errorf("%+v", out)
			}
		})
	}
	t.Run("a challenge of theirs is answered", func(t *testing.T) {
		authenticator := NewAuthenticator(CHAP, AuthenticatorConfig{})
		for _, other := range []Exchange{authenticator, NewAuthenticator(PAP, AuthenticatorConfig{}), nil} {
			peer := NewPeer(CHAP, PeerConfig{Name: "hq", Secret: "s", Outstanding: Outstanding(other)})
			authenticator.Start()
			if out := peer.Receive(unhex(t, "0107001b1000112233445566778899aabbccddeeff736974652d62")); out.Send == nil {
				t.Errorf("%+v", out)
			}
		}
	})
}

// A8: a challenge shorter than 16 octets made pppd send what lay behind it in
// memory (GHSA-j686-vmph-4m7c). Sizes that are not right end the exchange, and
// not an octet leaves.
func TestAttackA8ChallengeSize(t *testing.T) {
	sizes := []int{17, 32, 255}
	for n := range 16 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		for _, name := range []string{"", "server"} {
			peer := NewPeer(MSCHAPv2, PeerConfig{Name: "User", Secret: "clientPass"})
			peer.Start()
			body := chapValue{make([]byte, n), []byte(name)}
			out := peer.Receive(packet{chapChallenge, 1, body.encode()}.encode())
			want := fmt.Sprintf("peer's MS-CHAPv2 challenge has %d octets", n)
			if out.Send != nil || out.Verdict != Failure || out.Reason != want {
				t.Errorf("challenge of %d octets: %+v, want %s", n, out, want)
			}
		}
	}
	if out := NewPeer(CHAP, PeerConfig{}).Receive(packet{chapChallenge, 1, []byte{0}}.encode()); out.Send != nil || out.Verdict != Failure {
		t.Errorf("empty CHAP challenge: %+v", out)
	}
}

func TestAttackA8ResponseSize(t *testing.T) {
	for _, c := range []struct {
		method Method
		right  int
	}{{CHAP, 16}, {MSCHAPv2, 49}} {
		for _, n := range []int{0, 15, 16, 17, 48, 49, 50, 255} {
			a := NewAuthenticator(c.method, AuthenticatorConfig{Rand: zeros{}, Lookup: accounts("User", "clientPass")})
			a.Start()
			body := chapValue{make([]byte, n), []byte("User")}
			out := a.Receive(packet{chapResponse, 0, body.encode()}.encode())
			if n == c.right {
				if out.Verdict != Failure || out.Send == nil {
					t.Errorf("%v response of %d octets: %+v", c.method, n, out)
				}
				continue
			}
			if out.Send != nil || out.Verdict != Failure || !strings.HasSuffix(out.Reason, fmt.Sprintf("has %d octets instead of %d", n, c.right)) {
				t.Errorf("%v response of %d octets: %+v", c.method, n, out)
			}
			if again := a.Receive(packet{chapResponse, 0, body.encode()}.encode()); again.Send != nil || again.Verdict != Failure {
				t.Errorf("the second time: %+v", again)
			}
		}
	}
}

// A9: without its proof, any server would pass.
func TestAttackA9AuthenticatorResponse(t *testing.T) {
	const right = "407A5589115FD0D6209F510FE9C04566932CDA56"
	otherName := func() string { // right for the same exchange under another name
		q := question{challenge: unhex(t, "5b5d7c7d7b3f2f3e3c2c602132262628"), name: "Other", secret: "clientPass"}
		return fmt.Sprintf("%X", work(q, [16]byte(unhex(t, "21402324255e262a28295f2b3a337c7e"))).proof())
	}()
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"right", "S=" + right + " M=Welcome", true},
		{"right, alone", "S=" + right, true},
		{"right, in lower case", "S=" + strings.ToLower(right), true},
		{"empty", "", false},
		{"missing", "M=Welcome", false},
		{"only the key", "S=", false},
		{"cut", "S=" + right[:39], false},
		{"odd", "S=" + right[:39] + " ", false},
		{"wrong in the last digit", "S=" + right[:39] + "7", false},
		{"zeros", "S=" + strings.Repeat("0", 40), false},
		{"not first", "M=x S=" + right, false},
		{"not hexadecimal", "S=" + strings.Repeat("Z", 40), false},
		{"right for another name", "S=" + otherName, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := NewPeer(MSCHAPv2, PeerConfig{
				Name: "User", Secret: "clientPass", Rand: bytes.NewReader(unhex(t, "21402324255e262a28295f2b3a337c7e"))})
			peer.Start()
			peer.Receive(unhex(t, "01010015105b5d7c7d7b3f2f3e3c2c602132262628"))
			out := peer.Receive(packet{chapSuccess, 1, []byte(c.text)}.encode())
			if c.ok {
				if out.Verdict != Success || out.Keys == nil {
					t.Errorf("%+v", out)
				}
				return
			}
			const want = `peer did not prove itself: it accepted us as "User" without knowing our secret`
			if out.Verdict != Failure || out.Reason != want || out.Keys != nil {
				t.Errorf("%+v, want %s", out, want)
			}
			late := peer.Receive(packet{chapSuccess, 1, []byte("S=" + right)}.encode())
			if late.Verdict != Failure || late.Keys != nil {
				t.Errorf("a right proof after a wrong one made %+v", late)
			}
		})
	}
}

// Nothing of ours shows its secret, whatever prints it.
func TestAttackH3SecretsUnprintable(t *testing.T) {
	const hidden = "hunter2hunter2"
	var all []any
	for _, m := range guarded {
		a := NewAuthenticator(m, AuthenticatorConfig{Lookup: accounts("n", hidden)})
		p := NewPeer(m, PeerConfig{Name: "n", Secret: hidden})
		aOut, pOut := carry(t, a, p)
		all = append(all, a, p, PeerConfig{Secret: hidden}, aOut.Reason, pOut.Reason)
		if k, ok := aOut.Keys.(*MasterKeys); ok {
			all = append(all, k, *k, Output{Keys: k})
		}
	}
	d := newDialog(t, NewAuthenticator(EAP, hqConfig(EAPTLS)), NewPeer(EAP, westConfig(EAPTLS))).run(t)
	all = append(all, d.authenticator, d.peer, d.a, d.p)
	k := d.a.Keys.(*TLSKeys)
	all = append(all, k, *k, NewTLSKeys(k.MSK(), k.EMSK(), [32]byte{}, [32]byte{}, true))
	msk := k.MSK()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range all {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, hidden) || strings.Contains(got, fmt.Sprintf("%x", hidden)) || strings.Contains(got, "ntResponse") ||
				strings.Contains(got, fmt.Sprintf("%x", msk[:4])) || strings.Contains(got, strings.Trim(fmt.Sprint(msk), "[]")) {
				t.Errorf("%s of %T shows %s", verb, v, got)
			}
		}
	}
}
