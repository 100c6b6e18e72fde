package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for name, c := range map[string]struct {
		cert x509.Certificate
		want []string
	}{
		"both, the same":   {x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a"}}, []string{"a"}},
		"both, different":  {x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"b", "c"}}, []string{"b", "c", "a"}},
		"common name only": {x509.Certificate{Subject: pkix.Name{CommonName: "a"}}, []string{"a"}},
		"DNS names only":   {x509.Certificate{DNSNames: []string{"b"}}, []string{"b"}},
		"none":             {x509.Certificate{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Names(&c.cert); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A13: who must replace a certificate hears of it days ahead.
func TestAttackA13ExpiresSoon(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		life, left time.Duration
		days       int
		soon       bool
	}{
		"new":                         {2 * year, 2 * year, 730, false},
		"31 days":                     {2 * year, 31 * day, 31, false},
		"30 days and an hour":         {2 * year, 30*day + hour, 30, false},
		"30 days":                     {2 * year, 30 * day, 30, true},
		"an hour":                     {2 * year, hour, 0, true},
		"the last moment":             {2 * year, 0, 0, true},
		"an hour ago":                 {2 * year, -hour, -1, true},
		"a day ago":                   {2 * year, -day, -1, true},
		"a day and an hour ago":       {2 * year, -day - hour, -2, true},
		"of 30 days, 11 left":         {30 * day, 11 * day, 11, false},
		"of 30 days, 10 left":         {30 * day, 10 * day, 10, true},
		"of three hours, one left":    {3 * hour, hour, 0, true},
		"of three hours, more left":   {3 * hour, hour + 1, 0, false},
		"of 90 days, a third is 30":   {90 * day, 30 * day, 30, true},
		"of 90 days, and 31 are left": {90 * day, 31 * day, 31, false},
	} {
		t.Run(name, func(t *testing.T) {
			end := noon.Add(c.left)
			cert := &x509.Certificate{NotBefore: end.Add(-c.life), NotAfter: end}
			if days, soon := ExpiresSoon(cert, noon); days != c.days || soon != c.soon {
				t.Errorf("%d days, soon %v; want %d, %v", days, soon, c.days, c.soon)
			}
			list := &x509.RevocationList{ThisUpdate: cert.NotBefore, NextUpdate: end}
			if days, soon := ListExpiresSoon(list, noon); days != c.days || soon != c.soon {
				t.Errorf("a list: %d days, soon %v; want %d, %v", days, soon, c.days, c.soon)
			}
		})
	}
}
