package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"

	"sitebridge/ppp/auth/eaptls/tlstest"
)

// What the tests of EAP-TLS use. Making certificates is slow, and nothing changes
// them.
var pki = sync.OnceValue(func() (p struct {
	ca               *tlstest.CA
	hq, west, east   *tls.Certificate
	foreign, expired *tls.Certificate
}) {
	p.ca = tlstest.NewCA("Test CA")
	p.hq, p.west, p.east = p.ca.Issue("hq"), p.ca.Issue("west"), p.ca.Issue("east")
	p.foreign = tlstest.NewCA("Other CA").Issue("west")
	p.expired = p.ca.Issue("west", tlstest.Expired)
	return p
})

func owning(c *tls.Certificate) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) { return c, nil }
}

// named is a Verify that takes what the CA has signed for usage, whoever it is.
func named(usage x509.ExtKeyUsage) func(string, []*x509.Certificate) (string, error) {
	check := pki().ca.Verify(usage)
	return func(_ string, chain []*x509.Certificate) (string, error) {
		if err := check(chain); err != nil {
			return "", err
		}
		return chain[0].Subject.CommonName, nil
	}
}

// bound is one that wants the identity of the peer in its certificate.
func bound(usage x509.ExtKeyUsage) func(string, []*x509.Certificate) (string, error) {
	check := named(usage)
	return func(identity string, chain []*x509.Certificate) (string, error) {
		name, err := check(identity, chain)
		if err == nil && name != identity {
			return "", fmt.Errorf("peer calls itself %q, and its certificate is for %q", identity, name)
		}
		return name, err
	}
}

func hqTLS() *TLSConfig {
	return &TLSConfig{Certificate: owning(pki().hq), Verify: bound(x509.ExtKeyUsageClientAuth)}
}

func westTLS() *TLSConfig {
	return &TLSConfig{Certificate: owning(pki().west), Verify: named(x509.ExtKeyUsageServerAuth)}
}

var bothEAP = []Method{EAPTLS, EAPMSCHAPv2}

// hq and west are two ends that trust each other by each method.
func hqConfig(offer ...Method) AuthenticatorConfig {
	return AuthenticatorConfig{Name: "hq", EAP: offer, TLS: hqTLS(), Lookup: accounts("west", "right horse")}
}

func westConfig(willing ...Method) PeerConfig {
	return PeerConfig{Name: "west", Secret: "right horse", EAP: willing, TLS: westTLS()}
}

// A dialog hands packets to and fro.
type dialog struct {
	authenticator, peer Exchange
	a, p                Output // how each stands; Keys, Name and Notice stay
	steps               int
	wire                [][]byte // all packets, in order
}

func newDialog(t testing.TB, authenticator, peer Exchange) *dialog {
	t.Cleanup(authenticator.Close)
	t.Cleanup(peer.Close)
	d := &dialog{authenticator: authenticator, peer: peer}
	d.a, d.p = authenticator.Start(), peer.Start()
	d.note(d.a.Send)
	return d
}

// step delivers the packet that was sent last, and reports whether one answers it.
func (d *dialog) step() bool {
	pkt := d.wire[len(d.wire)-1]
	var out Output
	if d.steps++; d.steps%2 == 1 {
		out = d.peer.Receive(pkt)
		d.p = keep(d.p, out)
	} else {
		out = d.authenticator.Receive(pkt)
		d.a = keep(d.a, out)
	}
	return d.note(out.Send)
}

func (d *dialog) note(pkt []byte) bool {
	if pkt == nil {
		return false
	}
	d.wire = append(d.wire, bytes.Clone(pkt))
	return true
}

// run steps until an end is silent.
func (d *dialog) run(t testing.TB) *dialog {
	t.Helper()
	for d.step() {
		if d.steps > 300 {
			t.Fatal("the two ends never fall silent")
		}
	}
	return d
}

func keep(before, after Output) Output {
	if after.Keys == nil {
		after.Keys = before.Keys
	}
	if after.Notice == "" {
		after.Notice = before.Notice
	}
	return after
}

func (d *dialog) want(t testing.TB, verdict Verdict, aReason, pReason string) {
	t.Helper()
	if d.a.Verdict != verdict || d.p.Verdict != verdict || d.a.Reason != aReason || d.p.Reason != pReason {
		t.Errorf("authenticator: %v (%s)\npeer: %v (%s)\nwant %v (%s) and (%s)",
			d.a.Verdict, d.a.Reason, d.p.Verdict, d.p.Reason, verdict, aReason, pReason)
	}
}

// last is the last packet of the authenticator or of the peer.
func (d *dialog) last(code ...byte) []byte {
	for i := len(d.wire) - 1; i >= 0; i-- {
		if bytes.IndexByte(code, d.wire[i][0]) >= 0 {
			return d.wire[i]
		}
	}
	return nil
}

// sameKeys says what is wrong with the keys of two ends that have proved each
// other.
func sameKeys(a, p Keys) error {
	if a == nil || p == nil {
		return errors.New("an end has no keys")
	}
	if !a.Authenticator() || p.Authenticator() {
		return errors.New("the ends do not know their roles")
	}
	switch a := a.(type) {
	case *MasterKeys:
		p := p.(*MasterKeys)
		if a.NTResponse() != p.NTResponse() || a.PasswordHashHash() != p.PasswordHashHash() {
			return errors.New("the ends have different keys")
		}
	case *TLSKeys:
		p := p.(*TLSKeys)
		if a.MSK() != p.MSK() || a.EMSK() != p.EMSK() || a.MSK() == [64]byte{} || a.MSK() == a.EMSK() {
			return errors.New("the ends have different keys, or none")
		}
		if a.PeerCertificate() != p.PeerCertificate() || a.AuthenticatorCertificate() != p.AuthenticatorCertificate() || a.Version() != p.Version() {
			return errors.New("the ends saw different things")
		}
	}
	return nil
}

func eapPacket(code, id byte, kind eapType, data ...byte) []byte {
	return eapMessage{code, id, kind, data}.encode()
}
