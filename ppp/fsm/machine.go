package fsm

import (
	"errors"
	"log/slog"
	"time"
)

// ErrRenegotiate is returned by [Protocol].Up when both sides agreed to things
// that do not go together, and this side can mend it by another request. The
// Machine then negotiates anew without Reset. The Protocol bounds the rounds.
var ErrRenegotiate = errors.New("agreed values do not fit together: negotiating anew")

// Config is what a Machine needs of the link that it belongs to. The zero value
// of everything but Send is good.
type Config struct {
	// Send takes a control packet, from the code octet on and lent until it
	// returns. It must not call the Machine.
	Send func(pkt []byte)
	// MaxLen is the longest packet that may be sent: the peer's MRU. Replies
	// are cut to it. Nil is 1500 octets.
	MaxLen func() int

	// Restart is the restart timer's first period; it doubles to RestartMax
	// while nothing is heard (RFC 1661, section 4.6). Zero: 1 s, 3 s.
	Restart, RestartMax time.Duration
	// Zero: 10, 2 and 5.
	MaxConfigure, MaxTerminate, MaxFailure int

	// AckRepeats acknowledges a repeat of the request that was acknowledged last,
	// octet for octet with its identifier, without leaving Opened, however late: our
	// Ack was lost. Without it that ends some seconds after the Ack, and what comes
	// later negotiates anew, which a protocol that holds keys must not do. Our own
	// requests keep their identifier for it as long as they are the same and were
	// not refused.
	AckRepeats bool

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: none

	// Finished is this-layer-finished: the layer will not come up by itself,
	// though a peer that begins anew can still bring a Stopped one up.
	Finished func(reason error)
}

func (c Config) withDefaults() Config {
	orDefault(&c.Restart, time.Second)
	orDefault(&c.RestartMax, 3*time.Second)
	orDefault(&c.MaxConfigure, 10)
	orDefault(&c.MaxTerminate, 2)
	orDefault(&c.MaxFailure, 5)
	if c.MaxLen == nil {
		c.MaxLen = func() int { return 1500 }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Finished == nil {
		c.Finished = func(error) {}
	}
	return c
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// A Machine runs the automaton for one Protocol. One goroutine owns it; only
// Stats may be called from others. It starts no goroutine and reads no clock
// but Config.Now: its owner calls Expire when Deadline has come.
//
// The Protocol's methods and Config.Finished may call Open, Close, LowerUp,
// LowerDown and ProtocolRejected: these take effect when the step is done.
type Machine struct {
	proto Protocol
	cfg   Config
	log   *slog.Logger
	auto  Automaton
	count counters

	queue   []Event // what is still to be stepped
	running bool

	id      byte      // of the last packet that began an exchange of ours
	request request   // our last Configure-Request
	in      input     // what the step in progress answers
	acked   Packet    // our last Configure-Ack, and
	ackedAt time.Time // when it was decided on

	deadline time.Time     // of the restart timer; zero: stopped
	period   time.Duration // of the restart timer
	restarts int           // the restart counter

	budget budget
	begun  bool // a negotiation is under way
	keep   bool // the next one keeps what was learned
	up     bool // Protocol.Up was called, and was content

	reason   error // why the layer is not up: the first cause
	farewell error // the peer's last Terminate-Request, while negotiating
}

// A request is our last Configure-Request. It is spent when a valid answer was
// taken: the next one needs a new identifier (RFC 1661, section 5.1).
type request struct {
	id      byte
	options []byte
	spent   bool
	refused bool // the answer was a Nak or Reject
}

// An input is the packet that a step answers, and how.
type input struct {
	packet Packet
	reply  Packet // a Configure-Ack, -Nak or -Reject
}

// NewMachine returns a Machine in state Initial.
func NewMachine(p Protocol, cfg Config) *Machine {
	cfg = cfg.withDefaults()
	return &Machine{
		proto:   p,
		cfg:     cfg,
		log:     cfg.Log.With("protocol", p.Name()),
		request: request{spent: true},
	}
}

// State returns the automaton's state.
func (m *Machine) State() State { return m.auto.State() }

// Opened reports whether both sides agreed and the Protocol took the result.
func (m *Machine) Opened() bool { return m.State() == Opened && m.up }

// Reason says why the layer is not up: the first cause of its last end. It is
// nil while the layer is up, or negotiated for the first time.
func (m *Machine) Reason() error { return m.reason }

// Open says that the layer is wanted. In Stopped it begins anew, which is the
// restart option of RFC 1661, section 4.3, without dropping an opened layer.
func (m *Machine) Open() {
	if m.State() == Stopped {
		m.event(Down)
		m.event(Up)
		return
	}
	m.event(Open)
}

// Close says that the layer is not wanted any more. The reason is for Reason
// and goes to the peer in the Terminate-Request; it holds no secret.
func (m *Machine) Close(reason string) {
	if reason == "" {
		reason = "closed"
	}
	m.fail(errors.New(reason))
}

// fail closes the layer because of err.
func (m *Machine) fail(err error) {
	m.because(err)
	m.event(Close)
}

// LowerUp and LowerDown say that the layer below is up and down.
func (m *Machine) LowerUp() { m.event(Up) }

// LowerDown ends an opened layer at once, without a word to the peer.
func (m *Machine) LowerDown() {
	m.because(ErrLowerDown)
	m.event(Down)
}

// ErrLowerDown is the reason of a layer that ended with the one below.
var ErrLowerDown = errors.New("lower layer down")

// ProtocolRejected says that the peer rejected the protocol (RFC 1661, section
// 5.7): it will not be tried again on this link.
func (m *Machine) ProtocolRejected() {
	m.because(ErrProtocolRejected)
	m.event(RecvRejectFatal)
}

// ErrProtocolRejected is the reason of a layer that the peer does not know.
var ErrProtocolRejected = errors.New("peer does not speak the protocol (Protocol-Reject)")

// because keeps the first cause.
func (m *Machine) because(err error) {
	if m.reason == nil {
		m.reason = err
	}
}

// Deadline returns when Expire wants to be called, zero for not at all.
func (m *Machine) Deadline() time.Time { return m.deadline }

// Expire does what is due. Calling it early does nothing.
func (m *Machine) Expire() {
	switch {
	case m.deadline.IsZero() || m.cfg.Now().Before(m.deadline):
	case m.restarts > 0:
		m.event(TimeoutRetry)
	default:
		m.because(m.giveUpReason())
		m.event(TimeoutGiveUp)
	}
}

// event steps the automaton, after the events that came before.
func (m *Machine) event(ev Event) {
	m.queue = append(m.queue, ev)
	if m.running {
		return
	}
	m.running = true
	for len(m.queue) > 0 {
		ev := m.queue[0]
		m.queue = append(m.queue[:0], m.queue[1:]...)
		m.step(ev)
	}
	m.running = false
}

func (m *Machine) step(ev Event) {
	do, ok := m.auto.Step(ev)
	if !ok {
		m.count.lateEvent.Add(1)
		return
	}
	for _, a := range do {
		m.act(a, do)
	}
	state := m.State()
	if !state.timed() {
		m.deadline = time.Time{}
	}
	if !state.negotiating() {
		m.begun = false
	}
}
