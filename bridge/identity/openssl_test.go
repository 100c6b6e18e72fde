package identity

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// OpenSSL is what pppd and FreeRADIUS judge our certificates with. It goes by the
// clock, so that these are made now.
func TestOpenSSLTakesWhatIsMade(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir, now := t.TempDir(), time.Now()
	ca, namesake := must[*Own](t)(NewCA("office", now, CALife)), must[*Own](t)(NewCA("office", now, CALife))
	site, gone := must[*Own](t)(ca.Issue("branch.example.net", now, SiteLife)), must[*Own](t)(ca.Issue("gone_1", now, SiteLife))
	self := must[*Own](t)(SelfSigned("hq", now, SiteLife))
	for name, o := range map[string]*Own{"ca": ca, "namesake": namesake, "site": site, "gone": gone, "self": self} {
		if err := o.Save(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	must[*x509.RevocationList](t)(ca.UpdateList(filepath.Join(dir, "ca.crl"), nil, now, ListLife))
	must[*x509.RevocationList](t)(ca.UpdateList(filepath.Join(dir, "ca.crl"), gone.chain, now, ListLife))

	for _, c := range []struct {
		args string
		good bool
		want string
	}{
		{"verify -x509_strict -purpose sslserver -CAfile ca.pem site.pem", true, "site.pem: OK"},
		{"verify -x509_strict -purpose sslclient -CAfile ca.pem site.pem gone.pem", true, "gone.pem: OK"},
		{"verify -x509_strict -verify_hostname branch.example.net -CAfile ca.pem site.pem", true, "OK"},
		{"verify -x509_strict -purpose sslclient -CAfile ca.pem -CRLfile ca.crl -crl_check_all site.pem", true, "OK"},
		{"verify -purpose sslclient -CAfile ca.pem -CRLfile ca.crl -crl_check gone.pem", false, "certificate revoked"},
		{"verify -CAfile namesake.pem site.pem", false, "verification failed"},
		{"verify -purpose sslserver -CAfile self.pem self.pem", true, "OK"},
		{"verify -purpose sslclient -CAfile self.pem self.pem", true, "OK"},
		{"x509 -in site.pem -noout -text", true, "TLS Web Server Authentication, TLS Web Client Authentication"},
		{"x509 -in site.pem -noout -text", true, "DNS:branch.example.net"},
		{"x509 -in site.pem -noout -text", true, "ecdsa-with-SHA256"},
		{"x509 -in ca.pem -noout -text", true, "CA:TRUE, pathlen:0"},
		{"x509 -in ca.pem -noout -text", true, "Certificate Sign, CRL Sign"},
		{"crl -in ca.crl -noout -text -CAfile ca.pem", true, "verify OK"},
		{"crl -in ca.crl -noout -crlnumber", true, "2"},
		{"pkey -in site.key -noout -check", true, "Key is valid"},
	} {
		out, err := openssl(dir, c.args)
		if (err == nil) != c.good || !strings.Contains(out, c.want) {
			t.Errorf("openssl %s: %v, want %q in:\n%s", c.args, err, c.want, out)
		}
	}
	printed, err := openssl(dir, "x509 -in self.pem -noout -fingerprint -sha256")
	_, theirs, _ := strings.Cut(strings.TrimSpace(printed), "=")
	if f, perr := ParseFingerprint("sha256:" + theirs); err != nil || perr != nil || f != Of(self.Leaf()) {
		t.Errorf("OpenSSL's fingerprint is %q, %v, %v; ours %v", theirs, err, perr, Of(self.Leaf()))
	}
}

// What OpenSSL makes by its defaults is taken here.
func TestOpenSSLsOwnAreTaken(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for _, args := range []string{
		"req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /O=Office/CN=ca -days 30",
		"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout branch.key -out branch.csr -subj /O=Office/CN=branch",
		"x509 -req -in branch.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out branch.pem -days 10",
		"ecparam -name prime256v1 -genkey -out older.key",
		"req -x509 -new -key older.key -out older.pem -subj /CN=older -days 10",
	} {
		if out, err := openssl(dir, args); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args, err, out)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	branch := must[*Own](t)(LoadFiles(at("branch.pem"), at("branch.key")))
	older := must[*Own](t)(LoadFiles(at("older.pem"), at("older.key")))
	cas := must[[]*x509.Certificate](t)(ParseCertificates(must[[]byte](t)(os.ReadFile(at("ca.pem")))))
	now := time.Now()
	verdict{trust: Trust{CAs: cas, Name: "branch"}, chain: branch.chain, at: now}.check(t)
	verdict{trust: Trust{Pinned: true, Fingerprint: Of(older.Leaf()), Name: "older"}, chain: older.chain, at: now}.check(t)
	byOpenSSL := must[*Own](t)(LoadFiles(at("ca.pem"), at("ca.key")))
	ours := must[*Own](t)(byOpenSSL.Issue("west", now, SiteLife))
	verdict{trust: Trust{CAs: cas, Name: "west"}, chain: ours.chain, at: now}.check(t)
}

// Both versions of TLS, with OpenSSL as the end that dials. It judges our
// certificate, and shows one of ours.
func TestTLSWithOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir, now := t.TempDir(), time.Now()
	ca := must[*Own](t)(NewCA("office", now, CALife))
	hq, branch := must[*Own](t)(ca.Issue("hq", now, SiteLife)), must[*Own](t)(ca.Issue("branch", now, SiteLife))
	for name, o := range map[string]*Own{"ca": ca, "branch": branch} {
		if err := o.Save(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	for flag, version := range map[string]uint16{"-tls1_2": tls.VersionTLS12, "-tls1_3": tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
			defer l.Close()
			config := endOf(t, hq, &Trust{CAs: ca.chain, Name: "branch"}, client, version, now)
			served := make(chan error, 1)
			go func() { served <- handshake(l, config) }()
			out, err := openssl(dir, "s_client -connect "+l.Addr().String()+" "+flag+
				" -cert branch.pem -key branch.key -CAfile ca.pem -verify_return_error -verify_hostname hq")
			if err != nil || !strings.Contains(out, "Verify return code: 0 (ok)") {
				t.Errorf("OpenSSL: %v\n%s", err, out)
			}
			if err := <-served; err != nil {
				t.Error("ours:", err)
			}
		})
	}
}

// handshake takes one connection as far as its handshake.
func handshake(l net.Listener, config *tls.Config) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	server := tls.Server(c, config)
	if err := server.Handshake(); err != nil {
		return err
	}
	return server.Close()
}

func openssl(dir, args string) (string, error) {
	cmd := exec.Command("openssl", strings.Fields(args)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
