package ppp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// A Config is all that a Link needs from outside. Send is required.
type Config struct {
	Log *slog.Logger // nil: none

	// MRU is what we ask the peer to respect, in octets of the information
	// field. 1500, the default, is not asked for.
	MRU uint16

	// Ask lists the methods by which the peer may prove itself, strongest
	// first. Empty: it need not.
	Ask []auth.Method
	// Prove lists the methods by which we are willing to prove ourselves,
	// strongest first.
	Prove []auth.Method
	// MustProve ends the link when the peer does not ask for a method of Prove.
	// A dialler that is not asked to prove itself has not reached its peer. A
	// link without it that asks, an answerer, proves itself only to a peer that
	// has done so; two of those would wait for each other.
	MustProve bool
	// Authenticator and Peer are for the two directions. The link fills in Rand
	// and Peer.Outstanding.
	Authenticator auth.AuthenticatorConfig
	Peer          auth.PeerConfig
	// Judge is told of proofs that Authenticator.Remote leaves to somebody else. It is
	// called on the link's goroutine and must not block; answer may be called from any
	// goroutine, once. ctx ends with the link. Nil: nobody judges them.
	Judge func(ctx context.Context, q auth.Question, answer func(auth.Ruling))
	// AuthTimeout is how long both directions may take; default 60 s.
	AuthTimeout time.Duration

	// Admit is called on the link's goroutine when authentication is over, and
	// says which network protocols run, and how they are protected. An error ends the link with its text.
	// LCP may be negotiated again, and the peer admitted again, within one Run.
	// Nil: none run.
	Admit func(Admission) (Network, error)

	// Send hands frames to the carrier, which may change them in place but not
	// keep them. df asks that the outer packet not be fragmented. It must be
	// safe for concurrent use.
	Send func(frames []*packet.Buffer, df bool) error
	// Changed is called on the link's goroutine when Status has something new
	// to tell about the phase or an NCP. May be nil.
	Changed func()

	// Tap is where frames can be looked at, as they are inside of encryption; nil:
	// nowhere.
	Tap *tap.Tap

	// Rand is the source of magic numbers, challenges and identifiers; nil:
	// crypto/rand.
	Rand io.Reader
}

// An Identity is whom the peer proved to be.
type Identity struct {
	Name   string      // as the peer sent it: escape it when it is shown
	Method auth.Method // how it was proved
	Proved bool        // false, and the others empty, when it proved no name
}

// An Admission is what is known of a peer when authentication is over.
type Admission struct {
	Identity
	// Used is the method by which the ends have proved themselves; 0: they have not.
	Used auth.Method
	// Keys are what authentication leaves for encryption; nil: none. They are wiped
	// when Admit has returned.
	Keys auth.Keys
	// OurLCP and PeerLCP are the options of the two Configure-Requests that LCP
	// agreed on, as they were on the wire.
	OurLCP, PeerLCP []byte
}

// A Network is what runs over an admitted peer's link.
type Network struct {
	NCPs []NCP
	// Required names NCPs, by their Name. The link ends when not one of these
	// can live any more. Empty: when not one of NCPs can.
	Required []string
	Echo     Echo
	// Encryption is what protects the packets of NCPs. The zero one is none.
	Encryption Encryption
}

// An NCP is a network control protocol (RFC 1661, section 2) with the network
// layer that it configures.
//
// The link calls Up before the first Deliver. Within Up the NCP may already
// send. Deliver runs on the carrier's goroutine, so one call of it may still be
// under way when Down is called.
type NCP interface {
	fsm.Protocol
	// Data lists the protocols of its packets: 0x0021.
	Data() []uint16
	// Deliver takes packets without their PPP header. They are lent.
	Deliver(protocol uint16, pkts []*packet.Buffer)
}

const defaultAuthTimeout = 60 * time.Second

// withDefaults fills in what was left out, and panics on what no Link can run
// with: that is a bug of the caller.
func (c Config) withDefaults() Config {
	if c.Send == nil {
		panic(errors.New("ppp: Config without Send"))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MRU == 0 {
		c.MRU = defaultMRU
	}
	if c.AuthTimeout <= 0 {
		c.AuthTimeout = defaultAuthTimeout
	}
	if c.Admit == nil {
		c.Admit = func(Admission) (Network, error) { return Network{}, nil }
	}
	if c.Judge == nil {
		c.Judge = nobodyJudges
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.Authenticator.Rand, c.Peer.Rand = c.Rand, c.Rand
	return c
}
