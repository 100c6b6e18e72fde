package auth

import (
	"crypto/rand"
	"time"
)

// An Exchange is one direction of authentication on one link, from one of its
// ends. It is a pure step and belongs to the goroutine that owns the link.
//
// The link calls Start once, when LCP has opened; then Receive for each packet
// of the direction and Timeout when the running timer ends. It goes on calling
// Receive while the link lives: repeats are answered from a cache, and a peer
// may be challenged again at any time (RFC 1994, section 2).
type Exchange interface {
	// Protocol is the PPP protocol number of the packets: 0xC023, 0xC223 or
	// 0xC227.
	Protocol() uint16
	// Start begins the exchange.
	Start() Output
	// Receive takes a packet from its code octet on. It keeps nothing of pkt.
	Receive(pkt []byte) Output
	// Timeout tells that the time of the last Output with a Wait has passed.
	Timeout() Output
	// Close ends what runs for the exchange, a TLS handshake, and the exchange
	// with it. It may be called at any time, and twice.
	Close()
}

// A Presumer is an Exchange that can do without the last packet. An EAP peer whose
// method has succeeded takes it as the lost Success when the other end has gone
// on to the network phase (RFC 3748, section 4.2).
type Presumer interface {
	// Presume tells that the peer has gone on to the network phase.
	Presume() Output
}

// A Foreseer is an Exchange that may know that it has failed while it still waits for
// the other end's last packet: a method of EAP says so inside, and not everybody
// stays for the EAP Failure.
type Foreseer interface {
	// Refusal says why the exchange is going to fail; "" while that is not known.
	Refusal() string
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
	// Ask is a proof that somebody else must judge now. The Asker waits for his Ruling,
	// without a timer: whoever takes the Question knows how long that may take.
	Ask *Question
	// Verdict is how the exchange stands after this step. A Success can still
	// turn into a Failure, when the peer challenges us again and then refuses us.
	Verdict Verdict
	// Name is the name that the other end has proved, as it sent it: escape it
	// when it is shown. Set by an authenticator with each Success, and by a peer
	// when the authenticator has proved itself by a certificate.
	Name string
	// Method is set with each Success: which method proved it. It is never EAP.
	Method Method
	// Reason says in words why the Verdict is Failure. It never holds a secret,
	// and names and texts from the wire are quoted in it.
	Reason string
	// GaveUp is set with a Failure that judges nothing: the other end fell silent.
	// That may be the line, and the next try may succeed.
	GaveUp bool
	// Keys come with the step that makes the first Success of a method that has
	// keys, never with a later one: encryption is tied to the first exchange.
	Keys Keys
	// Notice is what the other end wants a person to read (RFC 3748, section 5.2),
	// quoted.
	Notice string
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
	DropWrongType       Drop = "wrong_type"       // an EAP type that is not due
	DropWaiting         Drop = "waiting"          // another proof waits to be judged
)

// Timers. The values are pppd's.
const (
	retryInterval = 3 * time.Second  // until we repeat what was not answered
	maxTransmits  = 10               // how often we send it in all
	patience      = 30 * time.Second // for the other end to say something
)

// NewAuthenticator makes the end that asks the other to prove its name by m. With
// EAP that is one of c.EAP; a method that runs inside EAP may be named alone.
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
	case EAPMSCHAPv2, EAPTLS:
		c.EAP = []Method{m}
		return newEAPAuthenticator(c)
	case EAP:
		return newEAPAuthenticator(c)
	}
	panic("auth: no authenticator for " + m.String())
}

// NewPeer makes the end that proves our name by m, as NewAuthenticator does.
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
	case EAPMSCHAPv2, EAPTLS:
		c.EAP = []Method{m}
		return newEAPPeer(c)
	case EAP:
		return newEAPPeer(c)
	}
	panic("auth: no peer for " + m.String())
}

// Outstanding returns a func for PeerConfig that recognises the challenges of
// authenticator, the Exchange of the other direction (nil: there is none).
func Outstanding(authenticator Exchange) func(challenge []byte) bool {
	a, ok := authenticator.(interface{ asked(challenge []byte) bool })
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
	case protocolEAP:
		return code == eapResponse
	}
	return false
}
