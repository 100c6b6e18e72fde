package auth

import (
	"crypto/sha256"
	"crypto/x509"

	"sitebridge/ppp/auth/eaptls"
)

// An eapTLS is either half of EAP-TLS (RFC 5216, RFC 9190).
type eapTLS struct {
	conversation conversation
	server       bool
	name         string // that the other end's certificate proves
}

// A conversation is what we need of *eaptls.Conversation.
type conversation interface {
	Start() eaptls.Step
	Receive(typeData []byte) eaptls.Step
	Result() eaptls.Result
	Close()
}

// newEAPTLS makes the half of an authenticator or peer. identity is what the other
// end claims: the certificate has to stand up to it, never the other way round.
func newEAPTLS(c *TLSConfig, server bool, identity string) *eapTLS {
	e := &eapTLS{server: server}
	config := eaptls.Config{
		Server:      server,
		Certificate: c.Certificate,
		Verify: func(chain []*x509.Certificate) (err error) {
			e.name, err = c.Verify(identity, chain)
			return err
		},
		MinVersion: c.MinVersion,
		MaxVersion: c.MaxVersion,
	}
	if c.Old != nil {
		config.Old = func() bool { return c.Old(e.name) }
	}
	e.conversation = eaptls.New(config)
	return e
}

func (e *eapTLS) first(byte) turn { return e.turn(e.conversation.Start()) }

func (e *eapTLS) receive(data []byte) turn { return e.turn(e.conversation.Receive(data)) }

func (e *eapTLS) judge() turn { return turn{} } // nothing waits: see Guard

func (e *eapTLS) close() { e.conversation.Close() }

func (e *eapTLS) turn(s eaptls.Step) turn {
	switch s.State {
	case eaptls.Failed:
		return turn{end: methodFailed, send: s.Send, reason: s.Reason}
	case eaptls.Succeeded:
		return turn{end: methodDone, send: s.Send, name: e.name, keys: e.keys(e.conversation.Result())}
	}
	return turn{send: s.Send}
}

// keys names the two certificates by the roles in EAP, so that both ends name them
// alike.
func (e *eapTLS) keys(r eaptls.Result) *TLSKeys {
	peer, authenticator := r.Ours, r.Theirs
	if e.server {
		peer, authenticator = authenticator, peer
	}
	return &TLSKeys{r.MSK, r.EMSK, sha256.Sum256(peer.Raw), sha256.Sum256(authenticator.Raw), e.server, r.Version}
}
