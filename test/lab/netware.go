package lab

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/test/netware"
)

// Server switches a NetWare server on at the wire of a host. It is on until the
// test ends, or off is called.
func (w *World) Server(ns *netlab.Namespace, cfg netware.ServerConfig) (s *netware.Server, off func()) {
	w.T.Helper()
	cfg.Port = w.Port(ns, "lan")
	s, err := netware.NewServer(cfg)
	if err != nil {
		w.T.Fatal(err)
	}
	return s, w.Background(s.Run)
}

// Client switches a workstation on, as Server does, which does not know its
// network number.
func (w *World) Client(ns *netlab.Namespace, enc ipx.Encapsulation) (c *netware.Client, off func()) {
	w.T.Helper()
	c = netware.NewClient(netware.ClientConfig{Port: w.Port(ns, "lan"), Encap: enc})
	return c, w.Background(c.Run)
}

// IPX asks the daemon for its tables; they are empty while it does not answer.
func (d *Daemon) IPX() (t bridge.IPXTables) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := (bridge.Client{Socket: d.Socket}).Get(ctx, "/v1/ipx", &t); err != nil {
		return bridge.IPXTables{}
	}
	return t
}

// Route is the way to a network that the daemon uses.
func (d *Daemon) Route(n ipx.Network) (router.RouteInfo, bool) {
	for _, r := range d.IPX().Routes {
		if r.Network == n && !r.Down {
			return r, true
		}
	}
	return router.RouteInfo{}, false
}

// WaitRoute waits until the daemon uses the way to a network that is wanted.
func (d *Daemon) WaitRoute(n ipx.Network, what string, want func(router.RouteInfo) bool) (r router.RouteInfo) {
	d.T.Helper()
	Wait(d.T, fmt.Sprintf("%s: the way to network %v: %s", d.NS.Name(), n, what), func() (ok bool) {
		r, ok = d.Route(n)
		return ok && want(r)
	})
	return r
}

// WaitNoRoute waits until the daemon knows no way to a network.
func (d *Daemon) WaitNoRoute(n ipx.Network) {
	d.T.Helper()
	Wait(d.T, fmt.Sprintf("%s: no way to network %v", d.NS.Name(), n), func() bool {
		_, known := d.Route(n)
		return !known && d.IPX().Routes != nil
	})
}

// Knows reports whether the daemon knows a service of that name.
func (d *Daemon) Knows(name string) bool {
	return slices.ContainsFunc(d.IPX().Services, func(s router.ServiceInfo) bool { return s.Name == name })
}

// WaitService waits until the daemon knows, or does not know, a service of that
// name.
func (d *Daemon) WaitService(name string, known bool) {
	d.T.Helper()
	Wait(d.T, fmt.Sprintf("%s: service %s is known: %v", d.NS.Name(), name, known), func() bool {
		return d.Knows(name) == known
	})
}
