package eaptls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// A Config is what one end must know.
type Config struct {
	// Server tells that this end is the EAP authenticator.
	Server bool
	// Certificate returns our own certificate, when the handshake begins. An error
	// fails the conversation with its text.
	Certificate func() (*tls.Certificate, error)
	// Verify judges the other end's certificates, leaf first. An error ends the
	// handshake with an alert; its text is for our log. Not before Succeeded is it
	// proved that the other end holds the leaf's key.
	Verify func(chain []*x509.Certificate) error
	// MinVersion and MaxVersion are the TLS versions; 0: 1.2 and 1.3. Below 1.2 there
	// is nothing.
	MinVersion, MaxVersion uint16
	// Old tells whether the other end, whose certificate Verify has taken, has the TLS
	// 1.3 of pppd 2.4.9, which is older than RFC 9190; see oldTLS13. nil: never.
	Old func() bool
	// FragmentSize is how many octets of TLS data go into a packet; 0: 1000.
	FragmentSize int
	// Time is the clock that TLS sees; nil: time.Now.
	Time func() time.Time
}

const (
	defaultFragment = 1000 // with its headers it fits any MRU that EAP may assume (RFC 3748, section 3.1)
	maxRounds       = 100  // packets of the other end
)

// A State is how a Conversation stands.
type State uint8

// The states.
const (
	Going     State = iota
	Succeeded       // the method is over; the EAP Success may be sent, or believed
	Failed
)

func (s State) String() string {
	switch s {
	case Going:
		return "going"
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	}
	return "state?"
}

// A Step is what the caller must do.
type Step struct {
	// Send is the type data of the next EAP-TLS packet, from its flags octet on;
	// nil: nothing to send. A server that Failed with something to send waits for
	// the answer to it before the EAP Failure (RFC 5216, section 2.1.3).
	Send  []byte
	State State
	// Reason says in words why the State is Failed.
	Reason string
}

// A Conversation is one handshake, seen from one of its ends. It belongs to one
// goroutine, and must be closed.
type Conversation struct {
	unprintable
	cfg    Config
	tls    *handshake // nil before it begins and after the end
	in     assembly
	out    cutter
	next   Step   // where the last fragment of out leads to
	rounds int    // packets that may still come
	taken  int    // octets of TLS data that came since we last sent some
	last   bool   // our last flight is sent
	end    Step   // without its Send, once it is not Going
	result Result // good when end is Succeeded
}

// New makes a conversation that has not begun.
func New(c Config) *Conversation {
	if c.Certificate == nil || c.Verify == nil {
		panic("eaptls: a conversation without certificate or judge")
	}
	if c.FragmentSize <= 0 {
		c.FragmentSize = defaultFragment
	}
	return &Conversation{cfg: c, rounds: maxRounds, out: cutter{size: c.FragmentSize}}
}

// Start begins the conversation: the server sends the EAP-TLS Start, the client
// waits for it.
func (c *Conversation) Start() Step {
	if !c.cfg.Server {
		return Step{}
	}
	if err := c.begin(); err != nil {
		return c.fail(inWords(err))
	}
	return Step{Send: fragment{start: true}.encode()}
}

func (c *Conversation) begin() (err error) {
	c.tls, err = newHandshake(c.cfg)
	return err
}

// Receive takes the type data of an EAP-TLS packet, from its flags octet on. It
// keeps nothing of typeData.
func (c *Conversation) Receive(typeData []byte) Step {
	if c.end.State != Going {
		return c.end
	}
	if c.rounds--; c.rounds < 0 {
		return c.fail(fmt.Sprintf("TLS with the peer takes more than %d packets", maxRounds))
	}
	f, err := parseFragment(typeData)
	switch {
	case err != nil:
		return c.fail("peer sent " + err.Error())
	case c.tls == nil, f.start:
		return c.started(f)
	case c.out.pending() && f.empty():
		return c.sendNext()
	case c.out.pending():
		return c.fail("peer did not acknowledge a fragment of our TLS flight")
	}
	flight, whole, err := c.in.add(f)
	switch {
	case err != nil:
		return c.fail("peer sent " + err.Error())
	case !whole:
		return Step{Send: ack()}
	}
	return c.take(flight)
}

// started takes the Start of the server.
func (c *Conversation) started(f fragment) Step {
	switch {
	case c.tls != nil || c.cfg.Server:
		return c.fail("peer sent an EAP-TLS Start in the middle of the conversation")
	case !f.start:
		return c.fail("peer sent TLS data before the EAP-TLS Start")
	case len(f.data) > 0:
		return c.fail("peer sent an EAP-TLS Start with TLS data")
	}
	if err := c.begin(); err != nil {
		return c.fail(inWords(err))
	}
	return c.proceed(nil)
}

// take takes a whole flight of the other end.
func (c *Conversation) take(flight []byte) Step {
	switch c.taken += len(flight); {
	case len(flight) == 0 && c.last && c.cfg.Server:
		return c.finish(Step{State: Succeeded})
	case len(flight) == 0:
		return c.fail("peer sent an empty EAP-TLS packet where TLS must go on")
	case c.taken > maxFlight:
		return c.fail(fmt.Sprintf("peer sent more than %d octets of TLS data that ask for no answer", maxFlight))
	}
	return c.proceed(flight)
}

// proceed lets TLS go on and judges where that led.
func (c *Conversation) proceed(flight []byte) Step {
	h := c.tls
	h.feed(flight)
	switch {
	case h.err != nil:
		return c.refuse(h.why())
	case !h.done && len(h.out) == 0:
		return c.refuse("peer's TLS flight ends in the middle of a message")
	case !h.done:
		return c.send(Step{})
	case !c.last:
		return c.finished()
	}
	return c.after()
}

// finished goes on from the end of the handshake. Nobody may have sent anything
// behind its own Finished yet: the octet of TLS 1.3 answers that of the client.
func (c *Conversation) finished() (s Step) {
	var err error
	switch c.result, err = c.tls.result(c.cfg); {
	case err != nil:
		return c.refuse(err.Error())
	case len(c.tls.said) > 0:
		return c.refuse("peer sent data before the end of its TLS handshake")
	case c.cfg.Server && c.result.Version >= tls.VersionTLS13:
		c.tls.conn.Write([]byte{success}) // into memory, which does not fail
	case c.result.Version < tls.VersionTLS13 && !c.cfg.Server:
		return c.finish(Step{Send: ack(), State: Succeeded})
	}
	c.last = true
	return c.send(Step{})
}

// success is the application data by which a TLS 1.3 server says that it has
// taken the client's Finished and that nothing of TLS follows (RFC 9190, section
// 2.5).
const success = 0

// after judges what came behind our last flight. A server waits for an empty
// packet, so that this is an alert in disguise of a surprise; a client waits for
// the octet of success, before which there may be a session ticket of no use.
func (c *Conversation) after() Step {
	switch said := c.tls.said; {
	case c.cfg.Server, len(c.tls.out) > 0:
		return c.refuse("peer sent TLS data after the end of the handshake")
	case len(said) == 0 && c.tls.ticket && c.cfg.old():
		return c.finish(Step{Send: ack(), State: Succeeded})
	case len(said) == 0:
		return Step{Send: ack()}
	case len(said) > 1 || said[0] != success:
		return c.refuse("peer sent other data than the octet 00 as its sign of success (RFC 9190)")
	}
	return c.finish(Step{Send: ack(), State: Succeeded})
}
