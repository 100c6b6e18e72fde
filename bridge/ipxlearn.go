package bridge

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// A site with exchange = "auto-static" asks its peer when its operator says so, in
// two steps: askIPX tells what the peer has, and `sitebridge ipx update` writes that
// to a file; loadIPX has the daemon read the file, as each start does. The daemon
// itself writes no file.

// learned is what the file of a site holds.
type learned struct {
	routes   []config.IPXRoute
	services []config.IPXService
}

// askWait is how long a peer has to tell all.
const askWait = 3 * time.Minute

// An IPXLearned is what a peer says that it has.
type IPXLearned struct {
	Site     string       `json:"site"`
	File     string       `json:"file"` // where it is to be written
	Routes   []IPXRoute   `json:"routes"`
	Services []IPXService `json:"services"`
}

// An IPXRoute is a network behind a peer.
type IPXRoute struct {
	Network ipx.Network `json:"network"`
	Hops    uint8       `json:"hops"`
	Ticks   uint16      `json:"ticks"`
}

// An IPXService is a service behind a peer. Its name may hold octets that are no
// text, and is base64 in JSON.
type IPXService struct {
	Type    sap.ServiceType `json:"type"`
	Name    []byte          `json:"name"`
	Address ipx.Addr        `json:"address"`
	Hops    uint8           `json:"hops"`
}

// askIPX asks the peer of a site for all its networks and services.
func (d *Daemon) askIPX(w http.ResponseWriter, r *http.Request) {
	s, err := d.learningSite(r.PathValue("site"))
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWait)
	defer cancel()
	at, err := s.linkToAsk(ctx)
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	defer s.inUse()()
	routes, services, err := at.Ask(ctx)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("ask the peer of site %q for its networks and services: %w", s.cfg.Name, err))
		return
	}
	answer(w, d.learnedOf(s, routes, services))
}

// learnedOf leaves out what the file need not hold: what would not be used.
func (d *Daemon) learnedOf(s *site, routes []router.Route, services []router.Service) IPXLearned {
	var told learned
	for _, r := range routes {
		told.routes = append(told.routes, config.IPXRoute{Network: r.Network, Hops: r.Hops, Ticks: r.Ticks})
	}
	for _, v := range services {
		told.services = append(told.services, config.IPXService{Type: uint16(v.Type), Name: v.Name, Address: v.Addr, Hops: uint8(v.Hops)})
	}
	told.routes, told.services = d.config().AcceptLearned(s.cfg, told.routes, told.services)
	out := IPXLearned{Site: s.cfg.Name, File: s.cfg.IPX.Learned, Routes: []IPXRoute{}, Services: []IPXService{}} // [] in JSON
	for _, r := range told.routes {
		out.Routes = append(out.Routes, IPXRoute(r))
	}
	for _, v := range told.services {
		out.Services = append(out.Services, IPXService{sap.ServiceType(v.Type), []byte(v.Name), v.Address, v.Hops})
	}
	return out
}

// loadIPX reads the file of a site again, and uses what it holds.
func (d *Daemon) loadIPX(w http.ResponseWriter, r *http.Request) {
	s, err := d.learningSite(r.PathValue("site"))
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	routes, services, err := config.ReadLearned(s.cfg.IPX.Learned)
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	routes, services = d.config().AcceptLearned(s.cfg, routes, services)
	s.use(learned{routes, services})
	answer(w, struct{}{})
}

// use takes over what the file of a site holds.
func (s *site) use(l learned) {
	s.learned.Store(&l)
	if at := s.idle.Load(); at != nil { // there, with or without a call
		at.SetStatic(s.behind())
	} else if at, err := s.routedLink(); err == nil {
		at.SetStatic(s.behind())
	}
	s.log.Info("networks and services of the peer read anew", "file", s.cfg.IPX.Learned, "networks", len(l.routes), "services", len(l.services))
}

// learningSite finds a site whose peer is asked on demand.
func (d *Daemon) learningSite(name string) (*site, error) {
	s := d.site(name)
	switch {
	case s == nil:
		return nil, noSite(name, d.siteNames())
	case s.cfg.IPX == nil || s.cfg.IPX.Exchange != config.ExchangeAutoStatic:
		return nil, fmt.Errorf(`site %q learns nothing on demand: write exchange = "auto-static" in [site.%s.ipx], and start the daemon anew`, name, name)
	}
	return s, nil
}

// routedLink is the site's link as the router has it.
func (s *site) routedLink() (*router.Attached, error) {
	if cur, ok := s.supervisor.snapshot().Current.(*session); ok {
		if n := cur.nets.Load(); n != nil && n.ipx != nil {
			if at := n.ipx.routed.Load(); at != nil {
				return at, nil
			}
		}
	}
	return nil, fmt.Errorf("no IPX with the peer of site %q: `sitebridge status %s` says why", s.cfg.Name, s.cfg.Name)
}
