package config

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// What was learned may be odder than what anybody would write: a peer chose it.
const (
	maxLearnedTicks = 0xffff
	writeAnew       = "have sitebridge ipx update write the file anew"
	learnedHeader   = "# Written by `sitebridge ipx update SITE`, and read at the start: what is behind the\n" +
		"# site, as its router told. Run that again to renew it; changes by hand are lost then.\n" +
		"# A name of other octets than printable ASCII stands as name_hex.\n"
)

// ReadLearned reads what an update wrote to path. Its error is fs.ErrNotExist where
// there is no such file, else a *Faults.
func ReadLearned(path string) ([]IPXRoute, []IPXService, error) {
	faults := new(Faults)
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("read what was learned: %w", err)
	case err == nil && !fi.Mode().IsRegular():
		faults.add(Fault{File: path, Reason: "not a file", Fix: "name one that sitebridge ipx update may write"})
		return nil, nil, faults
	}
	t := readDocument(path, faults).table()
	if len(*faults) > 0 {
		return nil, nil, faults
	}
	routes := readEntries(t, "networks", learnedRoute)
	services := readEntries(t, "services", learnedService)
	t.unknown()
	t.noneTwice(routes, services)
	if len(*faults) > 0 {
		return nil, nil, faults
	}
	return routes, services, nil
}

// readEntries reads a list of tables, up to the first that is wrong: what to do about
// it is the same for all.
func readEntries[T any](t *table, key string, entry func(*table) T) (all []T) {
	v, ok := t.get(key)
	if !ok {
		return nil
	}
	for _, keys := range tablesOf(v) {
		e := &table{place: v.place, values: keys, known: map[string]bool{}}
		all = append(all, entry(e))
		e.unknown()
		if len(*t.doc.faults) > 0 {
			return nil
		}
	}
	return all
}

// tablesOf returns a list of tables in either of the decoder's forms.
func tablesOf(v value) []map[string]any {
	if all, ok := v.raw.([]map[string]any); ok {
		return all
	}
	var all []map[string]any
	for _, raw := range elements(v) {
		keys, ok := raw.(map[string]any)
		if !ok {
			v.fault(show(raw)+" is not a table", writeAnew)
			return nil
		}
		all = append(all, keys)
	}
	return all
}

// needed is read for a key that must be there.
func needed[T any](t *table, key string, parse func(any) (T, *mistake)) (got T) {
	if !t.has(key) {
		t.below(key).fault("missing", writeAnew)
	}
	return read(t, key, got, parse)
}

func learnedRoute(e *table) IPXRoute {
	return IPXRoute{
		Network: needed(e, "network", learnedNetwork),
		Hops:    uint8(needed(e, "hops", number(0, maxHops))),
		Ticks:   uint16(needed(e, "ticks", number(0, maxLearnedTicks))),
	}
}

// learnedNetwork parses the number of a network behind a peer, which may be the
// default route.
func learnedNetwork(raw any) (ipx.Network, *mistake) {
	s, _ := raw.(string)
	n, err := ipx.ParseNetwork(s)
	if err != nil || !isLearnedNetwork(n) {
		return 0, notA(raw, "the number of an IPX network", networkFix+`, or "FFFFFFFE" for the default route`)
	}
	return n, nil
}

func isLearnedNetwork(n ipx.Network) bool { return n.Assignable() || n == ipx.DefaultRoute }

func learnedService(e *table) IPXService {
	s := IPXService{
		Type:    uint16(needed(e, "type", serviceType)),
		Address: needed(e, "address", learnedAddress),
		Hops:    uint8(needed(e, "hops", number(0, maxHops))),
	}
	if e.has("name") == e.has("name_hex") {
		e.below("name").fault("a service has either name or name_hex", writeAnew)
	}
	s.Name = read(e, "name", "", learnedName) + read(e, "name_hex", "", learnedNameHex)
	return s
}

func serviceType(raw any) (sap.ServiceType, *mistake) {
	s, _ := raw.(string)
	kind, err := sap.ParseServiceType(s)
	if err != nil || kind == sap.AnyType {
		return 0, notA(raw, "the type of a service", `write quoted hexadecimal, "0000" to "FFFE"`)
	}
	return kind, nil
}

func learnedAddress(raw any) (ipx.Addr, *mistake) {
	s, _ := raw.(string)
	a, err := ipx.ParseAddr(s)
	if err != nil || !a.Network.Assignable() {
		return ipx.Addr{}, notA(raw, "the address of a service", `write it as in "00005EA1:000000000001:0451"`)
	}
	return a, nil
}

func learnedName(raw any) (string, *mistake) {
	s, ok := raw.(string)
	if !ok || !isLearnedName(s) {
		return "", notA(raw, "the name of a service", fmt.Sprintf("write at most %d octets, none of them zero", maxServiceName))
	}
	return s, nil
}

func learnedNameHex(raw any) (string, *mistake) {
	s, _ := raw.(string)
	name, err := hex.DecodeString(s)
	if err != nil {
		return "", notA(raw, "a name in hexadecimal", "write two digits for each octet")
	}
	return learnedName(string(name))
}

func isLearnedName(s string) bool { return len(s) <= maxServiceName && !strings.Contains(s, "\x00") }

// noneTwice reports what stands in the file twice.
func (t *table) noneTwice(routes []IPXRoute, services []IPXService) {
	networks := map[ipx.Network]bool{}
	for _, r := range routes {
		networks[r.Network] = true
	}
	if len(networks) < len(routes) {
		t.at("networks").fault("a network stands there twice", writeAnew)
	}
	names := map[serviceKey]bool{}
	for _, s := range services {
		names[s.key()] = true
	}
	if len(names) < len(services) {
		t.at("services").fault("a service stands there twice", writeAnew)
	}
}

// A serviceKey is what a service is known by.
type serviceKey struct {
	kind uint16
	name string
}

func (v IPXService) key() serviceKey { return serviceKey{v.Type, v.Name} }

// WriteLearned writes what was learned to path, for ReadLearned to read at the next
// start. The file is there whole or not at all, and says the same in the same way:
// two of them can be compared.
func WriteLearned(path string, routes []IPXRoute, services []IPXService) error {
	for _, r := range routes {
		if !isLearnedNetwork(r.Network) || r.Hops > maxHops {
			return fmt.Errorf("write what was learned: network %s, hops %d, cannot be behind a site: leave it out", r.Network, r.Hops)
		}
	}
	for _, s := range services {
		if s.Type == uint16(sap.AnyType) || !s.Address.Network.Assignable() || s.Hops > maxHops || !isLearnedName(s.Name) {
			return fmt.Errorf("write what was learned: service %04X %s at %s, hops %d, cannot be behind a site: leave it out", s.Type, show(s.Name), s.Address, s.Hops)
		}
	}
	if err := replaceFile(path, learnedText(routes, services)); err != nil {
		return fmt.Errorf("write what was learned: %w", err)
	}
	return nil
}

// learnedText is the text of the file, sorted.
func learnedText(routes []IPXRoute, services []IPXService) string {
	routes = slices.SortedFunc(slices.Values(routes), func(a, b IPXRoute) int { return cmp.Compare(a.Network, b.Network) })
	services = slices.SortedFunc(slices.Values(services), func(a, b IPXService) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	var b strings.Builder
	b.WriteString(learnedHeader + "\nnetworks = [\n")
	for _, r := range routes {
		fmt.Fprintf(&b, "  { network = \"%s\", hops = %d, ticks = %d },\n", r.Network, r.Hops, r.Ticks)
	}
	b.WriteString("]\n\nservices = [\n")
	for _, s := range services {
		fmt.Fprintf(&b, "  { type = \"%04X\", %s, address = \"%s\", hops = %d },\n", s.Type, nameText(s.Name), s.Address, s.Hops)
	}
	return b.String() + "]\n"
}

// nameText is a name as it stands in the file.
func nameText(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Sprintf(`name_hex = "%X"`, name)
	}
	return `name = "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// replaceFile puts text where path is, at once: whoever reads it sees the old file
// or the new one, also after a crash. The daemon, which may be another user, can
// read it.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more when all went well
	if err := fill(f, text); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// fill writes text to f and closes it.
func fill(f *os.File, text string) error {
	const mode fs.FileMode = 0o644
	_, err := f.WriteString(text)
	err = cmp.Or(err, f.Chmod(mode), f.Sync())
	return cmp.Or(err, f.Close())
}

// syncFolder makes a rename last.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return cmp.Or(folder.Sync(), folder.Close())
}
