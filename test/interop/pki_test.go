package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge/identity"
)

// Certificates are in directories: ca.pem, and NAME.pem and NAME.key for each.
type pki struct {
	openssl string // made as pppd's users do: "server" and "client", of RSA
	own     string // made by `sitebridge identity`: "rigserver", "alice" and what is wrong with others; ca.crl
}

// certificates are made once for all tests.
var certificates = sync.OnceValues(func() (pki, error) {
	dir := filepath.Join(os.Getenv(workDir), "pki")
	p := pki{openssl: filepath.Join(dir, "openssl"), own: filepath.Join(dir, "own")}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return p, err
	}
	if out, err := umlpeer("certs", p.openssl); err != nil {
		return p, fmt.Errorf("umlpeer certs: %w\n%s", err, out)
	}
	for _, args := range [][]string{
		{"ca", "--dir", p.own, "office"},
		{"issue", "--dir", p.own, "rigserver"},
		{"issue", "--dir", p.own, "alice"},
		{"issue", "--dir", p.own, "mallory"},
	} {
		if err := identityCommand(args...); err != nil {
			return p, err
		}
	}
	return p, p.wrong()
})

func identityCommand(args ...string) error {
	out, err := exec.Command(filepath.Join(os.Getenv(workDir), "sitebridge"), append([]string{"identity"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("sitebridge identity %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// wrong makes what `sitebridge identity` would not, beside the good ones, and a list
// with those that are revoked.
func (p pki) wrong() error {
	ca, err := tls.LoadX509KeyPair(filepath.Join(p.own, "ca.pem"), filepath.Join(p.own, "ca.key"))
	if err != nil {
		return err
	}
	stranger, err := identity.NewCA("elsewhere", time.Now(), time.Hour)
	if err != nil {
		return err
	}
	other, err := tls.X509KeyPair(stranger.Certificate(), stranger.Key())
	if err != nil {
		return err
	}
	for name, usage := range map[string]x509.ExtKeyUsage{"rigserver": x509.ExtKeyUsageClientAuth, "alice": x509.ExtKeyUsageServerAuth} {
		none := func(*x509.Certificate) {}
		err := errors.Join(
			p.issue("other-"+name, other, name, none),
			p.issue("revoked-"+name, ca, name, none),
			p.issue("expired-"+name, ca, name, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }),
			p.issue("wrong-usage-"+name, ca, name, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{usage} }),
		)
		if err != nil {
			return err
		}
	}
	return identityCommand("revoke", "--dir", p.own, filepath.Join(p.own, "revoked-alice.pem"), filepath.Join(p.own, "revoked-rigserver.pem"))
}

// issue makes a certificate for name, with a change, in file.
func (p pki) issue(file string, ca tls.Certificate, name string, change func(*x509.Certificate)) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(p.own, file+".pem"), "CERTIFICATE", der, 0o644),
		writePEM(filepath.Join(p.own, file+".key"), "PRIVATE KEY", private, 0o600))
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// theCertificates are for a test.
func theCertificates(t *testing.T) pki {
	t.Helper()
	p, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// certified is our end with a certificate of a directory, and who signs for the
// guest's.
func certified(dir, name, ca string) setup {
	return setup{
		daemon: fmt.Sprintf("certificate = %q\n", filepath.Join(dir, name+".pem")),
		auth:   fmt.Sprintf("ca = %q\n", filepath.Join(ca, "ca.pem")),
	}
}
