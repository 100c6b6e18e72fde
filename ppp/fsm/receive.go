package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Receive takes a control packet from its code octet on. The packet is lent.
func (m *Machine) Receive(pkt []byte) {
	m.count.received.Add(1)
	p, err := ParsePacket(pkt)
	if err != nil {
		m.count.malformed.Add(1)
		return
	}
	if s := m.State(); s == Initial || s == Starting {
		m.count.lowerDown.Add(1)
		return
	}
	m.in = input{packet: p}
	switch p.Code {
	case ConfigureRequest:
		m.receiveRequest(p)
	case ConfigureAck:
		m.receiveAck(p)
	case ConfigureNak, ConfigureReject:
		m.receiveRefusal(p)
	case TerminateRequest:
		m.receiveTerminate(p)
	case TerminateAck:
		m.receiveTerminateAck()
	case CodeReject:
		m.receiveCodeReject(p)
	default:
		m.receiveExtra(p)
	}
	m.in = input{}
}

// receiveRequest answers a Configure-Request (RFC 1661, section 5.1).
func (m *Machine) receiveRequest(p Packet) {
	opts, err := ParseOptions(p.Data)
	if err != nil {
		m.count.malformed.Add(1)
		return
	}
	switch state := m.State(); {
	case state == Opened && m.repeats(p):
		m.count.repeatedRequest.Add(1)
		m.send(m.acked)
		return
	case state == Closed, state == Closing, state == Stopping:
		m.event(RecvGoodRequest) // the answer does not depend on the options
		return
	case state == Stopped, state == Opened:
		m.begin()
	}
	v, err := m.judge(opts)
	if err != nil {
		m.fail(err)
		return
	}
	reply := Packet{Code: v.Code, ID: p.ID, Data: p.Data}
	if v.Code != ConfigureAck {
		reply.Data = AppendOptions(nil, fit(v.Options, m.room()))
	}
	if len(reply.Data) > m.room() {
		m.count.replyTooLong.Add(1)
		return
	}
	m.in.reply = reply
	if v.Code == ConfigureAck {
		m.acked = Packet{Code: ConfigureAck, ID: p.ID, Data: bytes.Clone(p.Data)}
		m.ackedAt = m.cfg.Now()
		m.event(RecvGoodRequest)
	} else {
		m.event(RecvBadRequest)
	}
}

// lateCopies is how long after our Ack a copy of the request may come that was
// sent before the Ack arrived: a round trip, and the time between two copies.
const lateCopies = 10 * time.Second

// repeats reports whether p is the request again that was acknowledged last, and
// may be acknowledged again as it is. By the table (RFC 1661, section 4.1) it would
// take an opened layer down; but a new negotiation has a new identifier (section
// 5.1), and one octet for octet like the last is a copy from a line slower than the
// peer's restart timer, or says that our Ack was lost. If each copy began anew,
// such a line would never come up.
func (m *Machine) repeats(p Packet) bool {
	return p.ID == m.acked.ID && bytes.Equal(p.Data, m.acked.Data) &&
		(m.cfg.AckRepeats || m.cfg.Now().Sub(m.ackedAt) <= lateCopies)
}

// judge decides on the peer's options. An error ends the layer: the Protocol's
// own, or that the peer goes on to ask for what was refused.
func (m *Machine) judge(opts []Option) (Verdict, error) {
	if again := repeated(opts, m.proto.Repeatable); len(again) > 0 {
		return Verdict{Code: ConfigureReject, Options: again}, nil
	}
	final := m.budget.final(m.cfg.MaxFailure)
	v := m.proto.Judge(opts, final)
	if v.Err != nil || v.Code != ConfigureNak {
		return v, v.Err
	}
	if err := m.budget.naked(m.cfg.MaxFailure); err != nil {
		return v, err
	}
	if final {
		v = Verdict{Code: ConfigureReject, Options: theirOwn(opts, v.Options)}
		if len(v.Options) == 0 { // only things to append were missing
			v.Code = ConfigureAck
		}
	}
	return v, nil
}

// answersOurs reports whether p answers our last Configure-Request, for the
// first time. A repeated answer is one to a retransmission and not the crossed
// connection of RFC 1661, section 4.1, note x: like pppd we let it pass, since
// on a slow line it would bring down what was just agreed.
func (m *Machine) answersOurs(p Packet) bool {
	switch {
	case p.ID != m.request.id:
		m.count.wrongIdentifier.Add(1)
	case m.request.spent:
		m.count.repeatedReply.Add(1)
	default:
		return true
	}
	return false
}

// receiveAck takes an Ack that holds exactly what we asked for (RFC 1661,
// section 5.2).
func (m *Machine) receiveAck(p Packet) {
	if !m.answersOurs(p) {
		return
	}
	if !bytes.Equal(p.Data, m.request.options) {
		m.count.ackDiffers.Add(1)
		return
	}
	m.request.spent = true
	m.event(RecvAck)
}

// receiveRefusal takes a Nak or Reject of our request (RFC 1661, sections 5.3
// and 5.4).
func (m *Machine) receiveRefusal(p Packet) {
	if !m.answersOurs(p) {
		return
	}
	opts, err := ParseOptions(p.Data)
	if err != nil || len(opts) == 0 {
		m.count.malformed.Add(1)
		return
	}
	ours, _ := ParseOptions(m.request.options)
	if p.Code == ConfigureReject && !ordered(opts, ours) {
		m.count.rejectDiffers.Add(1)
		return
	}
	m.request.spent, m.request.refused = true, true
	if m.State().negotiating() {
		if err := m.takeRefusal(p.Code, opts); err != nil {
			m.fail(err)
			return
		}
	}
	m.event(RecvNak)
}

func (m *Machine) takeRefusal(c Code, opts []Option) error {
	if err := m.budget.refused(m.cfg.MaxConfigure); err != nil {
		return err
	}
	if c == ConfigureReject {
		return m.proto.Rejected(opts)
	}
	return m.proto.Naked(onePerType(opts, m.proto.Repeatable))
}

// maxPeerText bounds what is kept of a peer's words.
const maxPeerText = 128

var errPeerTerminated = errors.New("peer terminated it")

// receiveTerminate keeps the peer's words: they are the reason at once when the
// layer was open, and else when it does not come up.
func (m *Machine) receiveTerminate(p Packet) {
	m.farewell = errPeerTerminated
	if said := p.Data[:min(len(p.Data), maxPeerText)]; len(said) > 0 {
		m.farewell = fmt.Errorf("%w: %q", errPeerTerminated, said)
	}
	if m.State() == Opened {
		m.because(m.farewell)
	}
	m.event(RecvTerminate)
}

// receiveTerminateAck may come unasked: the peer's layer is closed.
func (m *Machine) receiveTerminateAck() {
	if m.State() == Opened {
		m.because(errPeerTerminated)
	}
	m.event(RecvTerminateAck)
}

// receiveCodeReject is fatal for the codes that nobody can do without (RFC
// 1661, section 5.6). It is never answered, so two ends cannot loop.
func (m *Machine) receiveCodeReject(p Packet) {
	if len(p.Data) == 0 {
		m.count.malformed.Add(1)
		return
	}
	if code := Code(p.Data[0]); code >= ConfigureRequest && code <= CodeReject {
		m.because(fmt.Errorf("peer does not know the code %v", code))
		m.event(RecvRejectFatal)
		return
	}
	m.event(RecvRejectOK)
}

// receiveExtra hands a code above 7 to the Protocol, or rejects it.
func (m *Machine) receiveExtra(p Packet) {
	if x, ok := m.proto.(ExtraCodes); ok && x.ReceiveExtra(p.Code, p.ID, p.Data) {
		m.event(RecvEcho)
		return
	}
	m.count.unknownCode.Add(1)
	m.event(RecvUnknownCode)
}
