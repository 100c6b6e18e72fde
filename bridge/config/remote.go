package config

import (
	"fmt"
	"net/netip"
	"slices"

	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ppp/auth"
)

const (
	defaultCallers = 64
	maxCallers     = 1024
)

// A Remote is what a site with a pool has in place of one peer: callers, each with
// a name of its own.
type Remote struct {
	Limit    int    // of callers at once
	ProxyARP string // the interface on whose wire we answer for the callers' addresses; empty: none
	// UsersFile is the path of the file with Users; empty: callers have certificates
	// alone.
	UsersFile string
	Radius    bool             // whether Config.Radius is asked for callers that are not among Users
	Users     map[string]*User // by name
}

// A User is a caller that stands in a users file.
type User struct {
	Name    string
	Secret  secret.Secret  // empty: it proves itself by a certificate
	Address netip.Addr     // its own; not valid: one of the pool
	Node    ipx.Node       // its own; zero: any
	Routes  []netip.Prefix // what is behind it: IPv4
	// IPXNetwork is a network of IPX that its link has for itself, which RADIUS alone
	// grants; 0: it is on that of all callers.
	IPXNetwork ipx.Network
}

// User finds a user by name; nil: there is none.
func (r *Remote) User(name string) *User {
	if r == nil {
		return nil
	}
	return r.Users[name]
}

// readRemote reads what a site with a pool has; nil: it has none.
func (d *draft) readRemote(s *Site, at *siteTables) *Remote {
	t := at.site
	r := &Remote{
		Limit:     read(t, "callers", defaultCallers, number(1, maxCallers)),
		ProxyARP:  read(t, "proxy_arp", "", device),
		UsersFile: read(t, "users_file", "", text),
		Radius:    readOwn(t, "radius", false, flag),
	}
	if !at.ip.present || !at.ip.has("pool") {
		t.stray("only a site with a pool has callers", fmt.Sprintf(`write pool = "10.255.1.0/24" in [site.%s.ip], or leave it out`, s.Name),
			"callers", "proxy_arp", "users_file", "radius")
		return nil
	}
	if t.owns("dial") {
		t.at("dial").fault("a site with a pool is called and does not dial", fmt.Sprintf("leave it out, or pool in [site.%s.ip]", s.Name))
		s.Dial = nil
	}
	if r.UsersFile != "" {
		path := t.at("users_file").doc.beside(r.UsersFile)
		r.Users = d.readUsers(t.at("users_file"), r.UsersFile)
		r.UsersFile = path
	}
	return r
}

// readCallersAuth checks [site.NAME.auth] of a site with a pool: each caller has its
// own name and secret.
func (d *draft) readCallersAuth(s *Site, a *Auth, t *table) {
	a.PeerName = ""
	t.stray("each caller has a name of its own", "leave it out: names stand in users_file, or in the callers' certificates", "peer_name")
	t.stray("each caller has a secret of its own", `leave it out, and write users_file = "users.toml" in [site.`+s.Name+"]", "secret_in_file")
	t.stray("we prove ourselves to callers by their secrets or by our certificate", "leave it out", "secret_out_file")
	t.stray("a pool is for many callers, and a fingerprint is that of one", `write ca = "ca.pem", who signs for the callers`, "fingerprint")
	bySecret := slices.ContainsFunc(secretMethods, a.Allows)
	site := d.siteTable(t, s)
	if bySecret && s.Remote.UsersFile == "" && !s.Remote.Radius && site.faultless() {
		site.fault("the callers prove themselves by secrets, and nothing holds them", `write users_file = "users.toml", or radius = true`)
	}
	if a.Allows(auth.EAPTLS) {
		return
	}
	for _, u := range sortedUsers(s.Remote.Users) {
		if u.Secret == "" && d.userAt[u].below("secret").faultless() {
			d.userAt[u].fault("the user has no secret, and the site takes no certificates", `write secret = "...", or "eap-tls" in auth.methods`)
		}
	}
}

// siteTable is where the site's users file is named, for a table below it.
func (d *draft) siteTable(t *table, s *Site) place {
	return place{t.doc, t.key[:len(t.key)-1]}.below("users_file")
}

// agreeOnCallers checks the sites with pools against all others.
func (d *draft) agreeOnCallers() {
	taken := map[netip.Addr]string{}
	for _, s := range d.Sites {
		if s.IP != nil && s.IP.Address.IsValid() {
			taken[s.IP.Address] = "our own address in site " + s.Name
		}
	}
	for _, s := range d.Sites {
		if s.IP != nil && s.IP.Peer.IsValid() {
			taken[s.IP.Peer] = "the peer's in site " + s.Name
		}
	}
	users := map[string]*Site{}
	for i, s := range d.Sites {
		if s.Remote == nil || s.IP == nil {
			continue
		}
		d.agreeOnPool(s, d.Sites[:i])
		d.agreeOnDialled(s)
		if s.IPX != nil && s.Segment == nil && !s.IPX.Workstation {
			d.siteAt[s].ipx.fault("callers of a pool are hosts and no routers", "write workstation = true and a network, or leave the table out")
		}
		for _, u := range sortedUsers(s.Remote.Users) {
			at := d.userAt[u]
			if other := users[u.Name]; other != nil {
				at.fault(fmt.Sprintf("%s is a user of site %s too, and the name decides which site is called", show(u.Name), other.Name), "give one of them another name")
				continue
			}
			users[u.Name] = s
			d.agreeOnUser(s, u, taken)
		}
	}
}

// agreeOnPool checks that an address of a pool, and a certificate, leads to one site.
func (d *draft) agreeOnPool(s *Site, before []*Site) {
	at := d.siteAt[s]
	for _, o := range before {
		if o.Remote == nil || o.IP == nil {
			continue
		}
		if o.IP.Pool.Overlaps(s.IP.Pool) {
			at.ip.at("pool").fault(fmt.Sprintf("it has addresses of the pool of site %s too", o.Name), "write another network for one of them")
		}
		if s.Auth.Trust == nil || o.Auth.Trust == nil {
			continue
		}
		for _, ca := range s.Auth.Trust.CAs {
			if slices.ContainsFunc(o.Auth.Trust.CAs, ca.Equal) {
				at.auth.at("ca").fault(fmt.Sprintf("it signs for the callers of site %s too, and the certificate decides which site is called", o.Name), "take another CA for one of them")
			}
		}
	}
}

// agreeOnDialled checks that callers do not have the addresses that we call. A network
// behind one may have them: our own packets are kept out of it.
func (d *draft) agreeOnDialled(s *Site) {
	for _, o := range d.Sites {
		for _, e := range o.Dial {
			a, err := netip.ParseAddr(e.Host)
			if err != nil {
				continue // a name, of which nobody knows today where it leads tomorrow
			}
			whose := fmt.Sprintf("%v, where site %s is called", a, o.Name)
			if s.IP.Pool.Contains(a) {
				d.siteAt[s].ip.at("pool").fault("it has "+whose, "write a network that is used for nothing else, as in \"10.255.1.0/24\"")
			}
			for _, u := range sortedUsers(s.Remote.Users) {
				if u.Address == a {
					d.userAt[u].below("address").fault("it is "+whose, "write another one")
				}
				if i := slices.IndexFunc(u.Routes, func(r netip.Prefix) bool { return r.Contains(a) }); i >= 0 {
					d.notes = append(d.notes, Warning{s.Name, fmt.Sprintf("%v behind the user %s has %s: our own packets go there outside of the tunnels, and all others to the user", u.Routes[i], show(u.Name), whose)})
				}
			}
		}
	}
}

// agreeOnUser checks what one user has of its own.
func (d *draft) agreeOnUser(s *Site, u *User, taken map[netip.Addr]string) {
	at := d.userAt[u]
	for _, o := range d.Sites {
		if o.Remote == nil && o.Auth.PeerName == u.Name {
			at.fault(fmt.Sprintf("%s is the name of site %s too, and the name decides which site calls", show(u.Name), o.Name), "give one of them another name")
		}
	}
	if slices.Contains(d.OwnNames(), withoutDomain(u.Name)) {
		at.fault(fmt.Sprintf("%s is our own name too: a caller could send our own proof back", show(u.Name)), "give the user another name")
	}
	if !u.Address.IsValid() {
		return
	}
	if other := taken[u.Address]; other != "" {
		at.below("address").fault(fmt.Sprintf("%v is %s", u.Address, other), "write another one")
	}
	taken[u.Address] = "the address of user " + show(u.Name)
	if s.IP.Pool.Contains(u.Address) && !Assignable(s.IP.Pool, u.Address) {
		at.below("address").fault(fmt.Sprintf("%v is the network or the broadcast address", u.Address), "write another one")
	}
}

// Assignable reports whether a caller may have an address of the pool: none that
// stands for the network or its broadcast (RFC 3021 has none in pools of two), and
// none that ends in 0 or 255, which old systems take for those.
func Assignable(pool netip.Prefix, a netip.Addr) bool {
	switch {
	case !pool.Contains(a):
		return false
	case pool.Bits() >= 31:
		return true
	}
	last := a.As4()[3]
	return last != 0 && last != 255 && a != pool.Masked().Addr() && pool.Contains(a.Next())
}
