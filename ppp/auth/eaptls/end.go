package eaptls

import "fmt"

// send sends the flight that TLS has written; its last fragment leads to next.
func (c *Conversation) send(next Step) Step {
	flight := c.tls.written()
	if len(flight) > maxFlight {
		return c.fail(tooLong(flight))
	}
	c.taken, c.next = 0, next
	c.out.load(flight)
	return c.sendNext()
}

// sendNext sends the next fragment.
func (c *Conversation) sendNext() Step {
	s := Step{Send: c.out.next()}
	if !c.out.pending() && c.next.State != Going {
		s.State, s.Reason = c.next.State, c.next.Reason
		return c.finish(s)
	}
	return s
}

// refuse ends the conversation with the alert of TLS. A client without one of its
// own answers that of the server with an empty packet.
func (c *Conversation) refuse(reason string) Step {
	c.tls.refuse(c.cfg, c.last)
	next := Step{State: Failed, Reason: reason}
	switch {
	case len(c.tls.out) > 0:
		return c.send(next)
	case !c.cfg.Server:
		next.Send = ack()
	}
	return c.finish(next)
}

// fail ends the conversation without a word to the other end: it does not keep to
// EAP-TLS, or we cannot begin.
func (c *Conversation) fail(reason string) Step {
	return c.finish(Step{State: Failed, Reason: reason})
}

// finish ends the conversation with s.
func (c *Conversation) finish(s Step) Step {
	c.end = Step{State: s.State, Reason: s.Reason}
	if s.State != Succeeded {
		c.result = Result{}
	}
	c.release()
	return s
}

// Result is what a conversation that Succeeded leaves; before that it is empty.
func (c *Conversation) Result() Result {
	if c.end.State != Succeeded {
		return Result{}
	}
	return c.result
}

// Close ends what runs, and forgets the Result. It may be called at any time, and
// twice.
func (c *Conversation) Close() {
	if c.end.State == Going {
		c.fail("the conversation was closed")
	}
	c.result = Result{}
}

// release ends the coroutine and lets go of all buffers.
func (c *Conversation) release() {
	if c.tls != nil {
		c.tls.stop()
	}
	c.tls, c.in, c.out = nil, assembly{}, cutter{}
}

// unprintable keeps a conversation, whose fields hold keys, out of logs.
type unprintable struct{}

func (unprintable) Format(w fmt.State, _ rune)   { fmt.Fprint(w, "[conversation]") }
func (unprintable) MarshalText() ([]byte, error) { return []byte("[conversation]"), nil }
