package auth

import "fmt"

// An eapMSCHAPv2Client answers the Challenge and wants a proof with the Success.
type eapMSCHAPv2Client struct {
	PeerConfig
	own    string // as whom we answered
	answer *answer
}

func (c *eapMSCHAPv2Client) receive(data []byte) turn {
	m, ok := parseMSMessage(data)
	switch {
	case !ok:
		return dropped(DropMalformed)
	case c.answer == nil && m.op == chapChallenge:
		return c.challenged(m)
	case c.answer == nil:
		return dropped(DropUnexpectedCode)
	case m.op == chapSuccess:
		return c.succeeded(m.body)
	case m.op == chapFailure:
		t := failed(fmt.Sprintf("peer refused us as %s: %s", quote([]byte(c.own)), msCHAPv2{}.refusal(m.body)))
		t.send = []byte{chapFailure}
		return t
	}
	return dropped(DropUnexpectedCode)
}

func (c *eapMSCHAPv2Client) challenged(m msMessage) turn {
	v, ok := parseCHAPValue(m.body)
	if !ok {
		return dropped(DropMalformed)
	}
	own, a, refusal := c.answerTo(msCHAPv2{}, m.id, v)
	if refusal != "" {
		return failed(refusal)
	}
	c.own, c.answer = own, &a
	response := chapValue{value: a.value, name: []byte(own)}
	return turn{send: msMessage{chapResponse, m.id, response.encode()}.encode()}
}

// succeeded takes a Success that proves what our answer asked for. Who cannot
// prove it gets no answer. The answer is the op code alone.
func (c *eapMSCHAPv2Client) succeeded(text []byte) turn {
	if !proves(text, c.answer.proof) {
		return failed(unproved(c.own))
	}
	return turn{end: methodDone, send: []byte{chapSuccess}, keys: c.answer.keys}
}

func (c *eapMSCHAPv2Client) close() {}
