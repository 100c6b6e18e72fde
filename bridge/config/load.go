package config

import (
	"cmp"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Load reads and checks the configuration at path, with the files that it
// includes, the secrets and the certificates that it names. Its error is a *Faults.
func Load(path string) (*Config, error) {
	faults := new(Faults)
	return load(readDocument(path, faults), faults)
}

// load checks what main and the files that it includes hold.
func load(main *document, faults *Faults) (*Config, error) {
	d := &draft{Config: &Config{Path: main.path}, faults: faults, now: time.Now()}
	if main.values != nil || len(*faults) == 0 {
		d.read(main)
		d.agree()
	}
	if len(*faults) > 0 {
		faults.inOrder(d.Files)
		return nil, faults
	}
	return d.Config, nil
}

// A draft is a Config whose values may still contradict each other. It remembers
// where each table stands, for the faults that this may bring.
type draft struct {
	*Config
	faults    *Faults
	now       time.Time // for certificates
	daemonAt  *table
	radiusAt  *table
	lanAt     map[*LAN]*table
	segmentAt map[*Segment]*table
	siteAt    map[*Site]*siteTables
	userAt    map[*User]place
	cas       map[string][]*x509.Certificate // read so far, by text: all sites may have the same
}

// siteTables are where the parts of a site stand.
type siteTables struct{ site, auth, encryption, ip, ipx *table }

// read takes the tables of all files one by one.
func (d *draft) read(main *document) {
	top := main.table()
	d.Files = append(d.Files, main.path)
	d.daemonAt = top.sub("daemon")
	d.readDaemon(d.daemonAt)
	d.radiusAt = top.sub("radius")
	d.readRadius(d.radiusAt)
	defaults := top.sub("defaults")
	var lans, segments, sites []*table
	take := func(t *table) {
		lans = append(lans, t.named("lan")...)
		segments = append(segments, t.named("segment")...)
		sites = append(sites, t.named("site")...)
	}
	take(top)
	included := d.include(top)
	for _, doc := range included {
		take(doc.table())
	}
	top.unknown()
	for _, doc := range included {
		onlyNamed(doc)
	}
	d.readLANs(unique(lans))
	d.readSites(unique(sites), defaults)
	d.readSegments(unique(segments))
	if len(d.Sites) > 0 {
		defaults.unknownBelow()
	}
}

// include reads the files that the key names, by patterns as a shell has them.
func (d *draft) include(top *table) []*document {
	v, ok := top.get("include")
	if !ok {
		return nil
	}
	var docs []*document
	for _, raw := range elements(v) {
		for _, path := range matches(v, raw) {
			fi, err := os.Stat(path)
			switch {
			case slices.Contains(d.Files, path):
				v.fault(strconv.Quote(path)+" would be read twice", "name each file once, and not this one")
			case err == nil && !fi.Mode().IsRegular():
				v.fault(strconv.Quote(path)+" is not a file", "name files")
			default:
				d.Files = append(d.Files, path)
				docs = append(docs, readDocument(path, d.faults))
			}
		}
	}
	return docs
}

// matches returns the files that a pattern stands for, without those that keep what
// was learned: they stand beside their sites. That no file is there is only wrong
// when the pattern is the name of one.
func matches(at value, raw any) []string {
	pattern, wrong := text(raw)
	if wrong != nil {
		at.wrong(wrong)
		return nil
	}
	paths, err := filepath.Glob(at.doc.beside(pattern))
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, learnedSuffix) })
	if err != nil {
		at.fault(show(raw)+" is not a pattern for files", `write it as in "sites.d/*.toml"`)
	} else if len(paths) == 0 && !strings.ContainsAny(pattern, `*?[\`) {
		at.fault("there is no file "+show(raw), "make the file, or leave it out")
	}
	return paths
}

// onlyNamed reports what an included file must not hold.
func onlyNamed(doc *document) {
	for key := range doc.values {
		switch key {
		case "lan", "segment", "site":
		case "daemon", "defaults", "include", "radius":
			doc.whole().below(key).fault("an included file cannot have it", "write it in the main file")
		default:
			doc.whole().below(key).fault("unknown key", "known in an included file are lan, segment, site")
		}
	}
}

// unique leaves out the tables whose name an earlier one has, and sorts by name.
// Within one file the decoder has seen to it.
func unique(tables []*table) []*table {
	first := map[string]*table{}
	for _, t := range tables {
		if other := first[t.name()]; other != nil {
			t.fault("the name is taken in "+other.doc.path, "write another name")
			continue
		}
		first[t.name()] = t
	}
	return slices.SortedFunc(maps.Values(first), func(a, b *table) int { return cmp.Compare(a.name(), b.name()) })
}
