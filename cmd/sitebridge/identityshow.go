package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
)

func runIdentityShow(e *env, args []string) int {
	f := e.flags("identity show", "[--config FILE] [FILE...]")
	path := f.String("config", defaultConfig, "the configuration `file`")
	files, code, ok := parse(f, args, anyNumber)
	if !ok {
		return code
	}
	s := &shower{w: e.stdout, now: time.Now()}
	if len(files) > 0 {
		return s.files(e, files)
	}
	cfg, err := config.Load(*path)
	if err == nil {
		return s.configuration(e, cfg)
	}
	// Who has no configuration yet, or none that is right, wants to see what there
	// is for it.
	s.files(e, beside(*path))
	return e.fail(err)
}

// beside lists the certificates and revocation lists in the directory of path.
func beside(path string) []string {
	var found []string
	for _, ending := range []string{pemEnding, filepath.Ext(listFile)} {
		some, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"+ending)) // its error is about the pattern
		found = append(found, some...)
	}
	return found
}

// A shower shows certificates and revocation lists, one below the other.
type shower struct {
	w     io.Writer
	now   time.Time
	shown bool // one at least
}

func (s *shower) title(format string, args ...any) {
	if s.shown {
		fmt.Fprintln(s.w)
	}
	s.shown = true
	fmt.Fprintf(s.w, format+"\n", args...)
}

func (s *shower) line(key, format string, args ...any) {
	fmt.Fprintf(s.w, "  %-12s %s\n", key, fmt.Sprintf(format, args...))
}

// configuration shows what cfg names.
func (s *shower) configuration(e *env, cfg *config.Config) int {
	code := exitOK
	if path := cfg.Daemon.CertificatePath; path != "" {
		s.title("daemon.certificate: %s", path)
		s.certificate(cfg.Daemon.Identity.Leaf())
		s.line("key", "fits") // or it would not have been loaded
	}
	for _, g := range groups(cfg.Sites) {
		if !s.trust(e, g) {
			code = exitFailed
		}
	}
	if !s.shown {
		fmt.Fprintf(s.w, "%s names no certificate: sitebridge identity new makes one\n", cfg.Path)
	}
	return code
}

// A group is sites that know their peers by the same.
type group struct {
	sites []string
	trust *identity.Trust
}

// groups puts sites together whose Trust differs in the name of the peer only.
func groups(sites []*config.Site) []*group {
	var all []*group
	for _, site := range sites {
		t := site.Auth.Trust
		if t == nil {
			continue
		}
		i := slices.IndexFunc(all, func(g *group) bool {
			return g.trust.Pinned == t.Pinned && g.trust.Fingerprint == t.Fingerprint && g.trust.CRL == t.CRL && slices.EqualFunc(g.trust.CAs, t.CAs, (*x509.Certificate).Equal)
		})
		if i < 0 {
			all = append(all, &group{trust: t})
			i = len(all) - 1
		}
		all[i].sites = append(all[i].sites, site.Name)
	}
	return all
}

// trust shows what the peers of some sites are known by.
func (s *shower) trust(e *env, g *group) (ok bool) {
	whose := "site " + strings.Join(g.sites, ", ")
	for _, ca := range g.trust.CAs {
		s.title("%s: signed by", whose)
		s.certificate(ca)
	}
	if g.trust.Pinned {
		s.title("%s: pinned", whose)
		s.line("fingerprint", "%v", g.trust.Fingerprint)
	}
	if g.trust.CRL == "" {
		return true
	}
	lists, err := identity.ReadLists(g.trust.CRL)
	if err != nil {
		e.fail(err)
		return false
	}
	s.lists(fmt.Sprintf("%s: revoked by %s", whose, g.trust.CRL), lists)
	return true
}

// files shows what files hold, as far as they can be read.
func (s *shower) files(e *env, paths []string) int {
	code := exitOK
	for _, path := range paths {
		if err := s.file(path); err != nil {
			code = e.fail(err)
		}
	}
	return code
}

func (s *shower) file(path string) error {
	if holdsList(path) {
		lists, err := identity.ReadLists(path)
		if err != nil {
			return err
		}
		s.lists(path, lists)
		return nil
	}
	certs, err := identity.ReadCertificates(path)
	if err != nil {
		return err
	}
	for i, c := range certs {
		if i == 0 {
			s.title("%s", path)
		} else {
			s.title("%s, certificate %d", path, i+1)
		}
		s.certificate(c)
		if i == 0 {
			s.line("key", "%s", keyOf(path))
		}
	}
	return nil
}

// holdsList tells whether a file is a revocation list, by its first PEM block or,
// if it is in DER, by its name.
func holdsList(path string) bool {
	b, err := os.ReadFile(path)
	_, begun, isPEM := bytes.Cut(b, []byte("-----BEGIN "))
	return err == nil && (isPEM && bytes.HasPrefix(begun, []byte("X509 CRL")) || !isPEM && filepath.Ext(path) == filepath.Ext(listFile))
}

// keyOf says whether the key of the certificate at path is where the daemon looks
// for it, and right.
func keyOf(path string) string {
	key := identity.KeyPath(path)
	if _, err := os.Lstat(key); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("not here: there is no %s", key)
	}
	if _, err := identity.LoadFiles(path, key); err != nil {
		return "UNFIT: " + err.Error()
	}
	return key + ", fits"
}

func (s *shower) certificate(c *x509.Certificate) {
	var names []string
	for _, n := range identity.Names(c) {
		names = append(names, escape(n))
	}
	s.line("names", "%s", strings.Join(names, ", "))
	s.line("fingerprint", "%v", identity.Of(c))
	issuer := "itself"
	if !bytes.Equal(c.RawIssuer, c.RawSubject) {
		issuer = escape(c.Issuer.String())
	}
	s.line("signed by", "%s", issuer)
	days, soon := identity.ExpiresSoon(c, s.now)
	s.line("valid", "%s to %s, %s", date(c.NotBefore), date(c.NotAfter), remaining(days, soon, s.now.Before(c.NotBefore)))
	s.line("use", "%s", use(c))
}

// remaining puts the days left into words; the first letters say how bad it is.
func remaining(days int, soon, early bool) string {
	switch {
	case early:
		return "NOT YET VALID: is the clock right?"
	case days >= 0 && soon:
		return daysLeft(days) + ": REPLACE IT SOON"
	}
	return daysLeft(days)
}

// daysLeft puts whole days into words: -1 is any time within the first day after.
func daysLeft(days int) string {
	switch {
	case days >= 0:
		return fmt.Sprintf("%d days left", days)
	case days == -1:
		return "EXPIRED less than a day ago"
	case days == -2:
		return "EXPIRED 1 day ago"
	}
	return fmt.Sprintf("EXPIRED %d days ago", -days-1)
}

// use says what a certificate is for. The end that dials is the client of TLS.
func use(c *x509.Certificate) string {
	dials, answers := identity.Allows(c, x509.ExtKeyUsageClientAuth), identity.Allows(c, x509.ExtKeyUsageServerAuth)
	switch {
	case c.IsCA:
		return "CA: signs for sites"
	case dials && answers:
		return "site: may dial and answer"
	case dials:
		return "site: may DIAL ONLY, its extended key usage lacks serverAuth"
	case answers:
		return "site: may ANSWER ONLY, its extended key usage lacks clientAuth"
	}
	return "NOT FOR SITES: its extended key usage has neither clientAuth nor serverAuth"
}

func (s *shower) lists(title string, lists []*x509.RevocationList) {
	for _, l := range lists {
		s.title("%s", title)
		s.line("list of", "%s", escape(l.Issuer.String()))
		s.line("number", "%v, with %d revoked", l.Number, len(l.RevokedCertificateEntries))
		days, soon := identity.ListExpiresSoon(l, s.now)
		s.line("valid", "%s to %s, %s", date(l.ThisUpdate), date(l.NextUpdate), remaining(days, soon, s.now.Before(l.ThisUpdate)))
	}
}
