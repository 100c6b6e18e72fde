package config

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ppp/auth"
)

// Whatever the text is, it is either refused, with a key or file, a reason and a
// fix in every line, or it becomes a configuration that keeps what the types
// promise.
func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add(minimal)
	f.Add(certified)
	f.Add(withMethods(`["eap-tls", "mschapv2"]`, "methods = [\"aead\", \"mppe-128\"]\ndowngrade = \"allowed\"\nmppe_stateful = true"))
	f.Add(routed)
	f.Add(strings.Replace(routed, atB1, atB1+"exchange = \"auto-static\"\nservices = [\"4 FS1 21:1:451\"]\nwatchdogs = true\nfilter_in = [\"deny type 20\"]\n[lan.dos]\ndosbox = \"0.0.0.0:213\"\nnetwork = \"D0\"\n", 1))
	f.Add("\ufeff[daemon]\nname = \"hq\"\n")
	f.Add("[[site]]\n[site.a]\n")
	f.Add("site.\"a\\nb\" = { ip = {}, dial = [ {} ], auth = { methods = [1, [2]] } }")
	f.Add("[segment.s]\nlans = [{ lan = \"x\", frame = [\"ethernet_ii\"] }]\n[lan.x]\ntap = \"t\"")
	if b, err := os.ReadFile(examplePath); err != nil {
		f.Fatal(err)
	} else {
		f.Add(string(b))
	}
	d := newDir(f, "")
	d.ofExample()
	for _, name := range []string{"out", "in", "secrets/branch3.out", "secrets/branch3.in"} {
		d.secret(name, "hunter2 "+name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // would read files of this machine
		}
		faults := new(Faults)
		doc := &document{path: d.path(), faults: faults}
		doc.decode(text)
		c, err := load(doc, faults)
		if err != nil {
			checkFaults(t, err)
			return
		}
		checkConfig(t, c)
	})
}

func checkFaults(t *testing.T, err error) {
	faults, ok := errors.AsType[*Faults](err)
	if !ok || len(*faults) == 0 {
		t.Fatalf("%v is no list of faults", err)
	}
	for i, f := range *faults {
		if f.File == "" || f.Reason == "" || f.Fix == "" || f.Line < 0 {
			t.Errorf("fault without a file, reason or fix: %+v", f)
		}
		if slices.Contains((*faults)[:i], f) {
			t.Errorf("told twice: %v", f)
		}
		odd := func(r rune) bool { return !unicode.IsPrint(r) }
		if line := f.Error(); strings.Contains(line, "hunter2") || strings.ContainsFunc(line, odd) {
			t.Errorf("a secret or a control character is shown: %q", line)
		}
	}
}

func checkConfig(t *testing.T, c *Config) {
	if !isName(c.Daemon.Name) || len(c.Sites) == 0 {
		t.Errorf("daemon %q with %d sites", c.Daemon.Name, len(c.Sites))
	}
	devices := map[string]bool{}
	for _, s := range c.Sites {
		switch {
		case len(s.Dial) == 0 && !s.Answer, s.Answer && len(c.Daemon.Listen) == 0:
			t.Errorf("site %s is never reached", s.Name)
		case len(s.Required) == 0, len(s.Auth.Methods) == 0, devices[s.Device]:
			t.Errorf("site %s lacks what it needs: %+v", s.Name, s)
		case s.Answer && !slices.Contains(c.Callers(s.Auth.Methods[0]), s):
			t.Errorf("site %s is not among the callers", s.Name)
		case s.Answer && c.Caller(s.Auth.PeerName) != s, slices.Contains(c.OwnNames(), s.Auth.PeerName):
			t.Errorf("site %s is not known by %q", s.Name, s.Auth.PeerName)
		case s.Segment != nil && s.IPX == nil:
			t.Errorf("site %s bridges nothing", s.Name)
		}
		if s.IPX != nil {
			checkIPX(t, s)
		}
		devices[s.Device] = true
		checkProof(t, c, s)
		checkEncryption(t, s)
		for _, p := range s.Required {
			if !s.Runs(p) {
				t.Errorf("site %s requires %s and does not run it", s.Name, p)
			}
		}
	}
	for _, l := range c.LANs {
		checkLAN(t, l)
	}
	for _, segment := range c.Segments {
		for _, l := range segment.LANs {
			for _, e := range l.Frames {
				if !slices.Contains(l.LAN.frames(), e) {
					t.Errorf("segment %s has %v on LAN %s", segment.Name, e, l.LAN.Name)
				}
				if slices.ContainsFunc(l.LAN.Frames, func(f Frame) bool { return f.Encapsulation == e }) || e >= ipx.Encapsulations {
					t.Errorf("%v on LAN %s is bridged and routed", e, l.LAN.Name)
				}
			}
		}
	}
	if m := c.Daemon.Metrics; m.IsValid() && !m.Addr().IsLoopback() && !strings.HasPrefix(c.Warnings()[0].String(), "daemon: metrics") {
		t.Errorf("metrics at %v, and nobody is told", m)
	}
	if w := c.Daemon.Web; w.IsValid() && !w.Addr().IsLoopback() && !slices.ContainsFunc(c.Warnings(), func(w Warning) bool { return strings.HasPrefix(w.Text, "the status page can be read") }) {
		t.Errorf("the status page at %v, and nobody is told", w)
	}
	for _, w := range c.Warnings() {
		if strings.Contains(w.String(), "hunter2") {
			t.Errorf("the secret is shown: %v", w)
		}
	}
}

// checkIPX looks whether a site has what its way to exchange needs, and nothing else.
func checkIPX(t *testing.T, s *Site) {
	x := s.IPX
	l := x.Limits
	periodic := x.Exchange == ExchangeRIPSAP || x.Exchange == ExchangeTriggered
	switch {
	case x.Watchdogs && x.Hold == 0, x.Gate.PassNetBIOS != (x.NetBIOS != policy.PropagateOff):
		t.Errorf("site %s contradicts itself: %+v", s.Name, x)
	case s.Segment != nil:
		routes := *x
		routes.Gate, routes.NetBIOS, routes.Hold, routes.Watchdogs, routes.Compression = policy.Gate{}, 0, 0, false, 0
		if !reflect.DeepEqual(routes, IPX{}) || x.NetBIOS == policy.PropagateReverse {
			t.Errorf("site %s bridges and routes: %+v", s.Name, x)
		}
	case x.Workstation && (x.Learns() || x.IPXWAN), periodic != (x.Update > 0), (x.Exchange == ExchangeAutoStatic) != (x.Learned != ""),
		x.Learns() != (l.MaxNetworks > 0), x.Learns() != (l.MaxServices > 0), !x.Learns() && (l.AcceptNetworks != nil || l.AcceptServices != nil):
		t.Errorf("site %s exchanges by %+v", s.Name, x)
	}
	for _, r := range slices.Concat(x.Gate.In, x.Gate.Out) {
		if again, err := policy.ParseRule(r.String()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%v is %v again: %v", r, again, err)
		}
	}
}

// checkLAN looks whether a LAN is one thing.
func checkLAN(t *testing.T, l *LAN) {
	kinds := 0
	for _, is := range []bool{l.Interface != "", l.TAP != "", l.DOSBox != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 || l.Exchange != ExchangeRIPSAP && l.Exchange != ExchangeStatic {
		t.Errorf("LAN %s is %+v", l.Name, l)
	}
	for _, f := range l.Frames {
		if !slices.Contains(l.frames(), f.Encapsulation) {
			t.Errorf("LAN %s has %v", l.Name, f.Encapsulation)
		}
	}
}

// checkProof looks whether both ends have something to prove themselves with, and
// nothing else.
func checkProof(t *testing.T, c *Config, s *Site) {
	a := s.Auth
	secrets := slices.ContainsFunc(secretMethods, a.Allows)
	switch {
	case secrets && (a.SecretOut == "" && len(s.Dial) > 0 || a.SecretIn == "" && s.Answer):
		t.Errorf("site %s lacks a secret", s.Name)
	case !secrets && (a.SecretOut != "" || a.SecretIn != ""):
		t.Errorf("site %s has a secret and no use for it", s.Name)
	case a.Allows(auth.EAPTLS) != (a.Trust != nil), a.Trust != nil && c.Daemon.Identity == nil:
		t.Errorf("site %s lacks what EAP-TLS needs: %+v", s.Name, a)
	case a.Trust != nil && (a.Trust.Pinned == (len(a.Trust.CAs) > 0) || a.Trust.Pinned && a.Trust.CRL != "" || a.Trust.Name != a.PeerName):
		t.Errorf("site %s knows its peer by %+v", s.Name, a.Trust)
	}
}

// checkEncryption looks whether keys fit, and whether what is weak is written.
func checkEncryption(t *testing.T, s *Site) {
	e := s.Encryption
	switch disabled := e.Policy == PolicyDisabled; {
	case disabled != (len(e.Methods) == 0), e.Stateful && !e.Allows(MPPE128), len(e.Methods) > 2:
		t.Errorf("site %s is encrypted by %+v", s.Name, e)
	case e.Allows(AEAD) && !s.Auth.Allows(auth.EAPTLS):
		t.Errorf("site %s has no keys for aead", s.Name)
	}
	for _, m := range s.Auth.Methods {
		if e.Policy == PolicyRequired && !slices.ContainsFunc(leaves[m], e.Allows) {
			t.Errorf("site %s requires %v, and %v leaves no keys for it", s.Name, e.Methods, m)
		}
	}
	if weak := e.Policy != PolicyRequired || e.Allows(MPPE128); weak != (len(e.weaknesses()) > 0) {
		t.Errorf("site %s: told of %+v: %q", s.Name, e, e.weaknesses())
	}
}
