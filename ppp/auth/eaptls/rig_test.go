package eaptls

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"sitebridge/ppp/auth/eaptls/tlstest"
)

// What all tests use. Making certificates is slow, and nothing changes them.
var (
	ca         = tlstest.NewCA("Test CA")
	serverCert = ca.Issue("hq")
	clientCert = ca.Issue("branch1")
)

var versions = []struct {
	name string
	of   uint16
}{{"TLS 1.2", tls.VersionTLS12}, {"TLS 1.3", tls.VersionTLS13}}

func own(c *tls.Certificate) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) { return c, nil }
}

func serverConfig(version uint16) Config {
	return Config{Server: true, Certificate: own(serverCert), Verify: ca.Verify(x509.ExtKeyUsageClientAuth), MinVersion: version, MaxVersion: version}
}

func clientConfig(version uint16) Config {
	return Config{Certificate: own(clientCert), Verify: ca.Verify(x509.ExtKeyUsageServerAuth), MinVersion: version, MaxVersion: version}
}

// patient makes a conversation that takes any number of packets, for fragments
// that are smaller than the cap on them allows.
func patient(t testing.TB, c Config) *Conversation {
	conv := open(t, c)
	conv.rounds = 1 << 30
	return conv
}

func open(t testing.TB, c Config) *Conversation {
	conv := New(c)
	t.Cleanup(conv.Close)
	return conv
}

// A record is one packet of a conversation.
type record struct {
	fromServer bool
	data       []byte
}

// converse lets both ends talk until neither has something to send. It returns
// their last steps and all packets.
func converse(t testing.TB, server, client *Conversation) (s, c Step, packets []record) {
	t.Helper()
	client.Start()
	for s = server.Start(); s.Send != nil; {
		packets = append(packets, record{true, s.Send})
		if c = client.Receive(s.Send); c.Send == nil {
			break
		}
		packets = append(packets, record{false, c.Send})
		s = server.Receive(c.Send)
	}
	return s, c, packets
}

// wantBoth checks how the two ends stand.
func wantBoth(t *testing.T, server, client Step, want State) {
	t.Helper()
	if server.State != want || client.State != want {
		t.Fatalf("server %v %q, client %v %q; want both %v", server.State, server.Reason, client.State, client.Reason, want)
	}
}

// wantFailed checks that s failed, for a reason that contains words.
func wantFailed(t *testing.T, who string, s Step, words string) {
	t.Helper()
	if s.State != Failed || !strings.Contains(s.Reason, words) {
		t.Errorf("%s: %v, because %q; want failed, because %q", who, s.State, s.Reason, words)
	}
}

// wantEqualResults checks that both ends have the same keys and saw each other.
func wantEqualResults(t *testing.T, server, client Result, version uint16) {
	t.Helper()
	switch {
	case server.MSK != client.MSK || server.EMSK != client.EMSK:
		t.Error("the ends have different keys")
	case server.MSK == [64]byte{} || server.EMSK == [64]byte{} || server.MSK == server.EMSK:
		t.Error("the keys are empty, or halves of one key")
	case server.Version != version || client.Version != version:
		t.Errorf("versions %x and %x, want %x", server.Version, client.Version, version)
	case !server.Theirs.Equal(client.Ours) || !client.Theirs.Equal(server.Ours):
		t.Error("an end saw another certificate than was shown to it")
	case server.Theirs.Equal(server.Ours):
		t.Error("both ends have one certificate")
	}
}
