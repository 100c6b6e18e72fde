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
	ours := func(n ipx.Network) bool { return here[n] != "" }
	for _, n := range uniqueNetworks(routes, services) {
		if ours(n) {
			note("%q has network %s behind the peer, and it is %s: left out; sitebridge ipx update %s writes the file anew", x.Learned, n, here[n], s.Name)
		}
	}
	x.LearnedRoutes = slices.DeleteFunc(routes, func(r IPXRoute) bool {
		return ours(r.Network) || x.leadsTo(r.Network) || !x.Limits.AcceptNetworks.Has(r.Network)
	})
	x.LearnedServices = slices.DeleteFunc(services, func(v IPXService) bool {
		return ours(v.Address.Network) || x.has(v) || !x.Limits.Accepted(v.sap())
	})
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
