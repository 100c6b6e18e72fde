package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
)

// An ipxPlane is the daemon's IPX: one router for all that is routed, a segment
// for each network that is bridged, and the LANs that both share.
type ipxPlane struct {
	log      *slog.Logger
	internal ipx.Network // our number inside; 0: none
	router   *router.Router

	mu       sync.RWMutex                // guards what follows, which is replaced and not changed
	segments map[string]*segment.Segment // by name
	lans     []*lan
}

// allLANs are those of the configuration, in its order.
func (p *ipxPlane) allLANs() []*lan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.lans
}

// segment finds a segment by its name; nil: there is none.
func (p *ipxPlane) segment(name string) *segment.Segment {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.segments[name]
}

// allSegments are the segments by name.
func (p *ipxPlane) allSegments() map[string]*segment.Segment {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.segments
}

// take puts other LANs and segments in the place of those that there are.
func (p *ipxPlane) take(lans []*lan, segments map[string]*segment.Segment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lans, p.segments = lans, segments
}

// openIPX opens the LANs and joins them with the router and the segments.
func openIPX(ctx context.Context, cfg *config.Config, log *slog.Logger) (_ *ipxPlane, err error) {
	p := &ipxPlane{
		log:      log,
		internal: cfg.Daemon.InternalNetwork,
		router:   router.New(router.Config{InternalNetwork: cfg.Daemon.InternalNetwork, Log: log}),
		segments: map[string]*segment.Segment{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	for _, s := range cfg.Segments {
		p.segments[s.Name] = p.newSegment(s)
	}
	for _, c := range cfg.LANs {
		l, err := p.openLAN(ctx, c, cfg.Segments, true)
		if err != nil {
			return nil, fmt.Errorf("lan %q: %w", c.Name, err)
		}
		p.lans = append(p.lans, l)
	}
	return p, nil
}

func (p *ipxPlane) newSegment(s *config.Segment) *segment.Segment {
	return segment.New(segment.Config{
		Network: s.Network, StationLimit: s.StationLimit, Ageing: s.Ageing,
		SplitHorizon: s.SplitHorizon, Broadcasts: s.Broadcasts, StormBlock: s.StormBlock,
		Log: p.log.With("segment", s.Name),
	})
}

// run runs the router and the LANs until ctx ends.
func (p *ipxPlane) run(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return p.router.Run(ctx) })
	for _, l := range p.allLANs() {
		l.start(ctx, group)
	}
}

func (p *ipxPlane) close() error {
	var errs []error
	for _, l := range p.allLANs() {
		errs = append(errs, l.port.Close())
	}
	return errors.Join(errs...)
}

// A lan is one wire with what is done with each of its frame types.
type lan struct {
	name   string
	port   port.Port
	routed [ipx.Encapsulations]*router.Attached
	// bridged is the wire's place in a segment, for its frame types.
	bridged [ipx.Encapsulations]*segment.Port

	in []router.In // run's own, so that a batch needs no memory

	end  context.CancelFunc // of start
	over chan struct{}      // closed when run has ended
}

// start runs the LAN until it is stopped or ctx ends.
func (l *lan) start(ctx context.Context, group *errgroup.Group) {
	ctx, l.end = context.WithCancel(ctx)
	l.over = make(chan struct{})
	group.Go(func() error {
		defer close(l.over)
		return l.run(ctx)
	})
}

// stop takes the LAN out of use, one that runs or was only opened. Politely, its
// stations are told that what they reached by us is gone.
func (l *lan) stop(politely bool) error {
	if politely {
		for _, a := range l.routed {
			if a != nil {
				a.Farewell(farewellTime)
			}
		}
	}
	if l.end != nil {
		l.end()
		<-l.over
	}
	for _, a := range l.routed {
		if a != nil {
			a.Detach()
		}
	}
	for _, p := range l.bridged {
		if p != nil {
			p.Detach()
		}
	}
	return l.port.Close()
}

// openLAN opens a LAN and attaches it. An interface that is not there is waited for, or
// an error.
func (p *ipxPlane) openLAN(ctx context.Context, c *config.LAN, segments []*config.Segment, wait bool) (*lan, error) {
	l := &lan{name: c.Name}
	if err := p.openPort(ctx, l, c, segments, wait); err != nil {
		return nil, err
	}
	for _, f := range c.Frames {
		a, err := p.router.Attach(p.wire(l, c, f))
		if err != nil {
			return nil, errors.Join(err, l.stop(false))
		}
		l.routed[f.Encapsulation] = a
	}
	for _, s := range segments {
		for _, part := range s.LANs {
			if part.LAN != c {
				continue
			}
			at := p.segment(s.Name).AttachLAN(segment.LANConfig{
				Name: c.Name, Wire: l.port, Encapsulations: part.Frames,
				Allow: c.Allow, Deny: c.Deny, Frames: c.Stations,
			})
			for _, enc := range part.Frames {
				l.bridged[enc] = at
			}
		}
	}
	return l, nil
}

// openPort opens the LAN's port, which takes in what is for others where a
// segment bridges.
func (p *ipxPlane) openPort(ctx context.Context, l *lan, c *config.LAN, segments []*config.Segment, wait bool) (err error) {
	bridges := slices.ContainsFunc(segments, func(s *config.Segment) bool {
		return slices.ContainsFunc(s.LANs, func(part config.SegmentLAN) bool { return part.LAN == c })
	})
	log := p.log.With("lan", c.Name)
	switch {
	case c.DOSBox != nil:
		l.port, err = port.OpenDOSBox(ctx, port.DOSBoxConfig{
			Name: c.Name, Listen: c.DOSBox.Listen, Routed: len(c.Frames) > 0,
			Clients: c.DOSBox.Clients, Rate: c.DOSBox.Rate, Log: log,
		})
	case c.TAP != "":
		l.port, err = port.OpenTAP(port.TAPConfig{Name: c.TAP, Log: log})
	default:
		l.port, err = port.OpenLAN(port.LANConfig{Interface: c.Interface, Promiscuous: bridges, Wait: wait, Changed: l.readdressed, Log: log})
	}
	return err
}

// wire is one frame type of a LAN as the router sees it.
func (p *ipxPlane) wire(l *lan, c *config.LAN, f config.Frame) router.Attachment {
	mtu := f.Encapsulation.MaxPacket()
	if c.DOSBox != nil {
		mtu = ipxnet.MaxPacket
	}
	return router.Attachment{
		Name:         c.Name + "/" + f.Encapsulation.String(),
		Kind:         router.LAN,
		Network:      f.Network,
		Learn:        f.Learn,
		Node:         l.port.MAC(),
		MTU:          mtu,
		Send:         routedFrames{l.port, f.Encapsulation},
		Exchange:     exchanges[c.Exchange],
		Update:       c.Update,
		Limits:       c.Limits,
		NetBIOS:      c.NetBIOS,
		Nearest:      c.Nearest,
		NearestDelay: c.NearestDelay,
	}
}

// routedFrames sends frames of one type.
type routedFrames struct {
	port port.Port
	enc  ipx.Encapsulation
}

func (f routedFrames) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	return f.port.Send(f.enc, dst, f.port.MAC(), pkts)
}

// readdressed tells the router that the interface came back with another MAC
// address, by which stations reach us from now on. The port's Run calls it.
func (l *lan) readdressed(mac ipx.Node) {
	for _, a := range l.routed {
		if a != nil {
			a.SetNode(mac)
		}
	}
}

// run hands what comes from the wire to whatever owns its frame type.
func (l *lan) run(ctx context.Context) error {
	if err := l.port.Run(ctx, l.input); err != nil && ctx.Err() == nil {
		return fmt.Errorf("lan %q: %w", l.name, err)
	}
	return nil
}

// input takes one batch, in runs of frames of one type.
func (l *lan) input(frames []port.Frame) {
	for len(frames) > 0 {
		enc, n := frames[0].Encap, 1
		for n < len(frames) && frames[n].Encap == enc {
			n++
		}
		l.one(enc, frames[:n])
		frames = frames[n:]
	}
}

func (l *lan) one(enc ipx.Encapsulation, frames []port.Frame) {
	switch {
	case l.routed[enc] != nil:
		l.in = l.in[:0]
		mac := l.port.MAC()
		for _, f := range frames {
			l.in = append(l.in, router.In{Packet: f.Packet, Dst: router.Addressee(f.Dst, mac)})
		}
		l.routed[enc].Input(l.in)
	case l.bridged[enc] != nil:
		l.bridged[enc].InputFrames(frames)
	}
	// A frame type that nobody configured is heard by the port, for status.
}

// forget ends the holding of what was behind a site: its operator stopped it.
func (p *ipxPlane) forget(st *config.Site) {
	switch {
	case st.Segment != nil:
		if seg := p.segment(st.Segment.Name); seg != nil {
			seg.Forget(st.Name)
		}
	case st.IPX != nil:
		p.router.Forget(st.Name)
	}
}

// bridges reports whether a segment has that number.
func (p *ipxPlane) bridges(n ipx.Network) bool {
	for _, s := range p.allSegments() {
		if s.Network() == n {
			return true
		}
	}
	return false
}
