package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func TestLoadChain(t *testing.T) {
	root := wideCA(t, "root")
	middle := mint{ca: root, name: "middle", mod: intermediate}.make(t)
	branch := must[*Own](t)(middle.Issue("branch", noon, SiteLife))
	if len(branch.chain) != 2 || !branch.chain[1].Equal(middle.Leaf()) {
		t.Fatalf("a site of an intermediate CA shows %d certificates, want its own and that of the CA", len(branch.chain))
	}
	key := branch.Key()
	loaded := must[*Own](t)(Load(branch.Certificate(), key))
	c := must[*tls.Certificate](t)(loaded.TLS(noon))
	if len(c.Certificate) != 2 || !bytes.Equal(c.Certificate[0], branch.Leaf().Raw) || c.Leaf == nil {
		t.Errorf("TLS shows %d certificates", len(c.Certificate))
	}
	turned := (&Own{chain: []*x509.Certificate{branch.chain[1], branch.chain[0]}}).Certificate()
	if _, err := Load(turned, key); err == nil || !strings.Contains(err.Error(), `belongs to the certificate of "branch", which must be the first`) {
		t.Errorf("the wrong way round: %v", err)
	}
}

func TestAttackA13OwnCertificateExpired(t *testing.T) {
	root := wideCA(t, "root")
	brief := mint{ca: root, name: "middle", mod: func(c *x509.Certificate) { intermediate(c); c.NotAfter = noon.Add(day) }}.make(t)
	own := must[*Own](t)(SelfSigned("hq", noon, 10*day))
	under := &Own{append(own.chain, brief.Leaf()), own.key}
	for name, c := range map[string]struct {
		own  *Own
		at   time.Time
		want string
	}{
		"good":          {own, noon, ""},
		"last moment":   {own, noon.Add(10 * day), ""},
		"expired":       {own, noon.Add(11 * day), "our own certificate expired on 2026-06-11: make another"},
		"not yet":       {own, noon.Add(-day), "our own certificate is not valid before 2026-06-01: is the clock right?"},
		"chain expired": {under, noon.Add(2 * day), `the certificate of "middle", which vouches for ours, expired on 2026-06-02`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.own.TLS(c.at)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// H3: whatever prints an Own shows its certificate, and nothing of the key.
func TestAttackH3OwnShowsNoKey(t *testing.T) {
	own := must[*Own](t)(SelfSigned("hq", noon, year))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "own", own, "value", *own)
	text, _ := json.Marshal(map[string]any{"own": own, "value": *own})
	all := fmt.Sprintf("%v %+v %#v %s %x %d", own, *own, own, own, *own, struct{ O *Own }{own}) + log.String() + string(text)
	scalar := must[[]byte](t)(own.key.(*ecdsa.PrivateKey).Bytes())
	for name, secret := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString(scalar)[:20], "hexadecimal": fmt.Sprintf("%x", scalar[:8]),
		"octets": string(scalar[:8]), "decimal": fmt.Sprint(scalar[:4])[1:],
	} {
		if strings.Contains(all, secret) {
			t.Errorf("the key is shown in %s", name)
		}
	}
	if want := `certificate of "hq", sha256:`; strings.Count(all, want) < 4 {
		t.Errorf("%s, want %q", all, want)
	}
}

// What is made here must do in both versions of TLS, in both directions.
func TestMutualTLS(t *testing.T) {
	ca := testCA(t, "office")
	self := must[*Own](t)(SelfSigned("hq", noon, year))
	signed := must[*Own](t)(ca.Issue("branch", noon, year))
	knowsHQ := &Trust{Pinned: true, Fingerprint: Of(self.Leaf()), Name: "hq"}
	knowsBranch := &Trust{CAs: ca.chain, Name: "branch"}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			defer b.Close()
			answerer := tls.Server(a, endOf(t, self, knowsBranch, client, version, noon))
			caller := tls.Client(b, endOf(t, signed, knowsHQ, server, version, noon))
			failed := make(chan error, 1)
			go func() { failed <- answerer.Handshake() }()
			if err := caller.Handshake(); err != nil {
				t.Error("client:", err)
			}
			if err := <-failed; err != nil {
				t.Error("server:", err)
			}
		})
	}
}

// endOf is one end of a handshake that proves own and wants what trust says.
func endOf(t *testing.T, own *Own, trust *Trust, usage x509.ExtKeyUsage, version uint16, at time.Time) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{*must[*tls.Certificate](t)(own.TLS(at))},
		ClientAuth:   tls.RequireAnyClientCert, InsecureSkipVerify: true, // the judge is VerifyConnection
		MinVersion: version, MaxVersion: version,
		VerifyConnection: func(s tls.ConnectionState) error { return trust.Check(s.PeerCertificates, usage, at) },
	}
}
