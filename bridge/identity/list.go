package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// ParseLists reads revocation lists (RFC 5280, section 5): several in PEM, or one
// in DER.
func ParseLists(b []byte) ([]*x509.RevocationList, error) {
	ders := [][]byte{b}
	if bytes.Contains(b, []byte("-----BEGIN ")) {
		var err error
		if ders, err = blocks(b, typeList); err != nil {
			return nil, err
		}
	}
	lists := make([]*x509.RevocationList, len(ders))
	for i, der := range ders {
		var err error
		if lists[i], err = x509.ParseRevocationList(der); err != nil {
			return nil, fmt.Errorf("list %d is not a revocation list: %s", i+1, printable(err.Error()))
		}
	}
	return lists, nil
}

// unrevoked looks up each certificate of a path, leaf first and CA last, in the
// list of the one that signed it. Without a good list it is taken for revoked.
func unrevoked(path []*x509.Certificate, lists []*x509.RevocationList, now time.Time) error {
	if len(path) < 2 {
		return errors.New("the peer's certificate stands among the CAs itself, so that no list can tell whether it is revoked: take its fingerprint instead, and no list")
	}
	for i, c := range path[:len(path)-1] {
		issuer := path[i+1]
		list, err := listOf(issuer, lists)
		if err == nil {
			err = usable(list, now)
		}
		if err != nil {
			return fmt.Errorf("%w: with sitebridge identity revoke the CA %q makes another", err, label(issuer))
		}
		if e := entry(list, c.SerialNumber); e != nil {
			return fmt.Errorf("the certificate of %q was revoked by %q on %s: the site needs another one", label(c), label(issuer), date(e.RevocationTime))
		}
	}
	return nil
}

// listOf returns the newest list that issuer signed.
func listOf(issuer *x509.Certificate, lists []*x509.RevocationList) (*x509.RevocationList, error) {
	var newest *x509.RevocationList
	forged := false
	for _, l := range lists {
		switch {
		case !bytes.Equal(l.RawIssuer, issuer.RawSubject):
		case l.CheckSignatureFrom(issuer) != nil:
			forged = true
		case newest == nil || l.ThisUpdate.After(newest.ThisUpdate):
			newest = l
		}
	}
	switch {
	case newest != nil:
		return newest, nil
	case forged:
		return nil, fmt.Errorf("the revocation list bears the name of %q and is not signed by it", label(issuer))
	}
	return nil, fmt.Errorf("there is no revocation list of %q", label(issuer))
}

// usable tells why a list says nothing at the time of now. A list with a critical
// extension may mean less than it seems to, as one that holds only changes or
// only some reasons does (RFC 5280, section 5.2).
func usable(l *x509.RevocationList, now time.Time) error {
	critical := func(e pkix.Extension) bool { return e.Critical }
	odd := slices.ContainsFunc(l.Extensions, critical)
	for _, e := range l.RevokedCertificateEntries {
		odd = odd || slices.ContainsFunc(e.Extensions, critical)
	}
	switch {
	case odd:
		return errors.New("the revocation list has a critical extension, and only complete lists without one are understood")
	case now.Before(l.ThisUpdate):
		return fmt.Errorf("the revocation list is not valid before %s (is the clock right?)", date(l.ThisUpdate))
	case l.NextUpdate.IsZero():
		return errors.New("the revocation list does not say how long it is good for")
	case now.After(l.NextUpdate):
		return fmt.Errorf("the revocation list is out of date: the next was due on %s", date(l.NextUpdate))
	}
	return nil
}

func entry(l *x509.RevocationList, serial *big.Int) *x509.RevocationListEntry {
	for i := range l.RevokedCertificateEntries {
		if e := &l.RevokedCertificateEntries[i]; e.SerialNumber.Cmp(serial) == 0 {
			return e
		}
	}
	return nil
}

// Revoke returns the list that comes after old (nil: it is the first), in PEM. It
// has what old had, and certs, which the CA must have signed.
func (ca *Own) Revoke(old *x509.RevocationList, certs []*x509.Certificate, now time.Time, valid time.Duration) ([]byte, error) {
	if err := ca.maySign(x509.KeyUsageCRLSign, now); err != nil {
		return nil, err
	}
	next := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(valid)}
	if old != nil {
		if _, err := listOf(ca.Leaf(), []*x509.RevocationList{old}); err != nil {
			return nil, fmt.Errorf("%w: move the file away if it belongs to another CA", err)
		}
		if old.Number != nil {
			next.Number.Add(next.Number, old.Number)
		}
		for _, e := range old.RevokedCertificateEntries {
			next.RevokedCertificateEntries = append(next.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode})
		}
	}
	for _, c := range certs {
		switch err := ca.revocable(c); {
		case err != nil:
			return nil, err
		case entry(next, c.SerialNumber) == nil:
			next.RevokedCertificateEntries = append(next.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, next, ca.Leaf(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("make the revocation list of %q: %w", label(ca.Leaf()), err)
	}
	return encode(typeList, der), nil
}

// revocable tells why c cannot be revoked by the CA.
func (ca *Own) revocable(c *x509.Certificate) error {
	switch {
	case c.Equal(ca.Leaf()):
		return fmt.Errorf("%q is the CA itself, which no list can revoke: take its certificate from all peers", label(c))
	case c.CheckSignatureFrom(ca.Leaf()) != nil:
		return fmt.Errorf("the certificate of %q was not signed by the CA %q: where it is pinned, take its fingerprint from the peers", label(c), label(ca.Leaf()))
	}
	return nil
}
