package auth

import (
	"bytes"
	"fmt"

	"sitebridge/internal/secret"
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
	sent      []byte // the Response packet
	waiting   bool   // for the verdict on it
	keyed     bool   // the keys were handed out
	end       Output // the standing

	own    string // as whom we answer
	secret secret.Secret
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
		return c.fail("peer said nothing to our %s response in %v", c.alg.protocol(), patience)
	}
	return c.fail("peer sent no %s challenge in %v", c.alg.protocol(), patience)
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
	switch {
	case !c.alg.challengeFits(len(v.value)):
		return c.fail("peer's %s challenge has %d octets", c.alg.protocol(), len(v.value))
	case c.Outstanding != nil && c.Outstanding(v.value):
		return c.fail("peer sent our own challenge back")
	case c.sent == nil || id != c.id || !bytes.Equal(v.value, c.challenge):
		c.choose(string(v.name))
		if c.ForChallenger != nil && c.secret == "" {
			return c.fail("peer calls itself %s, and we have no secret to prove ourselves to it with", quote(v.name))
		}
		challenge := bytes.Clone(v.value)
		a, err := c.alg.answer(question{id, challenge, c.own, c.secret}, c.Rand)
		if err != nil {
			return c.fail("no random peer challenge: %v", err)
		}
		c.id, c.challenge, c.answer = id, challenge, a
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

// choose takes what we prove ourselves with to that challenger.
func (c *chapPeer) choose(challenger string) {
	c.own, c.secret = c.Name, c.Secret
	if c.ForChallenger == nil {
		return
	}
	if own, s, ok := c.ForChallenger(challenger); ok {
		c.own, c.secret = own, s
	}
}

// succeeded takes a Success, once it proves what our answer asked for: without
// that check any server would pass (RFC 2759, section 5).
func (c *chapPeer) succeeded(text []byte) Output {
	if c.answer.proof != nil && !proves(text, c.answer.proof) {
		return c.fail("peer did not prove itself: it accepted us as %s without knowing our secret", quote([]byte(c.own)))
	}
	c.waiting = false
	c.end = Output{Verdict: Success}
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
