package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	client = x509.ExtKeyUsageClientAuth
	server = x509.ExtKeyUsageServerAuth
)

// A verdict is what Check is to say.
type verdict struct {
	trust   Trust
	chain   []*x509.Certificate
	usage   x509.ExtKeyUsage
	at      time.Time // zero: noon
	want    string    // part of the error; empty: there is none
	foreign bool      // the certificate is not the site's at all
}

func (v verdict) check(t *testing.T) {
	t.Helper()
	if v.at.IsZero() {
		v.at = noon
	}
	if v.usage == 0 {
		v.usage = client
	}
	err := v.trust.Check(v.chain, v.usage, v.at)
	switch {
	case v.want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case v.want == "":
	case err == nil:
		t.Errorf("taken, want %q", v.want)
	case !strings.Contains(err.Error(), v.want):
		t.Errorf("refused with %q, want %q", err, v.want)
	case errors.As(err, new(*UntrustedError)) != v.foreign:
		t.Errorf("%q: an UntrustedError: %v, want %v", err, !v.foreign, v.foreign)
	}
}

func checkAll(t *testing.T, cases map[string]verdict) {
	for name, v := range cases {
		t.Run(name, v.check)
	}
}

// by trusts the CA to say who branch is.
func by(cas ...*Own) Trust {
	t := Trust{Name: "branch"}
	for _, ca := range cas {
		t.CAs = append(t.CAs, ca.Leaf())
	}
	return t
}

func withList(t Trust, path string) Trust { t.CRL = path; return t }

func TestChains(t *testing.T) {
	ca, other, namesake := testCA(t, "office"), testCA(t, "elsewhere"), testCA(t, "office")
	branch := must[*Own](t)(ca.Issue("branch", noon, SiteLife))
	root := wideCA(t, "root")
	middle := mint{ca: root, name: "middle", mod: intermediate}.make(t)
	below := mint{ca: middle, name: "branch"}.make(t)
	noCA := mint{ca: root, name: "no ca"}.make(t)
	belowNoCA := mint{ca: noCA, name: "branch"}.make(t)
	narrow := mint{ca: root, name: "narrow", mod: func(c *x509.Certificate) {
		intermediate(c)
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"west"}, true
	}}.make(t)
	cnOnly := func(c *x509.Certificate) { c.DNSNames = nil }
	sanOnly := func(c *x509.Certificate) { c.Subject.CommonName = "" }

	checkAll(t, map[string]verdict{
		"signed, as client":         {trust: by(ca), chain: branch.chain, usage: client},
		"signed, as server":         {trust: by(ca), chain: branch.chain, usage: server},
		"one of two CAs":            {trust: by(other, ca), chain: branch.chain},
		"both CAs of one name":      {trust: by(namesake, ca), chain: branch.chain},
		"no certificate":            {trust: by(ca), want: "showed no certificate", foreign: true},
		"nobody is trusted":         {trust: Trust{Name: "branch"}, chain: branch.chain, want: "trusts nobody", foreign: true},
		"other CA":                  {trust: by(other), chain: branch.chain, want: `signed by "CN=office", and not by a CA of the site: "elsewhere"`, foreign: true},
		"other CA of the same name": {trust: by(namesake), chain: branch.chain, want: `not signed by our CA "office", but by another of that name`, foreign: true},
		"signed by itself":          {trust: by(ca), chain: mint{name: "branch"}.make(t).chain, want: "signed by itself", foreign: true},
		"brings its own CA":         {trust: by(ca), chain: append(mint{ca: other, name: "branch"}.make(t).chain, other.Leaf()), want: "not by a CA of the site", foreign: true},

		"other name":         {trust: by(ca), chain: mint{ca: ca, name: "hq"}.make(t).chain, want: `is for "hq" and not for "branch"`, foreign: true},
		"name in other case": {trust: by(ca), chain: mint{ca: ca, name: "Branch"}.make(t).chain, want: `is for "Branch" and`, foreign: true},
		"common name only":   {trust: by(ca), chain: mint{ca: ca, name: "branch", mod: cnOnly}.make(t).chain},
		"DNS name only":      {trust: by(ca), chain: mint{ca: ca, name: "branch", mod: sanOnly}.make(t).chain},
		"no name": {trust: by(ca), chain: mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { cnOnly(c); sanOnly(c) }}.make(t).chain,
			want: "is for no name and", foreign: true},
		"no name wanted": {trust: Trust{CAs: by(ca).CAs}, chain: mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { cnOnly(c); sanOnly(c) }}.make(t).chain,
			want: "is for no name and", foreign: true},
		"second DNS name": {trust: by(ca), chain: mint{ca: ca, name: "router", mod: func(c *x509.Certificate) { c.DNSNames = []string{"r1", "branch"} }}.make(t).chain},
		"wildcard": {trust: by(ca), chain: mint{ca: ca, name: "*", mod: func(c *x509.Certificate) { c.DNSNames = []string{"*"} }}.make(t).chain,
			want: `is for "*" and`, foreign: true},
		"many names, one with an escape": {trust: by(ca), chain: mint{ca: ca, name: "\x1b[31m", mod: func(c *x509.Certificate) { c.DNSNames = []string{"a", "b", "c", "d"} }}.make(t).chain,
			want: `is for "a", "b", "c", 2 more and`, foreign: true},
		"name with an escape": {trust: by(ca), chain: mint{ca: ca, name: "\x1b[31m", mod: cnOnly}.make(t).chain, want: `is for "\x1b[31m" and`, foreign: true},

		"below an intermediate CA":       {trust: by(root), chain: below.chain},
		"intermediate CA not shown":      {trust: by(root), chain: below.chain[:1], want: `signed by "CN=middle"`, foreign: true},
		"intermediate CA is the trusted": {trust: by(middle), chain: below.chain},
		"below what is no CA":            {trust: by(root), chain: append(belowNoCA.chain, noCA.Leaf()), want: "not by a CA of the site", foreign: true},
		"our CA allows none below it":    {trust: by(ca), chain: mint{ca: mint{ca: ca, name: "sub", mod: intermediate}.make(t), name: "branch"}.make(t).chain, want: "not in order", foreign: true},
		"within the names of its CA":     {trust: Trust{CAs: by(root).CAs, Name: "branch.west"}, chain: mint{ca: narrow, name: "branch.west"}.make(t).chain},
		"beyond the names of its CA":     {trust: by(root), chain: mint{ca: narrow, name: "branch"}.make(t).chain, want: "not in order", foreign: true},
		"a common name evades the names of its CA": {trust: by(root), chain: mint{ca: narrow, name: "branch", mod: cnOnly}.make(t).chain,
			want: "sign for some DNS names only", foreign: true},

		"no extended usage: any": {trust: by(ca), chain: mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { c.ExtKeyUsage = nil }}.make(t).chain},
		"any extended usage":     {trust: by(ca), chain: mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }}.make(t).chain},
		"itself among the CAs":   {trust: by(branch), chain: branch.chain},
	})
}

// What a stranger shows is looked at with little work, whatever it is: a thousand
// sites share the processor.
func TestTooMuchToLookAt(t *testing.T) {
	ca := testCA(t, "office")
	branch := must[*Own](t)(ca.Issue("branch", noon, SiteLife))
	long := slices.Repeat(branch.chain, maxChain)
	names := func(n int) []*x509.Certificate {
		return mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { c.DNSNames = slices.Repeat([]string{"branch"}, n) }}.make(t).chain
	}
	checkAll(t, map[string]verdict{
		"many certificates":     {trust: by(ca), chain: long},
		"too many certificates": {trust: by(ca), chain: append(long, ca.Leaf()), want: "showed 9 certificates, and 8 are enough", foreign: true},
		"many names":            {trust: by(ca), chain: names(maxNames)},
		"too many names":        {trust: by(ca), chain: names(maxNames + 1), want: "has 33 names, and 32 are enough", foreign: true},
	})
}

// A10: a certificate proves the names that it bears and no other, whatever its
// holder says of itself.
func TestAttackA10CertificateOfAnotherSite(t *testing.T) {
	ca := testCA(t, "office")
	a, b := must[*Own](t)(ca.Issue("a", noon, SiteLife)), must[*Own](t)(ca.Issue("b", noon, SiteLife))
	signed := Trust{CAs: by(ca).CAs, Name: "a"}
	pinned := Trust{Pinned: true, Fingerprint: Of(a.Leaf()), Name: "a"}
	both := Trust{CAs: by(ca).CAs, Pinned: true, Fingerprint: Of(a.Leaf()), Name: "a"}
	checkAll(t, map[string]verdict{
		"a by its CA":                       {trust: signed, chain: a.chain},
		"a by its fingerprint":              {trust: pinned, chain: a.chain},
		"a by both":                         {trust: both, chain: a.chain},
		"b for a, by the CA":                {trust: signed, chain: b.chain, want: `is for "b" and not for "a"`, foreign: true},
		"b for a, by the fingerprint":       {trust: pinned, chain: b.chain, want: "has the fingerprint " + Of(b.Leaf()).String(), foreign: true},
		"another of a's name, by the CA":    {trust: both, chain: must[*Own](t)(ca.Issue("a", noon, SiteLife)).chain, want: "has the fingerprint", foreign: true},
		"b shows a's certificate behind":    {trust: signed, chain: []*x509.Certificate{b.Leaf(), a.Leaf()}, want: `is for "b"`, foreign: true},
		"b has a made-up a behind its own":  {trust: pinned, chain: []*x509.Certificate{b.Leaf(), a.Leaf()}, want: "fingerprint", foreign: true},
		"b signs a certificate of a itself": {trust: signed, chain: append(mint{ca: b, name: "a"}.make(t).chain, b.Leaf()), want: "not by a CA of the site", foreign: true},
	})
}

func TestAttackA13Dates(t *testing.T) {
	ca := testCA(t, "office") // 2025-06-01 to 2035-05-30
	branch := must[*Own](t)(ca.Issue("branch", noon, 10*day))
	self := must[*Own](t)(SelfSigned("branch", noon, 10*day))
	pinned := Trust{Pinned: true, Fingerprint: Of(self.Leaf()), Name: "branch"}
	long := mint{ca: ca, name: "branch", mod: func(c *x509.Certificate) { c.NotAfter = noon.Add(20 * year) }}.make(t)
	root := wideCA(t, "root")
	brief := mint{ca: root, name: "middle", mod: func(c *x509.Certificate) { intermediate(c); c.NotAfter = noon.Add(day) }}.make(t)
	underBrief := mint{ca: brief, name: "branch"}.make(t)
	stranger := mint{ca: testCA(t, "elsewhere"), name: "branch", mod: func(c *x509.Certificate) { c.NotAfter = noon.Add(day) }}.make(t)
	checkAll(t, map[string]verdict{
		"last moment":             {trust: by(ca), chain: branch.chain, at: noon.Add(10 * day)},
		"expired":                 {trust: by(ca), chain: branch.chain, at: noon.Add(10*day + time.Second), want: "expired on 2026-06-11"},
		"clock an hour behind":    {trust: by(ca), chain: branch.chain, at: noon.Add(-time.Hour)},
		"not yet":                 {trust: by(ca), chain: branch.chain, at: noon.Add(-2 * time.Hour), want: "not valid before 2026-06-01"},
		"pinned":                  {trust: pinned, chain: self.chain, at: noon.Add(10 * day)},
		"pinned, expired":         {trust: pinned, chain: self.chain, at: noon.Add(11 * day), want: "expired on 2026-06-11"},
		"pinned, not yet":         {trust: pinned, chain: self.chain, at: noon.Add(-day), want: "not valid before"},
		"CA expired":              {trust: by(ca), chain: long.chain, at: noon.Add(10 * year), want: `the certificate of "office", which vouches for the peer's, expired on`},
		"intermediate CA expired": {trust: by(root), chain: underBrief.chain, at: noon.Add(2 * day), want: `the certificate of "middle", which vouches for the peer's, expired on`, foreign: true},
		"expired and not ours":    {trust: by(ca), chain: stranger.chain, at: noon.Add(2 * day), want: "not by a CA of the site", foreign: true},
		"both expired":            {trust: by(root), chain: underBrief.chain, at: noon.Add(3 * year), want: "expired", foreign: true},
	})
}

func TestAttackA13WrongUsage(t *testing.T) {
	ca, root := testCA(t, "office"), wideCA(t, "root")
	onlyServer := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{server} }
	serverCert := mint{ca: ca, name: "branch", mod: onlyServer}.make(t)
	pinned := mint{name: "branch", mod: onlyServer}.make(t)
	pin := Trust{Pinned: true, Fingerprint: Of(pinned.Leaf()), Name: "branch"}
	unknown := func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 9}, Critical: true, Value: []byte{5, 0}}}
	}
	odd := mint{name: "branch", mod: unknown}.make(t)
	serverCA := mint{ca: root, name: "servers", mod: func(c *x509.Certificate) { intermediate(c); onlyServer(c) }}.make(t)
	under := mint{ca: serverCA, name: "branch"}.make(t)
	of := func(mod func(*x509.Certificate)) []*x509.Certificate {
		return mint{ca: ca, name: "branch", mod: mod}.make(t).chain
	}
	checkAll(t, map[string]verdict{
		"server as server":        {trust: by(ca), chain: serverCert.chain, usage: server},
		"server as client":        {trust: by(ca), chain: serverCert.chain, want: "lacks clientAuth"},
		"pinned server as server": {trust: pin, chain: pinned.chain, usage: server},
		"pinned server as client": {trust: pin, chain: pinned.chain, want: "lacks clientAuth"},
		"client as server":        {trust: by(ca), chain: of(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{client} }), usage: server, want: "lacks serverAuth"},
		"a usage that nobody knows": {trust: by(ca), chain: of(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 9}}
		}), want: "lacks clientAuth"},
		"below a CA for servers":           {trust: by(root), chain: under.chain, usage: server},
		"below one for servers, as client": {trust: by(root), chain: under.chain, want: "a CA on the way to it may not sign for it"},
		"key that may not sign":            {trust: by(ca), chain: of(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), want: "lacks digitalSignature"},
		"no key usage: any":                {trust: by(ca), chain: of(func(c *x509.Certificate) { c.KeyUsage = 0 })},
		"unknown critical extension":       {trust: by(ca), chain: of(unknown), want: "critical", foreign: true},
		"pinned, with such an extension": {
			trust: Trust{Pinned: true, Fingerprint: Of(odd.Leaf()), Name: "branch"}, chain: odd.chain,
			want: "has a critical extension that is unknown here: 1.3.9",
		},
	})
}

func TestWeakKeys(t *testing.T) {
	small := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024))
	fair := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	ca := testCA(t, "office")
	weakCA := mint{name: "weak", mod: intermediate, key: small}.make(t)
	pinned := mint{name: "branch", key: small}.make(t)
	checkAll(t, map[string]verdict{
		"RSA 2048":         {trust: by(ca), chain: mint{ca: ca, name: "branch", key: fair}.make(t).chain},
		"RSA 1024":         {trust: by(ca), chain: mint{ca: ca, name: "branch", key: small}.make(t).chain, want: "has 1024 bits, and needs 2048"},
		"RSA 1024, pinned": {trust: Trust{Pinned: true, Fingerprint: Of(pinned.Leaf()), Name: "branch"}, chain: pinned.chain, want: "has 1024 bits"},
		"a CA's RSA 1024":  {trust: by(weakCA), chain: mint{ca: weakCA, name: "branch"}.make(t).chain, want: `of "weak", which vouches for the peer's, is too weak`},
	})
}

func TestPinned(t *testing.T) {
	self, ca := must[*Own](t)(SelfSigned("branch", noon, SiteLife)), testCA(t, "office")
	pin := Trust{Pinned: true, Fingerprint: Of(self.Leaf()), Name: "branch"}
	again := mint{name: "branch", key: self.key}.make(t)
	renamed := pin
	renamed.Name = "west"
	checkAll(t, map[string]verdict{
		"right":                        {trust: pin, chain: self.chain},
		"right, as server":             {trust: pin, chain: self.chain, usage: server},
		"right, with others behind it": {trust: pin, chain: append(self.chain, ca.Leaf())},
		"the same key in another":      {trust: pin, chain: again.chain, want: "has the fingerprint", foreign: true},
		"another name":                 {trust: renamed, chain: self.chain, want: `has the right fingerprint, but it is for "branch" and not for "west"`},
		"pinned and not signed":        {trust: Trust{CAs: by(ca).CAs, Pinned: true, Fingerprint: pin.Fingerprint, Name: "branch"}, chain: self.chain, want: "signed by itself", foreign: true},
		"zero fingerprint, not pinned": {trust: Trust{Name: "branch"}, chain: self.chain, want: "trusts nobody", foreign: true},
		"with a list and no CA":        {trust: withList(pin, "x.crl"), chain: self.chain, want: "no CA that it could be of"},
	})
}

// The list stands for what the CA took back; without a good one nobody can tell.
func TestAttackA13Revoked(t *testing.T) {
	ca, namesake := testCA(t, "office"), testCA(t, "office")
	branch, old := must[*Own](t)(ca.Issue("branch", noon, SiteLife)), must[*Own](t)(ca.Issue("branch", noon, SiteLife))
	root := wideCA(t, "root")
	middle := mint{ca: root, name: "middle", mod: intermediate}.make(t)
	under := mint{ca: middle, name: "branch"}.make(t)
	dir := t.TempDir()
	der := filepath.Join(dir, "der.crl")
	block := must[[][]byte](t)(blocks(list(t, ca, noon, old), typeList))
	if err := os.WriteFile(der, block[0], 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(texts ...[]byte) Trust { return withList(by(ca), listFile(t, texts...)) }
	inTwo := func(texts ...[]byte) Trust { return withList(by(root), listFile(t, texts...)) }
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}} // changes only
	checkAll(t, map[string]verdict{
		"good":             {trust: in(list(t, ca, noon, old)), chain: branch.chain},
		"good, empty list": {trust: in(list(t, ca, noon)), chain: branch.chain},
		"good, DER":        {trust: withList(by(ca), der), chain: branch.chain},
		"revoked":          {trust: in(list(t, ca, noon, old)), chain: old.chain, want: `the certificate of "branch" was revoked by "office" on 2026-06-01`},
		"revoked, DER":     {trust: withList(by(ca), der), chain: old.chain, want: "was revoked"},
		"list missing":     {trust: withList(by(ca), filepath.Join(dir, "none.crl")), chain: branch.chain, want: "cannot tell whether the peer's certificate is revoked: open " + dir},
		"list not a file":  {trust: withList(by(ca), dir), chain: branch.chain, want: "is not a file"},
		"list empty":       {trust: in(nil), chain: branch.chain, want: "not a revocation list"},
		"list damaged":     {trust: in(list(t, ca, noon)[:200]), chain: branch.chain, want: "damaged"},
		"not a list":       {trust: in(ca.Certificate()), chain: branch.chain, want: `"CERTIFICATE" stands there`},
		"list forged":      {trust: in(list(t, namesake, noon)), chain: branch.chain, want: `bears the name of "office" and is not signed by it`},
		"list of another":  {trust: in(list(t, root, noon)), chain: branch.chain, want: `no revocation list of "office"`},
		"last moment":      {trust: in(list(t, ca, noon.Add(-ListLife))), chain: branch.chain},
		"stale":            {trust: in(list(t, ca, noon.Add(-ListLife-time.Second))), chain: branch.chain, want: "out of date: the next was due on 2026-06-01"},
		"from tomorrow":    {trust: in(list(t, ca, noon.Add(day))), chain: branch.chain, want: "not valid before 2026-06-02"},
		"no next update":   {trust: in(withoutNextUpdate(t, ca)), chain: branch.chain, want: "does not say how long"},
		"changes only":     {trust: in(oddList(t, ca, func(l *x509.RevocationList) { l.ExtraExtensions = critical })), chain: branch.chain, want: "critical extension"},
		"critical entry": {trust: in(oddList(t, ca, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: old.Leaf().SerialNumber, RevocationTime: noon, ExtraExtensions: critical}}
		})), chain: branch.chain, want: "critical extension"},
		"newer list counts, after": {trust: in(list(t, ca, noon.Add(-day)), list(t, ca, noon, old)), chain: old.chain, want: "was revoked"},
		"newer list counts, first": {trust: in(list(t, ca, noon, old), list(t, ca, noon.Add(-day))), chain: old.chain, want: "was revoked"},
		"forged list beside it":    {trust: in(list(t, namesake, noon), list(t, ca, noon, old)), chain: old.chain, want: "was revoked"},

		"two levels":               {trust: inTwo(list(t, root, noon), list(t, middle, noon)), chain: under.chain},
		"intermediate revoked":     {trust: inTwo(list(t, root, noon, middle), list(t, middle, noon)), chain: under.chain, want: `the certificate of "middle" was revoked by "root"`},
		"leaf of it revoked":       {trust: inTwo(list(t, root, noon), list(t, middle, noon, under)), chain: under.chain, want: `of "branch" was revoked by "middle"`},
		"no list of the middle":    {trust: inTwo(list(t, root, noon)), chain: under.chain, want: `no revocation list of "middle"`},
		"no list of the root":      {trust: inTwo(list(t, middle, noon)), chain: under.chain, want: `no revocation list of "root"`},
		"revoked among the CAs":    {trust: withList(by(old), listFile(t, list(t, ca, noon, old))), chain: old.chain, want: "stands among the CAs itself"},
		"revoked, and no list":     {trust: by(ca), chain: old.chain},
		"a stranger's with a list": {trust: in(list(t, ca, noon)), chain: mint{ca: namesake, name: "branch"}.make(t).chain, want: "another of that name", foreign: true},
	})
}

// withoutNextUpdate cuts the time out of a list and signs it again: Go makes none
// without.
func withoutNextUpdate(t *testing.T, ca *Own) []byte {
	t.Helper()
	type tbs struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate time.Time
	}
	type signed struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}} // ecdsa-with-SHA256
	body := must[[]byte](t)(asn1.Marshal(tbs{1, algorithm, asn1.RawValue{FullBytes: ca.Leaf().RawSubject}, noon.Add(-day)}))
	sig := must[[]byte](t)(sign(ca, body))
	return encode(typeList, must[[]byte](t)(asn1.Marshal(signed{asn1.RawValue{FullBytes: body}, algorithm, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}})))
}

// The list is read anew for each check: who revokes need not restart the daemon.
func TestListIsReadAnew(t *testing.T) {
	ca := testCA(t, "office")
	branch := must[*Own](t)(ca.Issue("branch", noon, SiteLife))
	path := filepath.Join(t.TempDir(), "ca.crl")
	trust := withList(by(ca), path)
	verdict{trust: trust, chain: branch.chain, want: "no such file"}.check(t)
	must[*x509.RevocationList](t)(ca.UpdateList(path, nil, noon, ListLife))
	verdict{trust: trust, chain: branch.chain}.check(t)
	must[*x509.RevocationList](t)(ca.UpdateList(path, branch.chain, noon, ListLife))
	verdict{trust: trust, chain: branch.chain, want: "was revoked"}.check(t)
}
