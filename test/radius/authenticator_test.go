package radius

import (
	"bytes"
	"crypto/x509"
	"reflect"
	"strings"
	"testing"

	"sitebridge/bridge/identity"
	secrets "sitebridge/internal/secret"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/mppe"
)

// authenticator is one of ours that shows own and expects west.
func authenticator(t *testing.T, m auth.Method, own *identity.Own, version uint16) auth.Exchange {
	a := auth.NewAuthenticator(m, auth.AuthenticatorConfig{
		Name:   "hq",
		TLS:    tlsConfig(own, "west", x509.ExtKeyUsageClientAuth, version),
		EAP:    []auth.Method{auth.EAPTLS, auth.EAPMSCHAPv2},
		Lookup: func(name string) (secrets.Secret, bool) { return password, name == "west" },
	})
	t.Cleanup(a.Close)
	return a
}

// wantVersion checks which version of TLS eapol_test used.
func wantVersion(t *testing.T, text, number string) {
	t.Helper()
	if last := text[strings.LastIndex(text, "SSL: Using TLS version"):]; !strings.HasPrefix(last, "SSL: Using TLS version TLSv"+number+"\n") {
		t.Errorf("eapol_test used TLS %.40q, want %s", last, number)
	}
}

// Our authenticator leaves the keys that eapol_test has. It compares the first
// half of the MSK by itself.
func TestAuthenticatorKeys(t *testing.T) {
	for _, c := range []struct {
		name     string
		hq, west *identity.Own
		fragment string // of eapol_test; ours are of 1000 octets
	}{
		{"short chains", pki().hq, pki().west, "1398"},
		{"chains in fragments", pki().chainedHQ, pki().chainedW, "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16, number string) {
				w := newWorld(t)
				s := w.server(authenticator(t, auth.EAPTLS, c.hq, version))
				eapol := w.supplicant(w.eapTLS(c.west, pki().trusted, number, c.fragment))
				out := s.serve()
				text := eapol.ends(keysOK)
				wantVersion(t, text, number)
				if out.Verdict != auth.Success || out.Name != "west" || out.Method != auth.EAPTLS {
					t.Fatalf("%v of %q by %v: %s", out.Verdict, out.Name, out.Method, out.Reason)
				}
				k := out.Keys.(*auth.TLSKeys)
				msk, emsk := k.MSK(), k.EMSK()
				if !bytes.Equal(msk[:], dump(t, text, "EAP-TLS: Derived key")) || !bytes.Equal(emsk[:], dump(t, text, "EAP-TLS: Derived EMSK")) {
					t.Error("our MSK or EMSK is not that of eapol_test")
				}
				if k.Version() != version || k.PeerCertificate() != identity.Of(c.west.Leaf()) || k.AuthenticatorCertificate() != identity.Of(c.hq.Leaf()) {
					t.Errorf("our keys are of %x and of other certificates", k.Version())
				}
			})
		})
	}
}

// The judge does not say yes to everything.
func TestWrongKeysAreNoticed(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16, number string) {
		w := newWorld(t)
		s := w.server(authenticator(t, auth.EAPTLS, pki().hq, version))
		s.spoil = true
		eapol := w.supplicant(w.eapTLS(pki().west, pki().trusted, number, "1398"))
		if out := s.serve(); out.Verdict != auth.Success {
			t.Errorf("%v: %s", out.Verdict, out.Reason)
		}
		if text := eapol.ends(keysDiffer); !strings.Contains(text, "CTRL-EVENT-EAP-SUCCESS") {
			t.Error("eapol_test refused for another reason")
		}
	})
}

// Both refuse certificates that are not right.
func TestAuthenticatorRefusals(t *testing.T) {
	for _, c := range []struct {
		name     string
		hq, west *identity.Own
		cas      []byte // that eapol_test trusts
		want     string // our reason
	}{
		{"client of another CA", pki().hq, pki().foreignW, pki().trusted,
			`peer's certificate is refused: the peer's certificate is not signed by our CA "CA", but by another of that name`},
		{"client expired", pki().hq, pki().expiredW, pki().trusted, "peer's certificate is refused: the peer's certificate expired on "},
		{"server of another CA", pki().hq, pki().west, pki().distrusting, "peer refuses our certificate: "},
		{"server expired", pki().expiredHQ, pki().west, pki().trusted, "peer refuses our certificate: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16, number string) {
				w := newWorld(t)
				s := w.server(authenticator(t, auth.EAPTLS, c.hq, version))
				eapol := w.supplicant(w.eapTLS(c.west, c.cas, number, "1398"))
				out := s.serve()
				if out.Verdict != auth.Failure || out.Keys != nil || !strings.HasPrefix(out.Reason, c.want) {
					t.Errorf("%v: %s, want %s", out.Verdict, out.Reason, c.want)
				}
				if text := eapol.ends(keysDiffer); !strings.Contains(text, "CTRL-EVENT-EAP-FAILURE") {
					t.Error("eapol_test does not know that it was refused")
				}
			})
		})
	}
}

// eapol_test refuses EAP-TLS, which comes first, and does EAP-MSCHAPv2. Our start
// keys cannot be seen, so that none go to its NAS (-n), and its own are compared
// here: those by which it sends, and receives.
func TestAuthenticatorEAPMSCHAPv2(t *testing.T) {
	w := newWorld(t)
	s := w.server(authenticator(t, auth.EAP, pki().hq, 0))
	eapol := w.supplicant(eapMSCHAPv2(password), "-n")
	out := s.serve()
	theirs := dump(t, eapol.ends("SUCCESS\n"), "EAP-MSCHAPV2: Derived key")
	if out.Verdict != auth.Success || out.Name != "west" || out.Method != auth.EAPMSCHAPv2 {
		t.Fatalf("%v of %q by %v: %s", out.Verdict, out.Name, out.Method, out.Reason)
	}
	wantStartKeys(t, out.Keys, theirs[:16], theirs[16:32])
}

// wantStartKeys compares the keys for MPPE from MS-CHAPv2 with what the NAS is to
// receive and send by.
func wantStartKeys(t *testing.T, ours auth.Keys, receive, send []byte) {
	t.Helper()
	var msk [64]byte
	copy(msk[:], receive)
	copy(msk[32:], send)
	k := ours.(*auth.MasterKeys)
	if !reflect.DeepEqual(mppe.FromMSCHAP(k.PasswordHashHash(), k.NTResponse(), k.Authenticator()), mppe.FromMSK(msk, k.Authenticator())) {
		t.Error("our start keys are not those of the other end")
	}
}

func TestAuthenticatorEAPMSCHAPv2Wrong(t *testing.T) {
	w := newWorld(t)
	s := w.server(authenticator(t, auth.EAPMSCHAPv2, pki().hq, 0))
	eapol := w.supplicant(eapMSCHAPv2("left horse"))
	if out := s.serve(); out.Verdict != auth.Failure || out.Reason != `wrong secret for name "west"` {
		t.Errorf("%v: %s", out.Verdict, out.Reason)
	}
	eapol.ends("FAILURE\n")
}
