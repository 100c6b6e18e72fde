package eaptls

import (
	"crypto/tls"
	"slices"
)

func (c Config) old() bool { return c.Old != nil && c.Old() }

// oldTLS13 has TLS 1.3 do for pppd 2.4.9 what RFC 9190 does not ask for. That pppd
//
//   - exports its keys without a context (deriveKeys);
//   - as a client takes no handshake for finished before a session ticket has come. It
//     gets one that opens nothing, as does any client that would take one, since who
//     it is shows later: whoever brings it back proves itself like anybody else;
//   - as a server sends tickets, but no octet of success. TLS protects them alike, and
//     a server that asks for a certificate cannot send one before it has taken that,
//     since the ticket's secret depends on it (RFC 8446, sections 4.6.1 and 7.1).
func (h *handshake) oldTLS13(c Config, t *tls.Config) {
	t.ClientSessionCache = tickets{h}
	t.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return []byte("none"), nil }
	t.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
	with := t.Clone()
	with.SessionTicketsDisabled = false
	t.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if t.MaxVersion != 0 && t.MaxVersion < tls.VersionTLS13 || !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return nil, nil // TLS 1.2 is as ever
		}
		return with, nil
	}
	t.SessionTicketsDisabled = c.Server // a client takes what it is given
}

// tickets notes that one came, and keeps none.
type tickets struct{ h *handshake }

func (t tickets) Put(string, *tls.ClientSessionState) { t.h.ticket = true }

func (tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
