package auth

import (
	"bytes"
	"fmt"
	"slices"
)

// An eapPeer answers Requests (RFC 3748). It never sends by itself: a Request that
// comes again gets the same Response again. It believes a Success only after the
// method's own positive result. Once it has, it takes part in nothing new: the keys
// of a link belong to its first exchange.
type eapPeer struct {
	PeerConfig
	unprintable
	willing []Method // strongest first
	method  Method   // that runs; 0: none was agreed on
	client  eapClient
	naked   eapType // what we refused last

	id      byte
	request []byte // the last one answered, without padding
	sent    []byte // the Response to it
	rounds  int    // Requests answered

	proved  *turn  // the method's positive result; Success is to follow
	hasty   bool   // a Success came before that
	refusal string // the method failed for it; Failure is to follow
	end     Output // the standing
}

func newEAPPeer(c PeerConfig) *eapPeer {
	return &eapPeer{PeerConfig: c, willing: offered(c.EAP, c.TLS)}
}

func (c *eapPeer) Protocol() uint16 { return protocolEAP }

func (c *eapPeer) Start() Output {
	if len(c.Name) > maxName {
		return c.fail("our name is longer than the %d octets of an identity", maxName)
	}
	return Output{Wait: patience}
}

func (c *eapPeer) Timeout() Output {
	switch {
	case c.end.Verdict != Pending:
		return c.end
	case c.refusal != "":
		return c.fail("%s", c.refusal)
	case c.sent == nil:
		c.fail("peer sent no EAP request in %v", patience)
	case c.proved != nil:
		c.fail("peer did not confirm the success of %v", c.method.eapType())
	case c.method == EAPTLS && c.hasty:
		c.fail("peer did not finish EAP-TLS in %v, and told its success before: %s", tlsTime, isItOld)
	case c.method == EAPTLS:
		c.fail("peer did not finish EAP-TLS in %v", tlsTime)
	default:
		c.fail("peer said nothing to our EAP response in %v", patience)
	}
	c.end.GaveUp = true
	return c.end
}

func (c *eapPeer) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	switch {
	case !ok:
		return c.drop(DropMalformed)
	case c.end.Verdict == Failure:
		return c.drop(DropUnexpectedCode)
	case p.code == eapRequest:
		return c.requested(p)
	case p.code != eapSuccess && p.code != eapFailure:
		return c.drop(DropUnexpectedCode)
	case len(p.data) != 0:
		return c.drop(DropMalformed)
	case c.end.Verdict != Pending:
		return c.drop(DropUnexpectedCode)
	case c.sent == nil || p.id-c.id > 1:
		return c.drop(DropWrongIdentifier)
	case p.code == eapFailure:
		return c.refused()
	case c.proved == nil:
		c.hasty = true
		return c.drop(DropUnexpectedCode) // anybody can say that
	}
	return c.succeed()
}

// requested takes a Request. The one just answered is known by its content too: some
// authenticators use an identifier again.
func (c *eapPeer) requested(p packet) Output {
	m, ok := parseEAPMessage(p)
	switch {
	case !ok:
		return c.drop(DropMalformed)
	case c.sent != nil && bytes.Equal(p.encode(), c.request):
		out := c.end
		out.Send = c.sent
		return out
	case c.end.Verdict != Pending:
		return c.drop(DropUnexpectedCode)
	case c.rounds >= maxRounds:
		return c.fail("peer did not finish EAP in %d rounds", maxRounds)
	}
	return c.answer(m)
}

// answer takes a new Request.
func (c *eapPeer) answer(m eapMessage) Output {
	switch {
	case m.kind == typeNotification:
		out := c.respond(m, typeNotification, nil)
		out.Wait, out.Notice = 0, quote(m.data)
		return out
	case m.kind == typeNak || c.proved != nil || c.refusal != "":
		return c.drop(DropWrongType)
	case c.method != 0 && m.kind != c.method.eapType():
		return c.drop(DropWrongType) // we took part in another (RFC 3748, section 2.1)
	case c.method != 0:
		return c.take(m, c.client.receive(m.data))
	case m.kind == typeIdentity:
		return c.respond(m, typeIdentity, []byte(c.Name))
	}
	return c.begin(m)
}

// begin takes part in a method, or says which ones we would. What is not understood
// commits us to nothing.
func (c *eapPeer) begin(m eapMessage) Output {
	i := slices.IndexFunc(c.willing, func(w Method) bool { return w.eapType() == m.kind })
	if i < 0 {
		c.naked = m.kind
		return c.respond(m, typeNak, legacyNak(c.willing))
	}
	client := c.newClient(c.willing[i])
	t := client.receive(m.data)
	if t.drop != "" {
		client.close()
		return c.drop(t.drop)
	}
	c.method, c.client = c.willing[i], client
	out := c.take(m, t)
	if out.Verdict == Pending && out.Wait == 0 {
		out.Wait = tlsTime
	}
	return out
}

func (c *eapPeer) newClient(m Method) eapClient {
	if m == EAPTLS {
		return newEAPTLS(c.TLS, false, "")
	}
	return &eapMSCHAPv2Client{PeerConfig: c.PeerConfig}
}

// take does what the method asks for.
func (c *eapPeer) take(m eapMessage, t turn) Output {
	switch {
	case t.drop != "":
		return c.drop(t.drop)
	case t.end == methodDone:
		c.proved = &t
	case t.end == methodFailed && t.send == nil:
		return c.fail("%s", t.reason)
	case t.end == methodFailed:
		c.refusal = t.reason
	}
	out := c.respond(m, m.kind, t.send)
	if c.refusal != "" {
		out.Wait = farewellTime
	}
	return out
}

// respond answers a Request. EAP-TLS has a time that runs on whatever is sent.
func (c *eapPeer) respond(m eapMessage, kind eapType, data []byte) Output {
	c.rounds++
	c.id, c.request = m.id, m.encode()
	c.sent = eapMessage{eapResponse, m.id, kind, data}.encode()
	out := Output{Send: c.sent}
	if c.method != EAPTLS {
		out.Wait = patience
	}
	return out
}

// refused takes a Failure. It has no text, so that we say what we know.
func (c *eapPeer) refused() Output {
	own := quote([]byte(c.Name))
	switch {
	case c.refusal != "":
		return c.fail("%s", c.refusal)
	case c.method != 0:
		return c.fail("peer refused us as %s in %v: it gave no reason", own, c.method.eapType())
	case c.naked != 0:
		return c.fail("peer refused us as %s: it asks for %v, and we are willing to do %s", own, c.naked, c.may())
	}
	return c.fail("peer refused us as %s before it asked for a proof", own)
}

// may words what we are willing to do.
func (c *eapPeer) may() string {
	var types []eapType
	for _, m := range c.willing {
		types = append(types, m.eapType())
	}
	return listed(types)
}

func (c *eapPeer) succeed() Output {
	c.end = Output{Verdict: Success, Name: c.proved.name, Method: c.method}
	c.stop()
	out := c.end
	out.Keys = c.proved.keys
	return out
}

// Presume takes the peer's going on for the Success that was lost.
func (c *eapPeer) Presume() Output {
	if c.end.Verdict == Pending && c.proved != nil {
		return c.succeed()
	}
	return c.end
}

// Refusal is what the method failed for, while the Failure is still to come.
func (c *eapPeer) Refusal() string { return c.refusal }

func (c *eapPeer) fail(format string, args ...any) Output {
	c.end = Output{Verdict: Failure, Reason: fmt.Sprintf(format, args...)}
	c.stop()
	return c.end
}

func (c *eapPeer) drop(why Drop) Output {
	out := c.end
	out.Drop = why
	return out
}

func (c *eapPeer) stop() {
	if c.client != nil {
		c.client.close()
	}
}

// Close ends an exchange that is still going, without a word.
func (c *eapPeer) Close() {
	if c.end.Verdict == Pending {
		c.fail("the exchange was closed")
		c.end.GaveUp = true
	}
	c.stop()
}
