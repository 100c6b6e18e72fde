package eaptls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// old is a Config for an other end whose TLS 1.3 is that of pppd 2.4.9.
func old(c Config) Config {
	c.Old = func() bool { return true }
	return c
}

// likePPPD is a client that takes session tickets, and keeps them in the cache.
func likePPPD(t *testing.T, version uint16, cache tls.ClientSessionCache) *rogue {
	t.Helper()
	return newRogue(t, clientConfig(version), func(c *tls.Config) {
		c.ClientSessionCache, c.SessionTicketsDisabled = cache, false
	})
}

// drive has the rogue client shake hands with the server, and returns how the server
// stands after that.
func drive(t *testing.T, server *Conversation, client *rogue) (s Step) {
	t.Helper()
	server.Start()
	client.feed(nil)
	for s = server.Receive(client.packet()); s.Send != nil; {
		s = server.Receive(client.answer(s.Send))
	}
	return s
}

// withoutContext are the keys of pppd 2.4.9.
func (r *rogue) withoutContext() []byte {
	r.t.Helper()
	s := r.conn.ConnectionState()
	keys, err := s.ExportKeyingMaterial("EXPORTER_EAP_TLS_Key_Material", nil, 128)
	must(r.t, err)
	return keys
}

// TestOldClient: it gets a ticket before the octet, and has the keys that we have.
// The ticket opens nothing.
func TestOldClient(t *testing.T) {
	cache := &sessions{}
	judged := 0
	c := old(whole(serverConfig(tls.VersionTLS13)))
	verify := c.Verify
	c.Verify = func(chain []*x509.Certificate) error { judged++; return verify(chain) }
	for i := range 2 {
		server, client := open(t, c), likePPPD(t, tls.VersionTLS13, cache)
		s := drive(t, server, client)
		if s.State != Succeeded || !client.done || !bytes.Equal(client.said, []byte{success}) {
			t.Fatalf("%+v; the client: %v, it heard % x", s, client.err, client.said)
		}
		if cache.put != i+1 {
			t.Errorf("after %d handshakes the client has %d tickets", i+1, cache.put)
		}
		if r := server.Result(); !bytes.Equal(append(r.MSK[:], r.EMSK[:]...), client.withoutContext()) {
			t.Error("the ends have different keys")
		}
		if client.conn.ConnectionState().DidResume {
			t.Error("the ticket opened a session")
		}
	}
	if judged != 2 || cache.got == 0 {
		t.Errorf("%d certificates were judged, a ticket was shown %d times", judged, cache.got)
	}
}

// TestNoTicketUnasked: who is not of old gives none, and nobody does in TLS 1.2.
func TestNoTicketUnasked(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  Config
		version uint16
	}{
		{"TLS 1.3", serverConfig(tls.VersionTLS13), tls.VersionTLS13},
		{"TLS 1.2", serverConfig(tls.VersionTLS12), tls.VersionTLS12},
		{"TLS 1.2, for an old peer", old(serverConfig(tls.VersionTLS12)), tls.VersionTLS12},
		{"TLS 1.2 with an old peer that has no other", old(serverConfig(0)), tls.VersionTLS12},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := &sessions{}
			s := drive(t, open(t, whole(c.config)), likePPPD(t, c.version, cache))
			if s.State != Succeeded || cache.put != 0 {
				t.Errorf("%+v, and the client has %d tickets", s, cache.put)
			}
		})
	}
}

// TestOldServer: a whole ticket stands for the octet, and nothing else does.
func TestOldServer(t *testing.T) {
	good := ticket(100)
	good[4+2] = 2 // it lives for 512 s: one that lives for none is none
	newKeys := []byte{24, 0, 0, 1, 0}
	for _, c := range []struct {
		name string
		send func(*sealer) []byte
		want State
	}{
		{"a ticket", func(s *sealer) []byte { return s.record(22, good) }, Succeeded},
		{"two tickets", func(s *sealer) []byte { return append(s.record(22, good), s.record(22, good)...) }, Succeeded},
		{"a ticket and the octet", func(s *sealer) []byte { return append(s.record(22, good), s.record(23, []byte{0})...) }, Succeeded},
		{"the octet", func(s *sealer) []byte { return s.record(23, []byte{0}) }, Succeeded},
		{"a ticket and another octet", func(s *sealer) []byte { return append(s.record(22, good), s.record(23, []byte{1})...) }, Failed},
		{"nothing", func(s *sealer) []byte { return nil }, Failed},
		{"part of a ticket", func(s *sealer) []byte { return s.record(22, good)[:50] }, Going},
		{"the head of a record", func(s *sealer) []byte { return []byte{23, 3, 3} }, Going},
		{"a ticket that was changed", func(s *sealer) []byte { b := s.record(22, good); b[20] ^= 1; return b }, Failed},
		{"a ticket in clear", func(s *sealer) []byte { return append([]byte{22, 3, 3, 0, byte(len(good))}, good...) }, Failed},
		{"new keys", func(s *sealer) []byte { return s.record(22, newKeys) }, Going},
		{"a ticket that lives for no time", func(s *sealer) []byte { return s.record(22, ticket(100)) }, Going},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newRogue(t, serverConfig(tls.VersionTLS13), nil)
			client := open(t, old(whole(clientConfig(tls.VersionTLS13))))
			s := client.Receive([]byte{flagStart})
			s = client.Receive(server.answer(s.Send))
			server.answer(s.Send)
			s = client.Receive(fragment{data: c.send(newSealer(server))}.encode())
			if s.State != c.want {
				t.Fatalf("%+v, want %v", s, c.want)
			}
			if r := client.Result(); c.want == Succeeded && !bytes.Equal(append(r.MSK[:], r.EMSK[:]...), server.withoutContext()) {
				t.Error("the ends have different keys")
			}
		})
	}
}

// TestOldToOld: two ends that each take the other for old go on all the same.
func TestOldToOld(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			server, client := open(t, old(serverConfig(v.of))), open(t, old(clientConfig(v.of)))
			s, c, _ := converse(t, server, client)
			wantBoth(t, s, c, Succeeded)
			wantEqualResults(t, server.Result(), client.Result(), v.of)
		})
	}
}

// sessions is a cache for one.
type sessions struct {
	put, got int
	last     *tls.ClientSessionState
}

func (s *sessions) Put(_ string, c *tls.ClientSessionState) {
	if c != nil {
		s.put, s.last = s.put+1, c
	}
}

func (s *sessions) Get(string) (*tls.ClientSessionState, bool) {
	if s.last != nil {
		s.got++
	}
	return s.last, s.last != nil
}
