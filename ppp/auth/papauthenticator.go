package auth

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"sitebridge/internal/secret"
)

// A papAuthenticator waits for the peer's Request and judges the first one. All
// later ones get the same answer: a lost Ack would hang the peer otherwise, and
// a second guess would be one too many (RFC 1334, section 2.2.1).
type papAuthenticator struct {
	AuthenticatorConfig
	unprintable
	held *heldPAP
	// question is about a Request that somebody else judges, with that identifier.
	question   *Question
	questionID byte
	end        Output
}

func newPAPAuthenticator(c AuthenticatorConfig) *papAuthenticator {
	return &papAuthenticator{AuthenticatorConfig: c}
}

func (a *papAuthenticator) Protocol() uint16 { return protocolPAP }

func (a *papAuthenticator) Start() Output { return Output{Wait: patience} }

func (a *papAuthenticator) Timeout() Output {
	switch {
	case a.end.Verdict != Pending:
	case a.held != nil:
		held := *a.held
		a.held = nil
		return a.judge(held.id, held.papCredentials)
	case a.question != nil:
	default:
		a.end = Output{Verdict: Failure, GaveUp: true, Reason: fmt.Sprintf("peer sent no PAP request in %v", patience)}
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
	switch {
	case a.held != nil || a.question != nil:
		return a.drop(DropWaiting)
	case a.end.Verdict != Pending:
		return a.answer(p.id)
	}
	if wait := a.delay(string(c.name)); wait > 0 {
		a.held = &heldPAP{p.id, papCredentials{bytes.Clone(c.name), bytes.Clone(c.password)}}
		return Output{Wait: wait}
	}
	return a.judge(p.id, c)
}

// A heldPAP is a Request that waits to be judged.
type heldPAP struct {
	id byte
	papCredentials
}

// judge answers Request id by what it holds.
func (a *papAuthenticator) judge(id byte, c papCredentials) Output {
	name := string(c.name)
	if a.elsewhere(name, PAP) {
		a.question, a.questionID = &Question{Method: PAP, Name: name, Password: secret.Secret(c.password)}, id
		return Output{Ask: a.question}
	}
	want, known := find(a.AuthenticatorConfig, name)
	right := equalText(c.password, []byte(want.Reveal()))
	refusal := a.refusal(name, known, right)
	a.judged(name, refusal == "")
	return a.settle(id, name, refusal)
}

// settle ends the exchange: refusal is why who answered as name is refused; empty: he is
// not.
func (a *papAuthenticator) settle(id byte, name, refusal string) Output {
	a.end = Output{Verdict: Success, Name: name, Method: PAP}
	if refusal != "" {
		a.end = Output{Verdict: Failure, Reason: refusal}
	}
	return a.answer(id)
}

// Rule implements [Asker].
func (a *papAuthenticator) Rule(q *Question, r Ruling) Output {
	if q != a.question {
		return a.end
	}
	a.question = nil
	refusal, nobody := a.ruled(q, r)
	if nobody {
		a.end = Output{Verdict: Failure, GaveUp: true, Reason: refusal} // LCP tells the peer
		return a.end
	}
	return a.settle(a.questionID, q.Name, refusal)
}

// answer tells the peer how it stands.
func (a *papAuthenticator) answer(id byte) Output {
	out := a.end
	if out.Verdict == Success {
		out.Send = packet{papAck, id, appendSized(nil, nil)}.encode()
	} else {
		out.Send = packet{papNak, id, appendSized(nil, []byte("Authentication failure"))}.encode()
	}
	return out
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

// Close gives up what somebody else still judges.
func (a *papAuthenticator) Close() {
	a.abandoned(a.question)
	a.question = nil
}
