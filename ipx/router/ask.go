package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// askQuiet ends an Ask: a peer that has more to tell says it within this.
const askQuiet = 2 * time.Second

// ErrNoAnswer is a peer that told nothing when it was asked.
var ErrNoAnswer = errors.New("the peer told neither networks nor services")

// A collection is what a peer tells when it is asked, kept apart from the tables.
type collection struct {
	routes   map[ipx.Network]Route
	services map[serviceKey]Service
	fresh    chan struct{} // holds one when something new came
}

// Ask asks the peer once for all networks and services that it has, and returns
// those that the limits accept, without using them. It ends when nothing new
// came for two seconds.
func (a *Attached) Ask(ctx context.Context) ([]Route, []Service, error) {
	c := &collection{map[ipx.Network]Route{}, map[serviceKey]Service{}, make(chan struct{}, 1)}
	if err := a.collect(c); err != nil {
		return nil, nil, err
	}
	for _, s := range []saying{
		{a, ipx.SocketRIP, rip.Ask(ipx.AllNetworks).Append(nil)},
		{a, ipx.SocketSAP, sap.Message{Operation: sap.OpRequest, Type: sap.AnyType}.Append(nil)},
	} {
		s.broadcast()
	}
	quiet := time.NewTimer(askQuiet)
	defer quiet.Stop()
	for {
		select {
		case <-c.fresh:
			quiet.Reset(askQuiet)
		case <-ctx.Done():
			a.collected(c)
			return nil, nil, fmt.Errorf("ask the peer of %s: %w", a.cfg.Name, ctx.Err())
		case <-quiet.C:
			return a.collected(c)
		}
	}
}

// collect begins to keep what the peer tells.
func (a *Attached) collect(c *collection) error {
	a.router.mu.Lock()
	defer a.router.mu.Unlock()
	switch {
	case a.face.Load() == nil:
		return fmt.Errorf("ask the peer of %s: the link is down", a.cfg.Name)
	case a.asking != nil:
		return fmt.Errorf("ask the peer of %s: it is being asked already", a.cfg.Name)
	}
	a.asking = c
	return nil
}

// collected ends that, and returns what there is by number, type and name.
func (a *Attached) collected(c *collection) ([]Route, []Service, error) {
	a.router.mu.Lock()
	defer a.router.mu.Unlock()
	a.asking = nil
	if len(c.routes)+len(c.services) == 0 {
		return nil, nil, fmt.Errorf("ask the peer of %s: %w", a.cfg.Name, ErrNoAnswer)
	}
	var routes []Route
	for _, n := range slices.Sorted(maps.Keys(c.routes)) {
		routes = append(routes, c.routes[n])
	}
	var services []Service
	for _, k := range slices.SortedFunc(maps.Keys(c.services), serviceKey.compare) {
		services = append(services, c.services[k])
	}
	return routes, services, nil
}

func (c *collection) wake() {
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// collectRoutes keeps routes for Ask. router.mu is held.
func (a *Attached) collectRoutes(entries []rip.Entry) {
	c := a.asking
	if c == nil {
		return
	}
	for _, e := range entries {
		_, known := c.routes[e.Network]
		if e.Hops >= infinity || !a.acceptsNetwork(e.Network) || a.router.ours(e.Network) != nil ||
			known || len(c.routes) >= a.router.routes.limit(a) {
			continue
		}
		c.routes[e.Network] = Route{Network: e.Network, Hops: uint8(max(e.Hops, 1)), Ticks: max(e.Ticks, 1)}
		c.wake()
	}
}

// collectServices keeps services for Ask. router.mu is held.
func (a *Attached) collectServices(services []Service) {
	c := a.asking
	if c == nil {
		return
	}
	for _, s := range services {
		k := serviceKey{s.Type, s.Name}
		_, known := c.services[k]
		if s.Hops >= infinity || !a.acceptsService(s) || known || len(c.services) >= a.router.services.limit(a) {
			continue
		}
		s.Hops = max(s.Hops, 1)
		c.services[k] = s
		c.wake()
	}
}
