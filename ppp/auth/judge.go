package auth

import "fmt"

// wrongSize says what is wrong with the size of a Response's value. Who sends
// such a one gets no answer (pppd, GHSA-j686-vmph-4m7c).
func wrongSize(alg algorithm, value []byte) string {
	if want := alg.responseSize(); len(value) != want {
		return fmt.Sprintf("peer's %s response has %d octets instead of %d", alg.protocol(), len(value), want)
	}
	return ""
}

// assess judges value, of the right size, as the answer to q, whose secret it
// looks up. The reason to refuse it is for our side alone.
func (c AuthenticatorConfig) assess(alg algorithm, q question, value []byte) (got verdict, refusal string) {
	var known bool
	q.secret, known = find(c, q.name)
	got = alg.judge(q, value)
	refusal = c.refusal(q.name, known, got.right)
	c.judged(q.name, refusal == "")
	return got, refusal
}

// refusal tells why who answered under name is not believed; empty: he is.
func (c AuthenticatorConfig) refusal(name string, known, right bool) string {
	switch shown := quote([]byte(name)); {
	case isOurs(c, name):
		return "peer answered with our own name " + shown
	case !known:
		return "no such name: " + shown
	case !right:
		return "wrong secret for name " + shown
	}
	return ""
}

// answerTo returns our answer to a challenge, and as whom we give it; or else
// why we give none.
func (c PeerConfig) answerTo(alg algorithm, id byte, v chapValue) (own string, a answer, refusal string) {
	switch {
	case !alg.challengeFits(len(v.value)):
		return "", answer{}, fmt.Sprintf("peer's %s challenge has %d octets", alg.protocol(), len(v.value))
	case c.Outstanding != nil && c.Outstanding(v.value):
		return "", answer{}, "peer sent our own challenge back"
	}
	q := question{id: id, challenge: v.value, name: c.Name, secret: c.Secret}
	if c.ForChallenger != nil {
		if own, s, ok := c.ForChallenger(string(v.name)); ok {
			q.name, q.secret = own, s
		}
		if q.secret == "" {
			return "", answer{}, fmt.Sprintf("peer calls itself %s, and we have no secret to prove ourselves to it with", quote(v.name))
		}
	}
	a, err := alg.answer(q, c.Rand)
	if err != nil {
		return "", answer{}, "no random peer challenge: " + err.Error()
	}
	return q.name, a, ""
}

// unproved says that a peer accepted our answer as own, and could not show that it
// had the means to judge it.
func unproved(own string) string {
	return fmt.Sprintf("peer did not prove itself: it accepted us as %s without knowing our secret", quote([]byte(own)))
}
