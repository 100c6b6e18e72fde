package config

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sitebridge/ipx"
)

// Whatever the text is, it is either refused, with a key or file, a reason and a
// fix in every line, or it becomes a configuration that keeps what the types
// promise.
func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add(minimal)
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
	for _, name := range []string{"out", "in", "secrets/branch1.out", "secrets/branch1.in", "secrets/branch2.in", "secrets/win98.in"} {
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
		case s.Auth.SecretOut == "" && len(s.Dial) > 0, s.Auth.SecretIn == "" && s.Answer:
			t.Errorf("site %s lacks a secret", s.Name)
		case s.Answer && c.Caller(s.Auth.PeerName) != s, slices.Contains(c.OwnNames(), s.Auth.PeerName):
			t.Errorf("site %s is not known by %q", s.Name, s.Auth.PeerName)
		case s.Segment != nil && (s.IPX == nil || len(s.IPX.Routes) > 0):
			t.Errorf("site %s bridges and routes", s.Name)
		}
		devices[s.Device] = true
		for _, p := range s.Required {
			if !s.Runs(p) {
				t.Errorf("site %s requires %s and does not run it", s.Name, p)
			}
		}
	}
	for _, segment := range c.Segments {
		for _, l := range segment.LANs {
			for _, e := range l.Frames {
				if slices.ContainsFunc(l.LAN.Frames, func(f Frame) bool { return f.Encapsulation == e }) || e >= ipx.Encapsulations {
					t.Errorf("%v on LAN %s is bridged and routed", e, l.LAN.Name)
				}
			}
		}
	}
	for _, w := range c.Warnings() {
		if strings.Contains(w.String(), "hunter2") {
			t.Errorf("the secret is shown: %v", w)
		}
	}
}
