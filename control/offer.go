package control

import "fmt"

// An Offer is a peer's Outgoing-Call-Request to us as PAC, to be decided by
// Config.Answer before it returns.
type Offer struct {
	Request OutgoingCallRequest
	Conn    *Conn

	decided bool
}

// Accept takes the call, as id and with a window of packets that we buffer. It
// sends the Outgoing-Call-Reply, so whatever is to receive the call's GRE packets
// must be ready before. The ID must not be one of another call of the
// connection.
func (o *Offer) Accept(id, window uint16) *Call {
	o.decide()
	s := o.Conn.session
	if s.idInUse(id) {
		panic(fmt.Sprintf("control: call id %d accepted twice on one connection", id))
	}
	c := newCall(o.Conn, pacOutgoing, id)
	c.ourWindow = window
	s.add(c)
	s.stepCall(c, cevRequest, nil)
	return c
}

// Refuse declines the call. The error code matters for OutgoingGeneralError.
func (o *Offer) Refuse(result OutgoingResult, errorCode GeneralError) {
	o.decide()
	c := newCall(o.Conn, pacOutgoing, 0)
	c.refusal = OutgoingCallReply{PeerCallID: o.Request.CallID, Result: result, Error: errorCode}
	o.Conn.session.stepCall(c, cevRequestRefused, nil)
}

func (o *Offer) decide() {
	if o.decided {
		panic("control: an Offer was decided twice, or after Answer had returned")
	}
	o.decided = true
}
