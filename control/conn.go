package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"sitebridge/internal/tap"
)

// maxBacklog is how many messages may wait to be sent before no more are read:
// a peer that asks without listening to the answers gets no further than that.
const maxBacklog = 32

// A Conn is a control connection. One goroutine owns its session; another one reads, and
// each message is written by one of its own, so that a peer that does not read never keeps
// us from noticing that time has passed.
//
// The methods may be called from any goroutine, except that those that wait
// (Call, Close, Echo, and Call's Clear) must not be called by Config.Answer.
type Conn struct {
	nc      net.Conn
	cfg     Config
	count   counters
	tap     *tap.Tap
	session *session // belongs to run; its peer may be read once up is closed

	commands chan func()   // to be called by run
	inbound  chan received // from read to run
	wrote    chan error    // how a write ended; holds the one
	up       chan struct{} // run closes it when the connection is established
	done     chan struct{} // run closes it when the connection has ended
	gone     chan struct{} // run closes it when its goroutines have ended, too
	unread   chan struct{} // read closes it when it has ended

	writing bool  // a write has not ended; belongs to run
	err     error // why the connection ended; set before done is closed
}

// received is the peer's next message, or why there will be none.
type received struct {
	message Message
	err     error
}

func newConn(nc net.Conn, cfg Config, opt options) *Conn {
	c := &Conn{
		nc:       nc,
		cfg:      cfg.withDefaults(),
		commands: make(chan func()),
		inbound:  make(chan received),
		wrote:    make(chan error, 1),
		up:       make(chan struct{}),
		done:     make(chan struct{}),
		gone:     make(chan struct{}),
		unread:   make(chan struct{}),
	}
	c.count.parent = opt.parent
	c.session = newSession(c, c.cfg, opt)
	if c.cfg.NewTap != nil {
		c.tap = c.cfg.NewTap(addrPort(nc.LocalAddr()), addrPort(nc.RemoteAddr()))
	}
	return c
}

// Open makes nc, which the caller has just dialled, a control connection. From
// now on it owns nc, also when it fails. ctx ends the attempt, and then nothing
// more is sent; once Open has returned a Conn, ctx no longer matters.
//
// A refusal is a *StartError; other errors say in words what went wrong.
func Open(ctx context.Context, nc net.Conn, cfg Config) (*Conn, error) {
	c := newConn(nc, cfg, options{})
	go c.run(context.Background(), evDialled) // Close waits for it, and so do we on failure
	select {
	case <-c.up:
		return c, nil
	case <-c.done:
	case <-ctx.Done():
		c.stop(fmt.Errorf("wait for %v: %w", TypeStartReply, context.Cause(ctx)))
	}
	<-c.gone
	return nil, c.err
}

// Serve runs nc, which the caller has just accepted, as the receiver of a control
// connection until that ends. It owns nc. When ctx ends it stops the connection
// in order and returns nil; otherwise it returns why the connection ended.
func Serve(ctx context.Context, nc net.Conn, cfg Config) error {
	return newConn(nc, cfg, options{}).serve(ctx)
}

func (c *Conn) serve(ctx context.Context) error {
	c.run(ctx, evAccepted)
	if ctx.Err() != nil && errors.Is(c.err, ErrClosed) {
		return nil
	}
	return c.err
}

// Call asks the peer for a call, as PNS. The receive side of r.ID must be ready.
// A refusal is a *CallError. When ctx ends first, the call is cleared.
func (c *Conn) Call(ctx context.Context, r CallRequest) (*Call, error) {
	call := newCall(c, pnsOutgoing, r.ID)
	call.ourWindow, call.subaddress = r.Window, MakeText(r.Subaddress)
	if err := c.do(func(s *session) error { return s.begin(call) }); err != nil {
		return nil, err
	}
	select {
	case <-call.up:
		return call, nil
	case <-call.over.Done():
		return nil, call.err
	case <-ctx.Done():
		cause := context.Cause(ctx)
		c.do(func(s *session) error {
			if call.auto.state != callIdle {
				s.stepCall(call, cevClose, cause)
			}
			return nil
		})
		return nil, cause
	}
}

// Echo asks the peer now whether it is there, and returns nil when it answers.
func (c *Conn) Echo(ctx context.Context) error {
	replied := make(chan struct{})
	err := c.do(func(s *session) error {
		if !s.established() {
			return s.err
		}
		s.sendEcho(replied)
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case <-replied:
		return nil
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close stops the connection in order: Stop-Control-Connection-Request, its
// reply for up to Config.StopTimeout, the end of TCP. It returns when all of the
// connection's goroutines have ended, and always nil; what became of it is Err.
func (c *Conn) Close() error {
	c.stop(ErrClosed)
	<-c.gone
	return nil
}

// CloseIdle begins Close, unless the connection carries a call.
func (c *Conn) CloseIdle() {
	c.do(func(s *session) error {
		if len(s.calls) == 0 {
			s.step(evStop, ErrClosed)
		}
		return nil
	})
}

// stop begins the end of the connection, unless it has ended already.
func (c *Conn) stop(why error) {
	c.do(func(s *session) error {
		s.step(evStop, why)
		return nil
	})
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended; nil before that.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Peer returns what the other end said of itself. It is complete from the moment
// that Open returns, and in Config.Answer.
func (c *Conn) Peer() Peer { return c.session.peer }

// Vendor returns what we called ourselves, from the moment that Peer does.
func (c *Conn) Vendor() string { return c.session.vendor }

// Tap is where the packets of the connection's calls can be looked at; nil: nowhere.
func (c *Conn) Tap() *tap.Tap { return c.tap }

// Stats returns what the connection has seen.
func (c *Conn) Stats() Stats { return c.count.stats() }

// do has fn called by the connection's goroutine and returns what it returns, or
// why the connection has ended.
func (c *Conn) do(fn func(*session) error) error {
	result := make(chan error, 1)
	select {
	case c.commands <- func() { result <- fn(c.session) }:
		return <-result
	case <-c.done:
		return c.err
	}
}

// run owns the session. It returns when the connection has ended and its
// goroutines with it.
func (c *Conn) run(ctx context.Context, opened connEvent) {
	defer close(c.gone)
	go c.read() // hangUp waits for it
	c.session.step(opened, nil)
	c.loop(ctx)
	if ending := c.session.opt.ending; ending != nil {
		ending()
	}
	c.err = c.session.err
	close(c.done)
	c.hangUp()
}

// loop feeds the session until it is closed.
func (c *Conn) loop(ctx context.Context) {
	s, stop := c.session, ctx.Done()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for !s.closed() {
		setAlarm(alarm, s.deadline())
		c.writeNext()
		inbound := c.inbound
		if len(s.out) >= maxBacklog {
			inbound = nil
		}
		select {
		case r := <-inbound:
			c.receive(ctx, r)
		case fn := <-c.commands:
			fn()
		case err := <-c.wrote:
			c.writing = false
			if err != nil {
				s.step(evTCPClosed, because(ctx, fmt.Errorf("send to the peer: %w", err)))
			}
		case <-alarm.C:
			s.expire(time.Now())
		case <-stop:
			stop = nil
			s.step(evStop, because(ctx, ErrClosed))
		}
	}
}

// setAlarm makes t ring at when, or not at all if that is zero.
func setAlarm(t *time.Timer, when time.Time) {
	if when.IsZero() {
		t.Stop()
		return
	}
	t.Reset(time.Until(when))
}

// receive passes on what read got.
func (c *Conn) receive(ctx context.Context, r received) {
	var malformed *MalformedError
	switch {
	case r.err == nil:
		c.session.receive(r.message)
	case errors.As(r.err, &malformed):
		c.count.drop(dropReason(malformed.Reason))
		c.session.step(evMalformed, malformed)
	case errors.Is(r.err, io.EOF):
		c.session.step(evTCPClosed, because(ctx, ErrPeerClosed))
	default:
		c.session.step(evTCPClosed, because(ctx, fmt.Errorf("receive from the peer: %w", r.err)))
	}
}

// because returns why, unless ctx has been ended for a cause: that is then behind
// whatever happened.
func because(ctx context.Context, why error) error {
	if cause := context.Cause(ctx); cause != nil && cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	return why
}

// hangUp closes TCP and waits for the goroutines. Where the peer is to get our
// last words, it waits, for a while, until they are sent and the peer has closed
// its side too: closing on octets that nobody has read would make the kernel
// send a reset, which takes the words from the peer again.
func (c *Conn) hangUp() {
	if c.session.flush {
		guard := time.AfterFunc(c.cfg.StopTimeout, func() { c.nc.Close() })
		defer guard.Stop()
		c.sendRest()
		if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			<-c.unread
		}
	}
	c.nc.Close()
	<-c.unread
	if c.writing {
		<-c.wrote
	}
}

// sendRest writes the rest of the session's messages.
func (c *Conn) sendRest() {
	var failed error
	if c.writing {
		failed, c.writing = <-c.wrote, false
	}
	for _, b := range c.session.out {
		if failed == nil {
			failed = c.write(b)
		}
	}
}

// read receives until there is nothing more, or until the connection has ended;
// what comes then is thrown away up to the end of the stream.
func (c *Conn) read() {
	defer close(c.unread)
	in := &stream{r: c.nc}
	for {
		m, err := in.next()
		if err == nil {
			c.tap.Message(false, Append(nil, m))
		}
		select {
		case c.inbound <- received{m, err}:
			if err != nil {
				return
			}
		case <-c.done:
			io.Copy(io.Discard, c.nc)
			return
		}
	}
}

// writeNext begins to write the oldest message, unless one is being written.
func (c *Conn) writeNext() {
	s := c.session
	if c.writing || len(s.out) == 0 {
		return
	}
	first := s.out[0]
	s.out = s.out[1:]
	c.writing = true
	go func() { c.wrote <- c.write(first) }() // hangUp waits for it
}

// write sends a message whole: a net.Conn's Write goes on until all is written or the
// deadline has passed.
func (c *Conn) write(b []byte) error {
	c.tap.Message(true, b)
	c.nc.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	_, err := c.nc.Write(b)
	return err
}
