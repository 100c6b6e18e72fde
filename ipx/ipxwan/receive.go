package ipxwan

import (
	"errors"
	"time"
)

var errNak = errors.New("peer refuses IPXWAN: it answered our packet with a Nak")

// Receive takes a whole IPX packet that came to socket 9004. The Machine keeps
// nothing of it.
func (m *Machine) Receive(pkt []byte, now time.Time) {
	p, err := Parse(pkt)
	switch {
	case errors.Is(err, errNotIPXWAN):
		m.stats.NotIPXWAN++
	case p.Type == Nak:
		m.nak()
	case err != nil || p.Type > InformationResponse:
		m.stats.Malformed++
		m.stats.Sent++
		m.cfg.Send(m.nakOf(pkt))
	default:
		m.stats.Received++
		m.take(p, now)
	}
}

// nak takes a Nak, and never answers one: two ends would go on for ever.
func (m *Machine) nak() {
	if m.state == Idle || m.state == Connected || m.state == Closed {
		m.stats.Unexpected++
		return
	}
	m.stats.Received++
	m.close(errNak)
}

// take hands a packet to what waits for it.
func (m *Machine) take(p Packet, now time.Time) {
	switch {
	case p.Type == TimerRequest && m.state != Closed:
		m.timerRequest(p, now)
	case p.Type == TimerResponse && m.state == Asking:
		m.timerResponse(p, now)
	case p.Type == InformationRequest && (m.state == Answered || m.state == Connected && !m.result.Master):
		m.informationRequest(p)
	case p.Type == InformationResponse && m.state == Informing:
		m.informationResponse(p)
	default:
		m.stats.Unexpected++
	}
}
