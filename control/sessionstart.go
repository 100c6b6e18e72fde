package control

import "time"

// How a session begins: the Start-Control-Connection exchange, seen from both
// sides (RFC 2637, sections 3.1.1 and 3.1.2).

// startTimeout is how long the peer's half of the exchange may take.
func (s *session) startTimeout() time.Duration {
	if s.opt.startTimeout != 0 {
		return s.opt.startTimeout
	}
	return s.cfg.ReplyTimeout
}

func (s *session) startRequest() StartRequest {
	return StartRequest{
		Version:  version1,
		Framing:  FramingAsync | FramingSync,
		Bearer:   BearerAnalog | BearerDigital,
		Firmware: s.cfg.Firmware,
		Host:     MakeText(s.cfg.Host),
		Vendor:   MakeText(s.vendor),
	}
}

func (s *session) startReply(r StartResult) StartReply {
	if m, ok := s.received.(StartRequest); ok && r == Started && s.cfg.NewVendor != nil {
		s.vendor = s.cfg.NewVendor(peerOfRequest(s.conn.nc, m))
	}
	return StartReply{
		Version:  version1,
		Result:   r,
		Framing:  FramingAsync | FramingSync,
		Bearer:   BearerAnalog | BearerDigital,
		Firmware: s.cfg.Firmware,
		Host:     MakeText(s.cfg.Host),
		Vendor:   MakeText(s.vendor),
	}
}

// judgeStartRequest tells which event m is. A later version than ours is fine:
// the reply says 1.0, and whether that will do is the originator's business.
func (s *session) judgeStartRequest(m StartRequest) (connEvent, error) {
	if s.auto.state != connIdle {
		return evStartRequest, &UnexpectedError{m.Type()}
	}
	if m.Version < version1 {
		return evStartRequestVersion, &VersionError{m.Version}
	}
	s.admitted = Admit
	if s.cfg.Admit != nil {
		s.admitted = s.cfg.Admit(peerOfRequest(s.conn.nc, m))
	}
	switch s.admitted {
	case Admit:
		return evStartRequest, nil
	case Hold:
		return evStartRequestHeld, nil
	}
	return evStartRequestRefused, &RefusedError{s.admitted.result()}
}

// judgeStartReply tells which event m is. We offer 1.0, and a reply may only go
// below that.
func (s *session) judgeStartReply(m StartReply) (connEvent, error) {
	switch {
	case s.auto.state == connIdle:
		return evStartReply, &UnexpectedError{m.Type()}
	case m.Result != Started:
		return evStartReplyRefused, &StartError{m.Result, m.Error}
	case m.Version>>8 != version1>>8:
		return evStartReplyVersion, &VersionError{m.Version}
	}
	return evStartReply, nil
}
