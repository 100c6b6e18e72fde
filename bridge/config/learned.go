package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// learnedSuffix ends the names of files that keep what was learned. include passes
// over them, so that they may stand beside what it takes.
const learnedSuffix = ".ipx.toml"

// learnedPath parses the path of such a file.
func learnedPath(raw any) (string, *mistake) {
	path, wrong := text(raw)
	if wrong != nil {
		return "", wrong
	}
	if !strings.HasSuffix(path, learnedSuffix) || printable(path) != path {
		return "", notA(raw, "a file for what is learned", `write a name that ends in "`+learnedSuffix+`", which include passes over`)
	}
	return filepath.Clean(path), nil
}

// agreeOnFile checks that no two sites keep what they learned in one file.
func (d *draft) agreeOnFile(s *Site, files map[string]*Site) {
	if s.IPX.Learned == "" {
		return
	}
	if other := files[s.IPX.Learned]; other != nil {
		d.siteAt[s].ipx.at("file").fault(fmt.Sprintf("it is the file of site %s too", other.Name), "write another one")
	}
	files[s.IPX.Learned] = s
}

// loadLearned reads what a site's last update learned. A machine wrote it by what a
// peer said, so that nothing in it that contradicts the configuration keeps the daemon
// from starting: a peer could see to that.
func (d *draft) loadLearned(s *Site, here numbers) {
	x := s.IPX
	if x.Learned == "" || !d.siteAt[s].site.faultless() {
		return // the file's name may be the site's
	}
	note := func(format string, args ...any) {
		d.notes = append(d.notes, Warning{s.Name, fmt.Sprintf(format, args...)})
	}
	routes, services, err := ReadLearned(x.Learned)
	if errors.Is(err, fs.ErrNotExist) {
		note("what is behind the peer is not learned yet: run sitebridge ipx update %s", s.Name)
		return
	}
	d.Files = append(d.Files, x.Learned)
	if faults, broken := errors.AsType[*Faults](err); broken {
		for _, f := range *faults {
			d.faults.add(f)
		}
		return
	}
	for _, n := range uniqueNetworks(routes, services) {
		if here[n] != "" {
			note("%q has network %s behind the peer, and it is %s: left out; sitebridge ipx update %s writes the file anew", x.Learned, n, here[n], s.Name)
		}
	}
	x.LearnedRoutes, x.LearnedServices = d.AcceptLearned(s, routes, services)
}

// AcceptLearned returns what is used of what a site's peer has told: not what is
// ours, not what is static behind it, and not what its accept_networks and
// accept_services do not name. The default route, which draws what nobody knows,
// they must name; an absent list does not. Start and a later reading of the file go
// by it alike. The site is one that routes IPX; what was given stays as it is.
func (c *Config) AcceptLearned(s *Site, routes []IPXRoute, services []IPXService) (usedRoutes []IPXRoute, usedServices []IPXService) {
	for _, r := range routes {
		if c.ours[r.Network] == "" && s.IPX.mayLearn(r.Network) {
			usedRoutes = append(usedRoutes, r)
		}
	}
	for _, v := range services {
		if c.ours[v.Address.Network] == "" && !s.IPX.has(v) && s.IPX.Limits.Accepted(v.sap()) {
			usedServices = append(usedServices, v)
		}
	}
	return usedRoutes, usedServices
}

// mayLearn reports whether the peer is believed about a network.
func (x *IPX) mayLearn(n ipx.Network) bool {
	if n == ipx.DefaultRoute && x.Limits.AcceptNetworks == nil {
		return false
	}
	return !x.leadsTo(n) && x.Limits.AcceptNetworks.Has(n)
}

// has reports whether a service is among the static ones.
func (x *IPX) has(v IPXService) bool {
	return slices.ContainsFunc(x.Services, func(o IPXService) bool { return o.Type == v.Type && o.Name == v.Name })
}

// sap is the service as limits judge it.
func (v IPXService) sap() sap.Service {
	return sap.Service{Type: sap.ServiceType(v.Type), Name: v.Name, Addr: v.Address, Hops: uint16(v.Hops)}
}

// uniqueNetworks lists the numbers in routes and services, each once, in order.
func uniqueNetworks(routes []IPXRoute, services []IPXService) (all []ipx.Network) {
	for _, r := range routes {
		all = append(all, r.Network)
	}
	for _, v := range services {
		all = append(all, v.Address.Network)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
