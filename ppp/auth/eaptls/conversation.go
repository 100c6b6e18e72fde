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
	// MinVersion and MaxVersion are the TLS versions; 0: 1.2 and 1.3.
	MinVersion, MaxVersion uint16
	// FragmentSize is how many octets of TLS data go into a packet; 0: 1000.
	FragmentSize int
	// Time is the clock that TLS sees; nil: time.Now.
	Time func() time.Time
}

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
	// nil: nothing to send. With Failed it holds the alert.
	Send  []byte
	State State
	// Reason says in words why the State is Failed.
	Reason string
}

// A Result is what a conversation that Succeeded leaves.
type Result struct {
	MSK, EMSK    [64]byte
	Ours, Theirs *x509.Certificate
	Version      uint16 // tls.VersionTLS12 or tls.VersionTLS13
}

// Format keeps the keys out of logs, for every verb.
func (Result) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (Result) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }

// A Conversation is one handshake, seen from one of its ends. It belongs to one
// goroutine, and must be closed.
type Conversation struct{}

// New makes a conversation that has not begun.
func New(Config) *Conversation { return &Conversation{} }

// Start begins the conversation: the server sends the EAP-TLS Start, the client
// waits for it.
func (c *Conversation) Start() Step { return Step{State: Failed, Reason: "not yet written"} }

// Receive takes the type data of an EAP-TLS packet, from its flags octet on. It
// keeps nothing of typeData.
func (c *Conversation) Receive(typeData []byte) Step { return c.Start() }

// Result is what a conversation that Succeeded leaves; before that it is empty.
func (c *Conversation) Result() Result { return Result{} }

// Close ends what runs. It may be called at any time, and twice.
func (c *Conversation) Close() {}
