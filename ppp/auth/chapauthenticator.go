package auth

import (
	"bytes"
	"fmt"
)

// A chapAuthenticator challenges, judges the Response and remembers what it
// said: a Response to a challenge already judged gets the same answer again
// (RFC 1994, section 4.2), else a lost Success would hang the peer.
type chapAuthenticator struct {
	AuthenticatorConfig
	unprintable
	alg       algorithm
	id        byte
	challenge []byte
	sent      []byte // the Challenge packet, repeated as it is
	transmits int
	held      *chapValue // a Response that waits to be judged
	question  *Question  // about a Response that somebody else judges
	keyed     bool       // the keys were handed out
	reply     []byte     // the Success or Failure once judged
	end       Output     // the standing once judged; without packet and keys
}

func newCHAPAuthenticator(alg algorithm, c AuthenticatorConfig) *chapAuthenticator {
	return &chapAuthenticator{AuthenticatorConfig: c, alg: alg}
}

func (a *chapAuthenticator) Protocol() uint16 { return protocolCHAP }

// Start sends a new challenge under a new identifier. After a Success it may be
// called again, to challenge anew; what was said before is then void.
func (a *chapAuthenticator) Start() Output {
	seed, err := random(a.Rand, 1+challengeSize)
	if err != nil {
		return a.settle(Output{Verdict: Failure, Reason: "no random challenge: " + err.Error()})
	}
	if a.sent == nil {
		a.id = seed[0]
	} else {
		a.id++
	}
	a.challenge = seed[1 : 1+challengeSize]
	v := chapValue{value: a.challenge, name: []byte(a.Name)}
	a.sent = packet{chapChallenge, a.id, v.encode()}.encode()
	a.transmits, a.held, a.question, a.reply, a.end = 1, nil, nil, nil, Output{}
	return Output{Send: a.sent, Wait: retryInterval}
}

// Timeout repeats the challenge. It is the same one, under the same identifier,
// so that a Response that took longer than our patience still counts. A Response
// that had to wait is judged.
func (a *chapAuthenticator) Timeout() Output {
	switch {
	case a.end.Verdict != Pending:
		return a.end
	case a.held != nil:
		v := *a.held
		a.held = nil
		return a.judge(v)
	case a.question != nil:
		return a.end
	case a.transmits >= maxTransmits:
		return a.settle(Output{Verdict: Failure, GaveUp: true,
			Reason: fmt.Sprintf("peer did not answer %d %s challenges", a.transmits, a.alg.protocol())})
	}
	a.transmits++
	return Output{Send: a.sent, Wait: retryInterval}
}

func (a *chapAuthenticator) Receive(pkt []byte) Output {
	p, ok := parsePacket(pkt)
	switch {
	case !ok:
		return a.drop(DropMalformed)
	case p.code != chapResponse:
		return a.drop(DropUnexpectedCode)
	case a.sent == nil || p.id != a.id:
		return a.drop(DropWrongIdentifier)
	case a.reply != nil:
		out := a.end
		out.Send = a.reply
		return out
	case a.end.Verdict != Pending:
		return a.drop(DropUnexpectedCode) // we gave up without a word
	case a.held != nil || a.question != nil:
		return a.drop(DropWaiting)
	}
	v, ok := parseCHAPValue(p.data)
	if !ok {
		return a.drop(DropMalformed)
	}
	return a.answered(v)
}

// answered takes the first Response to the challenge that stands.
func (a *chapAuthenticator) answered(v chapValue) Output {
	if reason := wrongSize(a.alg, v.value); reason != "" {
		return a.settle(Output{Verdict: Failure, Reason: reason}) // and not a word to the peer
	}
	if wait := a.delay(string(v.name)); wait > 0 {
		held := v.clone()
		a.held = &held
		return Output{Wait: wait}
	}
	return a.judge(v)
}

func (a *chapAuthenticator) judge(v chapValue) Output {
	name := string(v.name)
	if m := a.alg.method(); a.elsewhere(name, m) {
		a.question = &Question{Method: m, Name: name, ID: a.id, Challenge: a.challenge, Response: bytes.Clone(v.value)}
		return Output{Ask: a.question}
	}
	got, refusal := a.assess(a.alg, question{id: a.id, challenge: a.challenge, name: name}, v.value)
	if refusal != "" {
		return a.refuse(refusal)
	}
	return a.accept(name, got.text, got.keys)
}

// Rule implements [Asker].
func (a *chapAuthenticator) Rule(q *Question, r Ruling) Output {
	if q != a.question {
		return a.end
	}
	a.question = nil
	switch refusal, nobody := a.ruled(q, r); {
	case nobody:
		return a.settle(Output{Verdict: Failure, GaveUp: true, Reason: refusal}) // LCP tells the peer
	case refusal != "":
		return a.refuse(refusal)
	}
	return a.accept(q.Name, successOf(q, r), r.Keys)
}

func (a *chapAuthenticator) accept(name, text string, keys Keys) Output {
	a.reply = packet{chapSuccess, a.id, []byte(text)}.encode()
	out := a.settle(Output{Verdict: Success, Name: name, Method: a.alg.method()})
	out.Send = a.reply
	if !a.keyed {
		out.Keys, a.keyed = keys, true
	}
	return out
}

// refuse tells the peer the same for every reason; reason is for our side.
func (a *chapAuthenticator) refuse(reason string) Output {
	out := a.settle(Output{Verdict: Failure, Reason: reason})
	text, err := a.alg.failureText(a.Rand)
	if err != nil {
		return out // LCP will tell the peer
	}
	a.reply = packet{chapFailure, a.id, []byte(text)}.encode()
	out.Send = a.reply
	return out
}

func (a *chapAuthenticator) settle(end Output) Output {
	a.end = end
	return end
}

func (a *chapAuthenticator) drop(why Drop) Output {
	out := a.end
	out.Drop = why
	return out
}

// asked reports whether challenge is the one that stands.
func (a *chapAuthenticator) asked(challenge []byte) bool {
	return len(challenge) > 0 && bytes.Equal(challenge, a.challenge)
}

// Close gives up what somebody else still judges.
func (a *chapAuthenticator) Close() {
	a.abandoned(a.question)
	a.question = nil
}
