package radius

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"

	"sitebridge/bridge/identity"
	secrets "sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

// peer is one of ours that shows own and expects hq.
func peer(t *testing.T, m auth.Method, own *identity.Own, s secrets.Secret) auth.Exchange {
	p := auth.NewPeer(m, auth.PeerConfig{
		Name: "west", Secret: s,
		TLS: tlsConfig(own, "hq", x509.ExtKeyUsageServerAuth, 0),
	})
	t.Cleanup(p.Close)
	return p
}

// A11: the keys that our peer has are those that FreeRADIUS gives to the NAS, and
// its EMSK is ours. FreeRADIUS tells the length of flights that are in one piece,
// which nobody should (RFC 9190, section 2.4) and everybody must take.
func TestAttackA11KeysMatchFreeRADIUS(t *testing.T) {
	for _, c := range []struct {
		name     string
		hq, west *identity.Own
		fragment string // of FreeRADIUS; ours are of 1000 octets
	}{
		{"short chains", pki().hq, pki().west, "1000"},
		{"chains in fragments", pki().chainedHQ, pki().chainedW, "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16, number string) {
				w := newWorld(t)
				w.freeradius(c.hq, number, c.fragment)
				n := w.nas("west")
				out := n.run(peer(t, auth.EAPTLS, c.west, ""))
				if out.Verdict != auth.Success || out.Name != "hq" || n.reply.code != accessAccept {
					t.Fatalf("%v of %q, FreeRADIUS %d: %s", out.Verdict, out.Name, n.reply.code, out.Reason)
				}
				k := out.Keys.(*auth.TLSKeys)
				msk, emsk := k.MSK(), k.EMSK()
				if !bytes.Equal(n.reply.key(msRecvKey, n.request), msk[:32]) || !bytes.Equal(n.reply.key(msSendKey, n.request), msk[32:]) {
					t.Error("our MSK is not that of FreeRADIUS")
				}
				if string(n.reply.first(attrReplyMessage)) != "0x"+hex.EncodeToString(emsk[:]) {
					t.Error("our EMSK is not that of FreeRADIUS")
				}
				if k.Version() != version || k.PeerCertificate() != identity.Of(c.west.Leaf()) || k.AuthenticatorCertificate() != identity.Of(c.hq.Leaf()) {
					t.Errorf("our keys are of %x and of other certificates", k.Version())
				}
			})
		})
	}
}

// A11: with TLS 1.3 our peer believes no Success before the octet of success, not
// even that of FreeRADIUS, which has taken our certificate: here somebody between
// the two keeps the octet and acknowledges it in our place.
func TestAttackA11FreeRADIUSWithoutTheOctet(t *testing.T) {
	w := newWorld(t)
	w.freeradius(pki().hq, "1.3", "1000")
	n, p := w.nas("west"), peer(t, auth.EAPTLS, pki().west, "")
	p.Start()
	eap := identityRequest
	for !isOctet(eap) {
		out := p.Receive(eap)
		if out.Verdict != auth.Pending || out.Send == nil {
			t.Fatalf("%v before the octet came: %s", out.Verdict, out.Reason)
		}
		eap = n.ask(out.Send)
	}
	id := eap[1]
	success := n.ask([]byte{2, id, 0, 6, 13, 0})
	if n.reply.code != accessAccept || !bytes.Equal(success, []byte{3, id, 0, 4}) {
		t.Fatalf("FreeRADIUS %d: % x", n.reply.code, success)
	}
	if out := p.Receive(success); out.Verdict != auth.Pending || out.Drop == "" || out.Keys != nil {
		t.Errorf("Success in the place of the octet: %v, %q", out.Verdict, out.Drop)
	}
	if out := p.Receive([]byte{1, id, 0, 6, 13, 0}); out.Verdict != auth.Failure || out.Keys != nil {
		t.Errorf("an empty request in its place: %v", out.Verdict)
	}
	if out := p.Receive(success); out.Verdict != auth.Failure || out.Keys != nil {
		t.Errorf("Success after that: %v", out.Verdict)
	}
}

// isOctet tells whether a Request is one TLS record of one octet, with its type
// and tag, behind the header of EAP-TLS, with the length or without: nothing else
// of a handshake is as short.
func isOctet(eap []byte) bool {
	for _, header := range []int{6, 10} {
		if len(eap) == header+5+18 && bytes.HasPrefix(eap[header:], []byte{23, 3, 3, 0, 18}) {
			return true
		}
	}
	return false
}

// Both refuse certificates that are not right. FreeRADIUS makes an alert and keeps
// it: it sends the EAP Failure at once, where RFC 5216, section 2.1.3, wants the
// alert to go first.
func TestPeerRefusals(t *testing.T) {
	const silent = `peer refused us as "west" in EAP-TLS: it gave no reason`
	for _, c := range []struct {
		name     string
		hq, west *identity.Own
		want     string // our reason
		theirs   string
	}{
		{"client of another CA", pki().hq, pki().foreignW, silent, "unable to get local issuer certificate"},
		{"client expired", pki().hq, pki().expiredW, silent, "certificate has expired"},
		{"server of another CA", pki().foreignHQ, pki().west,
			`peer's certificate is refused: the peer's certificate is not signed by our CA "CA", but by another of that name`, "Alert read:fatal:bad certificate"},
		{"server expired", pki().expiredHQ, pki().west, "peer's certificate is refused: the peer's certificate expired on ", "Alert read:fatal:bad certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, _ uint16, number string) {
				w := newWorld(t)
				radius := w.freeradius(c.hq, number, "1000")
				n := w.nas("west")
				out := n.run(peer(t, auth.EAPTLS, c.west, ""))
				if out.Verdict != auth.Failure || out.Keys != nil || !strings.HasPrefix(out.Reason, c.want) {
					t.Errorf("%v: %s, want %s", out.Verdict, out.Reason, c.want)
				}
				if n.reply.code != accessReject {
					t.Errorf("FreeRADIUS ended with code %d", n.reply.code)
				}
				radius.said(c.theirs)
			})
		})
	}
}

// FreeRADIUS offers EAP-TLS, which our peer refuses for EAP-MSCHAPv2.
func TestPeerEAPMSCHAPv2(t *testing.T) {
	w := newWorld(t)
	w.freeradius(pki().hq, "1.2", "1000")
	n := w.nas("west")
	out := n.run(peer(t, auth.EAPMSCHAPv2, pki().west, password))
	if out.Verdict != auth.Success || n.reply.code != accessAccept {
		t.Fatalf("%v, FreeRADIUS %d: %s", out.Verdict, n.reply.code, out.Reason)
	}
	wantStartKeys(t, out.Keys, n.reply.key(msRecvKey, n.request), n.reply.key(msSendKey, n.request))

	n = w.nas("west")
	out = n.run(peer(t, auth.EAPMSCHAPv2, pki().west, "left horse"))
	if out.Verdict != auth.Failure || out.Keys != nil || n.reply.code != accessReject || !strings.Contains(out.Reason, "wrong password") {
		t.Errorf("with a wrong password: %v, FreeRADIUS %d: %s", out.Verdict, n.reply.code, out.Reason)
	}
}
