package ipxwan

import (
	"errors"
	"fmt"
	"time"
)

// ask sends a Timer Request. A router that can number the link tells its primary
// network as its node ID; one that cannot tells it as extended ID, and must be able to do
// without a number.
func (m *Machine) ask(now time.Time, sequence byte) {
	p := Packet{Type: TimerRequest, Sequence: sequence}
	for _, r := range m.wishes() {
		p.Options = append(p.Options, routingOption(r, Yes))
	}
	who := m.identity()
	p.NodeID, p.Options = who.NodeID, append(p.Options, who.Options...)
	p.Options = append(p.Options, m.pad(len(p.Append(nil))))
	m.sent = p
	m.request(now)
}

// identity is the part of our Timer Requests that decides who is master.
func (m *Machine) identity() (p Packet) {
	if m.numbers() {
		p.NodeID = m.cfg.NodeID
	} else if m.cfg.NodeID != 0 {
		p.Options = []Option{extendedOption(m.cfg.NodeID)}
	}
	return p
}

// numbers reports whether we can give the link a number.
func (m *Machine) numbers() bool { return m.cfg.NodeID != 0 && m.cfg.Network != 0 }

// wishes are the routing types that we offer, the best one first. A workstation
// tells itself from a router by offering nothing but its own type.
func (m *Machine) wishes() []Routing {
	w := []Routing{NumberedRIP, UnnumberedRIP}
	if !m.numbers() {
		w = []Routing{UnnumberedRIP, NumberedRIP}
	}
	if m.cfg.Static {
		w = append([]Routing{OnDemand}, w...)
	}
	if m.workstations() {
		w = append(w, Workstation)
	}
	return w
}

func (m *Machine) workstations() bool { return m.cfg.Workstation && m.numbers() }

// pad returns the option that makes a packet of n octets one of timerLen. It is of
// random octets, since a line that compresses would look too fast.
func (m *Machine) pad(n int) Option {
	b := make([]byte, timerLen-n-optionLen)
	m.cfg.Pad(b)
	return Option{Number: optPad, Accept: Yes, Data: b}
}

// A role is what the comparison of two Timer Requests makes of us.
type role uint8

const (
	nobody role = iota
	master
	slave
)

var (
	errNoID   = errors.New("no internal network number is configured, which IPXWAN needs")
	errNoIDs  = errors.New("neither end has a primary network number: IPXWAN has no master")
	errNoType = errors.New("peer wants none of the IPXWAN routing types that we have")
)

// elect compares two Timer Requests (RFC 1634, section 3.2). The numbers have no sign.
func elect(ours, theirs Packet) (role, error) {
	kind, a, b := "primary network", ours.NodeID, theirs.NodeID
	if a == 0 && b == 0 {
		kind, a, b = "extended node ID", ours.extended(), theirs.extended()
	}
	switch {
	case a == 0 && b == 0:
		return nobody, errNoIDs
	case a == b:
		return nobody, fmt.Errorf("both ends of the link have the same IPXWAN %s %v, or the link is looped", kind, a)
	case a > b:
		return master, nil
	}
	return slave, nil
}

// timerRequest takes the peer's Timer Request.
func (m *Machine) timerRequest(p Packet, now time.Time) {
	was := m.state
	if was == Idle || was == Connected {
		m.begin(now)
		m.ask(now, 0)
	}
	if was == Connected {
		m.cfg.Changed()
	}
	r, err := elect(m.identity(), p)
	switch {
	case err != nil:
		m.close(err)
	case r == slave:
		m.answer(p, now)
	case m.state == Asking && now.Sub(m.sentAt) >= settle && m.tries < maxTries:
		m.ask(now, m.sent.Sequence+1) // the peer was not there to hear ours
	case m.state == Informing && p.Sequence != m.heard:
		m.begin(now) // the peer forgot that it answered
		m.ask(now, 0)
	}
	m.heard = p.Sequence
}

// answer sends the Timer Response of a slave: the request's own octets with our
// real node ID, and our word on each option.
func (m *Machine) answer(p Packet, now time.Time) {
	if m.cfg.NodeID == 0 {
		m.close(errNoID)
		return
	}
	if m.answers++; m.answers > maxTries {
		m.close(errNoRequest)
		return
	}
	found := false
	for i, o := range p.Options {
		p.Options[i].Accept = m.judge(o, &found)
	}
	if !found {
		m.close(errNoType)
		return
	}
	p.Type, p.NodeID = TimerResponse, m.cfg.NodeID
	m.state, m.again, m.deadline = Answered, time.Time{}, now.Add(patience)
	m.send(p)
}

// judge returns our word on one option of a Timer Request: of the routing types the
// first that we can do is taken.
func (m *Machine) judge(o Option, found *bool) Accept {
	switch r, ok := o.routing(); {
	case o.Number == optPad, o.Number == optExtended && len(o.Data) == 4:
		return Yes
	case !ok || *found || o.Accept != Yes || !m.supports(r):
		return No
	default:
		*found, m.routing = true, r
		return Yes
	}
}

func (m *Machine) supports(r Routing) bool {
	return r == NumberedRIP || r == UnnumberedRIP || r == OnDemand || r == Workstation && m.workstations()
}

// timerResponse takes the answer to our last Timer Request: we are the master.
func (m *Machine) timerResponse(p Packet, now time.Time) {
	if p.Sequence != m.sent.Sequence {
		m.stats.Stale++
		return
	}
	r, err := m.accepted(p)
	switch {
	case err != nil:
		m.close(err)
	case r == NumberedRIP && !m.numbers():
		m.close(errors.New("peer wants the link numbered, and we have no number for it: set one at either end"))
	case r != Workstation && p.NodeID == 0:
		m.close(errors.New("peer is a router and did not tell its primary network"))
	case r != Workstation && p.NodeID == m.cfg.NodeID:
		m.close(fmt.Errorf("both ends of the link have the primary network %v", p.NodeID))
	default:
		m.routing, m.peer = r, p.NodeID
		m.inform(now.Sub(m.sentAt), now)
	}
}

// accepted returns the one routing type that the slave took.
func (m *Machine) accepted(p Packet) (taken Routing, err error) {
	n := 0
	for _, o := range p.Options {
		if r, ok := o.routing(); ok && o.Accept == Yes {
			taken = r
			n++
		}
	}
	switch {
	case n == 0:
		return 0, errNoType
	case n > 1:
		return 0, fmt.Errorf("peer accepted %d IPXWAN routing types, not one", n)
	}
	for _, o := range m.sent.Options {
		if r, ok := o.routing(); ok && r == taken {
			return taken, nil
		}
	}
	return 0, fmt.Errorf("peer accepted a routing type that we did not offer: %v", taken)
}
