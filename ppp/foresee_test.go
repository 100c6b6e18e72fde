package ppp

import (
	"bytes"
	"strings"
	"testing"

	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

// goodbye is an LCP Terminate-Request as it is on the wire.
var goodbye = []byte{0xff, 0x03, 0xc0, 0x21, 5, 77, 0, 8, 'B', 'y', 'e', '!'}

// leaveAfter has an end say goodbye right behind the first of its frames that leave
// is about, and nothing more.
func leaveAfter(w *wire, leave func(frame []byte) bool) {
	left := false
	w.intercept(func(f []byte) [][]byte {
		switch {
		case left:
			return nil
		case leave(f):
			left = true
			return [][]byte{f, goodbye}
		}
		return [][]byte{f}
	})
}

// TestLeftAfterRefusal: who ends the link with the refusal, as pppd does, has refused
// all the same: the next try must not come at once.
func TestLeftAfterRefusal(t *testing.T) {
	wrong := func(c *Config) { c.Peer.Secret = "wrong horse" }
	t.Run("EAP-MSCHAPv2, the authenticator leaves", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			a, b := dialler(t, auth.EAPMSCHAPv2), answerer(t, auth.EAPMSCHAPv2)
			wrong(&a)
			x, y := joined(t, a, b)
			leaveAfter(y.out, func(f []byte) bool { return bytes.Contains(f, []byte("E=691")) })
			if end := x.over(t, AuthFailed); !strings.Contains(end.Reason, "wrong password") {
				t.Errorf("%q", end.Reason)
			}
		})
	})
	t.Run("EAP-MSCHAPv2, the peer leaves", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			a, b := dialler(t, auth.EAPMSCHAPv2), answerer(t, auth.EAPMSCHAPv2)
			b.Authenticator.Lookup = func(string) (secret.Secret, bool) { return "another horse", true }
			x, y := joined(t, a, b)
			x.out.intercept(func(f []byte) [][]byte { // in place of its answer to the refusal
				if bytes.HasSuffix(f, []byte{26, 4}) {
					return [][]byte{goodbye}
				}
				return [][]byte{f}
			})
			if end := y.over(t, PeerNotProved); !strings.Contains(end.Reason, `wrong secret for name "branch"`) {
				t.Errorf("%q", end.Reason)
			}
		})
	})
	t.Run("nothing was refused", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x, y := joined(t, dialler(t, auth.EAPMSCHAPv2), answerer(t, auth.EAPMSCHAPv2))
			leaveAfter(y.out, func(f []byte) bool { return bytes.HasPrefix(f, []byte{0xc2, 0x27}) })
			if end := x.over(t, PeerTerminated); end.Reason != `peer ended the link: "Bye!"` {
				t.Errorf("%q", end.Reason)
			}
		})
	})
}

// TestLeftInDispute: who ends the link because it does not agree on encryption does
// not always say about what. We know.
func TestLeftInDispute(t *testing.T) {
	const about = "; encryption was not agreed on: fake-ccp: CCP: the peer offered little"
	for _, c := range []struct {
		name    string
		policy  Policy
		dispute string
		kind    EndKind
		reason  string
	}{
		{"required", Required, "the peer offered little", EncryptionFailed, `peer ended the link: "Bye!"` + about},
		{"preferred", Preferred, "the peer offered little", PeerTerminated, `peer ended the link: "Bye!"` + about},
		{"permitted", Permitted, "the peer offered little", PeerTerminated, `peer ended the link: "Bye!"` + about},
		{"no dispute", Required, "", PeerTerminated, `peer ended the link: "Bye!"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, auth.MSCHAPv2), answerer(t, auth.MSCHAPv2)
				cipher := fakeCCP()
				cipher.dispute = c.dispute
				a.Admit = guarded(c.policy, []Cipher{cipher}, fakeIP(t))
				b.Admit = guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))
				x, y := joined(t, a, b)
				leaveAfter(y.out, func(f []byte) bool { return bytes.HasPrefix(f, []byte{0x80, 0xfd}) })
				x.out.intercept(func(f []byte) [][]byte { // nothing is agreed on before it leaves
					if bytes.HasPrefix(f, []byte{0x80, 0xfd}) {
						return nil
					}
					return [][]byte{f}
				})
				if end := x.over(t, c.kind); end.Reason != c.reason {
					t.Errorf("%q, want %q", end.Reason, c.reason)
				}
			})
		})
	}
	t.Run("its carrier went down", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			a, b := dialler(t, auth.MSCHAPv2), answerer(t, auth.MSCHAPv2)
			cipher := fakeCCP()
			cipher.dispute = "the peer offered little"
			a.Admit = guarded(Required, []Cipher{cipher}, fakeIP(t))
			b.Admit = guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))
			x, y := joined(t, a, b)
			y.out.intercept(func(f []byte) [][]byte {
				if bytes.HasPrefix(f, []byte{0x80, 0xfd}) {
					x.HangUp("call ended")
					return nil
				}
				return [][]byte{f}
			})
			if end := x.over(t, EncryptionFailed); end.Reason != "call ended"+about {
				t.Errorf("%q", end.Reason)
			}
		})
	})
}
