package ppp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/auth/eaptls/tlstest"
)

// certified gives two sites certificates of one CA.
func certified(a, b *Config) {
	ca := tlstest.NewCA("CA")
	end := func(name string, peerUsage x509.ExtKeyUsage) *auth.TLSConfig {
		own := ca.Issue(name)
		return &auth.TLSConfig{
			Certificate: func() (*tls.Certificate, error) { return own, nil },
			Verify: func(_ string, chain []*x509.Certificate) (string, error) {
				return chain[0].Subject.CommonName, ca.Verify(peerUsage)(chain)
			},
		}
	}
	a.Prove, a.Peer.Name, a.Peer.TLS = []auth.Method{auth.EAPTLS}, "branch", end("branch", x509.ExtKeyUsageServerAuth)
	b.Ask, b.Authenticator.TLS = []auth.Method{auth.EAPTLS, auth.MSCHAPv2}, end("hq", x509.ExtKeyUsageClientAuth)
}

// TestEAPTLSLink: both ends know each other's name by its certificate, and hold the
// same keys, whatever is lost of the exchange.
func TestEAPTLSLink(t *testing.T) {
	for name, loses := range map[string]func(n int, f []byte) bool{
		"a good line":      func(int, []byte) bool { return false },
		"each fifth lost":  func(n int, _ []byte) bool { return n%5 == 4 },
		"the Success lost": func(_ int, f []byte) bool { return bytes.HasPrefix(f, []byte{0xc2, 0x27, 3}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t), answerer(t)
				certified(&a, &b)
				var got [2]Admission
				var emsk, msk [2][64]byte
				for i, c := range []*Config{&a, &b} {
					c.Admit = func(adm Admission) (Network, error) {
						got[i] = adm
						if k, ok := adm.Keys.(*auth.TLSKeys); ok {
							emsk[i], msk[i] = k.EMSK(), k.MSK()
						}
						return Network{NCPs: []NCP{fakeIP(t)}}, nil
					}
				}
				x, y := joined(t, a, b)
				for _, e := range []*end{x, y} {
					n := 0
					e.out.intercept(func(f []byte) [][]byte {
						if n++; loses(n, f) {
							return nil
						}
						return [][]byte{f}
					})
				}
				x.up(t, "IPCP")
				y.up(t, "IPCP")
				for i, want := range []string{"hq", "branch"} {
					if id := (Identity{Name: want, Method: auth.EAPTLS, Proved: true}); got[i].Identity != id {
						t.Errorf("peer is %+v, want %+v", got[i].Identity, id)
					}
				}
				k, ok := got[0].Keys.(*auth.TLSKeys)
				l, ok2 := got[1].Keys.(*auth.TLSKeys)
				if !ok || !ok2 || emsk[0] != emsk[1] || msk[0] != msk[1] || emsk[0] == msk[0] || k.Authenticator() || !l.Authenticator() {
					t.Errorf("keys %T and %T differ, or their roles do not", got[0].Keys, got[1].Keys)
				}
				if zero := [64]byte{}; k.EMSK() != zero || l.EMSK() != zero || k.MSK() != zero || l.MSK() != zero {
					t.Error("keys are kept beyond the admission")
				}
				if !bytes.Equal(got[0].OurLCP, got[1].PeerLCP) || !bytes.Equal(got[0].PeerLCP, got[1].OurLCP) || len(got[0].OurLCP) == 0 {
					t.Errorf("the ends see other LCP options: % x, % x; % x, % x", got[0].OurLCP, got[1].PeerLCP, got[0].PeerLCP, got[1].OurLCP)
				}
			})
		})
	}
}

// TestEAPMeetsCHAP: a peer without certificates gets what else is allowed.
func TestEAPMeetsCHAP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := dialler(t, auth.MSCHAPv2), answerer(t)
		var unused Config
		certified(&unused, &b)
		var got Admission
		b.Admit = func(adm Admission) (Network, error) { got = adm; return Network{NCPs: []NCP{fakeIP(t)}}, nil }
		a.Admit = running(fakeIP(t))
		x, y := joined(t, a, b)
		x.up(t, "IPCP")
		y.up(t, "IPCP")
		if _, ok := got.Keys.(*auth.MasterKeys); !ok || got.Method != auth.MSCHAPv2 {
			t.Errorf("%v with keys %T", got.Method, got.Keys)
		}
	})
}

// TestEAPTLSRefusedInWords: the end that refuses says why, and the other what it
// heard of it.
func TestEAPTLSRefusedInWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := dialler(t), answerer(t)
		certified(&a, &b)
		b.Authenticator.TLS.Verify = func(string, []*x509.Certificate) (string, error) {
			return "", errors.New("the certificate was revoked on a Tuesday")
		}
		x, y := joined(t, a, b)
		if end := y.over(t, PeerNotProved); !strings.Contains(end.Reason, "revoked on a Tuesday") {
			t.Errorf("authenticator: %q", end.Reason)
		}
		if end := x.over(t, AuthFailed); strings.Contains(end.Reason, "Tuesday") || !strings.Contains(end.Reason, "certificate") {
			t.Errorf("peer: %q", end.Reason)
		}
	})
}
