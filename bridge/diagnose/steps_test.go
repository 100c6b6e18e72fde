package diagnose

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/ip"
	"sitebridge/ppp"
)

// An invented World has nothing wrong with it but what a test changes.
type invented struct {
	setup   Setup
	lookup  Lookup
	way     Way
	reach   Reach
	attempt Attempt
	tried   int
}

func healthy() *invented {
	up := inNetwork(func(p *ppp.Status) {
		p.NCPs = []ppp.NCPState{{Name: "IPCP", Opened: true}, {Name: "IPXCP", Opened: true}}
	})
	up.Up = true
	return &invented{
		setup:  Setup{Site: "hq", State: "waiting", Dials: true, NCPs: []string{"IPCP", "IPXCP"}, Required: []string{"IPCP"}, Policy: "disabled", IP: true, IPX: true, TLS: true},
		lookup: Lookup{Host: "hq.example.net", Addrs: []netip.AddrPort{target}},
		way:    Way{To: target, Way: ip.Way{Device: "wan"}}, reach: Reach{To: target, Peer: "hq"}, attempt: up,
	}
}

func (w *invented) Setup() Setup                                    { return w.setup }
func (w *invented) Names(context.Context) []Lookup                  { return []Lookup{w.lookup} }
func (w *invented) Ways([]netip.AddrPort) []Way                     { return []Way{w.way} }
func (w *invented) Reach(context.Context, []netip.AddrPort) []Reach { return []Reach{w.reach} }
func (w *invented) Calls() Calls                                    { return Calls{Listen: []string{"0.0.0.0:1723"}} }
func (w *invented) Try(context.Context) Attempt                     { w.tried++; return w.attempt }
func (w *invented) Path(context.Context, Attempt) Path {
	return Path{Peer: peer, Small: true, Outer: 1500, Tried: 1500}
}
func (w *invented) Filter() ip.Filter { return ip.Filter{Device: "wan"} }
func (w *invented) Kernel() Kernel {
	return Kernel{Device: ip.Device{Name: "sb-hq", Up: true, MTU: 1460}, Sum: ip.InnerMTU(1500, 4, 0)}
}
func (w *invented) IPX() IPX {
	return IPX{Routed: true, Open: true, Behind: 1, LANs: []LAN{{Name: "office", Frames: 1}}}
}
func (w *invented) Certificates() Certificates {
	return Certificates{Now: now, All: []Certificate{{"hq", "our own", now.Add(-time.Hour), now.Add(9000 * time.Hour)}}}
}

func walked(w *invented) (map[string]Finding, Conclusion) {
	found := map[string]Finding{}
	c := Run(context.Background(), w, func(f Finding) { found[f.Step] = f })
	return found, c
}

func TestNothingIsWrong(t *testing.T) {
	found, c := walked(healthy())
	if c != (Conclusion{Site: "hq", Verdict: OK, Words: "nothing is wrong with hq"}) {
		t.Errorf("concluded %+v", c)
	}
	for name, f := range found {
		if f.Verdict != OK && name != "site" || f.Looked == "" || f.Words == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if _, there := found["ipv6cp"]; there {
		t.Error("IPv6 was looked at, which the site does not carry")
	}
}

// TestDependence: what depends on a fault is not looked at and says why; the rest is.
func TestDependence(t *testing.T) {
	free := []string{"interface", "routes", "forwarding", "mss", "ipx_frames", "ipx_numbers", "certificates"}
	for name, test := range map[string]struct {
		spoil func(*invented)
		fault string
		not   []string // not looked at
	}{
		"name": {func(w *invented) { w.lookup = Lookup{Host: "x", Err: errors.New("odd")} }, "name",
			[]string{"route", "rp_filter", "tcp", "control", "call", "carrier", "gre_out", "gre_back", "nat", "path_mtu", "link", "authentication", "encryption", "ipcp", "ipxcp", "ipx_behind"}},
		"route":   {func(w *invented) { w.way.Tunnel = "x" }, "route", []string{"rp_filter", "tcp", "control", "call", "link"}},
		"tcp":     {func(w *invented) { w.reach.TCP = errors.New("odd") }, "tcp", []string{"control", "call", "link", "ipcp"}},
		"control": {func(w *invented) { w.reach.Control = errors.New("odd") }, "control", []string{"call", "gre_back"}},
		"stopped": {func(w *invented) { w.setup.Stopped = true }, "site", []string{"call", "gre_back"}},
		"call":    {func(w *invented) { w.attempt = Attempt{Err: errors.New("odd")} }, "call", []string{"carrier", "gre_out", "nat", "link", "ipx_behind"}},
		"gre":     {func(w *invented) { w.attempt = deaf(nil) }, "gre_back", []string{"link", "authentication", "ipxcp"}},
		"auth":    {func(w *invented) { w.attempt = ended(ppp.AuthFailed, "x") }, "authentication", []string{"encryption", "ipcp", "ipxcp"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := healthy()
			test.spoil(w)
			found, c := walked(w)
			if c.Verdict != Fault || c.Step != test.fault || !strings.HasPrefix(c.Words, test.fault+": ") {
				t.Errorf("concluded %+v, want a fault at %s", c, test.fault)
			}
			for _, step := range test.not {
				if f := found[step]; f.Verdict != Unknown || !strings.HasPrefix(f.Words, "not looked at") {
					t.Errorf("%s: %+v, want it not looked at", step, f)
				}
			}
			for _, step := range free {
				if f := found[step]; f.Verdict != OK {
					t.Errorf("%s: %+v, want it looked at", step, f)
				}
			}
			if slices.Contains(test.not, "call") != (w.tried == 0) {
				t.Errorf("dialled %d times", w.tried)
			}
		})
	}
}

// TestCallThatIsThere: a name that does not resolve any more does not end a call.
func TestCallThatIsThere(t *testing.T) {
	w := healthy()
	w.setup.Call, w.setup.Up, w.lookup = true, true, Lookup{Host: "x", Err: errors.New("odd")}
	found, c := walked(w)
	if c.Step != "name" || found["call"].Verdict != OK || found["ipcp"].Verdict != OK || found["control"].Verdict != OK {
		t.Errorf("concluded %+v of %+v", c, found)
	}
}

func TestIdleSiteIsLeftAlone(t *testing.T) {
	w := healthy()
	w.setup.State, w.setup.Idle = "idle", true
	found, c := walked(w)
	if w.tried != 0 || found["call"].Verdict != Unknown || c.Verdict != Unknown {
		t.Errorf("dialled %d times; %+v; %+v", w.tried, found["call"], c)
	}
}

func TestWithoutDaemon(t *testing.T) {
	w := healthy()
	w.setup.State, w.setup.Reason = "", "no sitebridge answers"
	found, c := walked(w)
	if w.tried != 0 || c.Step != "site" || found["control"].Verdict != OK || found["ipx_frames"].Verdict != Unknown || found["certificates"].Verdict != OK {
		t.Errorf("dialled %d times; %+v; %+v", w.tried, found, c)
	}
}

// TestPool: what a site with many callers has for each of them is left out.
func TestPool(t *testing.T) {
	w := healthy()
	w.setup.State, w.setup.Dials, w.setup.Answers, w.setup.Pool = "listening", false, true, true
	found, c := walked(w)
	if c.Verdict != OK || w.tried != 0 || found["calls"].Verdict != OK || found["forwarding"].Verdict != OK {
		t.Errorf("dialled %d times; %+v; %+v", w.tried, found, c)
	}
	for _, step := range []string{"call", "gre_back", "link", "ipcp", "routes", "mss", "ipx_behind"} {
		if f, there := found[step]; there {
			t.Errorf("%s: %+v", step, f)
		}
	}
}

func TestTimeIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := Run(ctx, healthy(), func(f Finding) {
		if f.Verdict != Unknown {
			t.Errorf("%+v", f)
		}
	})
	if c.Verdict == OK {
		t.Errorf("concluded %+v of nothing", c)
	}
}

// TestAttackHostileNames: whatever part of a finding others have chosen, no control
// character of theirs reaches a terminal or a log (row H, hostile names).
func TestAttackHostileNames(t *testing.T) {
	const evil = "\x1b]0;owned\x07\r\n\x9b31m\u202e\u0085\xff<script>"
	w := healthy()
	w.lookup.Host = evil
	w.reach.Control = errors.New(evil)
	w.setup.Call = true
	w.attempt = ended(ppp.PeerTerminated, evil)
	var all []Finding
	c := Run(context.Background(), w, func(f Finding) { all = append(all, f) })
	text := c.Words
	for _, f := range all {
		text += f.Words
	}
	if !strings.Contains(text, `\x1b]0;owned\x07`) || !strings.Contains(text, `\u202e\u0085\xff<script>`) {
		t.Errorf("the names are not there, escaped: %q", text)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e || r == '\uFFFD' {
			t.Errorf("%q is shown as it is", r)
		}
	}
}

// FuzzEscape: what comes out can be shown, and what can be shown comes out as it was.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[0m", "\xff\xfe", "\uFFFD", "tab\t", "zwölf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := escape(s)
		if again := escape(got); again != got {
			t.Errorf("%q became %q, and that %q", s, got, again)
		}
		if strings.ContainsAny(got, "\x1b\r\n\t\x00") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestStepNamesAreDifferent(t *testing.T) {
	names := StepNames()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is there twice", name)
		}
	}
	for _, s := range steps {
		for _, need := range s.needs {
			if at := slices.Index(names, need); at < 0 || at >= slices.Index(names, s.name) {
				t.Errorf("%s needs %s, which does not come before it", s.name, need)
			}
		}
	}
}
