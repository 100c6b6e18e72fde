package config

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"sitebridge/bridge/identity"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// Values are compared field by field, so that a key that is added to a table later is
// never forgotten here. A field is the key of the same name, in the file's spelling;
// those for which this is not so stand in fieldKeys.

// A fieldKey is the key that a field comes from.
type fieldKey struct {
	name  string // "": the fields of a struct are keys of the same table
	whole string // told when such a struct comes or goes
	skip  bool   // it follows from others, or is compared elsewhere
	set   bool   // a list whose order means nothing
}

var fieldKeys = map[string]fieldKey{
	"Daemon.Listen":          {name: "listen", set: true},
	"Daemon.InternalNetwork": {name: "ipx_internal_network"},
	"Daemon.GREBypass":       {name: "gre_bypass"},
	"Daemon.Identity":        {name: "certificate"},
	"Daemon.CertificatePath": {skip: true},
	"Daemon.Hooks":           {name: "hook", set: true},

	"LAN.Name":         {skip: true},
	"LAN.Frames":       {skip: true}, // by diffLAN
	"LAN.DOSBox":       {whole: "dosbox"},
	"DOSBox.Listen":    {name: "dosbox"},
	"DOSBox.Clients":   {name: "dosbox_clients"},
	"DOSBox.Rate":      {name: "dosbox_rate"},
	"LAN.NetBIOS":      {name: "netbios"},
	"LAN.Limits":       {},
	"LAN.Allow":        {name: "allow", set: true},
	"LAN.Deny":         {name: "deny", set: true},
	"Segment.Name":     {skip: true},
	"Segment.LANs":     {skip: true}, // by diffSegment
	"Segment.Sites":    {name: "sites", set: true},
	"Site.Name":        {skip: true},
	"Site.Segment":     {skip: true}, // by diffSite
	"Site.Required":    {name: "required", set: true},
	"Site.Demand":      {whole: "connect"},
	"Demand.IP":        {name: "ip.interesting"},
	"Demand.IPX":       {name: "ipx.interesting"},
	"Auth.SecretOut":   {name: "secret_out_file"},
	"Auth.SecretIn":    {name: "secret_in_file"},
	"Auth.Trust":       {whole: "ca"},
	"Auth.Revoked":     {name: "crl"},
	"Auth.OldTLS13":    {name: "tls13"},
	"Trust.CAs":        {name: "ca"},
	"Trust.Pinned":     {name: "fingerprint"},
	"Trust.CRL":        {name: "crl"},
	"Trust.Name":       {skip: true}, // Auth.PeerName
	"Trust.AnyName":    {skip: true}, // Site.Remote
	"Site.Remote":      {whole: "ip.pool"},
	"Remote.Limit":     {name: "callers"},
	"Remote.ProxyARP":  {name: "proxy_arp"},
	"Remote.UsersFile": {skip: true}, // what it holds counts
	"Remote.Users":     {name: "users_file"},
	"IP.Mode":          {name: "address"},
	"IP.Routes":        {name: "routes", set: true},
	"IP.IPv6":          {name: "ipv6"},
	"IPX.Gate":         {},
	"IPX.Limits":       {},
	"IPX.NetBIOS":      {name: "netbios"},
	"IPX.Routes":       {name: "routes", set: true},
	"IPX.Services":     {name: "services", set: true},
	"IPX.Learned":      {name: "file"},
	"Gate.In":          {name: "filter_in"},
	"Gate.Out":         {name: "filter_out"},
	"Gate.PassSerial":  {name: "serial"},
	"Gate.PassSNMP":    {name: "snmp"},
	"Gate.PassNetBIOS": {skip: true}, // NetBIOS
	"Gate.Duplicates":  {name: "drop_duplicates", set: true},

	"IPX.LearnedRoutes":   {name: "file", set: true},
	"IPX.LearnedServices": {name: "file", set: true},
	"Encryption.Stateful": {name: "mppe_stateful"},
}

// keyOf is the key of a field of a struct.
func keyOf(of reflect.Type, field string) fieldKey {
	if k, ok := fieldKeys[of.Name()+"."+field]; ok {
		return k
	}
	return fieldKey{name: spelled(field)}
}

// spelled is a field's name as the file spells it: "station_limit".
func spelled(field string) string {
	var b strings.Builder
	lower := false
	for _, r := range field {
		if lower && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// changedKeys names the keys by which two tables differ, each once.
func changedKeys[T any](prefix string, a, b T) []string {
	var keys []string
	compare(prefix, reflect.ValueOf(a), reflect.ValueOf(b), func(key string) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	})
	return keys
}

// compare calls differs with the keys of two structs that do.
func compare(prefix string, a, b reflect.Value, differs func(key string)) {
	for i := range a.NumField() {
		field := a.Type().Field(i)
		key := keyOf(a.Type(), field.Name)
		x, y := a.Field(i), b.Field(i)
		switch {
		case key.skip || !field.IsExported():
		case isTable(field.Type):
			compareTables(prefix, key, x, y, differs)
		case !same(x, y, key.set):
			differs(prefix + key.name)
		}
	}
}

// compareTables compares what a struct has in a struct of its own, or in a pointer to
// one that may be nil.
func compareTables(prefix string, key fieldKey, a, b reflect.Value, differs func(key string)) {
	if a.Kind() == reflect.Pointer {
		if a.IsNil() != b.IsNil() {
			differs(prefix + cmp.Or(key.name, key.whole))
		}
		if a.IsNil() || b.IsNil() {
			return
		}
		a, b = a.Elem(), b.Elem()
	}
	if key.name != "" {
		prefix += key.name + "."
	}
	compare(prefix, a, b, differs)
}

// isTable reports whether a type's fields are keys of their own.
func isTable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[policy.Limits](), reflect.TypeFor[policy.Gate](), reflect.TypeFor[identity.Trust]():
		return true
	}
	// Endpoint and Source are values of one key.
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[Config]().PkgPath() &&
		t != reflect.TypeFor[Endpoint]() && t != reflect.TypeFor[Source]()
}

// same compares two values of one key.
func same(a, b reflect.Value, set bool) bool {
	switch x := a.Interface().(type) {
	case *identity.Own:
		return x.Equal(b.Interface().(*identity.Own))
	case []*x509.Certificate:
		return slices.EqualFunc(x, b.Interface().([]*x509.Certificate), (*x509.Certificate).Equal)
	case policy.Networks, policy.Services: // nil: all; empty: none
		return reflect.DeepEqual(x, b.Interface())
	}
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	if set {
		return slices.Equal(inOrder(a), inOrder(b))
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// inOrder tells the elements of a list in an order of their own.
func inOrder(list reflect.Value) []string {
	words := make([]string, list.Len())
	for i := range words {
		words[i] = fmt.Sprintf("%+v", list.Index(i).Interface())
	}
	slices.Sort(words)
	return words
}

// diffLAN also tells which frame types are routed otherwise.
func diffLAN(a, b *LAN) []string {
	keys := changedKeys("", *a, *b)
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		x, _ := a.frame(e)
		if y, _ := b.frame(e); x != y && !slices.Contains(keys, b.key(e)) {
			keys = append(keys, b.key(e))
		}
	}
	return keys
}

// diffSegment also tells whether the segment has other parts of LANs.
func diffSegment(a, b *Segment) []string {
	keys := changedKeys("", *a, *b)
	same := slices.EqualFunc(a.LANs, b.LANs, func(x, y SegmentLAN) bool {
		return x.LAN.Name == y.LAN.Name && slices.Equal(x.Frames, y.Frames)
	})
	if !same {
		keys = append(keys, "lans")
	}
	return keys
}

// diffSite also tells whether the site's IPX is bridged elsewhere, or no longer. Most
// keys of its IPX mean nothing then, and need not be named.
func diffSite(a, b *Site) []string {
	keys := changedKeys("", *a, *b)
	if segmentName(a) == segmentName(b) {
		return keys
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "ipx" || strings.HasPrefix(key, "ipx.") })
	return append(keys, "segment")
}

func segmentName(s *Site) string {
	if s.Segment == nil {
		return ""
	}
	return s.Segment.Name
}

// liveFields are those of Daemon that a running daemon takes over.
var liveFields = []string{"Listen", "Metrics", "Web", "Identity", "CertificatePath", "Hooks"}

// apartFields are the fields of Config that are compared table by table, or follow from
// others.
var apartFields = []string{"Path", "Files", "Daemon", "Listen", "LANs", "Segments", "Sites"}

// restartKeys names what only a restart takes over.
func restartKeys(old, new *Config) (keys []string) {
	a, b := reflect.ValueOf(*old), reflect.ValueOf(*new)
	for i := range a.NumField() {
		if f := a.Type().Field(i); f.IsExported() && !slices.Contains(apartFields, f.Name) && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, spelled(f.Name))
		}
	}
	live := new.Daemon
	keepFields(&live, old.Daemon, liveFields)
	return append(keys, changedKeys("daemon.", old.Daemon, live)...)
}

// keepFields puts the fields of from that are named into those of to.
func keepFields[T any](to *T, from T, names []string) {
	for _, name := range names {
		reflect.ValueOf(to).Elem().FieldByName(name).Set(reflect.ValueOf(from).FieldByName(name))
	}
}

// After returns c as a daemon that runs old can carry it out: what needs a restart
// stays as it is until then.
func (c *Config) After(old *Config) *Config {
	next := *c
	daemon := old.Daemon
	keepFields(&daemon, c.Daemon, liveFields)
	next.Daemon = daemon
	for f := range reflect.TypeFor[Config]().NumField() {
		if name := reflect.TypeFor[Config]().Field(f).Name; reflect.TypeFor[Config]().Field(f).IsExported() && !slices.Contains(apartFields, name) {
			keepFields(&next, *old, []string{name})
		}
	}
	next.Sites = nil
	for _, s := range c.Sites {
		next.Sites = append(next.Sites, s.underName(c.Daemon.Name, old.Daemon.Name))
	}
	return &next
}

// underName returns s with the daemon's name that is in force, if it goes by that.
func (s *Site) underName(new, old string) *Site {
	if s.Auth.Name != new || new == old {
		return s
	}
	kept := *s
	kept.Auth.Name = old
	return &kept
}
