package auth

import "fmt"

// A papPeer sends its Request until it is answered (RFC 1334, section 2).
type papPeer struct {
	PeerConfig
	unprintable
	first     byte // identifier of our first Request; each has the next one
	transmits int
	end       Output
}

func newPAPPeer(c PeerConfig) *papPeer { return &papPeer{PeerConfig: c} }

func (c *papPeer) Protocol() uint16 { return protocolPAP }

func (c *papPeer) Start() Output {
	if len(c.Name) > maxSized || len(c.Secret) > maxSized {
		return c.fail("our name or secret is longer than the %d octets that PAP can carry", maxSized)
	}
	id, err := random(c.Rand, 1)
	if err != nil {
		return c.fail("no random identifier: %v", err)
	}
	c.first, c.transmits, c.end = id[0], 0, Output{}
	return c.request()
}

func (c *papPeer) Timeout() Output {
	switch {
	case c.end.Verdict != Pending:
		return c.end
	case c.transmits >= maxTransmits:
		c.fail("peer did not answer %d PAP requests", c.transmits)
		c.end.GaveUp = true
		return c.end
	}
	return c.request()
}

func (c *papPeer) request() Output {
	id := c.first + byte(c.transmits)
	c.transmits++
	body := papCredentials{[]byte(c.Name), []byte(c.Secret.Reveal())}
	return Output{Send: packet{papRequest, id, body.encode()}.encode(), Wait: retryInterval}
}

// Receive takes the answer to any of our Requests: on a slow line it comes when
// the next one is already under way.
func (c *papPeer) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	switch {
	case !ok:
		return c.drop(DropMalformed)
	case p.code != papAck && p.code != papNak, c.end.Verdict != Pending:
		return c.drop(DropUnexpectedCode)
	case int(p.id-c.first) >= c.transmits:
		return c.drop(DropWrongIdentifier)
	}
	message, ok := parsePAPMessage(p.data)
	switch {
	case !ok:
		return c.drop(DropMalformed)
	case p.code == papNak:
		return c.fail("peer refused us as %s: %s", quote([]byte(c.Name)), saying(message))
	}
	c.end = Output{Verdict: Success, Method: PAP}
	return c.end
}

func (c *papPeer) fail(format string, args ...any) Output {
	c.end = Output{Verdict: Failure, Reason: fmt.Sprintf(format, args...)}
	return c.end
}

func (c *papPeer) drop(why Drop) Output {
	out := c.end
	out.Drop = why
	return out
}

func (c *papPeer) Close() {}
