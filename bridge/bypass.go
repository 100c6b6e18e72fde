package bridge

import (
	"context"

	"sitebridge/control/gre"
	"sitebridge/ip"
)

// openCarrier opens the sockets of raw GRE. With daemon.gre_bypass they ask the host how
// packets leave, and hear of its changes.
func (d *Daemon) openCarrier() (*gre.Raw, error) {
	cfg := gre.RawConfig{Mark: ip.Mark, Log: d.log}
	if d.config().Daemon.GREBypass {
		var err error
		if d.hops, err = ip.OpenHopWatch(); err != nil {
			return nil, err
		}
		d.undone(d.hops.Close)
		cfg.NextHop = func(p gre.Path) (gre.NextHop, error) {
			hop, err := d.host.NextHop(p.Local, p.Remote, p.Device)
			return gre.NextHop(hop), err
		}
	}
	return gre.OpenRaw(cfg)
}

// watchHops tells the carrier of what changes in the host's network, until ctx ends.
func (d *Daemon) watchHops(ctx context.Context) error {
	for {
		if err := d.hops.Next(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		d.sockets.HostChanged()
	}
}
