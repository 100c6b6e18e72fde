package triggered

import (
	"fmt"
	"time"
)

// Timers. Routers that follow RFC 2091, section 6.3, repeat every 5 s. A tunnel
// answers sooner than the dialled lines that it was written for, so the first
// repetitions come sooner.
const (
	// gap is one tick: packets of one update come no faster, as with plain RIP.
	gap       = 55 * time.Millisecond
	firstWait = time.Second
	longWait  = 5 * time.Second
	// askTries and tellTries are how often a request and a response are sent
	// before the peer counts as absent: after 17 s and 42 s.
	askTries  = 5
	tellTries = 10
	// probe is how often an absent peer is asked once.
	probe = 5 * time.Minute
	// quiet is how long nothing new may come in a full update before it counts as
	// whole. Our own peers say its end with a response without entries; the RFC
	// has no such mark, only timers.
	quiet = 15 * time.Second
	// unasked is how long we wait, once the peer has answered us, for its own
	// request; then it is told all anyhow (RFC 2091, section 2: when a circuit
	// comes up).
	unasked = 5 * time.Second
	// fullEvery bounds how often a peer can make us tell all.
	fullEvery = time.Second
)

// A State is how far a Machine has come with its peer.
type State uint8

// The states.
const (
	// Asking: the peer has not answered yet.
	Asking State = iota
	// Synchronizing: full updates are under way, in one direction or both.
	Synchronizing
	// Synchronized: each end knows what the other has; changes are told as they
	// come.
	Synchronized
	// Absent: the peer does not answer. What it was told last is not known, and
	// the caller goes back to periodic RIP and SAP. The peer is asked now and
	// then; anything that it says in this protocol brings it back.
	Absent
)

// String returns the state in one word.
func (s State) String() string {
	switch s {
	case Asking:
		return "asking"
	case Synchronizing:
		return "synchronizing"
	case Synchronized:
		return "synchronized"
	case Absent:
		return "absent"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Config is what a Machine is made of. All functions are called from within its
// methods, and must not call them.
type Config[E any] struct {
	PerPacket int                  // entries a packet: rip.MaxEntries or sap.MaxServices
	Send      func(payload []byte) // one packet to the peer's socket; keeps payload if it likes
	Snapshot  func() []E           // all that the peer is told now, split horizon applied
	// Learn takes what the peer tells; hops 16: gone. Entries are as they came,
	// and may make no sense.
	Learn func(entries []E)
	// Complete says that the peer's full update is whole, the first since Up or a
	// later one: what it did not name since Flushed is gone.
	Complete func()
	// Flushed says that a full update of the peer begins. May be nil.
	Flushed func()
	Codec   Codec[E]
}

// A Machine is one end of one protocol, RIP or SAP, on one link. It belongs to
// one goroutine.
type Machine[E any] struct {
	cfg    Config[E]
	ask    asker
	hear   hearer
	tell   teller[E]
	absent bool
	begun  bool // the sequence has its first number
}

// An asker is our request, until the peer answers it.
type asker struct {
	open  bool // not answered
	tries int
	last  time.Time
	next  time.Time // zero: no request is due
}

// New returns a machine that does nothing before Up.
func New[E any](cfg Config[E]) *Machine[E] {
	m := &Machine[E]{cfg: cfg}
	m.tell.backlog.key = cfg.Codec.Key
	m.tell.backlog.set(nil)
	return m
}

// Up begins: the link has come up, and neither end knows what the other has. It
// begins anew when it was called before.
func (m *Machine[E]) Up(now time.Time) {
	if !m.begun {
		// A sender that was started again should not repeat its last numbers.
		m.begun, m.tell.seq = true, uint16(now.UnixMilli())
	}
	m.hear, m.absent = hearer{}, false
	m.tell.reset()
	m.request(now)
}

// Receive takes the payload of one packet from the peer. An error says why it
// was ignored: ErrPlain that it is plain RIP or SAP.
func (m *Machine[E]) Receive(payload []byte, now time.Time) error {
	msg, err := Parse(payload)
	if err != nil || !m.begun {
		return err
	}
	back := m.absent
	m.absent = false
	switch msg.Operation {
	case OpRequest:
		m.tellAll(now)
		if m.ask.open && now.Sub(m.ask.last) >= firstWait {
			m.request(now) // the peer has just come up: now it hears us
		}
	case OpResponse:
		m.response(&msg, now)
	case OpAcknowledge:
		m.acknowledged(msg.Sequence, now)
	}
	if back {
		m.comeBack(now)
	}
	return nil
}

// comeBack begins anew with a peer that was absent and has spoken. It may have
// lost what it was told, and we what it told.
func (m *Machine[E]) comeBack(now time.Time) {
	if m.ask.open && m.ask.tries == 0 {
		m.request(now)
	}
	if !m.tell.told && !m.tell.full {
		m.tellAll(now)
	}
}

// Tick does what is due.
func (m *Machine[E]) Tick(now time.Time) {
	if due(m.ask.next, now) {
		m.askAgain(now)
	}
	if due(m.hear.quiet, now) {
		m.completed()
	}
	if due(m.tell.later, now) {
		m.tellAll(now)
	}
	m.pump(now)
}

// Next is when Tick wants to be called; zero: not before something else happens.
func (m *Machine[E]) Next() time.Time {
	return earliest(m.ask.next, m.hear.quiet, m.tell.later, m.tell.next())
}

// State returns how far the machine has come.
func (m *Machine[E]) State() State {
	switch {
	case m.absent:
		return Absent
	case !m.hear.heard:
		return Asking
	case !m.hear.whole, m.ask.open, !m.tell.told:
		return Synchronizing
	}
	return Synchronized
}

// request asks for all, and goes on asking. It is answered by a flush.
func (m *Machine[E]) request(now time.Time) {
	m.ask = asker{open: true}
	m.askAgain(now)
}

// Ask asks the peer for all once more, unless that is under way. What it does not
// name any more is gone then, as after Up.
func (m *Machine[E]) Ask(now time.Time) {
	if m.begun && !m.absent && !m.ask.open {
		m.request(now)
	}
}

func (m *Machine[E]) askAgain(now time.Time) {
	switch {
	case m.absent:
		m.ask.next = now.Add(probe)
	case m.ask.tries == askTries:
		m.giveUp(now)
		return
	default:
		m.ask.tries++
		m.ask.next = now.Add(wait(m.ask.tries))
	}
	m.ask.last = now
	m.cfg.Send(Message{Operation: OpRequest}.Append(nil))
}

// giveUp takes the peer for absent. What it was told last is not known.
func (m *Machine[E]) giveUp(now time.Time) {
	m.absent = true
	m.ask = asker{open: true, last: now, next: now.Add(probe)}
	m.hear.quiet = time.Time{}
	m.tell.reset()
}

// wait is how long after the try of that number, from 1, another is made.
func wait(try int) time.Duration { return min(firstWait<<(try-1), longWait) }

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earliest returns the first of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
