package auth

import "bytes"

// An eapMSCHAPv2Server asks for a proof by MS-CHAPv2 and gives ours with its
// Success. The method is done once the peer has taken that.
type eapMSCHAPv2Server struct {
	AuthenticatorConfig
	identity string // for a Response without a name

	id        byte
	challenge []byte
	held      []byte // the value that waits to be judged
	name      string // who answered
	proved    bool
	keys      Keys
}

func (s *eapMSCHAPv2Server) first(id byte) turn {
	challenge, err := random(s.Rand, challengeSize)
	if err != nil {
		return failed("no random challenge: " + err.Error())
	}
	s.id, s.challenge = id, challenge
	return s.say(chapChallenge, chapValue{challenge, []byte(s.Name)}.encode())
}

func (s *eapMSCHAPv2Server) receive(data []byte) turn {
	m, ok := parseMSMessage(data)
	switch {
	case !ok:
		return dropped(DropMalformed)
	case s.proved && m.op == chapSuccess:
		return turn{end: methodDone, name: s.name, keys: s.keys}
	case s.proved && m.op == chapFailure:
		return failed("peer does not believe that we know the secret of " + quote([]byte(s.name)))
	case s.proved || m.op != chapResponse:
		return dropped(DropUnexpectedCode)
	case m.id != s.id:
		return dropped(DropWrongIdentifier)
	}
	v, ok := parseCHAPValue(m.body)
	if !ok {
		return dropped(DropMalformed)
	}
	return s.answered(v)
}

// answered takes the Response. Some peers leave its name out, having told it as
// their identity.
func (s *eapMSCHAPv2Server) answered(v chapValue) turn {
	if reason := wrongSize(msCHAPv2{}, v.value); reason != "" {
		t := failed(reason)
		t.mute = true
		return t
	}
	s.name, s.held = string(v.name), bytes.Clone(v.value)
	if s.name == "" {
		s.name = s.identity
	}
	if wait := s.delay(s.name); wait > 0 {
		return turn{wait: wait}
	}
	return s.judge()
}

func (s *eapMSCHAPv2Server) judge() turn {
	if s.elsewhere(s.name, EAPMSCHAPv2) {
		return turn{ask: &Question{Method: EAPMSCHAPv2, Name: s.name, ID: s.id, Challenge: s.challenge, Response: s.held}}
	}
	q := question{id: s.id, challenge: s.challenge, name: s.name}
	got, refusal := s.assess(msCHAPv2{}, q, s.held)
	if refusal == "" {
		s.proved, s.keys = true, got.keys
		return s.say(chapSuccess, []byte(got.text))
	}
	return s.refuse(refusal)
}

// refuse tells the peer the same for every reason to refuse it.
func (s *eapMSCHAPv2Server) refuse(refusal string) turn {
	t := failed(refusal)
	if text, err := (msCHAPv2{}).failureText(s.Rand); err == nil {
		t.send = s.say(chapFailure, []byte(text)).send
	}
	return t
}

// rule takes the place of judge when somebody else has judged.
func (s *eapMSCHAPv2Server) rule(q *Question, r Ruling) turn {
	switch refusal, nobody := s.ruled(q, r); {
	case nobody:
		return failed(refusal)
	case refusal != "":
		return s.refuse(refusal)
	}
	s.proved, s.keys = true, r.Keys
	return s.say(chapSuccess, []byte(successOf(q, r)))
}

func (s *eapMSCHAPv2Server) say(op byte, body []byte) turn {
	return turn{send: msMessage{op, s.id, body}.encode()}
}

func (s *eapMSCHAPv2Server) close() {}

// asked reports whether challenge is ours.
func (s *eapMSCHAPv2Server) asked(challenge []byte) bool {
	return len(challenge) > 0 && bytes.Equal(challenge, s.challenge)
}
