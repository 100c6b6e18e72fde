package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Trust says who may be the peer of one site. A peer must be signed for by one
// of CAs, and have the Fingerprint if Pinned; without either nobody is trusted.
type Trust struct {
	CAs         []*x509.Certificate // who may sign for it; empty: the fingerprint alone decides
	Fingerprint Fingerprint
	Pinned      bool   // whether Fingerprint counts
	CRL         string // path of a file of revocation lists, in PEM or DER, of the CAs; read anew for each check. Empty: none
	Name        string // what the certificate must prove
	AnyName     bool   // Name does not count: whom the CAs have named is the peer
}

// An UntrustedError tells that a certificate is not that of the site at all. Other
// errors of Check are about a certificate that is the site's, and cannot be taken.
type UntrustedError struct{ Reason string }

func (e *UntrustedError) Error() string { return e.Reason }

func untrusted(format string, args ...any) error {
	return &UntrustedError{fmt.Sprintf(format, args...)}
}

// A stranger may show anything. With a certificate in the names of all our sites,
// and others that could each have signed the next, it would have us look for ways
// from one to the other, once for each site.
const (
	maxChain = 8
	maxNames = 32
)

// Check judges a chain, leaf first, of a peer that uses it as usage says:
// x509.ExtKeyUsageServerAuth or ...ClientAuth. That it is the site's is settled
// before anything else, so that the reason of a refusal is told for that site.
func (t *Trust) Check(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) error {
	switch {
	case len(chain) == 0:
		return untrusted("the peer showed no certificate")
	case len(chain) > maxChain:
		return untrusted("the peer showed %d certificates, and %d are enough", len(chain), maxChain)
	case len(chain[0].DNSNames) > maxNames:
		return untrusted("the peer's certificate has %d names, and %d are enough", len(chain[0].DNSNames), maxNames)
	}
	leaf := chain[0]
	if err := t.recognise(leaf); err != nil {
		return err
	}
	if len(t.CAs) > 0 {
		if err := t.signed(chain, now); err != nil {
			return err
		}
	}
	if err := fit(leaf, usage, now); err != nil {
		return err
	}
	return t.standing(chain, usage, now)
}

// recognise checks what costs least: a daemon with a thousand sites asks all of
// them about one caller.
func (t *Trust) recognise(leaf *x509.Certificate) error {
	names := Names(leaf)
	named := slices.Contains(names, t.Name) || t.AnyName && len(names) > 0
	switch {
	case len(t.CAs) == 0 && !t.Pinned:
		return untrusted("the site trusts nobody: it has neither a CA nor a fingerprint")
	case t.Pinned && Of(leaf) != t.Fingerprint:
		return untrusted("the peer's certificate has the fingerprint %v, and that of the site is %v", Of(leaf), t.Fingerprint)
	case t.Pinned && !named:
		return fmt.Errorf("the peer's certificate has the right fingerprint, but it is for %s and not for %q: peer_name says which name is wanted", quoted(names), t.Name)
	case !named && t.AnyName:
		return untrusted("the peer's certificate has no name")
	case !named:
		return untrusted("the peer's certificate is for %s and not for %q", quoted(names), t.Name)
	}
	return nil
}

// quoted lists the names of a certificate for a message.
func quoted(names []string) string {
	const most = 3
	var words []string
	for i, n := range names {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(names)-most))
			break
		}
		words = append(words, strconv.Quote(n))
	}
	if len(words) == 0 {
		return "no name"
	}
	return strings.Join(words, ", ")
}

// signed checks that a CA of the site signed the leaf, whatever it is for and
// whether or not it has expired since.
func (t *Trust) signed(chain []*x509.Certificate, now time.Time) error {
	leaf := chain[0]
	at := now
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	_, err := t.paths(chain, x509.ExtKeyUsageAny, at)
	if err == nil {
		return nil
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok && bad.Reason == x509.Expired && slices.ContainsFunc(t.CAs, bad.Cert.Equal) {
		return errors.New(t.refusal(leaf, err, at))
	}
	return untrusted("%s", t.refusal(leaf, err, at))
}

// paths returns the ways from the leaf, which comes first, to a CA of the site.
// Where a CA on the way may sign for some DNS names only, the name must be one of
// those that this is checked for.
func (t *Trust) paths(chain []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(), // never nil, which would be the system's
		Intermediates: x509.NewCertPool(),
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	}
	for _, c := range t.CAs {
		opts.Roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	paths, err := chain[0].Verify(opts)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(chain[0].DNSNames, t.Name) {
		paths = slices.DeleteFunc(paths, func(p []*x509.Certificate) bool { return slices.ContainsFunc(p[1:], constrained) })
	}
	if len(paths) == 0 {
		return nil, errConstrained
	}
	return paths, nil
}

var errConstrained = errors.New("its CA may sign for some DNS names only, and the name is no DNS name of the certificate")

func constrained(ca *x509.Certificate) bool {
	return len(ca.PermittedDNSDomains) > 0 || len(ca.ExcludedDNSDomains) > 0
}

// fit checks the leaf itself.
func fit(leaf *x509.Certificate, usage x509.ExtKeyUsage, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the peer's certificate expired on %s: the site needs another one", date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the peer's certificate is not valid before %s: is the clock right, here and there?", date(leaf.NotBefore))
	case !Allows(leaf, usage):
		return fmt.Errorf("the peer's certificate is not for this use: its extended key usage lacks %s", usageName(usage))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the peer's certificate is not for this use: its key usage lacks digitalSignature")
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return fmt.Errorf("the peer's certificate has a critical extension that is unknown here: %v", leaf.UnhandledCriticalExtensions[0])
	}
	if why := weak(leaf.PublicKey); why != "" {
		return fmt.Errorf("the peer's certificate is too weak: %s", why)
	}
	return nil
}

// Allows tells whether the extended key usage of c includes usage. A certificate
// without any is for every use (RFC 5280, section 4.2.1.12).
func Allows(c *x509.Certificate, usage x509.ExtKeyUsage) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, usage) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func usageName(usage x509.ExtKeyUsage) string {
	switch usage {
	case x509.ExtKeyUsageServerAuth:
		return "serverAuth"
	case x509.ExtKeyUsageClientAuth:
		return "clientAuth"
	}
	return fmt.Sprintf("usage %d", usage)
}

// standing checks that those who signed the leaf are good for this use at this
// time, and that nothing between it and the CA is revoked.
func (t *Trust) standing(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) error {
	if len(t.CAs) == 0 {
		if t.CRL != "" {
			return errors.New("the site has a revocation list and no CA that it could be of: write the CA too, or leave the list out")
		}
		return nil
	}
	paths, err := t.paths(chain, usage, now)
	if err != nil {
		return errors.New(t.refusal(chain[0], err, now))
	}
	var lists []*x509.RevocationList
	if t.CRL != "" {
		if lists, err = LoadLists(t.CRL); err != nil {
			return fmt.Errorf("cannot tell whether the peer's certificate is revoked: %w", err)
		}
	}
	for _, p := range paths { // one good way is enough
		if err = t.trodden(p, lists, now); err == nil {
			return nil
		}
	}
	return err
}

// trodden checks one way from the leaf to a CA.
func (t *Trust) trodden(path []*x509.Certificate, lists []*x509.RevocationList, now time.Time) error {
	for _, c := range path[1:] {
		if why := weak(c.PublicKey); why != "" {
			return fmt.Errorf("the certificate of %q, which vouches for the peer's, is too weak: %s", label(c), why)
		}
	}
	if t.CRL == "" {
		return nil
	}
	return unrevoked(path, lists, now)
}

// refusal puts an error of paths into words.
func (t *Trust) refusal(leaf *x509.Certificate, err error, at time.Time) string {
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalid(leaf, bad, at)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		return "the peer's certificate cannot be checked: " + printable(err.Error())
	}
	var names []string
	for _, ca := range t.CAs {
		names = append(names, label(ca))
		if bytes.Equal(ca.RawSubject, leaf.RawIssuer) {
			return "the peer's certificate " + unproved(leaf, ca)
		}
	}
	by := strconv.Quote(leaf.Issuer.String())
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		by = "itself"
	}
	return fmt.Sprintf("the peer's certificate is signed by %s, and not by a CA of the site: %s", by, quoted(names))
}

// unproved says why a certificate that names our CA as its issuer is not proved by
// it.
func unproved(leaf, ca *x509.Certificate) string {
	switch err := leaf.CheckSignatureFrom(ca); {
	case !ca.IsCA:
		return fmt.Sprintf("is signed by %q, which is no CA", label(ca))
	case errors.As(err, new(x509.InsecureAlgorithmError)):
		return fmt.Sprintf("is signed by our CA %q with %v, which is no proof any more", label(ca), leaf.SignatureAlgorithm)
	}
	return fmt.Sprintf("is not signed by our CA %q, but by another of that name", label(ca))
}

// invalid words what is wrong with a certificate on the way, or with the leaf.
func invalid(leaf *x509.Certificate, bad x509.CertificateInvalidError, at time.Time) string {
	whose := "the peer's certificate"
	if bad.Cert != nil && !bad.Cert.Equal(leaf) {
		whose = fmt.Sprintf("the certificate of %q, which vouches for the peer's,", label(bad.Cert))
	}
	switch {
	case bad.Reason == x509.Expired && at.Before(bad.Cert.NotBefore):
		return fmt.Sprintf("%s is not valid before %s", whose, date(bad.Cert.NotBefore))
	case bad.Reason == x509.Expired:
		return fmt.Sprintf("%s expired on %s", whose, date(bad.Cert.NotAfter))
	case bad.Reason == x509.IncompatibleUsage:
		return "the peer's certificate is not for this use: a CA on the way to it may not sign for it"
	case bad.Reason == x509.NotAuthorizedToSign:
		return whose + " is not one of a CA"
	}
	return whose + " is not in order: " + printable(bad.Error())
}
