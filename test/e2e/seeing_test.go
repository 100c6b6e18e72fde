package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// tellHook is a hook that notes what it is told and what it may do.
const tellHook = `#!/bin/sh
echo "$SITEBRIDGE_EVENT $SITEBRIDGE_SITE $SITEBRIDGE_PEER ($SITEBRIDGE_REASON)" >> "${0%/*}/told"
grep -E '^(Cap|NoNew)' /proc/$$/status > "${0%/*}/status"
env > "${0%/*}/env"
`

// TestSeeing looks at one link in every way that an operator has: events and hooks,
// captures of both layers that a dissector reads though the link is encrypted, and the
// negotiation in words.
func TestSeeing(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	hooks := filepath.Join(w.Dir, "hooks")
	if err := os.Mkdir(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hooks, "tell"), []byte(tellHook), 0o700); err != nil {
		t.Fatal(err)
	}
	a := w.Start(w.SiteA, lab.Config{}.Certified().A())
	a.WaitSite("b", "listening", func(s bridge.SiteStatus) bool { return s.State == bridge.StateListening })
	b := w.Start(w.SiteB, lab.Config{Daemon: `hook = "hooks/tell"`}.Certified().B())
	a.WaitUp("b")
	b.WaitUp("a")
	b.Run("down", "a")

	captures := map[string]string{}
	var running sync.WaitGroup
	for _, layer := range []string{"ppp", "gre"} {
		file := filepath.Join(w.Dir, layer+".pcapng")
		captures[layer] = file
		running.Go(func() {
			if _, errs, code := b.Run("capture", "--layer", layer, "--pcapng", file, "-c", "70", "a"); code != 0 {
				t.Errorf("capture of %s: exit %d: %s", layer, code, errs)
			}
		})
		lab.Wait(t, "the capture has begun", func() bool {
			info, err := os.Stat(file)
			return err == nil && info.Size() > 0
		})
	}
	b.Run("up", "a")
	b.WaitUp("a")
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	for done := false; !done; {
		w.HostA.Command("ping", "-c", "10", "-i", "0.01", "-W", "1", lab.AddrB).Run()
		select {
		case <-ended:
			done = true
		default:
		}
	}
	wantCaptures(t, captures)
	wantTrace(t, a, b)
	wantEvents(t, b, hooks)
}

// wantCaptures has the dissector look: inside of the encryption it finds everything, and
// outside what negotiates it, and packets that it cannot read.
func wantCaptures(t *testing.T, captures map[string]string) {
	t.Helper()
	for _, c := range []struct{ layer, filter string }{
		{"ppp", "lcp && ppp.code == 1"}, {"ppp", "eap"}, {"ppp", "ipcp"}, {"ppp", "ppp.protocol == 0x802b"}, {"ppp", "icmp && ip.src == " + lab.AddrA},
		{"ppp", "frame.packet_flags_direction == 1 && ipcp"}, {"ppp", "frame.packet_flags_direction == 2 && ipcp"},
		{"gre", "gre && lcp && ip.src == " + lab.WANA}, {"gre", "gre && eap && ip.src == " + lab.WANB}, {"gre", "gre.proto == 0x880b && ppp.protocol == 0x0053"},
	} {
		if len(judge.Fields(t, captures[c.layer], c.filter, "frame.number")) == 0 {
			t.Errorf("the capture of %s has no %s", c.layer, c.filter)
		}
	}
	if n := len(judge.Fields(t, captures["gre"], "icmp || ipcp", "frame.number")); n > 0 {
		t.Errorf("%d packets of an encrypted link are in clear", n)
	}
	for _, file := range captures {
		judge.Malformed(t, file)
	}
}

// wantTrace asks both ends in words, the answering one too, which did not know at first
// who called.
func wantTrace(t *testing.T, a, b *lab.Daemon) {
	t.Helper()
	for _, c := range []struct {
		d    *lab.Daemon
		site string
		want []string
	}{
		{a, "b", []string{"<- .*Start-Control-Connection-Request: host \"b\"", "-> .*LCP Configure-Request id \\d+: auth EAP", "EAP Request id \\d+: TLS, start", "ECP Configure-Ack .*aead", "<- .*\\(encrypted\\) IPCP Configure-Request"}},
		{b, "a", []string{"-> .*Outgoing-Call-Request: call ", "<- .*Outgoing-Call-Reply: .*connected", "-> .*IPXCP Configure-Request"}},
	} {
		out, errs, code := c.d.Run("trace", "--last", c.site)
		if code != 0 {
			t.Errorf("trace: exit %d: %s", code, errs)
		}
		for _, want := range c.want {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("the trace of %s has no %s:\n%s", c.site, want, out)
			}
		}
	}
	if _, errs, code := a.Run("trace", "--last", "nobody"); code != 1 || !strings.Contains(errs, `no site "nobody"`) {
		t.Errorf("trace of nobody: exit %d: %s", code, errs)
	}
}

// wantEvents stops the daemon: its last hook runs before it ends.
func wantEvents(t *testing.T, b *lab.Daemon, hooks string) {
	t.Helper()
	out, errs, code := b.Run("events", "--json")
	var kinds []string
	for line := range strings.Lines(out) {
		var e bridge.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); code != 0 || got != "started up down up" {
		t.Errorf("events: exit %d, %q: %s", code, got, errs)
	}
	if out, _, _ := b.Run("events"); !strings.Contains(out, "down a 192.0.2.1: stopped by its operator (up seconds ") {
		t.Errorf("events in words:\n%s", out)
	}
	b.Stop()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(hooks, name))
		if err != nil {
			t.Error(err, b.Log())
		}
		return string(text)
	}
	if got := read("told"); !strings.HasPrefix(got, "started   ()\nup a 192.0.2.1 ()\ndown a 192.0.2.1 (stopped by its operator)\nup a 192.0.2.1 ()\ndown a 192.0.2.1 (") || !strings.HasSuffix(got, "stopped   ()\n") {
		t.Errorf("the hook was told\n%s", got)
	}
	// What is left of the bounding set is ours, which no process without CAP_SETPCAP can
	// make smaller: with no_new_privs nothing can be had from it.
	want := "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t" + netCapabilities + "\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n"
	if got := read("status"); got != want {
		t.Errorf("the hook may do\n%s", got)
	}
	if env := read("env"); strings.Contains(env, "LAB_") || !strings.Contains(env, "SITEBRIDGE_EVENT=stopped") {
		t.Errorf("the hook's environment:\n%s", env)
	}
}
