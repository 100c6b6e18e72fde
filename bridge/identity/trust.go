package identity

import (
	"crypto/x509"
	"errors"
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
}

// An UntrustedError tells that a certificate is not that of the site at all. Other
// errors of Check are about a certificate that is the site's, and cannot be taken.
type UntrustedError struct{ Reason string }

func (e *UntrustedError) Error() string { return e.Reason }

// Check judges a chain, leaf first, of a peer that uses it as usage says:
// x509.ExtKeyUsageServerAuth or ...ClientAuth.
func (t *Trust) Check(chain []*x509.Certificate, usage x509.ExtKeyUsage, now time.Time) error {
	return errors.New("not there yet")
}
