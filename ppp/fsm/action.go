package fsm

import (
	"errors"
	"fmt"
	"slices"
)

// act does one action of a step whose actions are do (RFC 1661, section 4.4).
func (m *Machine) act(a Action, do []Action) {
	switch a {
	case ThisLayerUp:
		m.layerUp()
	case ThisLayerDown:
		m.layerDown()
	case ThisLayerFinished:
		m.finished()
	case InitRestartCount:
		m.restarts, m.period = m.cfg.MaxConfigure, 0
		if slices.Contains(do, SendTerminateRequest) {
			m.restarts = m.cfg.MaxTerminate
		}
	case ZeroRestartCount:
		m.restarts, m.period = 0, 0
		m.startTimer()
	case SendConfigureRequest:
		m.sendRequest()
	case SendConfigureAck:
		m.budget.acked()
		m.send(m.in.reply)
	case SendConfigureNak:
		m.send(m.in.reply)
	case SendTerminateRequest:
		m.sendTerminate()
	case SendTerminateAck:
		m.sendTerminateAck()
	case SendCodeReject:
		m.sendCodeReject()
	case ThisLayerStarted, SendEchoReply:
		// The link needs no telling, and the Protocol answered its echo itself.
	}
}

func (m *Machine) send(p Packet) {
	m.count.sent.Add(1)
	m.cfg.Send(AppendPacket(nil, p))
}

// room is what a packet of ours may hold.
func (m *Machine) room() int { return max(0, m.cfg.MaxLen()-HeaderLen) }

func (m *Machine) nextID() byte {
	m.id++
	return m.id
}

// startTimer starts the restart timer. Its period doubles from one sending to
// the next until irc or zrc.
func (m *Machine) startTimer() {
	m.period = min(max(2*m.period, m.cfg.Restart), m.cfg.RestartMax)
	m.deadline = m.cfg.Now().Add(m.period)
}

// begin is called before a negotiation starts anew.
func (m *Machine) begin() {
	m.begun = true
	m.request.spent = true
	m.budget.begin()
	m.reason, m.farewell = nil, nil
	if !m.keep {
		m.proto.Reset()
	}
	m.keep = false
}

// sendRequest sends a Configure-Request, with the identifier of the last one
// when that is only repeated.
func (m *Machine) sendRequest() {
	if !m.begun {
		m.begin()
	}
	options := AppendOptions([]byte{}, m.proto.Request())
	switch same := slices.Equal(options, m.request.options); {
	case same && m.cfg.AckRepeats && !m.request.refused:
		m.request.spent = false // the peer may be open by what it was, identifier and all
	case !same, m.request.spent:
		m.request = request{id: m.nextID(), options: options}
	}
	m.restarts--
	m.startTimer()
	if err := m.budget.requested(m.cfg.MaxConfigure); err != nil {
		m.fail(err)
	}
	m.send(Packet{Code: ConfigureRequest, ID: m.request.id, Data: options})
}

// maxTerminateText bounds the reason that a Terminate-Request carries.
const maxTerminateText = 128

func (m *Machine) sendTerminate() {
	var text []byte
	if m.reason != nil {
		text = []byte(m.reason.Error())
		text = text[:min(len(text), maxTerminateText, m.room())]
	}
	m.restarts--
	m.startTimer()
	m.send(Packet{Code: TerminateRequest, ID: m.nextID(), Data: text})
}

// sendTerminateAck answers a Terminate-Request, or tells a peer that negotiates
// with a closed layer.
func (m *Machine) sendTerminateAck() {
	m.send(Packet{Code: TerminateAck, ID: m.in.packet.ID})
}

// sendCodeReject returns the packet, cut to what the peer receives (RFC 1661,
// section 5.6).
func (m *Machine) sendCodeReject() {
	rejected := AppendPacket(nil, m.in.packet)
	m.send(Packet{Code: CodeReject, ID: m.nextID(), Data: rejected[:min(len(rejected), m.room())]})
}

func (m *Machine) layerUp() {
	if err := m.budget.opened(m.cfg.Now(), m.cfg.MaxConfigure); err != nil {
		m.fail(err)
		return
	}
	switch err := m.proto.Up(); {
	case errors.Is(err, ErrRenegotiate):
		m.log.Info("negotiating anew", "error", err)
		m.keep = true
		m.event(Down)
		m.event(Up)
	case err != nil:
		m.fail(err)
	default:
		m.up, m.reason = true, nil
		m.log.Debug("protocol up")
	}
}

var errPeerRenegotiates = errors.New("peer negotiates anew")

func (m *Machine) layerDown() {
	if !m.up {
		return
	}
	m.up = false
	reason := m.reason
	if reason == nil {
		reason = errPeerRenegotiates
	}
	m.log.Debug("protocol down", "reason", reason)
	m.proto.Down()
}

func (m *Machine) finished() {
	m.log.Info("protocol finished", "reason", m.reason)
	m.cfg.Finished(m.reason)
}

// giveUpReason says why the restart counter's end is one.
func (m *Machine) giveUpReason() error {
	switch {
	case !m.State().negotiating():
		return errors.New("no answer to Terminate-Request")
	case m.farewell != nil:
		return m.farewell
	case m.State() == AckSent:
		return noAnswer("peer's requests were good, ours were not answered")
	case m.State() == AckReceived:
		return noAnswer("peer accepted our request and made no good one of its own")
	}
	return noAnswer(fmt.Sprintf("no answer to %d Configure-Requests", m.cfg.MaxConfigure))
}

// ErrNoAnswer is what errors.Is finds in the reason of a layer that gave up
// waiting: a line that failed for a while does that too.
var ErrNoAnswer = errors.New("no answer")

type noAnswer string

func (n noAnswer) Error() string { return string(n) }

func (noAnswer) Is(target error) bool { return target == ErrNoAnswer }
