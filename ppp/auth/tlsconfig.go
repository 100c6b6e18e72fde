package auth

import (
	"crypto/tls"
	"crypto/x509"
)

// A TLSConfig is what either end of EAP-TLS must know.
type TLSConfig struct {
	// Certificate returns our own, for each handshake anew. An error, as when it
	// has expired, fails the exchange with its text.
	Certificate func() (*tls.Certificate, error)
	// Verify judges the other end's chain, leaf first; TLS has shown that it holds
	// the leaf's key. identity is what the peer said in EAP-Response/Identity, ""
	// of an authenticator. Anyone can say any identity: it must never count for
	// more than the certificate. Verify returns the name that the certificate
	// proves. The error is for our side; the other end gets a TLS alert.
	Verify func(identity string, chain []*x509.Certificate) (name string, err error)
	// MinVersion and MaxVersion are tls.VersionTLS12 or 13; 0: 12 and 13.
	MinVersion, MaxVersion uint16
	// Old tells whether the other end, whose certificate proves name, has the TLS 1.3
	// of pppd 2.4.9, which is older than RFC 9190. nil: nobody has.
	Old func(name string) bool
}

// isItOld is what an operator is asked when the other end does as that TLS 1.3 does.
const isItOld = "is its TLS 1.3 that of pppd 2.4.9? auth.tls13 can say so"
