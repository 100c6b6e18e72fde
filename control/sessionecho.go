package control

import (
	"slices"
	"time"
)

// How a session knows that its peer is there (RFC 2637, section 3.1.4): when
// nothing has been received for a while, it asks; when the answer does not come,
// the connection is over.

// echoDue is when the oldest Echo-Request is late or, with none under way, when
// the silence has lasted long enough for one.
func (s *session) echoDue() time.Time {
	if len(s.echoes) > 0 {
		return s.echoes[0].due
	}
	return s.heard.Add(s.cfg.EchoInterval)
}

func (s *session) expireEcho() {
	if len(s.echoes) > 0 {
		s.step(evTimeout, &TimeoutError{"echo reply", s.cfg.EchoTimeout})
		return
	}
	s.step(evSilence, nil)
}

// sendEcho asks. replied, unless it is nil, is closed by the reply.
func (s *session) sendEcho(replied chan struct{}) {
	s.nextEcho++
	s.echoes = append(s.echoes, echo{s.nextEcho, time.Now().Add(s.cfg.EchoTimeout), replied})
	s.send(EchoRequest{Identifier: s.nextEcho})
}

// receiveEchoReply takes a reply with any result for a sign of life, but only
// one that has the identifier of a request under way.
func (s *session) receiveEchoReply(m EchoReply) {
	i := slices.IndexFunc(s.echoes, func(e echo) bool { return e.id == m.Identifier })
	if i < 0 && s.established() {
		s.drop(dropUnexpectedType)
		return
	}
	if i >= 0 {
		if s.echoes[i].replied != nil {
			close(s.echoes[i].replied)
		}
		s.echoes = slices.Delete(s.echoes, i, i+1)
	}
	s.step(evEchoReply, s.unlessFirst(m, nil))
}
