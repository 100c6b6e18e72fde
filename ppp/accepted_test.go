package ppp

import (
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ppp/aead"
	"sitebridge/ppp/mppe"
)

// Only what an authenticated cipher has opened counts, once.
func TestAcceptedIsThePeers(t *testing.T) {
	strong := func(authenticator bool) Coder { // New wipes the EMSK
		x := aead.Exchange{EMSK: &[64]byte{1}, Peer: aead.End{Cipher: aead.Preferred()}, Authenticator: aead.End{Cipher: aead.Preferred()}}
		return aead.New(x, authenticator, aead.Limits{})
	}
	for _, c := range []struct {
		name     string
		from, to Coder
		want     uint64
	}{
		{"aead", strong(false), strong(true), 2},
		{"mppe", mppe.New(mppe.FromMSK([64]byte{1}, false), false), mppe.New(mppe.FromMSK([64]byte{1}, true), false), 0},
	} {
		l := carrying(nowhere, fakeIP(t))
		v := *l.view.Load()
		v.tunnel = &tunnel{Coder: c.to, data: 0x0053, inside: isData, authentic: authenticates(c.to)}
		l.view.Store(&v)
		var sealed [][]byte
		for range 2 {
			b := packet.Get()
			b.Set([]byte("\x00\x21hello"))
			c.from.Seal([]*packet.Buffer{b})
			sealed = append(sealed, append([]byte{0xff, 0x03, 0x00, 0x53}, b.Bytes()...))
		}
		forged := append([]byte(nil), sealed[1]...)
		forged[len(forged)-1] ^= 1
		for _, frame := range [][]byte{sealed[0], sealed[0], forged, {0xff, 0x03, 0x00, 0x21, 'c'}, sealed[1]} {
			if want := c.want > 0 && frame[3] == 0x53; l.Sealed(frame) != want {
				t.Errorf("%s: is % x sealed? want %v", c.name, frame[:4], want)
			}
			b := packet.Get()
			b.Set(frame)
			l.Receive([]*packet.Buffer{b})
		}
		if v.tunnel = nil; l.Sealed(nil) || l.Sealed([]byte{0xff, 3}) || carrying(nowhere).Sealed(sealed[0]) {
			t.Errorf("%s: what is no frame is sealed, or without a cipher", c.name)
		}
		if got := l.Accepted(); got != c.want {
			t.Errorf("%s: %d accepted, want %d", c.name, got, c.want)
		}
	}
}
