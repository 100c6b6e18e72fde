package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"
)

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
	return endsSoon(c.NotBefore, c.NotAfter, now)
}

// ListExpiresSoon is ExpiresSoon for a revocation list. Once it is out of date
// every peer is refused.
func ListExpiresSoon(l *x509.RevocationList, now time.Time) (days int, soon bool) {
	return endsSoon(l.ThisUpdate, l.NextUpdate, now)
}

func endsSoon(begin, end, now time.Time) (days int, soon bool) {
	left := end.Sub(now)
	days = int(left / day)
	if left%day < 0 {
		days--
	}
	return days, left <= min(soonDays*day, end.Sub(begin)/3)
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

// DescribeList is Describe for a revocation list: it has a date too, after which
// nobody is let in. Its name is its CA's.
func DescribeList(l *x509.RevocationList, use string, now time.Time) Info {
	days, _ := ListExpiresSoon(l, now)
	return Info{l.Issuer.CommonName, use, sha256.Sum256(l.Raw), l.NextUpdate, days}
}
