package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/ip"
)

// The packets of a call travel as IP protocol 47, as with any PPTP peer, or in UDP between
// two daemons of ours (docs/udp.md). That is settled before LCP begins, and stays so.

const (
	// probeTime is how long the peer's answer to our probes may take.
	probeTime = 1500 * time.Millisecond
	// chooseTime is how long the first packet of a caller may take that may choose.
	chooseTime = 5 * time.Second
)

// A carrier is what the packets of a call travel in, and why in that.
type carrier struct {
	transport config.Transport // TransportUDP or TransportGRE
	port      uint16           // of TransportUDP: the one that firewalls must let pass
	why       string
	blocked   string // why it is not UDP, when that should have been; empty: it should not
}

// medium is what somebody between the ends may block.
func (c *carrier) medium() string {
	if c.inUDP() {
		return fmt.Sprintf("UDP port %d", c.port)
	}
	return "IP protocol 47"
}

// packets are those that travel in it.
func (c *carrier) packets() string {
	if c.inUDP() {
		return fmt.Sprintf("UDP on port %d", c.port)
	}
	return "GRE"
}

func (c *carrier) inUDP() bool { return c != nil && c.transport == config.TransportUDP }

// inGRE is a carrier without UDP, and nothing wrong with that.
func inGRE(why string) *carrier { return &carrier{transport: config.TransportGRE, why: why} }

// vendorFor is what we call ourselves to who calls us: with an offer of UDP where its site
// may have that. Nobody has proved who calls.
func (d *Daemon) vendorFor(p control.Peer) string {
	cfg := d.config()
	if !cfg.OffersUDP(string(p.Host)) {
		return vendor
	}
	return control.UDPOffer{Port: cfg.Daemon.UDP, Token: gre.NewToken()}.String()
}

// openUDP opens the daemon's port, if it is to have one.
func (d *Daemon) openUDP() (gre.Carrier, error) {
	port := d.config().Daemon.UDP
	if port == 0 {
		return nil, nil
	}
	udp, err := gre.OpenUDP(gre.UDPConfig{Port: port, Mark: ip.Mark, Log: d.log})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("daemon.udp: open UDP port %d: %w: another program has it: `ss -lnup` names it; write another port in daemon.udp, or 0 to do without UDP", port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("daemon.udp: open UDP port %d: %w", port, err)
	}
	d.udp = udp
	d.undone(udp.Close)
	return udp, nil
}

// isOurs reports whether a peer calls itself as our daemons do.
func isOurs(p control.Peer) bool { return strings.HasPrefix(string(p.Vendor), vendor) }

// A dialling is how a call of ours may travel.
type dialling struct {
	only   bool             // in UDP, or not at all
	theirs control.UDPOffer // port 0: there is none that we take
	mine   control.UDPOffer
	why    string // there is none
}

// dialling decides whether a call shall try UDP. An error says that it must, and cannot.
func (s *site) dialling(p control.Peer) (how dialling, err error) {
	how.only = s.cfg.Transport == config.TransportUDP
	offer, offered := control.ParseUDPOffer(p.Vendor)
	switch {
	case s.cfg.Transport == config.TransportGRE:
		how.why = `transport = "gre" in sites.toml`
	case s.d.config().Daemon.UDP == 0:
		how.why = "daemon.udp = 0 in sites.toml"
	case offered && offer.Port != 0:
		how.theirs, how.mine.Token = offer, gre.NewToken()
	case isOurs(p):
		how.why = `the peer offers no UDP: its version is old, its daemon.udp is 0, or its transport for us "gre"`
	default:
		how.why = "the peer is not a sitebridge"
	}
	if how.only && how.why != "" {
		return how, fmt.Errorf(`transport = "udp" allows nothing but UDP: %s`, how.why)
	}
	return how, nil
}

// subaddress is what the call says of it. A peer that has offered nothing never sees that
// there is such a thing.
func (h *dialling) subaddress() string {
	if h.theirs.Port == 0 {
		return ""
	}
	return h.mine.String()
}

// A noUDPError says that a call had to be given up because its packets do not pass in UDP.
type noUDPError struct{ why string }

func (e *noUDPError) Error() string {
	return e.why + `, and transport = "udp" allows nothing else: is that port open in the firewalls on the way, and does a router before the peer forward it?`
}

// choose finds out by which carrier a call goes that the peer has accepted. A call that
// ends meanwhile says by itself why, which need not be the carrier.
func (h *dialling) choose(ctx context.Context, call *control.Call, channel *gre.Channel, path gre.Path) (*carrier, error) {
	if h.theirs.Port == 0 {
		return inGRE(h.why), nil
	}
	path.Port = h.theirs.Port
	probing, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	go func() {
		select {
		case <-call.Done():
			cancel()
		case <-probing.Done():
		}
	}()
	err := channel.Probe(probing, path, gre.Token(h.mine.Token), gre.Token(h.theirs.Token))
	switch {
	case err == nil:
		return &carrier{
			transport: config.TransportUDP, port: path.Port,
			why: fmt.Sprintf("the peer answered on UDP port %d", path.Port),
		}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case call.Err() != nil:
		return nil, call.Err()
	}
	c := inGRE(fmt.Sprintf("the peer did not answer on UDP port %d within %v", path.Port, probeTime))
	if sys := syscall.Errno(0); errors.As(err, &sys) {
		c.why = fmt.Sprintf("cannot send to UDP port %d of the peer: %v", path.Port, sys)
	}
	if c.blocked = c.why; h.only {
		return nil, &noUDPError{c.why}
	}
	return c, nil
}

// letChoose lets a caller choose that has taken our offer of UDP. Nil: it may, and run
// learns what; else it has not, and why.
func (d *Daemon) letChoose(o *control.Offer, channel *gre.Channel) *carrier {
	ours, offered := control.ParseUDPOffer(control.Name(o.Conn.Vendor()))
	theirs, taken := control.ParseUDPOffer(o.Request.Subaddress.Name())
	switch {
	case !offered && d.config().Daemon.UDP == 0:
		return inGRE("daemon.udp = 0 in sites.toml")
	case !offered:
		return inGRE(`transport = "gre" in sites.toml`)
	case taken && theirs.Port == 0:
		channel.Expect(gre.Token(ours.Token), gre.Token(theirs.Token))
		return nil
	case isOurs(o.Conn.Peer()):
		return inGRE("the peer did not ask for UDP")
	}
	return inGRE("the peer is not a sitebridge")
}

// awaitChoice connects a call whose caller may choose, when it has. What comes meanwhile
// waits in the channel.
func (s *session) awaitChoice(ctx context.Context) {
	if s.carrier.Load() != nil {
		return
	}
	tooLong := time.NewTimer(chooseTime)
	defer tooLong.Stop()
	why := "the peer's first packet came so, though it asked for UDP"
	select {
	case <-s.channel.Chosen():
	case <-tooLong.C:
		why = fmt.Sprintf("the peer asked for UDP, and nothing came of it by UDP or GRE within %v", chooseTime)
	case <-s.call.Done():
		why = "the call ended before the peer had chosen"
	case <-s.link.Unneeded(): // it was pushed out, or its site begins anew
		why = "the call ended before the peer had chosen"
	case <-ctx.Done():
		why = "the call ended before the peer had chosen"
	}
	s.connect()
	c := &carrier{transport: config.TransportGRE, why: why, blocked: why}
	if port := s.channel.Path().Port; port != 0 {
		c = &carrier{
			transport: config.TransportUDP, port: s.d.config().Daemon.UDP,
			why: fmt.Sprintf("the peer asked for UDP, and came from port %d", port),
		}
	}
	s.carrier.Store(c)
}

// connect lets packets pass between the channel and the link.
func (s *session) connect() {
	s.follow()
	s.channel.Connect(s.path.Local, s.call.PeerID(), s.call.Window(), s.link.Receive)
}

// mayTravel reports an error where a caller has come by a carrier that its site does not
// allow.
func (s *session) mayTravel(cfg *config.Site) error {
	c := s.carrier.Load()
	switch {
	case cfg.Transport == config.TransportGRE && c.inUDP():
		return fmt.Errorf(`site %q takes no call in UDP: transport = "gre" stands in its table here, and must stand at the caller's end too`, cfg.Name)
	case cfg.Transport == config.TransportUDP && !c.inUDP():
		return fmt.Errorf(`site %q takes calls in UDP alone, by transport = "udp", and this one came by GRE (%s): does UDP port %d reach this machine, and is the transport of the caller not "gre"?`,
			cfg.Name, c.why, s.d.config().Daemon.UDP)
	}
	return nil
}

// follow lets the peer's UDP port move, for packets that are proved to be the peer's: a
// NAT may have forgotten the flow, or been started anew.
func (s *session) follow() {
	s.channel.SetMover(gre.Mover{Accepted: s.link.Accepted, Sealed: s.link.Sealed, Moved: func(from, to gre.Path) {
		s.log.Info("the peer's UDP port has moved", "from", from.Port, "to", to.Port)
	}})
}

// tellCarrier tells the operator what the call travels in.
func (s *session) tellCarrier() {
	c := s.carrier.Load()
	if !c.inUDP() {
		s.log.Info("the tunnel travels in GRE", "carrier", c.transport, "reason", c.why)
		return
	}
	s.log.Info("the tunnel travels in UDP", "carrier", c.transport, "peer_port", s.channel.Path().Port, "reason", c.why)
}
