package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"sitebridge/internal/secret"
	"sitebridge/ipx"
)

var usersFile = &fileKind{"the users", 0o077, "others can get at",
	"chmod 0600 it, and give the users other secrets if they may have read it"}

// maxUserRoutes is how many networks may be behind one caller.
const maxUserRoutes = 16

// readUsers reads the file of users that a key names. No fault shows a secret.
func (d *draft) readUsers(at place, path string) map[string]*User {
	b, wrong := usersFile.read(at.doc.beside(""), path)
	if wrong != nil {
		at.wrong(wrong)
		return nil
	}
	quiet := new(Faults)
	doc := &document{path: at.doc.beside(path), faults: quiet}
	if doc.decode(string(b)); len(*quiet) > 0 {
		// The decoder repeats what it stumbles over, which may be a secret.
		f := (*quiet)[0]
		f.Reason, f.Key = "it is not TOML", ""
		d.faults.add(f)
		return nil
	}
	doc.faults = d.faults
	top := doc.table()
	users := map[string]*User{}
	for _, t := range top.named("user") {
		u := readUser(t)
		users[u.Name] = u
		d.userAt[u] = t.place
	}
	top.unknown()
	return users
}

// readUser reads one [user.NAME].
func readUser(row *table) *User {
	name, wrong := authName(row.name())
	if wrong != nil {
		row.wrong(wrong)
	}
	u := &User{
		Name:    name,
		Secret:  readOwn(row, "secret", "", secretText),
		Address: readOwn(row, "address", netip.Addr{}, ipv4),
		Node:    readOwn(row, "ipx_node", ipx.Node{}, station),
		Routes:  readOwnList(row, "routes", behindCaller),
	}
	if len(u.Routes) > maxUserRoutes {
		row.at("routes").fault("there are too many", "write 16 at most: what is behind a whole branch belongs to a site of its own")
	}
	row.unknown()
	return u
}

// secretText parses a secret that stands in the file itself.
func secretText(raw any) (secret.Secret, *mistake) {
	s, ok := raw.(string)
	if !ok {
		return "", &mistake{"the secret is not a text", "write it in quotes"}
	}
	return parseSecret([]byte(s), "secret")
}

// behindCaller parses a network behind a caller. The way to everywhere is never
// there: every other caller would lose its own.
func behindCaller(raw any) (netip.Prefix, *mistake) {
	p, wrong := prefix(raw)
	switch {
	case wrong != nil:
		return p, wrong
	case !p.Addr().Is4():
		return p, &mistake{show(raw) + " is a network of IPv6, which callers do not have", "leave it out"}
	case p.Bits() < 8:
		return p, &mistake{show(raw) + " is too much to be behind one caller", `write a network of length 8 or more, as in "10.7.0.0/24"`}
	}
	return p, nil
}

// shortSecrets tells of users whose secrets somebody may find by trying.
func (r *Remote) shortSecrets() string {
	if r == nil {
		return ""
	}
	var names []string
	for _, u := range sortedUsers(r.Users) {
		if n := len(u.Secret); n > 0 && n < goodSecret {
			names = append(names, show(u.Name))
		}
	}
	const most = 3
	if len(names) == 0 {
		return ""
	}
	who := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the secret of %s may be found by trying: take %d octets or more, of a random generator", who, goodSecret)
}

// sortedUsers lists users by name, so that faults come in one order.
func sortedUsers(users map[string]*User) []*User {
	return slices.SortedFunc(maps.Values(users), func(a, b *User) int { return cmp.Compare(a.Name, b.Name) })
}
