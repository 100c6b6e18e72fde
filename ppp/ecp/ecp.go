// Package ecp agrees on the authenticated cipher of package aead: the Encryption
// Control Protocol (RFC 1968) with one option of ours, as docs/aead.md specifies it.
// The keys come from EAP-TLS, so that without it there is no such cipher.
package ecp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
)

// Config is what the link knows when authentication is over.
type Config struct {
	EMSK                                      [64]byte // of EAP-TLS
	PeerCertificate, AuthenticatorCertificate [32]byte // SHA-256 of the DER certificate of the EAP peer and of the EAP authenticator
	Authenticator                             bool     // what we are in EAP
	// OurLCP and PeerLCP are the options of the final LCP Configure-Requests, as on
	// the wire.
	OurLCP, PeerLCP []byte

	Cipher aead.Cipher // that we prefer; zero: what this processor is good at
	Limits aead.Limits // zero: the usual ones
	Rand   io.Reader   // of salts; nil: crypto/rand
	Log    *slog.Logger
}

// Format keeps the EMSK out of logs, for every verb.
func (Config) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the EMSK out of JSON and slog.
func (Config) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }

// A Protocol is ECP for a [fsm.Machine]. It comes up once: keys that were used are
// never used from the beginning again.
type Protocol struct {
	// emsk gives the EMSK, which is wiped where it is used; nil then. A function
	// cannot be printed, by any verb.
	emsk  func() *[64]byte
	cfg   Config // its EMSK is clear
	coder *aead.Coder

	ours     offer // in our next request
	failed   error // there is no randomness for it
	theirs   offer // of the peer's last request, if that was good
	theirECP []byte
	swayed   bool // we have asked the peer for another cipher once

	dispute dispute
}

var (
	_ fsm.Protocol   = (*Protocol)(nil)
	_ fsm.ExtraCodes = (*Protocol)(nil)
)

// New returns the protocol for one link.
func New(cfg Config) *Protocol {
	if !cfg.Cipher.Valid() {
		cfg.Cipher = aead.Preferred()
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.OurLCP, cfg.PeerLCP = bytes.Clone(cfg.OurLCP), bytes.Clone(cfg.PeerLCP)
	emsk := cfg.EMSK
	clear(cfg.EMSK[:])
	p := &Protocol{emsk: func() *[64]byte { return &emsk }, cfg: cfg}
	p.Reset()
	return p
}

// Name implements [fsm.Protocol].
func (*Protocol) Name() string { return "ECP" }

// Number implements [fsm.Protocol].
func (*Protocol) Number() uint16 { return 0x8053 }

// Data is the protocol number of encrypted packets (RFC 1968, section 2.1).
func (*Protocol) Data() uint16 { return 0x0053 }

// Method is the word of the configuration.
func (*Protocol) Method() string { return "aead" }

// Inside reports whether packets of a protocol travel encrypted: all of the network
// protocols and their control protocols. Outside are LCP, authentication and what
// agrees on encryption.
func (*Protocol) Inside(protocol uint16) bool {
	switch protocol {
	case 0x0053, 0x8053, 0x80FD:
		return false
	}
	return protocol < 0xC000
}

// Coder does the work on packets, after Up has returned nil.
func (p *Protocol) Coder() *aead.Coder { return p.coder }

// Repeatable implements [fsm.Protocol]: one offer stands in a request.
func (*Protocol) Repeatable(byte) bool { return false }

// Reset implements [fsm.Protocol].
func (p *Protocol) Reset() {
	p.ours.Cipher = p.cfg.Cipher
	p.theirs, p.theirECP, p.swayed = offer{}, nil, false
	p.dispute = dispute{}
	p.freshen()
}

// freshen gives our next request a salt that none had before.
func (p *Protocol) freshen() {
	if _, err := io.ReadFull(p.cfg.Rand, p.ours.Salt[:]); err != nil {
		p.failed = fmt.Errorf("read random octets for a salt: %w", err)
	}
}

// Request implements [fsm.Protocol]. A request that is only repeated is the same
// octets.
func (p *Protocol) Request() []fsm.Option { return []fsm.Option{p.ours.option()} }

// Naked implements [fsm.Protocol]. A peer may ask for the other cipher, and for
// nothing else. It is as good.
func (p *Protocol) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		if want, err := parse(o); err == nil {
			p.ours.Cipher = want.Cipher
		}
	}
	p.dispute.naked(opts)
	p.freshen()
	return p.failed
}

var errRejected = errors.New("peer rejects our cipher (ECP option 0): set encryption.methods to one that both ends have")

// Rejected implements [fsm.Protocol]. There is one option in our request, and
// nothing to say without it.
func (p *Protocol) Rejected([]fsm.Option) error {
	p.dispute.rejected()
	p.freshen()
	return errRejected
}

var (
	errUsed    = errors.New("the keys of this link were used: encryption begins anew with a new link only")
	errNoOffer = errors.New("peer asks for no encryption of what is sent to it: set encryption.methods to one that both ends have")
)

// Up implements [fsm.Protocol]. It makes the keys.
func (p *Protocol) Up() error {
	switch {
	case p.emsk == nil:
		return errUsed
	case p.failed != nil:
		return p.failed
	case p.theirECP == nil:
		return errNoOffer
	}
	p.coder = aead.New(p.exchange(), p.cfg.Authenticator, p.cfg.Limits)
	p.emsk = nil
	p.cfg.Log.Debug("encryption keys made", "cipher_out", p.theirs.Cipher, "cipher_in", p.ours.Cipher)
	return nil
}

// exchange gives each end its role.
func (p *Protocol) exchange() aead.Exchange {
	ours := aead.End{LCP: p.cfg.OurLCP, ECP: fsm.AppendOptions(nil, p.Request()), Salt: p.ours.Salt, Cipher: p.ours.Cipher}
	theirs := aead.End{LCP: p.cfg.PeerLCP, ECP: p.theirECP, Salt: p.theirs.Salt, Cipher: p.theirs.Cipher}
	x := aead.Exchange{EMSK: p.emsk(), Peer: ours, Authenticator: theirs}
	if p.cfg.Authenticator {
		x.Peer, x.Authenticator = theirs, ours
	}
	x.Peer.Certificate, x.Authenticator.Certificate = p.cfg.PeerCertificate, p.cfg.AuthenticatorCertificate
	return x
}

// Down implements [fsm.Protocol]. It is the end of the link, which forgets the
// Protocol and with it the keys.
func (*Protocol) Down() {}

// ReceiveExtra implements [fsm.ExtraCodes]. Each packet stands for itself, so there
// is nothing to reset: Reset-Request and Reset-Ack (RFC 1968, section 3) are known,
// and not answered.
func (*Protocol) ReceiveExtra(code fsm.Code, _ byte, _ []byte) (known bool) {
	return code == 14 || code == 15
}
