package auth

import (
	"fmt"
	"slices"
	"time"
)

// An eapAuthenticator asks for an identity, then runs the strongest method that
// the peer is willing to do (RFC 3748). It alone repeats packets: a Request until
// it is answered, the verdict for who says his last Response again.
//
//	Identity --> method --Nak--> next method
//	                |
//	                +--> done: Success
//	                +--> failed: the method's last Request, its answer, Failure
type eapAuthenticator struct {
	AuthenticatorConfig
	unprintable
	left     []Method // to offer, strongest first
	method   Method   // that runs; 0: the identity is asked for
	server   eapServer
	first    bool   // the standing Request begins the method
	identity string // that the peer claims

	id        byte
	sent      []byte    // the standing Request
	transmits int       // of it
	rounds    int       // Requests in all
	ticks     int       // of the clock of EAP-TLS
	fresh     bool      // the standing Request was sent since the last tick
	held      bool      // a proof waits to be judged
	question  *Question // about a proof that somebody else judges
	refusal   string    // the method failed for it; Failure follows the peer's answer
	lost      bool      // the peer answered EAP-TLS without a word, as if it had come to its end

	reply []byte // the Success or Failure
	end   Output // the standing
}

func newEAPAuthenticator(c AuthenticatorConfig) *eapAuthenticator {
	return &eapAuthenticator{AuthenticatorConfig: c, left: offered(c.EAP, c.TLS)}
}

func (a *eapAuthenticator) Protocol() uint16 { return protocolEAP }

func (a *eapAuthenticator) Start() Output {
	seed, err := random(a.Rand, 1)
	switch {
	case err != nil:
		return a.settle(Output{Verdict: Failure, Reason: "no random identifier: " + err.Error()})
	case len(a.left) == 0:
		return a.settle(Output{Verdict: Failure, Reason: "no EAP method is configured"})
	}
	a.id = seed[0]
	return a.request(typeIdentity, nil)
}

// request sends a new Request, under a new identifier. EAP-TLS has a clock that
// runs on whatever is sent.
func (a *eapAuthenticator) request(kind eapType, data []byte) Output {
	if a.rounds++; a.rounds > maxRounds {
		return a.refuse(fmt.Sprintf("peer did not finish %v in %d rounds", kind, maxRounds))
	}
	a.id++
	a.sent = eapMessage{eapRequest, a.id, kind, data}.encode()
	a.transmits, a.first, a.fresh = 1, false, true
	out := Output{Send: a.sent}
	if kind != typeTLS {
		out.Wait = retryInterval
	}
	return out
}

// Timeout repeats the Request, judges what had to wait, or gives up.
func (a *eapAuthenticator) Timeout() Output {
	switch {
	case a.end.Verdict != Pending:
		return a.end
	case a.held:
		a.held = false
		return a.take(a.server.judge())
	case a.question != nil:
		return a.end
	case a.method == EAPTLS:
		return a.tick()
	}
	return a.repeat(maxTransmits, retryInterval)
}

// tick tells that a second more has gone into EAP-TLS. A Request that is younger
// than that is not repeated yet.
func (a *eapAuthenticator) tick() Output {
	a.ticks++
	switch {
	case a.ticks >= tlsTicks && a.refusal == "":
		return a.giveUp(fmt.Sprintf("peer did not finish EAP-TLS in %v", tlsTime))
	case a.fresh:
		a.fresh = false
		return Output{Wait: tlsTick}
	}
	return a.repeat(tlsTicks, tlsTick)
}

func (a *eapAuthenticator) repeat(limit int, interval time.Duration) Output {
	switch {
	case a.refusal != "" && a.transmits >= maxFarewells:
		return a.refuse(a.refusal)
	case a.transmits >= limit:
		return a.giveUp(fmt.Sprintf("peer did not answer %d EAP requests", a.transmits))
	}
	a.transmits++
	return Output{Send: a.sent, Wait: interval}
}

func (a *eapAuthenticator) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	if !ok {
		return a.drop(DropMalformed)
	}
	if p.code != eapResponse {
		return a.drop(DropUnexpectedCode)
	}
	m, ok := parseEAPMessage(p)
	switch {
	case !ok:
		a.lost = a.lost || a.method == EAPTLS && p.id == a.id && len(p.data) == 0
		return a.drop(DropMalformed)
	case a.sent == nil || p.id != a.id:
		return a.drop(DropWrongIdentifier)
	case a.held || a.question != nil:
		return a.drop(DropWaiting)
	case a.reply != nil:
		out := a.end
		out.Send = a.reply
		return out
	case a.end.Verdict != Pending:
		return a.drop(DropUnexpectedCode) // we gave up without a word
	}
	return a.answered(m)
}

// answered takes the Response to the standing Request.
func (a *eapAuthenticator) answered(m eapMessage) Output {
	wanted, nak := m.nak()
	switch {
	case a.refusal != "":
		return a.refuse(a.refusal) // whatever the peer thinks of it
	case a.method == 0:
		return a.identified(m)
	case nak && a.first:
		return a.refused(wanted)
	case m.kind != a.method.eapType():
		return a.drop(DropWrongType) // a late Nak too (RFC 3748, section 5.3.1)
	}
	return a.take(a.server.receive(m.data))
}

// identified takes the identity. It proves nothing: the method does.
func (a *eapAuthenticator) identified(m eapMessage) Output {
	switch {
	case m.kind != typeIdentity:
		return a.drop(DropWrongType)
	case len(m.data) > maxName:
		return a.drop(DropMalformed)
	}
	a.identity = string(m.data)
	return a.offer(0)
}

// offer begins the i-th of the methods that are left.
func (a *eapAuthenticator) offer(i int) Output {
	a.method = a.left[i]
	a.left = slices.Delete(a.left, i, i+1)
	if a.method == EAPTLS {
		a.server = newEAPTLS(a.TLS, true, a.identity)
	} else {
		a.server = &eapMSCHAPv2Server{AuthenticatorConfig: a.AuthenticatorConfig, identity: a.identity}
	}
	a.ticks = 0
	out := a.take(a.server.first(a.id + 1))
	a.first = true
	if a.method == EAPTLS && out.Verdict == Pending {
		out.Wait = tlsTick
	}
	return out
}

// refused takes a Nak: only what the operator allows comes next, our strongest of
// those that the peer wants.
func (a *eapAuthenticator) refused(wanted []eapType) Output {
	a.server.close()
	i := slices.IndexFunc(a.left, func(m Method) bool { return slices.Contains(wanted, m.eapType()) })
	if i < 0 {
		return a.refuse(fmt.Sprintf("peer refuses %v: it wants %s", a.method.eapType(), listed(wanted)))
	}
	return a.offer(i)
}

// take does what the method asks for.
func (a *eapAuthenticator) take(t turn) Output {
	if a.lost {
		t.reason += "; it had lost the thread: " + isItOld
	}
	switch {
	case t.drop != "":
		return a.drop(t.drop)
	case t.wait > 0:
		a.held = true
		return Output{Wait: t.wait}
	case t.ask != nil:
		a.question = t.ask
		return Output{Ask: t.ask}
	case t.end == methodDone:
		return a.accept(t)
	case t.end == methodFailed && t.mute:
		return a.settle(Output{Verdict: Failure, Reason: t.reason})
	case t.end == methodFailed && t.send == nil:
		return a.refuse(t.reason)
	case t.end == methodFailed:
		a.refusal = t.reason
	}
	return a.request(a.method.eapType(), t.send)
}

// Rule implements [Asker]. When nobody has judged, LCP tells the peer.
func (a *eapAuthenticator) Rule(q *Question, r Ruling) Output {
	if q == nil || q != a.question || a.end.Verdict != Pending {
		return a.end
	}
	a.question = nil
	t := a.server.(asker).rule(q, r)
	if t.end == methodFailed && t.send == nil {
		return a.giveUp(t.reason)
	}
	return a.take(t)
}

// accept sends Success: the method has proved the peer's name.
func (a *eapAuthenticator) accept(t turn) Output {
	out := a.settle(Output{Verdict: Success, Name: t.name, Method: a.method})
	a.reply = packet{eapSuccess, a.id, nil}.encode()
	out.Send, out.Keys = a.reply, t.keys
	return out
}

// refuse sends Failure, which has no text; reason is for our side.
func (a *eapAuthenticator) refuse(reason string) Output {
	out := a.settle(Output{Verdict: Failure, Reason: reason})
	a.reply = packet{eapFailure, a.id, nil}.encode()
	out.Send = a.reply
	return out
}

// Refusal is what the method failed for, while the peer's answer is still to come.
func (a *eapAuthenticator) Refusal() string { return a.refusal }

func (a *eapAuthenticator) giveUp(reason string) Output {
	return a.settle(Output{Verdict: Failure, GaveUp: true, Reason: reason})
}

// settle ends the exchange, and with it what runs for it.
func (a *eapAuthenticator) settle(end Output) Output {
	a.end = end
	a.stop()
	return end
}

func (a *eapAuthenticator) drop(why Drop) Output {
	out := a.end
	out.Drop = why
	return out
}

func (a *eapAuthenticator) stop() {
	if a.server != nil {
		a.server.close()
	}
}

// Close ends an exchange that is still going, without a word.
func (a *eapAuthenticator) Close() {
	a.abandoned(a.question)
	a.question = nil
	if a.end.Verdict == Pending {
		a.end = Output{Verdict: Failure, GaveUp: true, Reason: "the exchange was closed"}
	}
	a.stop()
}

// asked reports whether challenge is one that stands; see Outstanding.
func (a *eapAuthenticator) asked(challenge []byte) bool {
	s, ok := a.server.(*eapMSCHAPv2Server)
	return ok && s.asked(challenge)
}
