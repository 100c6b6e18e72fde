package e2e

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sync/errgroup"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/netlab"
	"sitebridge/ppp"
	"sitebridge/test/lab"
)

// A peer is a PPTP peer that is not a daemon of ours: a test says what its PPP
// link does.
type peer struct {
	ctx  context.Context
	from netip.Addr // what its GRE leaves from, unless invalid
	mux  *gre.Mux
	run  *errgroup.Group
}

func newPeer(t *testing.T, ns *netlab.Namespace) *peer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var carrier *gre.Raw
	err := ns.Do(func() (err error) {
		carrier, err = gre.OpenRaw(gre.RawConfig{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{ctx: ctx, mux: gre.NewMux(carrier, nil, nil), run: new(errgroup.Group)}
	p.run.Go(func() error { return p.mux.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		p.run.Wait()
	})
	return p
}

// answer takes calls on a host, each with a link of cfg.
func (p *peer) answer(w *lab.World, ns *netlab.Namespace, cfg ppp.Config) {
	l := control.Listen(w.Listen(ns, "0.0.0.0:1723"), control.Config{Host: "peer", Vendor: "test", Answer: func(o *control.Offer) {
		path := gre.Path{Local: o.Conn.Peer().Local.Addr().Unmap(), Remote: o.Conn.Peer().Remote.Addr().Unmap()}
		channel, err := p.mux.Open(path.Remote, gre.ChannelConfig{})
		if err != nil {
			o.Refuse(control.OutgoingGeneralError, control.NoResource)
			return
		}
		p.link(o.Accept(channel.ID(), 64), channel, path, cfg)
	}}, control.Limits{})
	p.run.Go(func() error { return l.Run(p.ctx) })
}

// call makes a call from a host to a daemon, with a link of cfg.
func (p *peer) call(w *lab.World, ns *netlab.Namespace, addr string, cfg ppp.Config) *ppp.Link {
	w.T.Helper()
	conn, err := control.Open(p.ctx, w.Dial(ns, net.JoinHostPort(addr, "1723")), control.Config{Host: "peer", Vendor: "test"})
	if err != nil {
		w.T.Fatal(err)
	}
	path := gre.Path{Local: conn.Peer().Local.Addr().Unmap(), Remote: conn.Peer().Remote.Addr().Unmap()}
	channel, err := p.mux.Open(path.Remote, gre.ChannelConfig{})
	if err != nil {
		w.T.Fatal(err)
	}
	call, err := conn.Call(p.ctx, control.CallRequest{ID: channel.ID(), Window: 64})
	if err != nil {
		w.T.Fatal(err)
	}
	return p.link(call, channel, path, cfg)
}

func (p *peer) link(call *control.Call, channel *gre.Channel, path gre.Path, cfg ppp.Config) *ppp.Link {
	if p.from.IsValid() {
		path.Local = p.from
	}
	cfg.Send = channel.Send
	link := ppp.NewLink(cfg)
	channel.Connect(path.Local, call.PeerID(), call.Window(), link.Receive)
	p.run.Go(func() error {
		link.Run(p.ctx)
		call.Clear(context.WithoutCancel(p.ctx))
		channel.Close()
		call.Conn().Close()
		return nil
	})
	return link
}
