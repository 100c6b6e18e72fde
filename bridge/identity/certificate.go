package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	typeCertificate = "CERTIFICATE"
	typeKey         = "PRIVATE KEY" // PKCS#8 (RFC 7468, section 10)
	typeCRL         = "X509 CRL"
)

// ParseCertificates reads certificates in PEM (RFC 7468). Text around them is
// skipped; anything else in PEM is a mistake, and so is one that is damaged: who
// lists CAs must not lose one of them unseen.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	begun := bytes.Count(text, []byte("-----BEGIN "))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case strings.HasSuffix(block.Type, typeKey):
			return nil, errors.New("a private key stands there too: put it into a file of its own, of mode 0600")
		case block.Type != typeCertificate:
			return nil, fmt.Errorf("%q stands there, which is not a certificate: leave it out", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate %d of the file: %s", len(certs)+1, printable(err.Error()))
		}
		certs = append(certs, c)
	}
	switch {
	case begun == 0:
		return nil, errors.New(`no certificate in PEM, which begins with "-----BEGIN CERTIFICATE-----"`)
	case begun != len(certs):
		return nil, fmt.Errorf("certificate %d of the file is damaged: copy it anew", len(certs)+1)
	}
	return certs, nil
}

// Names are the names that c proves: its DNS names, then the common name of its
// subject if it is not among them.
func Names(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	if cn := c.Subject.CommonName; cn != "" && !slices.Contains(names, cn) {
		names = append(names, cn)
	}
	return names
}

const (
	day      = 24 * time.Hour
	soonDays = 30
)

// ExpiresSoon returns how many whole days c is still valid, less than zero once
// it has expired, and whether it is time to replace it: 30 days before its end,
// or a third of its life if that is shorter.
func ExpiresSoon(c *x509.Certificate, now time.Time) (days int, soon bool) {
	left := c.NotAfter.Sub(now)
	warn := min(soonDays*day, c.NotAfter.Sub(c.NotBefore)/3)
	days = int(left / day)
	if left < 0 {
		days--
	}
	return days, left <= warn
}

// Info is a certificate in the daemon's status.
type Info struct {
	Name        string      `json:"name"`
	Use         string      `json:"use"` // what it is to us, such as "own" or "ca"
	Fingerprint Fingerprint `json:"fingerprint"`
	NotAfter    time.Time   `json:"not_after"`
	DaysLeft    int         `json:"days_left"` // less than zero: expired
}

// Describe returns the Info of c, which is to us what use says.
func Describe(c *x509.Certificate, use string, now time.Time) Info {
	days, _ := ExpiresSoon(c, now)
	return Info{label(c), use, Of(c), c.NotAfter, days}
}
