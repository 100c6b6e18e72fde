package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatIsMade(t *testing.T) {
	ca := must[*Own](t)(NewCA("office", noon, CALife))
	site := must[*Own](t)(ca.Issue("branch.west", noon, SiteLife))
	self := must[*Own](t)(SelfSigned("west_1", noon, SiteLife))

	c := ca.Leaf()
	if !c.IsCA || !c.BasicConstraintsValid || c.MaxPathLen != 0 || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.ExtKeyUsage) > 0 {
		t.Errorf("the CA: %+v", c)
	}
	for _, s := range []*x509.Certificate{site.Leaf(), self.Leaf()} {
		if s.IsCA || !s.BasicConstraintsValid || s.KeyUsage != x509.KeyUsageDigitalSignature ||
			!slices.Equal(s.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}) {
			t.Errorf("the site: %+v", s)
		}
	}
	if !slices.Equal(site.Leaf().DNSNames, []string{"branch.west"}) || site.Leaf().Subject.CommonName != "branch.west" {
		t.Errorf("the names of the site are %q", Names(site.Leaf()))
	}
	if len(self.Leaf().DNSNames) > 0 || self.Leaf().Subject.CommonName != "west_1" {
		t.Errorf("what is no DNS name became one: %q", self.Leaf().DNSNames)
	}
	for _, o := range []*Own{ca, site, self} {
		key, ok := o.Leaf().PublicKey.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || o.Leaf().SignatureAlgorithm != x509.ECDSAWithSHA256 || !o.fits() {
			t.Errorf("%v: %v", o, o.Leaf().SignatureAlgorithm)
		}
		if n := o.Leaf().SerialNumber; n.Sign() <= 0 || n.BitLen() < 64 || n.BitLen() > 159 {
			t.Errorf("%v: serial number %v", o, n)
		}
	}
	if ca.Leaf().NotAfter != noon.Add(3650*day) || site.Leaf().NotAfter != noon.Add(730*day) || !site.Leaf().NotBefore.Before(noon) {
		t.Errorf("the CA ends on %v, the site on %v", ca.Leaf().NotAfter, site.Leaf().NotAfter)
	}
	block, _ := pem.Decode(self.Key())
	if block.Type != "PRIVATE KEY" {
		t.Errorf("the key is %q", block.Type)
	}
}

func TestSiteEndsWithItsCA(t *testing.T) {
	ca := must[*Own](t)(NewCA("office", noon, 10*day))
	if end := must[*Own](t)(ca.Issue("branch", noon, SiteLife)).Leaf().NotAfter; end != ca.Leaf().NotAfter {
		t.Errorf("the site ends on %v, the CA on %v", end, ca.Leaf().NotAfter)
	}
}

func TestWhoMayNotSign(t *testing.T) {
	ca, self := must[*Own](t)(NewCA("office", noon, 10*day)), must[*Own](t)(SelfSigned("hq", noon, year))
	noLists := mint{name: "no lists", mod: func(c *x509.Certificate) { intermediate(c); c.KeyUsage = x509.KeyUsageCertSign }}.make(t)
	for name, c := range map[string]struct {
		ca   *Own
		name string
		at   time.Time
		want string
	}{
		"a site":             {self, "branch", noon, `"hq" is not a CA that may sign this`},
		"an expired CA":      {ca, "branch", noon.Add(11 * day), `the CA "office" expired on 2026-06-11`},
		"a CA to come":       {ca, "branch", noon.Add(-day), `the CA "office" is not valid before`},
		"a name of its own":  {ca, "office", noon, `"office" is the name of the CA itself`},
		"a name not allowed": {ca, "west/branch", noon, `"west/branch" is not a name`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.ca.Issue(c.name, c.at, day); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := noLists.Revoke(nil, nil, noon, day); err == nil || !strings.Contains(err.Error(), "not a CA that may sign this") {
		t.Errorf("a CA without cRLSign made a list: %v", err)
	}
}

func TestNamesThatMayBe(t *testing.T) {
	for name, good := range map[string]bool{
		"hq": true, "HQ-1.west_2": true, "9": true, strings.Repeat("a", 64): true,
		"": false, ".": false, "..": false, "-hq": false, "_hq": false, "a/b": false, "a b": false, "a\nb": false, "ä": false, "a\x00": false, strings.Repeat("a", 65): false,
		"$(reboot)": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, dns := range map[string]bool{
		"hq": true, "hq.example.net": true, "HQ": true, "a-b": true, "9": true, strings.Repeat("a", 63): true,
		"a_b": false, "a.": false, "a..b": false, "a-": false, "a.-b": false, strings.Repeat("a", 64): false, "ä": false, "": false,
	} {
		if isDNSName(name) != dns {
			t.Errorf("%q is a DNS name: %v, want %v", name, !dns, dns)
		}
	}
}

func TestRevoke(t *testing.T) {
	ca, other := testCA(t, "office"), testCA(t, "elsewhere")
	a, b := must[*Own](t)(ca.Issue("a", noon, year)), must[*Own](t)(ca.Issue("b", noon, year))
	parse := func(text []byte) *x509.RevocationList {
		return must[[]*x509.RevocationList](t)(ParseLists(text))[0]
	}
	first := parse(list(t, ca, noon, a))
	second := parse(must[[]byte](t)(ca.Revoke(first, []*x509.Certificate{a.Leaf(), b.Leaf()}, noon.Add(day), 10*day)))
	if first.Number.Cmp(big.NewInt(1)) != 0 || second.Number.Cmp(big.NewInt(2)) != 0 {
		t.Errorf("the numbers are %v and %v", first.Number, second.Number)
	}
	if n := len(second.RevokedCertificateEntries); n != 2 {
		t.Fatalf("%d entries, want 2", n)
	}
	if e := entry(second, a.Leaf().SerialNumber); e == nil || !e.RevocationTime.Equal(noon) {
		t.Errorf("the entry of a is %+v, want that of the first list", e)
	}
	if e := entry(second, b.Leaf().SerialNumber); e == nil || !e.RevocationTime.Equal(noon.Add(day)) {
		t.Errorf("the entry of b is %+v", e)
	}
	if !second.NextUpdate.Equal(noon.Add(11*day)) || second.CheckSignatureFrom(ca.Leaf()) != nil {
		t.Errorf("next update %v, signature %v", second.NextUpdate, second.CheckSignatureFrom(ca.Leaf()))
	}
	reasons := parse(oddList(t, ca, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: noon, ReasonCode: 4}}
	}))
	kept := parse(must[[]byte](t)(ca.Revoke(reasons, nil, noon, day)))
	if e := entry(kept, big.NewInt(7)); e == nil || e.ReasonCode != 4 || kept.Number.Cmp(big.NewInt(10)) != 0 {
		t.Errorf("number %v, entry %+v", kept.Number, e)
	}

	for name, c := range map[string]struct {
		old  *x509.RevocationList
		cert *x509.Certificate
		want string
	}{
		"of another CA":       {nil, must[*Own](t)(other.Issue("a", noon, year)).Leaf(), `was not signed by the CA "office"`},
		"signed by itself":    {nil, must[*Own](t)(SelfSigned("a", noon, year)).Leaf(), "where it is pinned"},
		"the CA itself":       {nil, ca.Leaf(), "is the CA itself"},
		"list of another CA":  {parse(list(t, other, noon)), a.Leaf(), "move the file away"},
		"list of a namesake":  {parse(list(t, testCA(t, "office"), noon)), a.Leaf(), "is not signed by it"},
		"list without number": {parse(withoutNextUpdate(t, ca)), a.Leaf(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.Revoke(c.old, []*x509.Certificate{c.cert}, noon, day)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
