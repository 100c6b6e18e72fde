package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// spoke is the table of a site of the hub, with what is behind it.
func spoke(routes string) string {
	return `[site.c]
required = ["ip"]
echo = { interval = "1s", failures = 3 }
[site.c.auth]
methods = ["mschapv2"]
secret_in_file = "secret-c"
[site.c.encryption]
policy = "disabled"
[site.c.ip]
address = "10.255.3.1"
peer = "10.255.3.2"
routes = [` + routes + `]
`
}

const atSpoke = `[daemon]
name = "c"
status = "STATUS"
[lan.later]
interface = "later"
ethernet_ii = "00000077"
[site.a]
dial = ["` + lab.WANA + `"]
required = ["ip"]
echo = { interval = "1s", failures = 3 }
[site.a.auth]
methods = ["mschapv2"]
secret_out_file = "secret-c"
[site.a.encryption]
policy = "disabled"
[site.a.ip]
address = "10.255.3.2"
peer = "10.255.3.1"
routes = ["10.1.0.0/16"]
`

// A pinging pings without a pause.
type pinging struct {
	cmd *netlab.Cmd
	out bytes.Buffer
}

func ping(t *testing.T, from *netlab.Namespace, to string) *pinging {
	t.Helper()
	p := &pinging{cmd: from.Command("ping", "-n", "-i", "0.02", to)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

var answered = regexp.MustCompile(`bytes from .* icmp_seq=(\d+) `)

// stop returns up to which ping there were answers, and how many were missing before
// that. The last ones may be under way.
func (p *pinging) stop() (last, lost int) {
	p.cmd.Process.Signal(syscall.SIGINT)
	p.cmd.Wait() // it fails when answers are missing
	all := answered.FindAllStringSubmatch(p.out.String(), -1)
	for _, m := range all {
		n, _ := strconv.Atoi(m[1])
		last = max(last, n)
	}
	return last, last - len(all)
}

// routes lists the kernel's routes of a site, with their interfaces.
func routes(t *testing.T, ns *netlab.Namespace) string {
	t.Helper()
	out, err := ns.Command("ip", "route", "show").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func device(ns *netlab.Namespace, name string) bool {
	_, err := ns.Handle().LinkByName(name)
	return err == nil
}

func wantListeners(t *testing.T, d *lab.Daemon, want ...string) {
	t.Helper()
	s, err := d.Status()
	var got []string
	for _, l := range s.Listeners {
		got = append(got, l.Address)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("it listens on %v, want %v (%v)", got, want, err)
	}
}

// taken is how often a daemon has taken over a configuration.
func taken(d *lab.Daemon) int { return strings.Count(d.Log(), "the configuration is taken over") }

// descriptors is how many files and sockets a daemon has open.
func descriptors(t *testing.T, d *lab.Daemon) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestReload: whatever changes around it, the tunnel of a site whose settings did not
// change carries every packet.
func TestReload(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Write("secret-c", "the first word for c\n")
	siteC := w.AddSite("site-c", "192.0.2.3")
	a := w.Start(w.SiteA, lab.Config{}.A()+spoke(`"10.3.0.0/16"`))
	b, c := w.Start(w.SiteB, lab.Config{}.B()), w.Start(siteC, atSpoke)
	b.WaitUp("a")
	untouched := a.WaitUp("b")
	first := a.WaitUp("c")
	w.WantPing(w.HostA, lab.AddrB)
	pings := ping(t, w.HostA, lab.AddrB)

	// The spoke started without its LAN, which comes now.
	if s, err := c.Status(); err != nil || s.LANs[0].Up || len(s.LANs[0].Trouble) == 0 {
		t.Errorf("a LAN that is not there: %+v, %v", s.LANs, err)
	}
	w.Veth(siteC, "later", w.WAN, "later")

	// Another route behind the site, by a signal.
	a.Rewrite("# a comment\n" + lab.Config{}.A() + spoke(`"10.33.0.0/16"`))
	a.Signal(syscall.SIGHUP)
	again := a.WaitSite("c", "up with another call", func(s bridge.SiteStatus) bool {
		return s.State == bridge.StateUp && !s.Tunnel.Began.Equal(first.Tunnel.Began)
	})
	if r := routes(t, w.SiteA); !strings.Contains(r, "10.33.0.0/16 dev sb-c") || !strings.Contains(r, "unreachable 10.33.0.0/16") || strings.Contains(r, "10.3.0.0/16") {
		t.Errorf("routes after SIGHUP:\n%s", r)
	}
	if !strings.Contains(a.Log(), "~ site c: ip.routes") {
		t.Error("the log does not tell the change")
	}

	// The site begins anew, and nothing of what is for it leaves by the default route.
	w.SiteA.Route("default", lab.WANB)
	stop, spilt := w.Capture(w.SiteA, "wan"), ping(t, w.HostA, "10.33.0.9")
	lab.Wait(t, "pings for the site pass", func() bool { return a.Site("c").IP.Stats.PacketsOut > 5 })
	for _, mtu := range []string{"mtu = 1300", ""} {
		a.Rewrite(strings.Replace(lab.Config{}.A()+spoke(`"10.33.0.0/16"`), "[site.c]", "[site.c]\n"+mtu, 1))
		if out, errs, code := a.Run("reload"); code != 0 || out != "~ site c: mtu\n" {
			t.Errorf("reload: %d\n%s%s", code, out, errs)
		}
	}
	a.WaitUp("c")
	spilt.stop()
	if n := judge.Count(t, stop(), "!gre && ip.addr == 10.33.0.9"); n != 0 {
		t.Errorf("%d packets for the site left by the default route", n)
	}

	// A faulty file, and one whose parts cannot all be had.
	for _, wrong := range []struct {
		text, want string
		code       int
	}{
		{lab.Config{}.A() + spoke(`"10.33.0.0/16", "10.33.0.0/16"`), `site.c.ip.routes: "10.33.0.0/16" stands there twice`, 3},
		{lab.Config{}.A() + "[lan.other]\ninterface = \"nowhere0\"\nethernet_ii = \"00000099\"\n", "lan.other.interface: nowhere0: no such network interface", 1},
	} {
		a.Rewrite(wrong.text)
		out, errs, code := a.Run("reload")
		if code != wrong.code || out != "" || !strings.Contains(errs, wrong.want) {
			t.Errorf("reload: exit code %d\n%s%s", code, out, errs)
		}
		a.WaitUp("c")
	}
	if r := routes(t, w.SiteA); !strings.Contains(r, "10.33.0.0/16 dev sb-c") {
		t.Errorf("routes after a refused reload:\n%s", r)
	}
	if s := a.Site("b"); s.Tunnel == nil || s.Tunnel.CallID != untouched.Tunnel.CallID {
		t.Error("site b has another call")
	}

	lab.Wait(t, "the LAN that came later is up", func() bool {
		s, err := c.Status()
		return err == nil && s.LANs[0].Up && len(s.LANs[0].Trouble) == 0
	})

	// Doors, of which the new ones are in the way of the old: no tunnel notices.
	const everywhere, there = `["0.0.0.0:1723"]`, `["` + lab.WANA + `:1723", "127.0.0.1:1725"]`
	a.Rewrite(strings.Replace(lab.Config{}.A()+spoke(`"10.33.0.0/16"`), everywhere, `["`+lab.WANA+`:1723", "203.0.113.1:1723"]`, 1))
	if _, errs, code := a.Run("reload"); code != 1 || !strings.Contains(errs, "daemon.listen: listen for calls on 203.0.113.1:1723") {
		t.Errorf("an address that nobody has: exit code %d\n%s", code, errs)
	}
	wantListeners(t, a, "0.0.0.0:1723")
	hub := strings.Replace(lab.Config{Daemon: `metrics = "127.0.0.1:9723"`}.A(), everywhere, there, 1)
	a.Rewrite(hub + spoke(`"10.33.0.0/16"`))
	if out, errs, code := a.Run("reload"); code != 0 || out != "~ daemon: listen, metrics\n" {
		t.Errorf("reload: %d\n%s%s", code, out, errs)
	}
	wantListeners(t, a, lab.WANA+":1723", "127.0.0.1:1725")
	for at, open := range map[string]bool{"127.0.0.1:1723": false, "127.0.0.1:1725": true, "127.0.0.1:9723": true} {
		conn, err := lab.Dial(w.SiteA, at, lab.Patience)
		if err == nil {
			conn.Close()
		}
		if (err == nil) != open {
			t.Errorf("%s after its reload: %v", at, err)
		}
	}

	// A site goes.
	a.Rewrite(hub)
	if out, errs, code := a.Run("reload", "--dry-run"); code != 0 || out != "- site c\n" || !device(w.SiteA, "sb-c") {
		t.Errorf("reload --dry-run: %d\n%s%s", code, out, errs)
	}
	if out, errs, code := a.Run("reload"); code != 0 || out != "- site c\n" {
		t.Errorf("reload: %d\n%s%s", code, out, errs)
	}
	if r := routes(t, w.SiteA); device(w.SiteA, "sb-c") || strings.Contains(r, "10.33.0.0/16") {
		t.Errorf("the site left its interface, or routes:\n%s", r)
	}
	if s, err := a.Status(); err != nil || len(s.Sites) != 1 {
		t.Errorf("%d sites, %v", len(s.Sites), err)
	}
	c.WaitSite("a", "down", notUp)

	// It comes back with another secret, which the files hold that are read anew.
	w.Write("secret-c", "the second word for c\n")
	a.Rewrite(hub + spoke(`"10.3.0.0/16"`))
	if out, errs, code := a.Run("reload", "--json"); code != 0 || !strings.Contains(out, `"added"`) {
		t.Errorf("reload: %d\n%s%s", code, out, errs)
	}
	out, errs, code := c.Run("reload")
	if code != 0 || out != "~ site a: auth.secret_out_file (secret changed)\n" {
		t.Errorf("reload at the peer: %d\n%s%s", code, out, errs)
	}
	c.WaitUp("a")
	a.WaitUp("c")
	for _, d := range []*lab.Daemon{a, c} {
		if strings.Contains(d.Log(), "word for c") {
			t.Error("a log tells the secret")
		}
	}
	if out, _, _ := a.Run("reload"); out != "nothing has changed\n" {
		t.Errorf("a reload of the same file says\n%s", out)
	}

	// Nothing is left of what was exchanged.
	before := descriptors(t, a)
	for _, mtu := range []string{"1300", "1310", "1320", "1330", "1340"} {
		a.Rewrite(hub + strings.Replace(spoke(`"10.3.0.0/16"`), "[site.c]", "[site.c]\nmtu = "+mtu, 1))
		done := taken(a)
		a.Signal(syscall.SIGHUP)
		lab.Wait(t, "the configuration is taken over", func() bool { return taken(a) > done })
	}
	a.WaitUp("c")
	lab.Wait(t, "all descriptors are closed", func() bool { return descriptors(t, a) <= before })

	if last, lost := pings.stop(); lost != 0 || last < 10 {
		t.Errorf("of %d pings through the untouched tunnel %d were lost", last, lost)
	}
	if s := a.Site("b"); s.Tunnel == nil || s.Tunnel.CallID != untouched.Tunnel.CallID || s.Ups != 1 {
		t.Error("site b has another call")
	}
	if again.Tunnel.CallID == first.Tunnel.CallID {
		t.Error("site c kept its call")
	}
}

// TestRestart: whichever end is started anew, the gap is shorter than three seconds.
func TestRestart(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		"one end dials":              func(t *testing.T) { restarts(t, lab.Config{}) },
		"both ends dial, encryption": func(t *testing.T) { restarts(t, lab.Config{Dial: true, Answer: true}.Certified()) },
	})
}

func restarts(t *testing.T, c lab.Config) {
	w := lab.New(t)
	a, b := w.Start(w.SiteA, c.A()), w.Start(w.SiteB, c.B())
	b.WaitUp("a")
	a.WaitUp("b")
	w.WantPing(w.HostA, lab.AddrB)
	for name, restart := range map[string]func(){
		"site a": func() { a.Stop(); a = w.Start(w.SiteA, c.A()) },
		"site b": func() { b.Stop(); b = w.Start(w.SiteB, c.B()) },
	} {
		watch := lab.StartWatch()
		restart()
		started := watch.Took()
		lab.Wait(t, "pings pass again", func() bool { _, ok := lab.Ping(w.HostA, lab.AddrB, "-W", "0.1"); return ok })
		gap := watch.Took()
		t.Logf("%s: stopped and started in %v; pings pass after %v", name, started.Round(time.Millisecond), gap.Round(time.Millisecond))
		watch.Kept(t, "the gap when "+name+" is started anew", gap, 3*time.Second)
		a.WaitUp("b")
		b.WaitUp("a")
	}
}
