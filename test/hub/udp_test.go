package hub

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
)

// openUDP opens the port that all branches share, each at its own address.
func (f *fleet) openUDP() (gre.Carrier, error) {
	if !f.udp {
		return nil, nil
	}
	return gre.OpenUDP(gre.UDPConfig{Port: gre.DefaultUDPPort, ReceiveBuffer: fieldQueue})
}

// A way is how the packets of a call get to the hub, as both have agreed.
type way struct {
	f            *fleet
	mine, theirs control.UDPOffer
}

func (f *fleet) way(p control.Peer) way {
	w := way{f: f, mine: control.UDPOffer{Token: gre.NewToken()}}
	w.theirs, _ = control.ParseUDPOffer(p.Vendor)
	return w
}

// subaddress is what the call says of it.
func (w *way) subaddress() string {
	if !w.f.udp {
		return ""
	}
	return w.mine.String()
}

// choose makes it UDP, where it is that.
func (w *way) choose(ctx context.Context, c *gre.Channel, local netip.Addr) error {
	switch {
	case !w.f.udp:
		return nil
	case w.theirs.Port == 0:
		return errors.New("the hub offers no UDP")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	path := gre.Path{Local: local, Remote: c.Peer(), Port: w.theirs.Port}
	return c.Probe(ctx, path, gre.Token(w.mine.Token), gre.Token(w.theirs.Token))
}
