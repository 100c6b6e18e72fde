package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"sitebridge/ipx"
)

// A PoolStatus is how a site stands that many call.
type PoolStatus struct {
	Pool    netip.Prefix   `json:"pool,omitzero"`
	Network ipx.Network    `json:"ipx_network,omitempty"`
	Now     int            `json:"callers_now"`
	Limit   int            `json:"callers_limit"`
	Calls   uint64         `json:"calls"` // that were let in
	Refused RemoteRefusals `json:"refused"`
	// ForeignIPX is how many IPX packets callers sent under the addresses of others.
	ForeignIPX uint64 `json:"foreign_ipx"`
}

// A CallerStatus is one caller while its call lasts.
type CallerStatus struct {
	Name       string         `json:"name"` // escaped
	Address    netip.Addr     `json:"address,omitzero"`
	Routes     []netip.Prefix `json:"routes,omitempty"`
	Node       string         `json:"ipx_node,omitempty"`
	Network    ipx.Network    `json:"ipx_network,omitempty"` // of its own, which RADIUS granted
	Peer       netip.Addr     `json:"peer"`
	Since      time.Time      `json:"since"`
	Seconds    int            `json:"seconds"`
	Up         bool           `json:"up"`
	Reason     string         `json:"reason,omitempty"` // why it is not
	Method     string         `json:"method"`
	Encryption string         `json:"encryption"`
	Carrier    string         `json:"carrier"` // what the call's packets travel in: "udp" or "gre"
	MTU        int            `json:"mtu,omitempty"`
	OctetsIn   uint64         `json:"octets_in"` // from the caller
	OctetsOut  uint64         `json:"octets_out"`
	PacketsIn  uint64         `json:"packets_in"`
	PacketsOut uint64         `json:"packets_out"`
	// Foreign is how many IP packets it sent from addresses that are not its own.
	Foreign uint64 `json:"foreign"`
}

// WaitsForCallers reports whether a site that many may call has none now, which is
// nothing wrong.
func (s *SiteStatus) WaitsForCallers() bool { return s.Pool != nil && s.State == StateListening }

// tell puts what is known of the callers into the site's status.
func (r *remotes) tell(out *SiteStatus) {
	now := r.current()
	r.mu.Lock()
	p := PoolStatus{Now: len(r.byName), Limit: now.Remote.Limit, Calls: r.calls, Refused: r.refused}
	r.mu.Unlock()
	if r.site.cfg.IP != nil {
		p.Pool = r.site.cfg.IP.Pool
	}
	if r.wire != nil {
		p.Network, p.ForeignIPX = r.wire.network, r.wire.foreign.Load()
	}
	for _, m := range r.present() {
		c := m.status()
		if c.Up && out.State == StateListening {
			out.State = StateUp
		}
		out.Callers = append(out.Callers, c)
	}
	out.Pool, out.Ups, out.Refused, out.IP = &p, p.Calls, p.Refused.sum(), r.ip.status()
}

func (m *remote) status() CallerStatus {
	s := m.session
	_, up := s.upSince()
	link := s.link.Status()
	c := CallerStatus{
		Name: escapeName(m.name), Address: m.addr, Peer: s.path.Remote, Since: s.began, Seconds: int(time.Since(s.began).Seconds()),
		Up: up, Method: m.method.String(), Encryption: link.Encryption.Method, Carrier: string(s.carrier.Load().transport),
		OctetsIn: link.Stats.OctetsIn, OctetsOut: link.Stats.OctetsOut,
		PacketsIn: link.Stats.PacketsIn, PacketsOut: link.Stats.PacketsOut,
	}
	if m.site.cfg.IP != nil {
		c.Routes = m.site.cfg.IP.Routes
	}
	if m.ownNetwork() {
		c.Network = m.user.IPXNetwork
	}
	if e, ok := m.ip.(*remoteIP); ok {
		c.MTU, c.Foreign = e.told()
	}
	m.mu.Lock()
	if !m.node.IsZero() {
		c.Node = m.node.String()
	}
	m.mu.Unlock()
	if c.Encryption == "" {
		c.Encryption = "none"
	}
	if !up {
		c.Reason = s.pending(m.site)
	}
	return c
}

// told is what status says of the caller's part of the interface.
func (e *remoteIP) told() (mtu int, foreign uint64) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if one := e.one.Load(); one != nil {
		return e.sum.InnerMTU, one.Foreign()
	}
	return 0, 0
}

// endCaller ends the call of one caller. It may call again: a user who shall not is
// taken out of the users file.
func (d *Daemon) endCaller(w http.ResponseWriter, r *http.Request) {
	s := d.site(r.PathValue("site"))
	switch {
	case s == nil:
		refuse(w, http.StatusNotFound, noSite(r.PathValue("site"), d.siteNames()))
		return
	case s.remotes == nil:
		refuse(w, http.StatusConflict, fmt.Errorf("site %s has no pool, and so no callers: sitebridge down %s ends its tunnel", s.cfg.Name, s.cfg.Name))
		return
	}
	m := s.remotes.find(r.PathValue("caller"))
	if m == nil {
		refuse(w, http.StatusNotFound, fmt.Errorf("%q is not among the callers of site %s: sitebridge status %s lists them", r.PathValue("caller"), s.cfg.Name, s.cfg.Name))
		return
	}
	m.end(errEnded)
	answer(w, s.status())
}

var errEnded = errors.New("its call was ended by an operator")
