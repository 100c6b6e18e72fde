package control

import (
	"context"
	"time"
)

// A CallRequest is what the PNS says of a call that it wants.
type CallRequest struct {
	ID         uint16 // the key of the GRE packets that we are to receive
	Window     uint16 // packets that we buffer
	Subaddress string // at most 64 octets
}

// A Call is one call of a control connection, in either role.
type Call struct {
	conn       *Conn
	role       callRole
	id         uint16
	ourWindow  uint16
	subaddress Text
	up         chan struct{}   // closed once it may carry data
	over       context.Context // ends when the call is over
	end        context.CancelFunc

	// Written by the connection's goroutine before up is closed.
	learned bool
	peerID  uint16
	window  uint16

	err error // written before over ends

	// The connection's goroutine's own.
	auto    callAutomaton
	due     time.Time // when what the state waits for is late; zero: nothing
	refusal Message   // what cactSendRefusal sends
}

func newCall(conn *Conn, role callRole, id uint16) *Call {
	c := &Call{
		conn: conn, role: role, id: id,
		up:   make(chan struct{}),
		auto: callAutomaton{table: callTables[role]},
	}
	c.over, c.end = context.WithCancel(context.Background())
	return c
}

// learn keeps what the peer's half of the exchange says, once.
func (c *Call) learn(m Message) {
	if c.learned {
		return
	}
	switch m := m.(type) {
	case OutgoingCallRequest:
		c.peerID, c.window, c.subaddress = m.CallID, m.WindowSize, m.Subaddress
	case OutgoingCallReply:
		c.peerID, c.window = m.CallID, m.WindowSize
	}
	c.learned = true
}

// ID returns the call ID that we assigned: the key of GRE packets to us.
func (c *Call) ID() uint16 { return c.id }

// PeerID returns the call ID that the peer assigned: the key of GRE packets to
// it. 0 is an ID like any other.
func (c *Call) PeerID() uint16 { return c.peerID }

// Window returns the peer's receive window in packets, as received: 0 from
// Windows, which means that it says nothing.
func (c *Call) Window() uint16 { return c.window }

// Outgoing reports whether we began the call, and so are its PNS.
func (c *Call) Outgoing() bool { return c.role.pns() }

// Subaddress returns the request's Subaddress, ours or the peer's.
func (c *Call) Subaddress() Name { return c.subaddress.Name() }

// Conn returns the control connection, whose Peer is the call's too.
func (c *Call) Conn() *Conn { return c.conn }

// Done is closed when the call is over.
func (c *Call) Done() <-chan struct{} { return c.over.Done() }

// AfterDone has f called, in a goroutine of its own, when the call is over. What stop
// does is that of context.AfterFunc.
func (c *Call) AfterDone(f func()) (stop func() bool) { return context.AfterFunc(c.over, f) }

// Err says why the call is over and who ended it; nil before that.
func (c *Call) Err() error {
	select {
	case <-c.over.Done():
		return c.err
	default:
		return nil
	}
}

// Clear ends the call in order and returns when it is over. The PNS sends a
// Call-Clear-Request and waits for the Call-Disconnect-Notify, for
// Config.StopTimeout at most; the PAC just sends one with result 3. If ctx ends
// first, Clear returns its error, and the rest happens without it. A call that
// is over already is no error.
func (c *Call) Clear(ctx context.Context) error {
	err := c.conn.do(func(s *session) error {
		if c.auto.state != callIdle {
			s.stepCall(c, cevClose, ErrCleared)
		}
		return nil
	})
	if err != nil {
		return nil // the connection is over, and the call with it
	}
	select {
	case <-c.over.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
