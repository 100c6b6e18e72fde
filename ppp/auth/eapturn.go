package auth

import "time"

// A turn is what a method does with a packet. Methods see and make type data
// alone; identifiers, repeats and verdicts are the business of who runs them.
type turn struct {
	send []byte        // type data of the next packet; nil: none
	end  methodEnd     // how the method stands
	wait time.Duration // a proof waits so long to be judged; see eapServer.judge
	ask  *Question     // somebody else must judge it; see asker
	drop Drop          // the packet was ignored, and nothing else is set

	reason string // of a failure, in words
	mute   bool   // of a failure: the other end shall not hear of it
	name   string // that the other end proved
	keys   Keys
}

// A methodEnd is how a method stands.
type methodEnd uint8

const (
	methodGoing methodEnd = iota
	methodDone            // its own result is positive
	methodFailed
)

func dropped(why Drop) turn { return turn{drop: why} }

func failed(reason string) turn { return turn{end: methodFailed, reason: reason} }

// An eapServer is the authenticator's half of a method.
type eapServer interface {
	// first makes the Request that begins the method. It will have identifier id.
	first(id byte) turn
	// receive takes a Response to the last Request.
	receive(data []byte) turn
	// judge is called when the time of a turn with a wait has passed.
	judge() turn
	// close ends what runs. It may be called twice.
	close()
}

// An asker is an eapServer whose turn may ask somebody else.
type asker interface {
	rule(q *Question, r Ruling) turn
}

// An eapClient is the peer's half of a method.
type eapClient interface {
	// receive takes a new Request, from the one that begins the method on.
	receive(data []byte) turn
	close()
}

// Limits of a method, whatever it is and however the packets come (attack row
// A7). The time is only measured for EAP-TLS: with it an end may be busy for long
// while both follow the rules.
const (
	maxRounds = 100 // Requests
	tlsTick   = time.Second
	tlsTicks  = 30 // that EAP-TLS may take
	tlsTime   = tlsTicks * tlsTick
)

// The end of an exchange that has failed inside a method: the one that knows waits
// for the other's answer, but not for long.
const (
	maxFarewells = 3               // how often an authenticator sends its last Request
	farewellTime = 3 * time.Second // that a peer waits for the Failure
)
