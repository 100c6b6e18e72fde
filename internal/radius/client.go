package radius

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"layeh.com/radius"

	"sitebridge/internal/secret"
)

// A Config is what a client needs.
type Config struct {
	Name       string           // NAS-Identifier
	Servers    []netip.AddrPort // tried in turn
	Accounting []netip.AddrPort // the same; empty: nobody is told of calls
	Secret     secret.Secret    // that all of them share with us
	Timeout    time.Duration    // until a request is repeated
	Tries      int              // at each server
	// Listen opens a socket for one request.
	Listen func(context.Context) (net.PacketConn, error)
	// Changed is told when a server answers no more, with why, and when it does again,
	// with "". It must not block. Nil: nobody is.
	Changed func(server netip.AddrPort, trouble string)
}

// A Client asks servers. Its methods may be called from any goroutine.
type Client struct {
	cfg    Config
	access group
	accts  group

	queue chan *Record
	mu    sync.Mutex // guards what follows
	lost  uint64
}

// A group are the servers for one kind of request, in the order of the configuration.
type group []*server

// deadTime is how long a server that did not answer is asked after all others.
const deadTime = 5 * time.Minute

// inOrder are the servers as they are to be asked now: those in trouble last.
func (g group) inOrder() []*server {
	all := slices.Clone(g)
	dead := map[*server]bool{}
	for _, s := range g {
		s.count(func(n *ServerStatus) { dead[s] = n.Trouble != "" && time.Since(s.failed) < deadTime })
	}
	slices.SortStableFunc(all, func(a, b *server) int {
		if dead[a] == dead[b] {
			return 0
		}
		if dead[a] {
			return 1
		}
		return -1
	})
	return all
}

// A server is one server for one kind of request.
type server struct {
	addr netip.AddrPort

	mu     sync.Mutex // guards what follows
	stats  ServerStatus
	failed time.Time // when it was last in trouble
}

// A ServerStatus is how one server stands.
type ServerStatus struct {
	Address  netip.AddrPort  `json:"address"`
	Kind     string          `json:"kind"` // "authentication" or "accounting"
	Requests uint64          `json:"requests"`
	Answers  uint64          `json:"answers"`
	Timeouts uint64          `json:"timeouts"`          // tries without an answer
	Dropped  map[Drop]uint64 `json:"dropped,omitempty"` // packets that were not taken as answers
	Trouble  string          `json:"trouble,omitempty"` // why the last request was in vain
}

// New makes a client that asks nobody yet.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg, queue: make(chan *Record, queueLen)}
	c.access = newServers("authentication", cfg.Servers)
	c.accts = newServers("accounting", cfg.Accounting)
	return c
}

func newServers(kind string, addrs []netip.AddrPort) (all []*server) {
	for _, a := range addrs {
		all = append(all, &server{addr: a, stats: ServerStatus{Address: a, Kind: kind, Dropped: map[Drop]uint64{}}})
	}
	return all
}

// Ask has the first server that answers judge a proof. The error says which did not.
func (c *Client) Ask(ctx context.Context, r Request) (Answer, error) {
	got, err := c.inTurn(ctx, c.access, func() (*radius.Packet, []byte, error) {
		p, err := r.packet(&c.cfg)
		if err != nil {
			return nil, nil, err
		}
		b, err := sealAccess(p)
		return p, b, err
	})
	if err != nil {
		return Answer{}, err
	}
	a, err := read(got.reply, got.request)
	if err != nil {
		return Answer{}, fmt.Errorf("the answer of the RADIUS server %v cannot be carried out: %w", got.from.addr, err)
	}
	a.Server = got.from.addr
	return a, nil
}

// A gotten is an answer with what it answers.
type gotten struct {
	reply   *radius.Packet
	request []byte
	from    *server
}

// inTurn asks one server after the other, until one answers.
func (c *Client) inTurn(ctx context.Context, g group, build func() (*radius.Packet, []byte, error)) (gotten, error) {
	var errs []error
	for _, s := range g.inOrder() {
		_, b, err := build()
		if err != nil {
			return gotten{}, err
		}
		reply, err := c.exchange(ctx, s, b)
		if err == nil {
			return gotten{reply, b, s}, nil
		}
		if ctx.Err() != nil {
			return gotten{}, ctx.Err()
		}
		errs = append(errs, err)
	}
	return gotten{}, joined(errs)
}

// exchange sends request to s, and again, until it answers. What is repeated is the same
// (RFC 5080, section 2.2.1).
func (c *Client) exchange(ctx context.Context, s *server, request []byte) (*radius.Packet, error) {
	conn, err := c.cfg.Listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("no socket for RADIUS: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s.count(func(n *ServerStatus) { n.Requests++ })
	var drop Drop
	for range c.cfg.Tries {
		if _, err = conn.WriteTo(request, net.UDPAddrFromAddrPort(s.addr)); err != nil {
			err = fmt.Errorf("cannot send to the RADIUS server %v: %w", s.addr, err)
			break
		}
		var reply *radius.Packet
		var why Drop
		if reply, why, err = c.await(conn, s, request); reply != nil {
			c.heard(s)
			return reply, nil
		}
		if why != "" {
			drop = why
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		err = fmt.Errorf("the RADIUS server %v does not answer", s.addr)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, c.unheard(s, err, drop)
}

// await reads until the answer to request has come, or the time for it is over. drop is
// why the last packet was none.
func (c *Client) await(conn net.PacketConn, s *server, request []byte) (reply *radius.Packet, drop Drop, err error) {
	conn.SetReadDeadline(time.Now().Add(c.cfg.Timeout))
	b := make([]byte, radius.MaxPacketLength)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.count(func(n *ServerStatus) { n.Timeouts++ })
			}
			return nil, drop, err
		}
		if reply, drop = c.take(from, s, b[:n], request); reply != nil {
			return reply, "", nil
		}
		s.count(func(n *ServerStatus) { n.Dropped[drop]++ })
	}
}

func (c *Client) take(from net.Addr, s *server, b, request []byte) (*radius.Packet, Drop) {
	u, ok := from.(*net.UDPAddr)
	if !ok {
		return nil, DropSource
	}
	if at := u.AddrPort(); netip.AddrPortFrom(at.Addr().Unmap(), at.Port()) != s.addr {
		return nil, DropSource
	}
	return open(b, request, c.cfg.Secret)
}

// hints say what may be wrong with a server whose packets were dropped.
var hints = map[Drop]string{
	DropUnsigned:  "it answers without a Message-Authenticator in front, which anybody on the way could forge (CVE-2024-3596): update the server",
	DropSignature: "its answers are signed with another secret: is it the one that the server has for us?",
	DropResponse:  "its answers are signed with another secret: is it the one that the server has for us?",
	DropSource:    "something answers from another address",
	DropMalformed: "what it answers is malformed",
}

// unheard notes that a request to s was in vain.
func (c *Client) unheard(s *server, err error, drop Drop) error {
	if hint := hints[drop]; hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	c.note(s, err.Error())
	return err
}

func (c *Client) heard(s *server) {
	s.count(func(n *ServerStatus) { n.Answers++ })
	c.note(s, "")
}

// note tells of a server that has begun or ceased to answer.
func (c *Client) note(s *server, trouble string) {
	var was string
	s.count(func(n *ServerStatus) { was, n.Trouble, s.failed = n.Trouble, trouble, time.Now() })
	if c.cfg.Changed != nil && (was == "") != (trouble == "") {
		c.cfg.Changed(s.addr, trouble)
	}
}

func (s *server) count(change func(*ServerStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

func (s *server) snapshot() ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.stats
	n.Dropped = map[Drop]uint64{}
	for d, v := range s.stats.Dropped {
		n.Dropped[d] = v
	}
	return n
}

// A Status is how the servers stand.
type Status struct {
	Servers []ServerStatus `json:"servers"`
	// Lost are the records of calls that no server took.
	Lost uint64 `json:"accounting_lost"`
}

// Status tells how the servers stand.
func (c *Client) Status() Status {
	var st Status
	for _, g := range []group{c.access, c.accts} {
		for _, s := range g {
			st.Servers = append(st.Servers, s.snapshot())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Lost = c.lost
	return st
}

// joined puts what was wrong with each server into one line.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	var words []string
	for _, err := range errs {
		words = append(words, err.Error())
	}
	return errors.New(strings.Join(words, "; "))
}
