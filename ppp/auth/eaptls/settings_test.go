package eaptls

import (
	"crypto/tls"
	"testing"
)

// Who has no cipher of TLS 1.2 with forward secrecy and authenticated encryption is
// refused, by either end. Go's TLS would take the others.
func TestOnlyGoodCiphers(t *testing.T) {
	for _, c := range []struct {
		name  string
		suite uint16
		taken bool
	}{
		{"AES-128 with GCM", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
		{"AES-256 with GCM", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true},
		{"ChaCha20 with Poly1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true},
		{"AES-128 with CBC", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, false},
		{"AES-256 with CBC", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, false},
	} {
		only := func(s *tls.Config) { s.CipherSuites = []uint16{c.suite} }
		t.Run(c.name+", the client's", func(t *testing.T) {
			server, client := open(t, whole(serverConfig(0))), newRogue(t, clientConfig(tls.VersionTLS12), only)
			s := drive(t, server, client)
			if c.taken != (s.State == Succeeded) {
				t.Fatalf("taken %v: %+v", c.taken, s)
			}
			if !c.taken {
				wantFailed(t, "server", s, "no cipher suite supported by both")
			}
		})
		t.Run(c.name+", the server's", func(t *testing.T) {
			client, server := open(t, whole(clientConfig(0))), newRogue(t, serverConfig(tls.VersionTLS12), only)
			s := client.Receive([]byte{flagStart})
			for s.State == Going {
				s = client.Receive(server.answer(s.Send))
			}
			if c.taken != (s.State == Succeeded) {
				t.Fatalf("taken %v: %+v", c.taken, s)
			}
			if !c.taken {
				wantFailed(t, "client", s, "handshake failure")
			}
		})
	}
}
