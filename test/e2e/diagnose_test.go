package e2e

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/diagnose"
	"sitebridge/control"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/test/lab"
)

// A diagnosis is what `sitebridge diagnose --json` says.
type diagnosis struct {
	code   int
	found  map[string]diagnose.Finding
	result diagnose.Conclusion
	text   string
}

func diagnosed(t *testing.T, d *lab.Daemon, site string) diagnosis {
	t.Helper()
	out, errs, code := d.Run("diagnose", "--json", site)
	if errs != "" {
		t.Fatalf("diagnose %s: exit status %d: %s", site, code, errs)
	}
	return read(t, out, code)
}

func read(t *testing.T, out string, code int) diagnosis {
	t.Helper()
	x := diagnosis{code: code, found: map[string]diagnose.Finding{}, text: out}
	for lines := json.NewDecoder(strings.NewReader(out)); lines.More(); {
		var l diagnose.Line
		if err := lines.Decode(&l); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if l.Finding != nil {
			x.found[l.Step] = *l.Finding
		}
		if l.Conclusion != nil {
			x.result = *l.Conclusion
		}
	}
	return x
}

// concludes wants the first fault at a step, in these words.
func (x diagnosis) concludes(t *testing.T, step string, words ...string) {
	t.Helper()
	if x.result.Step != step || x.result.Verdict != diagnose.Fault || x.code != 4 {
		t.Errorf("the fault is at %q (%s), exit status %d; want %q\n%s", x.result.Step, x.result.Verdict, x.code, step, x.text)
	}
	x.says(t, step, diagnose.Fault, words...)
	for _, w := range words {
		if !strings.Contains(x.result.Words, w) {
			t.Errorf("the conclusion is %q, want %q in it", x.result.Words, w)
		}
	}
	if x.result.Do == "" {
		t.Errorf("nothing is said of what to do about: %s", x.result.Words)
	}
}

// says wants a finding, in these words.
func (x diagnosis) says(t *testing.T, step string, verdict diagnose.Verdict, words ...string) {
	t.Helper()
	f := x.found[step]
	if f.Verdict != verdict {
		t.Errorf("%s: %s: %s; want %s\n%s", step, f.Verdict, f.Words, verdict, x.text)
	}
	for _, w := range words {
		if !strings.Contains(f.Words, w) {
			t.Errorf("%s: %q, want %q in it", step, f.Words, w)
		}
	}
}

// sound wants no fault.
func (x diagnosis) sound(t *testing.T) {
	t.Helper()
	if x.code != 0 || x.result.Verdict == diagnose.Fault {
		t.Errorf("exit status %d, want 0\n%s", x.code, x.text)
	}
}

// fails diagnoses until the fault is at that step, in these words: a site whose link
// cannot come up dials again and again, and may be looked at in between.
func fails(t *testing.T, d *lab.Daemon, site, step string, words ...string) (x diagnosis) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the last look at %s:\n%s", site, x.text)
		}
	}()
	lab.Wait(t, fmt.Sprintf("the fault of %s is at %s: %q", site, step, words), func() bool {
		x = diagnosed(t, d, site)
		return x.result.Verdict == diagnose.Fault && x.result.Step == step &&
			!slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(x.result.Words, w) })
	})
	x.concludes(t, step, words...)
	return x
}

// heals diagnoses until there is no fault: one that is just mended may be seen still.
func heals(t *testing.T, d *lab.Daemon, site string) (x diagnosis) {
	t.Helper()
	d.WaitUp(site)
	lab.Wait(t, site+" has no fault", func() bool {
		x = diagnosed(t, d, site)
		return x.result.Verdict != diagnose.Fault
	})
	x.sound(t)
	return x
}

// TestDiagnoseReach breaks the way to the peer, up to the call, in every manner: a site
// of one daemon for each.
func TestDiagnoseReach(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	for kind, to := range map[string]string{"prohibit": "198.51.100.1", "blackhole": "198.51.100.2", "unreachable": "198.51.100.3"} {
		w.IP(w.SiteB, "route", "add", kind, to)
	}
	w.IP(w.SiteA, "rule", "add", "pref", "2", "lookup", "local")
	w.IP(w.SiteA, "rule", "add", "pref", "1", "iif", "wan", "ipproto", "tcp", "dport", "2001", "blackhole")
	w.IP(w.SiteA, "rule", "del", "pref", "0")
	program(w, 2002, func(c net.Conn) { c.Write([]byte("SSH-2.0-\x1b[31mOpen\r\n" + strings.Repeat("x", 200))) })
	program(w, 2003, func(c net.Conn) { c.Read(make([]byte, 200)); c.Write(startReply(0x0200, 1)); c.Read(make([]byte, 200)) })
	program(w, 2004, func(c net.Conn) { c.Close() })
	program(w, 2005, func(c net.Conn) { c.Read(make([]byte, 1<<16)); c.Read(make([]byte, 1<<16)) })
	program(w, 2006, func(c net.Conn) { c.Read(make([]byte, 200)); c.Write(startReply(0x0100, 4)) })
	program(w, 2008, func(c net.Conn) { c.Read(make([]byte, 200)); c.Write(startReply(0x0100, 5)) })
	refuser := newPeer(t, w.SiteA)
	l := control.Listen(w.Listen(w.SiteA, "0.0.0.0:2007"), control.Config{Host: "peer", Vendor: "\x1b]0;evil\x07<b>", Answer: func(o *control.Offer) {
		o.Refuse(control.Busy, control.NoError)
	}}, control.Limits{})
	refuser.run.Go(func() error { return l.Run(refuser.ctx) })

	faults := []struct {
		dial, more, step string
		words            []string
	}{
		{"nowhere.invalid", "", "name", []string{"nowhere.invalid"}},
		{"203.0.113.9", "", "route", []string{"no route to 203.0.113.9"}},
		{"198.51.100.1", "", "route", []string{"forbids packets to 198.51.100.1"}},
		{"198.51.100.2", "", "route", []string{"swallows packets to 198.51.100.2"}},
		{"198.51.100.3", "", "route", []string{"no route to 198.51.100.3"}},
		{"192.0.2.1", `source = "192.0.2.77"`, "route", []string{"not this machine's"}},
		{"192.0.2.1:2000", "", "tcp", []string{"refuses"}},
		{"192.0.2.9", "", "tcp", []string{"no route to host"}},
		{"192.0.2.1:2001", "", "tcp", []string{"no answer", "firewall"}},
		{"192.0.2.1:2002", "", "control", []string{"does not speak PPTP"}},
		{"192.0.2.1:2003", "", "control", []string{"version 2.0"}},
		{"192.0.2.1:2004", "", "control", []string{"closed at once"}},
		{"192.0.2.1:2005", "", "control", []string{"nothing answers in PPTP"}},
		{"192.0.2.1:2006", "", "control", []string{"not authorised"}},
		{"192.0.2.1:2008", "", "control", []string{"version not supported"}},
		{"192.0.2.1:2007", "", "call", []string{"busy"}},
	}
	var cfg strings.Builder
	cfg.WriteString("[daemon]\nname = \"b\"\nstatus = \"STATUS\"\n[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = \"00000020\"\n")
	for i, f := range faults {
		fmt.Fprintf(&cfg, "[site.s%d]\ndial = [%q]\n%s\n[site.s%d.auth]\nmethods = [\"mschapv2\"]\nsecret_out_file = \"secret\"\n"+
			"[site.s%d.encryption]\npolicy = \"disabled\"\n[site.s%d.ipx]\n", i, f.dial, f.more, i, i, i)
	}
	b := w.Start(w.SiteB, cfg.String())
	b.WaitSite("s0", "running", anyState)
	tests := map[string]func(*testing.T){}
	for i, f := range faults {
		tests[f.dial+f.more] = func(t *testing.T) {
			x := fails(t, b, fmt.Sprintf("s%d", i), f.step, f.words...)
			x.says(t, "ipx_frames", x.found["ipx_frames"].Verdict) // independent of the peer
			if strings.ContainsAny(x.text, "\x1b\x07") {
				t.Errorf("a peer's control characters are shown: %q", x.text)
			}
		}
	}
	lab.Together(t, tests)
	if out, _, code := b.Run("diagnose", "s15"); code != 4 || !strings.Contains(out, "FAULT    call") || !strings.Contains(out, "\ns15: call: ") {
		t.Errorf("as text: exit status %d\n%s", code, out)
	}
	if _, errs, code := b.Run("diagnose", "nobody"); code != 1 || !strings.Contains(errs, `no site "nobody"`) {
		t.Errorf("diagnose nobody: %d, %s", code, errs)
	}
}

// program answers TCP on a port of site a with something.
func program(w *lab.World, port int, serve func(net.Conn)) {
	l := w.Listen(w.SiteA, fmt.Sprintf("0.0.0.0:%d", port))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
}

// startReply is a Start-Control-Connection-Reply (RFC 2637, section 2.2).
func startReply(version uint16, result byte) []byte {
	b := make([]byte, 156)
	copy(b, []byte{0, 156, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 2, 0, 0, byte(version >> 8), byte(version), result, 0})
	return b
}

// TestDiagnoseGRE: TCP gets through and GRE does not, one way, the other way, or not even
// out of the machine. Each is healed, and then nothing is wrong.
func TestDiagnoseGRE(t *testing.T) {
	t.Parallel()
	block := func(ns string, action string) func(*lab.World) func() {
		return func(w *lab.World) func() {
			at := w.SiteA
			if ns == "b" {
				at = w.SiteB
			}
			w.IP(at, "rule", "add", "pref", "2", "lookup", "local")
			w.IP(at, "rule", "add", "pref", "1", "iif", "wan", "ipproto", "47", action)
			w.IP(at, "rule", "del", "pref", "0")
			return func() { w.IP(at, "rule", "del", "pref", "1") }
		}
	}
	tests := map[string]func(*testing.T){}
	for name, test := range map[string]struct {
		cut   func(*lab.World) (heal func())
		step  string
		words []string
	}{
		"none comes back": {block("b", "blackhole"), "gre_back", []string{"TCP 1723 works", "no GRE came back", "47"}},
		"ours is dropped": {block("a", "blackhole"), "gre_out", []string{"does not reach the peer"}},
		"ours is refused": {block("a", "prohibit"), "gre_out", []string{"192.0.2.1 says of our GRE", "prohibited"}},
		"not sent at all": {func(w *lab.World) func() {
			w.IP(w.SiteB, "rule", "add", "pref", "1", "ipproto", "47", "to", lab.WANA, "prohibit")
			return func() { w.IP(w.SiteB, "rule", "del", "pref", "1") }
		}, "gre_out", []string{"this machine itself refused to send GRE"}},
	} {
		tests[name] = func(t *testing.T) {
			w := lab.New(t)
			heal := test.cut(w)
			a, b := w.Start(w.SiteA, lab.Config{}.InGRE().A()), w.Start(w.SiteB, lab.Config{}.InGRE().B())
			b.WaitSite("a", "running", anyState)
			a.WaitSite("b", "running", anyState)
			x := fails(t, b, "a", test.step, test.words...)
			x.says(t, "tcp", diagnose.OK)
			x.says(t, "control", diagnose.OK)
			x.says(t, "link", diagnose.Unknown)
			if test.step == "gre_back" {
				wantSample(t, b)
			}
			heal()
			heals(t, b, "a") // the call that was stuck may have to end first
		}
	}
	lab.Together(t, tests)
}

// wantSample wants docs/commands.md to show what the program prints. Numbers and times
// are others each time.
func wantSample(t *testing.T, b *lab.Daemon) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(string(doc), "    $ sitebridge diagnose a\n")
	sample, _, _ = strings.Cut(sample, "\n\n`--json`")
	out, _, _ := b.Run("diagnose", "a")
	number := regexp.MustCompile(`\b\d+(\.\d+)?(m?s|µs)?\b`)
	var want []string
	for line := range strings.Lines(sample) {
		want = append(want, strings.TrimSpace(number.ReplaceAllString(line, "N")))
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(number.ReplaceAllString(line, "N"))
		if line != "" && !strings.HasPrefix(line, "-        site") && !slices.Contains(want, line) {
			t.Errorf("docs/commands.md does not show: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("what it should show:\n%s", out)
	}
}

// TestDiagnoseNAT: GRE comes from an address that nobody called.
func TestDiagnoseNAT(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.SiteA.Addr("wan", "192.0.2.11/24")
	p := newPeer(t, w.SiteA)
	p.from = netip.MustParseAddr("192.0.2.11")
	p.answer(w, w.SiteA, ppp.Config{MRU: 1500})
	b := w.Start(w.SiteB, lab.Config{}.B())
	b.WaitSite("a", "running", anyState)
	x := fails(t, b, "a", "nat", "GRE for this call comes from 192.0.2.11 and not from 192.0.2.1")
	if !strings.Contains(x.result.Do, "ct helper") {
		t.Errorf("the rule that a Linux NAT needs is not shown: %s", x.result.Do)
	}
}

// TestDiagnoseLink: the link comes up to authentication, encryption or a network
// protocol, and no further.
func TestDiagnoseLink(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	const table = "[site.%[1]s]\n%[2]s\nrequired = [%[3]s]\n[site.%[1]s.auth]\nmethods = [\"mschapv2\"]\n%[4]s\n[site.%[1]s.encryption]\n%[5]s\n[site.%[1]s.%[6]s]\n%[7]s\n"
	const clear, mppe = `policy = "disabled"`, "policy = \"required\"\nmethods = [\"mppe-128\"]"
	sites := []struct {
		name, step            string
		inB, cryptA, cryptB   string
		protoA, protoB, words string
	}{
		{"good", "", `secret_out_file = "secret"`, clear, clear, "ipx", "ipx", ""},
		{"liar", "authentication", `secret_out_file = "secret2"`, clear, clear, "ipx", "ipx", "peer refused"},
		{"plain", "encryption", `secret_out_file = "secret"`, clear, mppe, "ipx", "ipx", "mppe-128"},
		{"deaf", "ipxcp", `secret_out_file = "secret"`, clear, clear, "ip", "ipx", "IPXCP"},
	}
	ca := "[daemon]\nname = \"a\"\nstatus = \"STATUS\"\nlisten = [\"0.0.0.0:1723\"]\n[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = \"00000010\"\n"
	cb := "[daemon]\nname = \"b\"\nstatus = \"STATUS\"\n[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = \"00000020\"\n"
	for _, s := range sites {
		ca += fmt.Sprintf(table, s.name, "", `"`+s.protoA+`"`, `secret_in_file = "secret"`, s.cryptA, s.protoA, map[string]string{"ip": `address = "10.255.0.1"`}[s.protoA])
		cb += fmt.Sprintf(table, s.name, `dial = ["192.0.2.1"]`, `"`+s.protoB+`"`, s.inB+"\nname = \""+s.name+"\"\npeer_name = \"a\"", s.cryptB, s.protoB, "")
	}
	w.Start(w.SiteA, ca)
	b := w.Start(w.SiteB, cb)
	b.WaitUp("good")
	tests := map[string]func(*testing.T){}
	for _, s := range sites {
		tests[s.name] = func(t *testing.T) {
			if s.step == "" {
				heals(t, b, s.name).says(t, "ipxcp", diagnose.OK)
				return
			}
			fails(t, b, s.name, s.step, s.words).says(t, "gre_back", diagnose.OK)
		}
	}
	lab.Together(t, tests)
}

// TestDiagnoseKernel: the tunnel is up, and somebody changes what the kernel was given.
func TestDiagnoseKernel(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := lab.Config{Site: patient}
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	b.WaitUp("a")
	a.WaitUp("b")
	diagnosed(t, b, "a").sound(t)
	x := diagnosed(t, a, "b")
	x.sound(t)
	x.says(t, "calls", diagnose.OK)
	for _, test := range []struct {
		step, words string
		verdict     diagnose.Verdict
		taken       string // by `ip`
	}{
		{"interface", "has not the address 10.255.0.2", diagnose.Fault, "addr del 10.255.0.2 peer 10.255.0.1 dev sb-a"},
		{"routes", "the route to 10.1.0.0/16 by sb-a is gone", diagnose.Fault, "route del 10.1.0.0/16 proto 173"},
		{"routes", "the unreachable route to 10.1.0.0/16 is gone", diagnose.Warning, "route del unreachable 10.1.0.0/16 proto 172"},
	} {
		x := robbed(t, w, b, test.taken, test.step, test.verdict)
		x.says(t, test.step, test.verdict, test.words)
		if test.verdict == diagnose.Fault {
			x.concludes(t, test.step, test.words)
		}
	}
	for _, test := range []struct {
		step, words string
		verdict     diagnose.Verdict
		spoil, mend func()
	}{
		{"routes", "do not go by sb-a but by lan", diagnose.Fault,
			func() { w.IP(w.SiteB, "route", "add", "10.1.0.0/16", "dev", "lan", "metric", "5") },
			func() { w.IP(w.SiteB, "route", "del", "10.1.0.0/16", "dev", "lan", "metric", "5") }},
		{"routes", "10.1.7.0/24 by lan", diagnose.Warning,
			func() { w.IP(w.SiteB, "route", "add", "10.1.7.0/24", "dev", "lan") },
			func() { w.IP(w.SiteB, "route", "del", "10.1.7.0/24", "dev", "lan") }},
		{"forwarding", "net.ipv4.ip_forward is 0", diagnose.Fault,
			func() { w.SiteB.Sysctl("net.ipv4.ip_forward", "0") },
			func() { w.SiteB.Sysctl("net.ipv4.ip_forward", "1") }},
		{"mss", "interface sb-a has MTU 1300", diagnose.Fault,
			func() { w.SiteB.MTU("sb-a", 1300) },
			func() { w.SiteB.MTU("sb-a", 1455) }},
		{"mss", "an interface of this machine takes less than the tunnel: lan 1400", diagnose.Warning,
			func() { w.SiteB.MTU("lan", 1400) },
			func() { w.SiteB.MTU("lan", 1500) }},
		{"path_mtu", "a black hole: an echo through the tunnel of 1400 octets reaches 192.0.2.1, one of 1500 vanishes", diagnose.Fault,
			func() { w.WAN.MTU("site-b", 1400) },
			func() { w.WAN.MTU("site-b", 1500) }},
		{"path_mtu", "packets of 1500 octets cross the tunnel uncut", diagnose.OK,
			func() { w.SiteA.Sysctl("net.ipv4.icmp_echo_ignore_all", "1") },
			func() { w.SiteA.Sysctl("net.ipv4.icmp_echo_ignore_all", "0") }},
		{"interface", "interface sb-a is down", diagnose.Fault,
			func() { w.SiteB.Down("sb-a") },
			func() { w.SiteB.Up("sb-a") }},
		// The last one: TCP takes its time to come back.
		{"rp_filter", "net/ipv4/conf/wan/rp_filter is 1", diagnose.Fault,
			func() {
				w.SiteB.Sysctl("net.ipv4.conf.wan.rp_filter", "1")
				w.IP(w.SiteB, "rule", "add", "pref", "9", "fwmark", "0x5b1d", "lookup", "main")
				w.IP(w.SiteB, "rule", "add", "pref", "10", "to", lab.WANA, "lookup", "77")
				w.IP(w.SiteB, "route", "add", "default", "dev", "lan", "table", "77")
			},
			func() {
				w.SiteB.Sysctl("net.ipv4.conf.wan.rp_filter", "0")
				w.IP(w.SiteB, "rule", "del", "pref", "10")
				w.IP(w.SiteB, "rule", "del", "pref", "9")
			}},
	} {
		test.spoil()
		x := diagnosed(t, b, "a")
		x.says(t, test.step, test.verdict, test.words)
		if test.verdict == diagnose.Fault {
			x.concludes(t, test.step, test.words)
		} else {
			x.sound(t)
		}
		test.mend()
	}
}

// robbed diagnoses b while somebody takes what the daemon puts back, again and again, and
// waits until it is back.
func robbed(t *testing.T, w *lab.World, b *lab.Daemon, ip, step string, verdict diagnose.Verdict) (x diagnosis) {
	t.Helper()
	leave := w.Background(func(ctx context.Context) error {
		for ctx.Err() == nil {
			_ = b.NS.Command("ip", strings.Fields(ip)...).Run() // it may not be back yet
		}
		return nil
	})
	lab.Wait(t, "it is missed: ip "+ip, func() bool {
		x = diagnosed(t, b, "a")
		return x.found[step].Verdict == verdict
	})
	leave()
	lab.Wait(t, "it is back: ip "+ip, func() bool { return diagnosed(t, b, "a").found[step].Verdict == diagnose.OK })
	return x
}

// TestDiagnoseCalls: a site that only answers, which nobody calls, then somebody whom
// nobody knows, then its peer.
func TestDiagnoseCalls(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{}.A())
	a.WaitSite("b", "running", anyState)
	fails(t, a, "b", "calls", "nobody has called")
	b := w.Start(w.SiteB, lab.Config{Auth: "methods = [\"mschapv2\"]\nsecret_out_file = \"secret2\""}.B())
	b.WaitSite("a", "refused", func(s bridge.SiteStatus) bool { return strings.Contains(s.Reason, "refused") })
	fails(t, a, "b", "calls", "the last from 192.0.2.2")
	b.Stop()
	b = w.Start(w.SiteB, lab.Config{}.B())
	b.WaitUp("a")
	heals(t, a, "b")
	b.Run("down", "a")
	diagnosed(t, b, "a").concludes(t, "site", "stopped by its operator")
}

// TestDiagnosePool: a site that many call, when nobody does, and when somebody may not.
func TestDiagnosePool(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Write("users.toml", remoteUsers)
	a := w.Start(w.SiteA, remoteHQ)
	a.WaitSite("road", "running", anyState)
	x := diagnosed(t, a, "road")
	x.says(t, "calls", diagnose.OK, "0 callers now")
	x.says(t, "interface", diagnose.OK)
	if _, there := x.found["call"]; there {
		t.Errorf("a call of many callers is looked at\n%s", x.text)
	}
	c := w.Start(w.SiteB, remoteCaller("nobody", bySecret))
	c.WaitSite("a", "refused", func(s bridge.SiteStatus) bool { return strings.Contains(s.Reason, "refused") })
	diagnosed(t, a, "road").says(t, "calls", diagnose.Warning, "the last from 192.0.2.2")
}

// TestDiagnoseCertificate: our own expires while the tunnel is up.
func TestDiagnoseCertificate(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Start(w.SiteA, lab.Config{}.Certified().A())
	b, x := seenAlive(t, w)
	x.sound(t)
	x.says(t, "certificates", diagnose.Warning, "b (our own) expires on ")
	x.says(t, "encryption", diagnose.OK, "AES-256-GCM", "strong")
	lab.Wait(t, "it expires", func() bool {
		x = diagnosed(t, b, "a")
		return x.found["certificates"].Verdict == diagnose.Fault
	})
	x.concludes(t, "certificates", "b (our own) expired on ")
	b.Run("down", "a")
	b.Run("up", "a")
	fails(t, b, "a", "authentication", "expired")
}

// seenAlive diagnoses site b before its certificate expires. One that is too short-lived
// for a busy machine is followed by another that lives longer.
func seenAlive(t *testing.T, w *lab.World) (b *lab.Daemon, x diagnosis) {
	t.Helper()
	for life := 10 * time.Second; life < lab.Patience; life *= 2 {
		end := time.Now().Add(life)
		write(t, w, "b", authorityOf(t, w).issue("b", func(c *x509.Certificate) { c.NotAfter = end }))
		b = w.Start(w.SiteB, lab.Config{Site: patient}.Certified().B())
		b.WaitSite("a", "up, or too late", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp || time.Now().After(end) })
		if x = diagnosed(t, b, "a"); time.Now().Before(end.Add(-time.Second)) {
			return b, x
		}
		b.Stop()
	}
	t.Fatal("no certificate lived long enough to be looked at")
	return nil, diagnosis{}
}

// TestDiagnoseIPX: the wrong frame type on a LAN, another number, and a LAN that is gone.
func TestDiagnoseIPX(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{IP: "none"}.A()), w.Start(w.SiteB, lab.Config{IP: "none"}.B())
	b.WaitUp("a")
	a.WaitUp("b")
	x := diagnosed(t, b, "a")
	x.sound(t)
	x.says(t, "ipx_frames", diagnose.Warning, "no IPX was heard at all")
	x.says(t, "ipx_behind", diagnose.OK, "1 networks")

	station := newTap(w, w.HostB)
	say := func(enc ipx.Encapsulation, network ipx.Network) {
		h := ipx.Header{Type: ipx.TypePEP,
			Src: ipx.Addr{Network: network, Node: station.port.MAC(), Socket: 0x5001},
			Dst: ipx.Addr{Network: network, Node: ipx.Broadcast, Socket: 0x5001}}
		for range 5 {
			station.send(t, enc, ipx.Broadcast, ipx.AppendPacket(nil, h, nil))
		}
	}
	until := func(step string, words ...string) {
		t.Helper()
		lab.Wait(t, step, func() bool { x = diagnosed(t, b, "a"); return x.found[step].Verdict == diagnose.Fault })
		x.says(t, step, diagnose.Fault, words...)
	}
	say(ipx.Ethernet8022, 0x20)
	lab.Wait(t, "it is heard", func() bool {
		x = diagnosed(t, b, "a")
		return x.found["ipx_frames"].Verdict == diagnose.OK
	})
	x.says(t, "ipx_numbers", diagnose.OK)
	say(ipx.Ethernet8022, 0x77)
	until("ipx_numbers", "00000077", "not 00000020")
	say(ipx.EthernetII, 0x33)
	until("ipx_frames", "ethernet_ii is spoken on lan with network 00000033")
	x.concludes(t, "ipx_frames", "ethernet_ii")
	w.SiteB.Down("lan")
	until("ipx_frames", "the interface is down or gone")
}

// TestDiagnoseWithoutDaemon: what can be seen from outside is looked at.
func TestDiagnoseWithoutDaemon(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	file := w.Write("none.toml", strings.ReplaceAll(lab.Config{}.B(), "STATUS", w.Dir+"/none.sock"))
	out, code := w.Command(w.SiteB, "diagnose", "--json", "--config", file, "a")
	x := read(t, out, code)
	x.concludes(t, "site", "no daemon answers")
	x.says(t, "tcp", diagnose.Fault, "refuses")
	a := w.Start(w.SiteA, lab.Config{}.A())
	a.WaitSite("b", "running", anyState)
	out, code = w.Command(w.SiteB, "diagnose", "--json", "--config", file, "a")
	x = read(t, out, code)
	x.concludes(t, "site", "no daemon answers")
	x.says(t, "control", diagnose.OK, "version 1.0")
	x.says(t, "call", diagnose.Unknown, "only a running daemon")
	if out, code := w.Command(w.SiteB, "diagnose", "--config", w.Dir+"/missing.toml", "a"); code == 0 || code == 4 {
		t.Errorf("exit status %d without a daemon and a configuration\n%s", code, out)
	}
}
