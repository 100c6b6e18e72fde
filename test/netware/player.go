package netware

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// A Part is what one end of a recording says and hears, in order.
type Part []Step

// A Step is one packet of a Part.
type Step struct {
	Say   bool // else it is heard
	Frame Frame
}

// Routed returns the parts of the two ends of a recording when routers are
// between them: what the client and the inside of the server say to each other.
func (r *Recording) Routed() (client, server Part) {
	return r.parts(func(f *Frame) bool {
		a, b := f.Head.Src, f.Head.Dst
		if a.Node != r.Client.Node {
			a, b = b, a
		}
		return a.Network == r.Client.Network && a.Node == r.Client.Node && b.Network == r.Server.Network && b.Node == r.Server.Node
	})
}

// Bridged returns the parts of the two ends when their wires are one: of the
// client, and of everybody else. Broadcasts are among them.
func (r *Recording) Bridged() (client, others Part) {
	return r.parts(func(*Frame) bool { return true })
}

func (r *Recording) parts(crosses func(*Frame) bool) (client, others Part) {
	for _, f := range r.Frames {
		if !crosses(&f) {
			continue
		}
		its := f.Head.Src.Node == r.Client.Node
		client = append(client, Step{its, f})
		others = append(others, Step{!its, f})
	}
	return client, others
}

// PlayerConfig is what a Player is made of.
type PlayerConfig struct {
	Port  port.Port // Player does not close it
	Encap ipx.Encapsulation
	// Via is the router to which frames go, from the port's own address. Zero:
	// frames have the recorded addresses, for which the port is promiscuous.
	Via ipx.Node
	// Networks and Nodes are what stands here for a recorded number or node, in
	// what is said and in what is expected.
	Networks map[ipx.Network]ipx.Network
	Nodes    map[ipx.Node]ipx.Node
	// Routers is how many there are between the two ends: what is heard has so
	// many more hops behind it than what was said.
	Routers int
	// Paced has it say nothing sooner after what came before than in the recording.
	Paced bool
	// Patience is how long anything is awaited. Zero: 10 s.
	Patience time.Duration
}

// A Player acts one end of recordings on a wire. Each packet is said when what
// was heard before it in the recording has been heard, and what is heard is
// compared with the recording octet by octet.
type Player struct {
	PlayerConfig
	heard chan Frame
}

// NewPlayer makes a player, which hears while Run runs.
func NewPlayer(cfg PlayerConfig) *Player {
	return &Player{cfg, make(chan Frame, 4096)}
}

// Run hears until ctx ends.
func (p *Player) Run(ctx context.Context) error {
	return p.Port.Run(ctx, func(frames []port.Frame) {
		for _, f := range frames {
			h, _, err := ipx.Parse(f.Packet.Bytes())
			if err != nil || f.Encap != p.Encap {
				continue
			}
			select {
			case p.heard <- Frame{Dst: f.Dst, Src: f.Src, Head: h, Packet: bytes.Clone(f.Packet.Bytes()[:h.Length])}:
			case <-ctx.Done():
			}
		}
	})
}

// Play plays a part to its end. The error tells the first packet that was not as
// recorded. What others say, such as the routers between, is passed over.
func (p *Player) Play(ctx context.Context, part Part) error {
	var from []ipx.Addr // who is heard in this part
	for _, s := range part {
		if a := p.addr(s.Frame.Head.Src); !s.Say && !slices.Contains(from, a) {
			from = append(from, a)
		}
	}
	for i, s := range part {
		gap := time.Duration(0)
		if p.Paced && i > 0 {
			gap = s.Frame.At - part[i-1].Frame.At
		}
		if err := p.step(ctx, s, from, gap); err != nil {
			return fmt.Errorf("packet %d of %d: %w", i+1, len(part), err)
		}
	}
	return nil
}

// step says or hears one packet, which came so long after the one before.
func (p *Player) step(ctx context.Context, s Step, from []ipx.Addr, gap time.Duration) error {
	want := p.translate(&s.Frame)
	if s.Say {
		if err := sleep(ctx, gap); err != nil {
			return err
		}
		to, src := s.Frame.Dst, s.Frame.Src
		if p.Via != (ipx.Node{}) {
			to, src = p.Via, p.Port.MAC()
		}
		return sendPacket(p.Port, p.Encap, want, to, src)
	}
	ipx.SetHops(want, s.Frame.Head.Hops+byte(p.Routers))
	timer := time.NewTimer(gap + cmp.Or(p.Patience, 10*time.Second))
	defer timer.Stop()
	for {
		select {
		case f := <-p.heard:
			switch {
			case !slices.Contains(from, ipx.Addr{Network: f.Head.Src.Network, Node: f.Head.Src.Node}):
			case !bytes.Equal(f.Packet, want):
				return fmt.Errorf("heard\n%x, want\n%x", f.Packet, want)
			default:
				return nil
			}
		case <-timer.C:
			return fmt.Errorf("in vain: %x", want)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// addr is what stands for a recorded network and node.
func (p *Player) addr(a ipx.Addr) ipx.Addr {
	n, known := p.Networks[a.Network]
	if !known {
		n = a.Network
	}
	node, known := p.Nodes[a.Node]
	if !known {
		node = a.Node
	}
	return ipx.Addr{Network: n, Node: node}
}

// translate returns a copy of a recorded packet with the addresses of here.
func (p *Player) translate(f *Frame) []byte {
	pkt := bytes.Clone(f.Packet)
	src, dst := p.addr(f.Head.Src), p.addr(f.Head.Dst)
	ipx.SetSrcNetwork(pkt, src.Network)
	ipx.SetSrcNode(pkt, src.Node)
	ipx.SetDstNetwork(pkt, dst.Network)
	ipx.SetDstNode(pkt, dst.Node)
	return pkt
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
