package auth

import (
	"crypto/rand"
	"io"
	"time"

	"sitebridge/internal/secret"
)

// An Exchange is one direction of authentication on one link, from one of its
// ends. It is a pure step and belongs to the goroutine that owns the link.
//
// The link calls Start once, when LCP has opened; then Receive for each packet
// of the direction and Timeout when the running timer ends. It goes on calling
// Receive while the link lives: repeats are answered from a cache, and a peer
// may be challenged again at any time (RFC 1994, section 2).
type Exchange interface {
	// Protocol is the PPP protocol number of the packets: 0xC023 or 0xC223.
	Protocol() uint16
	// Start begins the exchange.
	Start() Output
	// Receive takes a packet from its code octet on. It keeps nothing of pkt.
	Receive(pkt []byte) Output
	// Timeout tells that the time of the last Output with a Wait has passed.
	Timeout() Output
}

// An Output is what the link must do after a step.
type Output struct {
	// Send is a packet to send, from its code octet on. It is good until the
	// next step and must not be changed.
	Send []byte
	// Wait, when above 0, starts the timer anew; it ends in Timeout. 0 leaves a
	// running timer alone, so that a stray packet prolongs nothing. A Verdict
	// other than Pending stops the timer.
	Wait time.Duration
	// Verdict is how the exchange stands after this step. A Success can still
	// turn into a Failure, when the peer challenges us again and then refuses us.
	Verdict Verdict
	// Name is the name that the other end has proved, as it sent it: escape it
	// when it is shown. Set by an authenticator with each Success.
	Name string
	// Reason says in words why the Verdict is Failure. It never holds a secret,
	// and names and texts from the wire are quoted in it.
	Reason string
	// Keys come with the step that makes the first Success of MS-CHAPv2, never
	// with a later one: encryption is tied to the first exchange.
	Keys *MasterKeys
	// Drop is why the packet was ignored; empty when it was not.
	Drop Drop
}

// A Verdict is how an Exchange stands.
type Verdict uint8

// The verdicts.
const (
	Pending Verdict = iota
	Success
	Failure
)

func (v Verdict) String() string {
	switch v {
	case Pending:
		return "pending"
	case Success:
		return "success"
	case Failure:
		return "failure"
	}
	return "verdict?"
}

// A Drop is the reason why a packet was ignored, to be counted by.
type Drop string

// The reasons.
const (
	DropMalformed       Drop = "malformed"        // lengths that contradict each other, or a name beyond 256 octets
	DropUnexpectedCode  Drop = "unexpected_code"  // a code that this end does not take, or not now
	DropWrongIdentifier Drop = "wrong_identifier" // an answer to something that we did not ask
)

// Timers. The values are pppd's.
const (
	retryInterval = 3 * time.Second  // until we repeat what was not answered
	maxTransmits  = 10               // how often we send it in all
	patience      = 30 * time.Second // for the other end to say something
)

// An AuthenticatorConfig is what the end that asks must know.
type AuthenticatorConfig struct {
	// Name is our own name, told in each Challenge.
	Name string
	// OwnNames are the names under which we prove ourselves to others. Who
	// answers under one of them, or under Name, sends us our own words back and
	// is refused.
	OwnNames []string
	// Lookup finds the secret of a name; it gets the name whole, "DOMAIN\user"
	// included. An unknown name costs the same time as a wrong password, as far
	// as Lookup does. An empty secret counts as unknown.
	Lookup func(name string) (secret.Secret, bool)
	// Rand is the source of challenges and identifiers; nil: crypto/rand.
	Rand io.Reader
}

// A PeerConfig is what the end that proves itself must know.
type PeerConfig struct {
	Name   string        // our name there
	Secret secret.Secret // what we prove it with
	// ForChallenger, unless nil, finds by the name in a Challenge what to prove
	// ourselves with: an answerer with many peers does not know yet which of them
	// asks. Name and Secret are for names that it does not find. PAP has no
	// challenge, and uses those alone.
	ForChallenger func(name string) (own string, s secret.Secret, ok bool)
	// Rand is the source of peer challenges and identifiers; nil: crypto/rand.
	Rand io.Reader
	// Outstanding tells whether a challenge is one of ours, asked in the other
	// direction, which is then not answered (RFC 1994, section 2.3). See the
	// function Outstanding. Nil: there is no other direction.
	Outstanding func(challenge []byte) bool
}

// NewAuthenticator makes the end that asks the other to prove its name by m.
func NewAuthenticator(m Method, c AuthenticatorConfig) Exchange {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	switch m {
	case PAP:
		return newPAPAuthenticator(c)
	case CHAP:
		return newCHAPAuthenticator(md5CHAP{}, c)
	case MSCHAPv2:
		return newCHAPAuthenticator(msCHAPv2{}, c)
	}
	panic("auth: no authenticator for " + m.String())
}

// NewPeer makes the end that proves our name by m.
func NewPeer(m Method, c PeerConfig) Exchange {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	switch m {
	case PAP:
		return newPAPPeer(c)
	case CHAP:
		return newCHAPPeer(md5CHAP{}, c)
	case MSCHAPv2:
		return newCHAPPeer(msCHAPv2{}, c)
	}
	panic("auth: no peer for " + m.String())
}

// Outstanding returns a func for PeerConfig that recognises the challenges of
// authenticator, the Exchange of the other direction (nil: there is none).
func Outstanding(authenticator Exchange) func(challenge []byte) bool {
	a, ok := authenticator.(*chapAuthenticator)
	if !ok {
		return func([]byte) bool { return false } // PAP has no challenges
	}
	return a.asked
}

// ToAuthenticator tells, where both ends authenticate by one protocol, which of
// our two Exchanges a packet from its code octet on is for: our authenticator,
// else our peer.
func ToAuthenticator(protocol uint16, pkt []byte) bool {
	if len(pkt) == 0 {
		return false
	}
	switch code := pkt[0]; protocol {
	case protocolPAP:
		return code == papRequest
	case protocolCHAP:
		return code == chapResponse || code == chapChangePassword
	}
	return false
}
