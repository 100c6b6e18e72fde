// Package ipxwan speaks IPXWAN (RFC 1634, before it RFC 1362 and 1551): two
// routers that know nothing of each other agree, over a link that is already
// open, on who is master, on how the link is routed, on its network number, and on how
// slow it is. It sends whole IPX packets and reads no clock: whoever has the link
// hands it packets and the time, and starts the routing when it is done.
//
//	        Up, or a Timer Request
//	Idle ----------------------------> Asking --- the peer is master ---> Answered
//	                                     |                                   |
//	                        a good Timer Response                Information Request
//	                                     v                                   v
//	                                 Informing -- Information Response -> Connected
//
// Whatever cannot go on ends in Closed, with words. A Timer Request that comes
// while Connected begins everything anew.
package ipxwan

import (
	"errors"
	"fmt"
	"time"

	"sitebridge/ipx"
)

// The timers of RFC 1634, section 3: requests are repeated every 20 s, and given up
// after a minute, or after 16 of them.
const (
	interval = 20 * time.Second
	patience = 60 * time.Second
	maxTries = 16
	// settle is how old our Timer Request must be before one of the peer's shows
	// that ours came too early for it.
	settle = time.Second
)

// State is how far two ends have come.
type State uint8

const (
	Idle      State = iota // nothing begun
	Asking                 // our Timer Request is out
	Answered               // we are the slave, and wait for the Information Request
	Informing              // we are the master, and wait for the Information Response
	Connected              // Result tells
	Closed                 // Err tells
)

var states = [...]string{"idle", "asking", "answered", "informing", "connected", "closed"}

func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Config is what one end brings.
type Config struct {
	// NodeID is our primary network: the internal network of the router. 0: we have
	// none, and cannot be one of two routers.
	NodeID ipx.Network
	Name   string // of the router
	// Network is the number that we give the link when we are its master. 0: we
	// have none to give, and prefer a link without; the peer may still number it.
	Network ipx.Network
	// Static says that no RIP and SAP shall cross the link, when the peer
	// agrees. When it is the peer's first wish, we always agree.
	Static bool
	// Workstation says that the peer may be one host. It is given Network, which
	// must be set, and a node.
	Workstation bool
	Assign      func() ipx.Node // the node of a workstation; nil: a random one
	// InUse reports that a number stands for something else here already.
	InUse func(ipx.Network) bool
	// Pad fills b with random octets, so that compression on the way does not
	// falsify the measurement; nil: crypto/rand.
	Pad func(b []byte)
	// Send sends a whole IPX packet to the peer. It is good until Send returns.
	Send func(pkt []byte)
	// Changed is called when Result or Err has changed: the link can be used, cannot
	// be used any more, or is agreed on anew. It may ask the Machine what it is now, no more.
	Changed func()
}

// A Result is what two ends agreed on.
type Result struct {
	Network  ipx.Network // of the link; 0: it has no number
	Local    ipx.Node
	Peer     ipx.Node
	PeerName string // escaped
	// Ticks is the time that a packet takes, in 1/18 s.
	Ticks    uint16
	Numbered bool
	Routing  Routing
	Master   bool // we are
	// Generation counts the agreements of this Machine, from 1.
	Generation int
}

// Stats count packets.
type Stats struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	NotIPXWAN  uint64 `json:"not_ipxwan"` // dropped: other sockets, no "WASM"
	Malformed  uint64 `json:"malformed"`  // answered with a Nak
	Stale      uint64 `json:"stale"`      // dropped: answers to an older request
	Unexpected uint64 `json:"unexpected"` // dropped: nothing that this state waits for
}

// A Machine is one end of one link. One goroutine owns it.
type Machine struct {
	cfg   Config
	state State
	err   error
	stats Stats

	sent     Packet    // our last request
	sentAt   time.Time // when
	again    time.Time // when to send it once more; zero: never
	deadline time.Time // when to give this state up
	tries    int
	answers  int  // Timer Responses since we began
	heard    byte // sequence of the peer's last Timer Request

	routing Routing     // agreed on
	peer    ipx.Network // the peer's node ID as it answered
	delay   uint16      // ms, as the master says
	result  Result
	gen     int
	buf     []byte
}

// New returns a Machine that is Idle. It begins with Up, or with a Timer Request
// of the peer.
func New(cfg Config) *Machine {
	if cfg.InUse == nil {
		cfg.InUse = func(ipx.Network) bool { return false }
	}
	if cfg.Pad == nil {
		cfg.Pad = randomPad
	}
	if cfg.Assign == nil {
		cfg.Assign = randomNode
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	return &Machine{cfg: cfg, buf: make([]byte, 0, timerLen)}
}

// State returns how far we are.
func (m *Machine) State() State { return m.state }

// Err returns, once Closed, why the link cannot be used.
func (m *Machine) Err() error { return m.err }

// Result returns what was agreed on, while Connected.
func (m *Machine) Result() (Result, bool) { return m.result, m.state == Connected }

// Stats returns the counters.
func (m *Machine) Stats() Stats { return m.stats }

// Up begins, from any state: the link is open and IPXWAN is needed.
func (m *Machine) Up(now time.Time) {
	was := m.state
	m.begin(now)
	m.ask(now, 0)
	if was == Connected || was == Closed {
		m.cfg.Changed()
	}
}

// Down forgets everything: the link is down.
func (m *Machine) Down() {
	was := m.state
	m.rest(Idle)
	m.err = nil
	if was == Connected || was == Closed {
		m.cfg.Changed()
	}
}

// Next returns when Tick is due; zero: not before another event.
func (m *Machine) Next() time.Time {
	if m.again.IsZero() || m.deadline.Before(m.again) {
		return m.deadline
	}
	return m.again
}

var (
	errNoTimer   = errors.New("peer does not answer IPXWAN's Timer Requests")
	errNoRequest = errors.New("peer is IPXWAN's master and sends no Information Request")
	errNoInform  = errors.New("peer does not answer IPXWAN's Information Request")
)

// Tick repeats what was not answered, and gives up in the end.
func (m *Machine) Tick(now time.Time) {
	switch {
	case !m.deadline.IsZero() && !now.Before(m.deadline):
		m.close(map[State]error{Asking: errNoTimer, Answered: errNoRequest, Informing: errNoInform}[m.state])
	case m.again.IsZero() || now.Before(m.again):
	case m.state == Asking:
		m.ask(now, m.sent.Sequence+1)
	case m.state == Informing:
		m.sent.Sequence++
		m.request(now)
	}
}

// begin makes a fresh start.
func (m *Machine) begin(now time.Time) {
	m.rest(Asking)
	m.err = nil
	m.tries, m.answers, m.peer, m.delay = 0, 0, 0, 0
	m.deadline = now.Add(patience)
}

// rest enters a state that waits for nothing.
func (m *Machine) rest(s State) {
	m.state, m.again, m.deadline = s, time.Time{}, time.Time{}
	m.result = Result{}
}

func (m *Machine) close(err error) {
	m.rest(Closed)
	m.err = err
	m.cfg.Changed()
}

func (m *Machine) connect(r Result) {
	m.rest(Connected)
	m.gen++
	r.Local, r.Routing, r.Generation = nodeOf(m.cfg.NodeID), m.routing, m.gen
	r.Numbered, r.Ticks = r.Network != 0, ticks(m.delay)
	m.result = r
	m.cfg.Changed()
}

// request sends m.sent, and will again in a while.
func (m *Machine) request(now time.Time) {
	m.sentAt, m.again = now, now.Add(interval)
	m.send(m.sent)
	if m.tries++; m.tries >= maxTries {
		m.again = time.Time{}
	}
}

func (m *Machine) send(p Packet) {
	m.stats.Sent++
	m.buf = p.Append(m.buf[:0])
	m.cfg.Send(m.buf)
}
