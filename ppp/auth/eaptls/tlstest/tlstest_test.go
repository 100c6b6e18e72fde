package tlstest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func TestJudgement(t *testing.T) {
	ca := NewCA("CA")
	for _, c := range []struct {
		name string
		cert *tls.Certificate
		good bool
	}{
		{"usual", ca.Issue("site"), true},
		{"under an intermediate CA", ca.Intermediate("between").Issue("site"), true},
		{"bigger", ca.Issue("site", Bigger(1000)), true},
		{"for a time that is now", ca.Issue("site", Valid(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))), true},
		{"expired", ca.Issue("site", Expired), false},
		{"not yet valid", ca.Issue("site", NotYetValid), false},
		{"wrong usage", ca.Issue("site", Usage(x509.ExtKeyUsageServerAuth)), false},
		{"under an expired intermediate CA", ca.Intermediate("between", Expired).Issue("site"), false},
		{"other CA of that name", NewCA("CA").Issue("site"), false},
		{"self-signed", SelfSigned("site"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var chain []*x509.Certificate
			for _, der := range c.cert.Certificate {
				parsed, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				chain = append(chain, parsed)
			}
			if err := ca.Verify(x509.ExtKeyUsageClientAuth)(chain); (err == nil) != c.good {
				t.Errorf("%v, want good: %v", err, c.good)
			}
		})
	}
	if ca.Verify(x509.ExtKeyUsageClientAuth)(nil) == nil {
		t.Error("no certificate is good")
	}
}

func TestFiles(t *testing.T) {
	ca := NewCA("CA")
	made := ca.Intermediate("between").Issue("site")
	got, err := tls.X509KeyPair(PEM(made))
	if err != nil || len(got.Certificate) != 2 || !got.Leaf.Equal(made.Leaf) {
		t.Errorf("%d certificates, %v", len(got.Certificate), err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca.PEM()) {
		t.Error("the CA's file holds no certificate")
	}
}

func TestRevocationList(t *testing.T) {
	ca := NewCA("CA")
	gone := ca.Issue("gone").Leaf
	list, err := x509.ParseRevocationList(ca.Revoke(gone))
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca.Certificate); err != nil {
		t.Error(err)
	}
	if len(list.RevokedCertificateEntries) != 1 || !bytes.Equal(list.RevokedCertificateEntries[0].SerialNumber.Bytes(), gone.SerialNumber.Bytes()) {
		t.Errorf("%+v", list.RevokedCertificateEntries)
	}
}
