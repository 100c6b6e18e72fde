package ipxwan

import (
	"errors"
	"fmt"
	"time"

	"sitebridge/ipx"
)

// tick is the unit of IPX's time, nearly 1/18 s.
const tick = 55 // ms

// delayOf makes the link's delay, in ms, of the time that a Timer Request and its
// answer took: six times as many ticks, at least one of them (RFC 1634, section 3.3).
func delayOf(roundTrip time.Duration) uint16 {
	n := max(1, int64(roundTrip)*18/int64(time.Second))
	return uint16(min(n*6*tick, 0xFFFF))
}

// ticks returns a delay in ticks, rounded up, at least 1.
func ticks(delay uint16) uint16 { return max(1, uint16((uint32(delay)+tick-1)/tick)) }

// inform sends the master's Information Request.
func (m *Machine) inform(roundTrip time.Duration, now time.Time) {
	m.delay = delayOf(roundTrip)
	i := info{delay: m.delay, name: routerName(m.cfg.Name)}
	if m.routing == NumberedRIP || m.routing == Workstation {
		i.network = m.cfg.Network
		if err := m.checkNetwork(i.network); err != nil {
			m.close(err)
			return
		}
	}
	m.sent = Packet{Type: InformationRequest, NodeID: m.cfg.NodeID, Options: []Option{i.option()}}
	if m.routing == Workstation {
		m.sent.Options = append(m.sent.Options, nicOption(m.goodNode(ipx.Node{})))
	}
	m.state, m.deadline, m.tries = Informing, now.Add(patience), 0
	m.request(now)
	if m.routing == NumberedRIP {
		m.again = time.Time{} // the RFC forbids to repeat this one
	}
}

// goodNode returns the node that a workstation wishes, or a better one.
func (m *Machine) goodNode(wish ipx.Node) ipx.Node {
	usable := func(n ipx.Node) bool { return n[0] == 2 && n != nodeOf(m.cfg.NodeID) }
	if !usable(wish) {
		wish = m.cfg.Assign()
	}
	for !usable(wish) {
		wish = randomNode()
	}
	return wish
}

var (
	errNoInfo  = errors.New("peer's IPXWAN packet has no RIP/SAP information")
	errChanged = errors.New("peer changed the link's number after it was agreed on")
)

// checkNetwork says what speaks against a link's number.
func (m *Machine) checkNetwork(n ipx.Network) error {
	numbered := m.routing == NumberedRIP || m.routing == Workstation
	switch {
	case !numbered && n != 0:
		return fmt.Errorf("peer gives the number %v to a link that is to have none (%v)", n, m.routing)
	case numbered && !n.Assignable():
		return fmt.Errorf("the link cannot have network number %v", n)
	case numbered && m.cfg.InUse(n):
		return fmt.Errorf("network %v, which the link is to have, is in use here", n)
	}
	return nil
}

// informationRequest is the master's word; we, the slave, repeat it with our name.
func (m *Machine) informationRequest(p Packet) {
	i, ok := p.info()
	known := m.state == Connected
	if ok && m.routing == Workstation {
		i.network = m.cfg.Network // ours is the one that counts
	}
	switch {
	case !ok:
		m.close(errNoInfo)
		return
	case known && i.network != m.result.Network:
		m.close(errChanged)
		return
	case !known:
		if err := m.checkNetwork(i.network); err != nil {
			m.close(err)
			return
		}
	}
	m.delay = i.delay
	r := Result{Network: i.network, Peer: nodeOf(p.NodeID), PeerName: peerName(i.name)}
	i.name = routerName(m.cfg.Name)
	answer := Packet{Type: InformationResponse, NodeID: m.cfg.NodeID, Sequence: p.Sequence, Options: []Option{i.option()}}
	if m.routing == Workstation {
		wish := p.nic()
		if known {
			wish = m.result.Peer
		}
		r.Peer = m.goodNode(wish)
		answer.Options = append(answer.Options, nicOption(r.Peer))
	}
	m.send(answer)
	if !known {
		m.connect(r)
	}
}

// informationResponse ends the master's part.
func (m *Machine) informationResponse(p Packet) {
	i, ok := p.info()
	ours, _ := m.sent.info()
	switch {
	case p.Sequence != m.sent.Sequence:
		m.stats.Stale++
	case !ok:
		m.close(errNoInfo)
	case i.network != ours.network:
		m.close(fmt.Errorf("peer answered network %v for the link with %v", ours.network, i.network))
	default:
		r := Result{Network: i.network, Peer: nodeOf(m.peer), PeerName: peerName(i.name), Master: true}
		if m.routing == Workstation {
			r.Peer = m.sent.nic()
		}
		m.connect(r)
	}
}
