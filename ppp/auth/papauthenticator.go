package auth

import (
	"crypto/sha256"
	"fmt"
)

// A papAuthenticator waits for the peer's Request and judges the first one. All
// later ones get the same answer: a lost Ack would hang the peer otherwise, and
// a second guess would be one too many (RFC 1334, section 2.2.1).
type papAuthenticator struct {
	AuthenticatorConfig
	unprintable
	end Output
}

func newPAPAuthenticator(c AuthenticatorConfig) *papAuthenticator {
	return &papAuthenticator{AuthenticatorConfig: c}
}

func (a *papAuthenticator) Protocol() uint16 { return protocolPAP }

func (a *papAuthenticator) Start() Output { return Output{Wait: patience} }

func (a *papAuthenticator) Timeout() Output {
	if a.end.Verdict == Pending {
		a.end = Output{Verdict: Failure, Reason: fmt.Sprintf("peer sent no PAP request in %v", patience)}
	}
	return a.end
}

func (a *papAuthenticator) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	switch {
	case !ok:
		return a.drop(DropMalformed)
	case p.code != papRequest:
		return a.drop(DropUnexpectedCode)
	}
	c, ok := parsePAPCredentials(p.data)
	if !ok {
		return a.drop(DropMalformed)
	}
	if a.end.Verdict == Pending {
		a.end = a.judge(c)
	}
	out := a.end
	if out.Verdict == Success {
		out.Send = packet{papAck, p.id, appendSized(nil, nil)}.encode()
	} else {
		out.Send = packet{papNak, p.id, appendSized(nil, []byte("Authentication failure"))}.encode()
	}
	return out
}

func (a *papAuthenticator) judge(c papCredentials) Output {
	name := string(c.name)
	want, known := find(a.AuthenticatorConfig, name)
	right := equalText(c.password, []byte(want.Reveal()))
	switch {
	case isOurs(a.AuthenticatorConfig, name):
		return Output{Verdict: Failure, Reason: "peer answered with our own name " + quote(c.name)}
	case !known:
		return Output{Verdict: Failure, Reason: "no such name: " + quote(c.name)}
	case !right:
		return Output{Verdict: Failure, Reason: "wrong secret for name " + quote(c.name)}
	}
	return Output{Verdict: Success, Name: name}
}

// equalText compares texts of any length without telling by its time where they
// differ, or in length.
func equalText(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return equal(x[:], y[:])
}

func (a *papAuthenticator) drop(why Drop) Output {
	out := a.end
	out.Drop = why
	return out
}
