package netware

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Port     port.Port // its card; Server does not close it
	Encap    ipx.Encapsulation
	Network  ipx.Network // of the wire
	Internal ipx.Network // inside the server
	Name     string
	// Interval is the time between announcements, RIP and SAP in turn, so that
	// each comes every second one. Zero: 60 s, as mars_nwe.
	Interval time.Duration
	Watchdog Watchdog
	// AnswerAll has it answer SAP requests for services of any type, which
	// mars_nwe does not.
	AnswerAll bool
	// Dialogues are the connections whose requests it can answer. Nil: those of
	// all recordings. Where several begin alike, each new connection is taken for
	// the one after the last: a client that plays one of them, and compares what
	// it is told, wants a server that knows that one alone.
	Dialogues []Dialogue
}

// A Watchdog says when a server asks whether a client still lives. Zero values
// are NetWare's.
type Watchdog struct {
	First time.Duration // after so long without a word; 4 min 56.6 s
	Every time.Duration // then so often; 59.3 s
	Times int           // at most, before the connection is cleared; 10
}

// NetWare is the default Watchdog, Patience how long it takes it to clear a
// client that does not answer.
var NetWare = Watchdog{First: 296600 * time.Millisecond, Every: 59300 * time.Millisecond, Times: 10}

// Patience is how long after its last word a dead client is cleared.
func (w Watchdog) Patience() time.Duration { return w.First + time.Duration(w.Times)*w.Every }

// serverWatchdog is the socket that a Server asks from.
const serverWatchdog ipx.Socket = 0x4010

// A Connection is what a server knows of a client.
type Connection struct {
	Number uint16
	Client ipx.Addr
	Heard  time.Time // when the client last spoke
	Asked  int       // how often it was asked since, in vain
	// Unknown counts requests for which no answer was recorded.
	Unknown int
}

// A Server is a NetWare server on one wire. Its methods are safe for concurrent
// use, also before and after Run.
type Server struct {
	cfg     ServerConfig
	heard   map[string][]byte // replies by request, of all dialogues
	dropped chan Connection
	wake    chan struct{} // holds one when connections changed

	mu    sync.Mutex // guards what follows
	conns []*connection
	turn  int                 // the dialogue that a new connection is taken for first
	ways  map[ipx.Network]way // from RIP

	telling sync.Mutex // one after the other: nothing is told after Down
	down    bool       // guarded by telling
}

// A connection is a Connection with what answering it takes.
type connection struct {
	Connection
	via     ipx.Node // Ethernet address from which the client was last heard
	asked   time.Time
	last    []byte // reply to the last request
	lastTo  head   // its header
	scripts []script
}

// A script is a dialogue that began as the connection did, by its index, and how
// far it is.
type script struct{ dialogue, next int }

// A way is the next router to a network.
type way struct {
	mac  ipx.Node
	hops uint16
}

// NewServer makes a server, which is up while Run runs.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg.Interval = cmp.Or(cfg.Interval, time.Minute)
	cfg.Watchdog.First = cmp.Or(cfg.Watchdog.First, NetWare.First)
	cfg.Watchdog.Every = cmp.Or(cfg.Watchdog.Every, NetWare.Every)
	cfg.Watchdog.Times = cmp.Or(cfg.Watchdog.Times, NetWare.Times)
	if cfg.Dialogues == nil {
		all, err := LoadAll()
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			cfg.Dialogues = append(cfg.Dialogues, r.Dialogues()...)
		}
	}
	s := &Server{
		cfg: cfg, heard: map[string][]byte{}, dropped: make(chan Connection, 64),
		wake: make(chan struct{}, 1), ways: map[ipx.Network]way{},
	}
	for _, d := range cfg.Dialogues {
		for _, x := range d {
			if x.Reply != nil {
				s.heard[string(bodyOf(x.Request))] = x.Reply
			}
		}
	}
	return s, nil
}

// Addr is where the server lives: inside itself.
func (s *Server) Addr() ipx.Addr {
	return ipx.Addr{Network: s.cfg.Internal, Node: ipx.ServerNode, Socket: ipx.SocketNCP}
}

// Run is the server being up: it announces itself, answers and asks until ctx
// ends, which is the power going. Down first is a shutdown.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timers := make(chan struct{})
	go func() {
		defer close(timers)
		s.keepTime(ctx)
	}()
	err := listen(ctx, s.cfg.Port, s.cfg.Encap, s.receive)
	cancel()
	<-timers
	return err
}

// Announce tells the wire once of the server's network and service. Run does so
// itself; where a Player speaks for the server, this makes routers know the way.
func (s *Server) Announce() {
	s.announceRoute()
	s.announceService()
}

// Down tells the wire that the server goes down: its network and its service
// are 16 hops away. It says nothing else of them from then on.
func (s *Server) Down() {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.down = true
	s.sendRoute(ipx.Broadcast, ipx.SocketRIP, ipx.Broadcast, rip.Infinity)
	s.sendService(sap.OpResponse, ipx.Broadcast, ipx.SocketSAP, ipx.Broadcast, sap.Infinity)
}

// Connections lists the clients that are connected, by number.
func (s *Server) Connections() (all []Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		all = append(all, c.Connection)
	}
	return all
}

// Dropped is where connections come out that the server has cleared because
// their clients did not answer. It is never closed; nobody needs to read it.
func (s *Server) Dropped() <-chan Connection { return s.dropped }

// Tell tells a client that a message waits for it ('!'), which it does not
// answer. It reports whether there is such a connection.
func (s *Server) Tell(number uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if c.Number == number {
			s.watchdog(c, watchdogMessage)
			return true
		}
	}
	return false
}

// keepTime announces, asks and clears until ctx ends.
func (s *Server) keepTime(ctx context.Context) {
	s.Announce()
	s.askRouters()
	route, announce := true, time.Now().Add(s.cfg.Interval)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(announce) {
			if route {
				s.announceRoute()
			} else {
				s.announceService()
			}
			route, announce = !route, announce.Add(s.cfg.Interval)
		}
		next := s.watch(now)
		if next.IsZero() || announce.Before(next) {
			next = announce
		}
		timer.Reset(time.Until(next))
	}
}

// watch asks clients that have been silent, clears those that were asked often
// enough, and returns when the next is due; zero when nobody is connected.
func (s *Server) watch(now time.Time) (next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.cfg.Watchdog
	s.conns = slices.DeleteFunc(s.conns, func(c *connection) bool {
		due := s.due(c)
		if !now.Before(due) {
			if c.Asked >= w.Times {
				s.drop(c)
				return true
			}
			c.Asked++
			c.asked = now
			s.watchdog(c, watchdogAsk)
			due = s.due(c)
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
		return false
	})
	return next
}

// due is when something is to be done about a client that stays silent.
func (s *Server) due(c *connection) time.Time {
	if c.Asked == 0 {
		return c.Heard.Add(s.cfg.Watchdog.First)
	}
	return c.asked.Add(s.cfg.Watchdog.Every)
}

func (s *Server) drop(c *connection) {
	select {
	case s.dropped <- c.Connection:
	default:
	}
}

// watchdog sends a sign to the socket above the client's. s.mu is held.
func (s *Server) watchdog(c *connection, sign byte) {
	s.fromInside(serverWatchdog, above(c.Client), []byte{byte(c.Number), sign}, c.via)
}

// fromInside sends from the internal network, so one hop is behind the packet.
// It goes the way that RIP tells, or else back to where the client was heard.
// s.mu is held.
func (s *Server) fromInside(socket ipx.Socket, to ipx.Addr, data []byte, via ipx.Node) {
	if to.Network == s.cfg.Network {
		via = to.Node
	} else if w, known := s.ways[to.Network]; known {
		if w.hops >= rip.Infinity {
			return
		}
		via = w.mac
	}
	from := s.Addr()
	from.Socket = socket
	send(s.cfg.Port, s.cfg.Encap, ipx.Header{Hops: 1, Type: ipx.TypeNCP, Src: from, Dst: to}, data, via)
}
