package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sitebridge/bridge/identity"
)

// What runIdentity is followed by, in the order that a newcomer needs them.
var identityCommands = []cmd{
	{"new", "[--dir DIR] [--days N] NAME", "a certificate for this site, which its peers know by its fingerprint", runIdentityNew},
	{"ca", "[--dir DIR] [--days N] NAME", "or a CA for all sites: ca.pem and ca.key", runIdentityCA},
	{"issue", "[--dir DIR] [--days N] [--out DIR] NAME", "a certificate for a site, signed by the CA; --out gets all that the site needs", runIdentityIssue},
	{"revoke", "[--dir DIR] [--days N] [FILE...]", "take certificates of the CA back; without FILE renew the list, ca.crl", runIdentityRevoke},
	{"show", "[--config FILE] [FILE...]", "names, fingerprints and dates; without FILE of what the configuration names", runIdentityShow},
}

func runIdentity(e *env, args []string) int {
	if len(args) > 0 {
		for _, c := range identityCommands {
			if c.name == args[0] {
				return c.run(e, args[1:])
			}
		}
	}
	w, code := e.stderr, exitUsage
	switch {
	case len(args) == 0:
	case args[0] == "-h" || args[0] == "--help" || args[0] == "help":
		w, code = e.stdout, exitOK
	default:
		fmt.Fprintf(w, "sitebridge: there is no identity command %q: known are %s\n", args[0], identityNames())
		return code
	}
	for _, c := range identityCommands {
		fmt.Fprintf(w, "  sitebridge identity %s\n      %s\n", c.name+" "+c.args, c.about)
	}
	return code
}

func identityNames() string {
	var names []string
	for _, c := range identityCommands {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// The files of a CA, beside the configuration.
const (
	caName     = "ca"
	listFile   = "ca.crl"
	pemEnding  = ".pem"
	maxDays    = 100 * 365
	hoursOfDay = 24 * time.Hour
)

// A making is the command line of a command that makes something.
type making struct {
	flags *flag.FlagSet
	dir   *string
	days  *int
	args  []string // what is not a flag
}

func (e *env) making(name, args string, life time.Duration) *making {
	f := e.flags("identity "+name, args)
	return &making{
		flags: f,
		dir:   f.String("dir", filepath.Dir(defaultConfig), "the `directory` of the configuration"),
		days:  f.Int("days", int(life/hoursOfDay), "how many days it is good for"),
	}
}

func (m *making) parse(args []string, most int) (code int, ok bool) {
	if m.args, code, ok = parse(m.flags, args, most); !ok {
		return code, false
	}
	if *m.days < 1 || *m.days > maxDays {
		return m.wrong(fmt.Errorf("--days must be 1 to %d", maxDays)), false
	}
	return exitOK, true
}

// parseName is parse for the commands that make one certificate.
func (m *making) parseName(args []string) (code int, ok bool) {
	if code, ok := m.parse(args, 1); !ok {
		return code, false
	}
	if len(m.args) == 0 {
		m.flags.Usage()
		return exitUsage, false
	}
	if err := identity.CheckName(m.args[0]); err != nil {
		return m.wrong(err), false
	}
	return exitOK, true
}

func (m *making) wrong(err error) int {
	fmt.Fprintf(m.flags.Output(), "sitebridge %s: %v\n", m.flags.Name(), err)
	return exitUsage
}

func (m *making) life() time.Duration { return time.Duration(*m.days) * hoursOfDay }

// at is a file of the directory.
func (m *making) at(name string) string { return filepath.Join(*m.dir, name) }

// command is what to type for another command in the same directory.
func (m *making) command(name, args string) string {
	dir := ""
	if *m.dir != filepath.Dir(defaultConfig) {
		dir = "--dir " + shellWord(*m.dir) + " "
	}
	return "sitebridge identity " + name + " " + dir + args
}

// shellWord quotes s where a shell would take it for something else.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%", r)
	}
	if s != "" && strings.TrimLeftFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ca loads the CA of the directory.
func (m *making) ca() (*identity.Own, error) {
	path := m.at(caName + pemEnding)
	ca, err := identity.LoadFiles(path, identity.KeyPath(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s makes a CA, and --dir says where one is", err, m.command("ca", "NAME"))
	}
	return ca, err
}

// save writes a certificate and its key into dir, which it makes, and says so.
func (e *env) save(own *identity.Own, dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, name+pemEnding)
	key := identity.KeyPath(filepath.Join(dir, name) + pemEnding)
	if err := own.Save(path, key); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "made         %s\n", path)
	fmt.Fprintf(e.stdout, "its key      %s, for nobody else to read\n", key)
	fmt.Fprintf(e.stdout, "valid        until %s\n", date(own.Leaf().NotAfter))
	fmt.Fprintf(e.stdout, "fingerprint  %v\n", identity.Of(own.Leaf()))
	return nil
}

func runIdentityNew(e *env, args []string) int {
	m := e.making("new", "[--dir DIR] [--days N] NAME", identity.SiteLife)
	if code, ok := m.parseName(args); !ok {
		return code
	}
	name := m.args[0]
	if name == caName {
		return m.wrong(errKept)
	}
	own, err := identity.SelfSigned(name, time.Now(), m.life())
	if err == nil {
		err = e.save(own, *m.dir, name)
	}
	if err != nil {
		return e.fail(err)
	}
	e.paste("Here, in sites.toml (where a table stands already, only the line goes into it):", "daemon", "certificate", name+pemEnding)
	e.paste(fmt.Sprintf("At the peer, in whose sites.toml this site is %s:", name), siteAuth(name), "fingerprint", identity.Of(own.Leaf()).String())
	return exitOK
}

var errKept = fmt.Errorf("%s%s is the file of the CA: take another name", caName, pemEnding)

func siteAuth(name string) string {
	if strings.Contains(name, ".") {
		name = strconv.Quote(name)
	}
	return "site." + name + ".auth"
}

// paste prints a key of the configuration under its table.
func (e *env) paste(where, table, key, value string) {
	fmt.Fprintf(e.stdout, "\n%s\n\n    [%s]\n    %s = %q\n", where, table, key, value)
}

func runIdentityCA(e *env, args []string) int {
	m := e.making("ca", "[--dir DIR] [--days N] NAME", identity.CALife)
	if code, ok := m.parseName(args); !ok {
		return code
	}
	ca, err := identity.NewCA(m.args[0], time.Now(), m.life())
	if err == nil {
		err = e.save(ca, *m.dir, caName)
	}
	if err != nil {
		return e.fail(err)
	}
	fmt.Fprintf(e.stdout, "\nWho has the key can be any site: it stays here, and each site gets ca.pem. Now, for each site:\n\n    %s\n", m.command("issue", "SITE"))
	return exitOK
}

func runIdentityIssue(e *env, args []string) int {
	m := e.making("issue", "[--dir DIR] [--days N] [--out DIR] NAME", identity.SiteLife)
	out := m.flags.String("out", "", "the `directory` that the certificate is written to with ca.pem, if not that of the CA")
	if code, ok := m.parseName(args); !ok {
		return code
	}
	name := m.args[0]
	if name == caName {
		return m.wrong(errKept)
	}
	if *out == "" {
		*out = *m.dir
	}
	ca, err := m.ca()
	if err != nil {
		return e.fail(err)
	}
	own, err := ca.Issue(name, time.Now(), m.life())
	if err == nil {
		err = os.MkdirAll(*out, 0o700)
	}
	caThere := filepath.Join(*out, caName+pemEnding)
	if err == nil {
		err = ca.SaveCertificate(caThere)
	}
	if err == nil {
		err = e.save(own, *out, name)
	}
	if err != nil {
		return e.fail(err)
	}
	fmt.Fprintf(e.stdout, "signed by    %s, %s\n", escape(ca.Leaf().Subject.CommonName), caThere)
	e.paste(fmt.Sprintf("At %s, in sites.toml, beside which the three files go:", name), "daemon", "certificate", name+pemEnding)
	e.paste(fmt.Sprintf("At each of its peers, which need ca.pem too, and in whose sites.toml it is %s:", name), siteAuth(name), "ca", caName+pemEnding)
	if _, err := os.Stat(m.at(listFile)); err == nil {
		fmt.Fprintf(e.stdout, "    crl = %q\n", listFile)
	}
	return exitOK
}

func runIdentityRevoke(e *env, args []string) int {
	m := e.making("revoke", "[--dir DIR] [--days N] [FILE...]", identity.ListLife)
	if code, ok := m.parse(args, anyNumber); !ok {
		return code
	}
	var certs []*x509.Certificate
	for _, path := range m.args {
		chain, err := identity.ReadCertificates(path)
		if err != nil {
			return e.fail(err)
		}
		certs = append(certs, chain[0])
	}
	ca, err := m.ca()
	if err != nil {
		return e.fail(err)
	}
	list, err := ca.UpdateList(m.at(listFile), certs, time.Now(), m.life())
	if err != nil {
		return e.fail(err)
	}
	fmt.Fprintf(e.stdout, "made         %s\nnumber       %v, with %d revoked\nnext due     %s, after which it refuses everybody\n",
		m.at(listFile), list.Number, len(list.RevokedCertificateEntries), date(list.NextUpdate))
	if len(certs) > 0 {
		fmt.Fprint(e.stdout, "\nLinks that are up stay up until their next handshake: sitebridge reload ends them.\n")
	}
	fmt.Fprintf(e.stdout, "\nBring it to every site, where it is read anew for each call. There, for each peer with ca = %q:\n\n    crl = %q\n", caName+pemEnding, listFile)
	return exitOK
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
