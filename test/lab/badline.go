package lab

import "sitebridge/internal/netlab"

// BadLine puts a relay into the place of the WAN's switch, before any daemon is
// started. Site a is its A. It is a good line until the test sets faults; a test that
// changes them waits for conditions, such as how much of what has passed, and not for
// time.
func (w *World) BadLine(seed uint64) *netlab.Relay {
	w.T.Helper()
	for name, site := range map[string]*netlab.Namespace{"site-a": w.SiteA, "site-b": w.SiteB} {
		w.Unplug(name)
		site.Plain("wan")
	}
	return w.Lab.Relay(w.WAN, "site-a", w.WAN, "site-b", seed)
}
