package auth

import (
	"bytes"
	"fmt"
)

// A chapPeer answers challenges. The authenticator repeats its Challenge until
// it is answered, so the peer never sends by itself.
type chapPeer struct {
	PeerConfig
	unprintable
	alg       algorithm
	id        byte
	challenge []byte // the last one answered
	answer    answer // to it
	own       string // as whom
	sent      []byte // the Response packet
	waiting   bool   // for the verdict on it
	keyed     bool   // the keys were handed out
	end       Output // the standing
}

func newCHAPPeer(alg algorithm, c PeerConfig) *chapPeer {
	return &chapPeer{PeerConfig: c, alg: alg}
}

func (c *chapPeer) Protocol() uint16 { return protocolCHAP }

func (c *chapPeer) Start() Output { return Output{Wait: patience} }

func (c *chapPeer) Timeout() Output {
	if c.end.Verdict != Pending {
		return c.end
	}
	if c.waiting {
		c.fail("peer said nothing to our %s response in %v", c.alg.protocol(), patience)
	} else {
		c.fail("peer sent no %s challenge in %v", c.alg.protocol(), patience)
	}
	c.end.GaveUp = true
	return c.end
}

func (c *chapPeer) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	switch {
	case !ok:
		return c.drop(DropMalformed)
	case c.end.Verdict == Failure:
		return c.drop(DropUnexpectedCode)
	case p.code == chapChallenge:
		v, ok := parseCHAPValue(p.data)
		if !ok {
			return c.drop(DropMalformed)
		}
		return c.challenged(p.id, v)
	case p.code != chapSuccess && p.code != chapFailure, !c.waiting:
		return c.drop(DropUnexpectedCode)
	case p.id != c.id:
		return c.drop(DropWrongIdentifier)
	case p.code == chapFailure:
		return c.fail("peer refused us as %s: %s", quote([]byte(c.own)), c.alg.refusal(p.data))
	}
	return c.succeeded(p.data)
}

// challenged answers a Challenge, a repeated one with the same Response. After a
// Success the link goes on meanwhile (RFC 1994, section 2).
func (c *chapPeer) challenged(id byte, v chapValue) Output {
	if c.sent == nil || id != c.id || !bytes.Equal(v.value, c.challenge) {
		own, a, refusal := c.answerTo(c.alg, id, v)
		if refusal != "" {
			return c.fail("%s", refusal)
		}
		c.id, c.challenge, c.own, c.answer = id, bytes.Clone(v.value), own, a
		response := chapValue{value: a.value, name: []byte(c.own)}
		c.sent = packet{chapResponse, id, response.encode()}.encode()
	}
	c.waiting = true
	out := c.end
	out.Send = c.sent
	if out.Verdict == Pending {
		out.Wait = patience
	}
	return out
}

// succeeded takes a Success, once it proves what our answer asked for: without
// that check any server would pass (RFC 2759, section 5).
func (c *chapPeer) succeeded(text []byte) Output {
	if c.answer.proof != nil && !proves(text, c.answer.proof) {
		return c.fail("%s", unproved(c.own))
	}
	c.waiting = false
	c.end = Output{Verdict: Success, Method: c.alg.method()}
	out := c.end
	if !c.keyed {
		out.Keys, c.keyed = c.answer.keys, true
	}
	return out
}

func (c *chapPeer) fail(format string, args ...any) Output {
	c.waiting = false
	c.end = Output{Verdict: Failure, Reason: fmt.Sprintf(format, args...)}
	return c.end
}

func (c *chapPeer) drop(why Drop) Output {
	out := c.end
	out.Drop = why
	return out
}

func (c *chapPeer) Close() {}
