package netware

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// ClientConfig is what a Client is made of.
type ClientConfig struct {
	Port    port.Port // its card; Client does not close it
	Encap   ipx.Encapsulation
	Network ipx.Network // of the wire; zero: learned from whoever answers
	// Socket is where NCP's replies come; watchdogs come to the one above. Zero:
	// 4001.
	Socket ipx.Socket
	// Timeout is how long a reply to the first try of a request is awaited; each
	// further one is given twice as long, up to MaxTimeout. Zero: 500 ms.
	Timeout time.Duration
	// Retries is how often a request is repeated. Zero: 20, as NetWare's shell.
	Retries int
}

// MaxTimeout is the longest time between two tries of a request.
const MaxTimeout = 4 * time.Second

// Sockets from which a client asks servers and routers.
const (
	clientSAP ipx.Socket = 0x4000
	clientRIP ipx.Socket = 0x4003
)

var (
	// ErrNotFound is what the shell says when nobody tells of a server, or of the
	// way to it.
	ErrNotFound = errors.New("server not found (8847)")
	// ErrNoAnswer is a server that is silent however often it is asked.
	ErrNoAnswer = errors.New("server does not answer")
	// ErrCleared is a server that knows the connection no more.
	ErrCleared = errors.New("server has cleared the connection")
)

// A Client is a workstation's shell. Run receives and answers watchdogs; the
// other methods are called one at a time meanwhile. A client dies by the end of
// Run's context.
type Client struct {
	cfg ClientConfig
	way ipx.Node // Ethernet address of the server, or of the router to it
	to  ipx.Addr
	seq byte

	mu       sync.Mutex // guards what follows
	network  ipx.Network
	conn     uint16
	in       bool // connected
	answered int
	messages int
	waiting  map[ipx.Socket]chan arrival
}

// NewClient makes a client, which lives while Run runs.
func NewClient(cfg ClientConfig) *Client {
	cfg.Socket = cmp.Or(cfg.Socket, 0x4001)
	cfg.Timeout = cmp.Or(cfg.Timeout, 500*time.Millisecond)
	cfg.Retries = cmp.Or(cfg.Retries, 20)
	return &Client{cfg: cfg, network: cfg.Network, waiting: map[ipx.Socket]chan arrival{}}
}

// Run is the client being switched on, until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	return listen(ctx, c.cfg.Port, c.cfg.Encap, c.receive)
}

// Addr is the client's NCP socket. The network is zero until it is known.
func (c *Client) Addr() ipx.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ipx.Addr{Network: c.network, Node: c.cfg.Port.MAC(), Socket: c.cfg.Socket}
}

// Connection is the number that the server gave, and whether there is one.
func (c *Client) Connection() (number uint16, connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn, c.in
}

// Watchdogs is how often the client was asked whether it lives, and said so.
func (c *Client) Watchdogs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

// Messages is how often the server told that a message waits.
func (c *Client) Messages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages
}

func (c *Client) receive(a arrival) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.head.Dst.Node != c.cfg.Port.MAC() {
		return
	}
	if c.network == ipx.ThisNetwork && a.head.Dst.Network.Assignable() {
		c.network = a.head.Dst.Network // whoever answers knows it
	}
	if a.head.Dst.Network != c.network {
		return
	}
	if a.head.Dst.Socket == c.cfg.Socket+1 {
		c.watchdog(a)
		return
	}
	select {
	case c.waiting[a.head.Dst.Socket] <- a:
	default: // nobody waits, or enough is there
	}
}

// watchdog answers the server, from the socket that was asked. c.mu is held.
func (c *Client) watchdog(a arrival) {
	if len(a.data) != 2 || !c.in || a.data[0] != byte(c.conn) {
		return
	}
	switch a.data[1] {
	case watchdogMessage:
		c.messages++
	case watchdogAsk:
		c.answered++
		h := ipx.Header{Type: a.head.Type, Src: a.head.Dst, Dst: a.head.Src}
		send(c.cfg.Port, c.cfg.Encap, h, []byte{a.data[0], watchdogHere}, a.mac)
	}
}

// open takes a socket into use until done is called.
func (c *Client) open(s ipx.Socket) (in chan arrival, done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in = make(chan arrival, 16)
	c.waiting[s] = in
	return in, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, s)
	}
}

// await returns the first arrival within d that fn takes. It is false when
// there was none.
func await(ctx context.Context, in <-chan arrival, d time.Duration, fn func(arrival) bool) (bool, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case a := <-in:
			if fn(a) {
				return true, nil
			}
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// call sends a request again and again until its reply comes, which it returns
// whole.
func (c *Client) call(ctx context.Context, h head, body []byte) (answer []byte, err error) {
	in, done := c.open(c.cfg.Socket)
	defer done()
	wait := c.cfg.Timeout
	for range 1 + c.cfg.Retries {
		ipxHead := ipx.Header{Type: ipx.TypeNCP, Src: c.Addr(), Dst: c.to}
		if err := send(c.cfg.Port, c.cfg.Encap, ipxHead, h.packet(body), c.way); err != nil {
			return nil, err
		}
		ok, err := await(ctx, in, wait, func(a arrival) bool {
			answer = a.data
			return a.head.Src == c.to && kindOf(answer) == reply && headOf(answer).sequence == h.sequence
		})
		if err != nil {
			return nil, err
		}
		if ok {
			return answer, c.check(answer)
		}
		wait = min(2*wait, MaxTimeout)
	}
	return nil, fmt.Errorf("request %04X, number %d: %w", uint16(h.kind), h.sequence, ErrNoAnswer)
}

func (c *Client) check(answer []byte) error {
	if headOf(answer).status&statusGone == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	return ErrCleared
}

// Connect finds the way to a server, by RIP, and creates a connection. FindServer
// finds the server.
func (c *Client) Connect(ctx context.Context, server ipx.Addr) error {
	if err := c.findWay(ctx, server); err != nil {
		return err
	}
	return c.create(ctx, head{kind: create, conn: nobody, task: 1}, []byte{0})
}

func (c *Client) create(ctx context.Context, h head, body []byte) error {
	answer, err := c.call(ctx, h, body)
	if err != nil {
		return fmt.Errorf("create a connection: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.in, c.seq = headOf(answer).conn, true, h.sequence
	return nil
}

// Login finds the way to a server and plays a recorded connection to it, up to
// its end if it has one: Recording.Login does not, so that the client stays
// logged in. Each reply must be the recorded one.
func (c *Client) Login(ctx context.Context, server ipx.Addr, d Dialogue) error {
	if err := c.findWay(ctx, server); err != nil {
		return err
	}
	for i, x := range d {
		if x.Reply == nil {
			return nil
		}
		if err := c.repeat(ctx, x); err != nil {
			return fmt.Errorf("request %d of %d: %w", i+1, len(d), err)
		}
	}
	return nil
}

// repeat asks what was asked, and compares the reply with the recorded one, but
// for the connection's number.
func (c *Client) repeat(ctx context.Context, x Exchange) error {
	h := headOf(x.Request)
	if h.kind == create {
		return c.create(ctx, h, bodyOf(x.Request))
	}
	h.conn, c.seq = c.number(), h.sequence
	answer, err := c.call(ctx, h, bodyOf(x.Request))
	if err != nil {
		return err
	}
	want := headOf(x.Reply)
	want.conn = h.conn
	if w := want.packet(bodyOf(x.Reply)); !bytes.Equal(answer, w) {
		return fmt.Errorf("reply %x, recorded %x", answer, w)
	}
	if h.kind == destroy {
		c.leave()
	}
	return nil
}

func (c *Client) number() uint16 {
	n, _ := c.Connection()
	return n
}

func (c *Client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
}

// piece is how much of a file ncpfs reads at once.
const piece = 1024

// CopyFile reads the first octets of the file that every Server has, and checks
// each of them. The client is connected.
func (c *Client) CopyFile(ctx context.Context, octets int) error {
	for at := 0; at < octets; at += piece {
		q := read{endless, uint32(at), uint16(min(piece, octets-at))}
		c.seq++
		answer, err := c.call(ctx, head{kind: request, sequence: c.seq, conn: c.number(), task: 1}, q.body())
		if err != nil {
			return fmt.Errorf("read %d octets at %d: %w", q.length, at, err)
		}
		if got, want := q.content(answer), Content(at, int(q.length)); !bytes.Equal(got, want) {
			return fmt.Errorf("read %d octets at %d: got %x, want %x", q.length, at, got, want)
		}
	}
	return nil
}

// Logout destroys the connection.
func (c *Client) Logout(ctx context.Context) error {
	c.seq++
	_, err := c.call(ctx, head{kind: destroy, sequence: c.seq, conn: c.number(), task: 1}, []byte{0})
	if err == nil || errors.Is(err, ErrCleared) {
		c.leave()
		return nil
	}
	return fmt.Errorf("destroy the connection: %w", err)
}
