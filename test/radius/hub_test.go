package radius

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx/router"
	"sitebridge/test/lab"
)

const shared = "a secret of the hubs and their server"

// hub has no branch in its file. Its first server is dead.
const hub = `
[daemon]
name = "a"
status = "STATUS"
listen = ["0.0.0.0:1723"]
[radius]
servers = ["10.1.0.2:1899", "10.1.0.2"]
accounting = ["10.1.0.2"]
secret_file = "secret-radius"
timeout = "1s"
tries = 1
[site.branches]
echo = { interval = "1s", failures = 3 }
radius = true
[site.branches.auth]
methods = ["eap-mschapv2", "mschapv2"]
[site.branches.encryption]
methods = ["mppe-128"]
[site.branches.ip]
address = "10.255.1.1"
pool = "10.255.1.0/24"
[site.branches.ipx]
network = "0000FF03"
workstation = true
`

// branch calls it. It is what it would be if the hub had it in its file.
func branch(name, method, secretFile, ipx string) string {
	return fmt.Sprintf(`
[daemon]
name = %q
status = "STATUS"
[lan.lan]
interface = "lan"
ethernet_802_2 = "00000020"
[site.a]
dial = ["192.0.2.1"]
echo = { interval = "1s", failures = 3 }
[site.a.auth]
methods = [%q]
secret_out_file = %q
[site.a.encryption]
methods = ["mppe-128"]
[site.a.ip]
address = "from-peer"
routes = ["10.1.0.0/24"]
[site.a.ipx]
%s
`, name, method, secretFile, ipx)
}

// noLAN is a branch without a LAN of IPX.
func noLAN(config string) string {
	return strings.Replace(config, "[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = \"00000020\"\n", "", 1)
}

// A hub of ours has FreeRADIUS judge the branches that call it, by MS-CHAPv2 and inside
// EAP, with the keys of MPPE from there; what it grants is carried out, and what was is
// told.
func TestHubAsksFreeRADIUS(t *testing.T) {
	wantJudges(t)
	w := lab.New(t)
	w.Write("secret-radius", shared)
	w.Write("secret-wrong", "not the secret of c at all")
	for _, name := range []string{"radiusd.conf", "users"} {
		text := must[[]byte](t)(os.ReadFile("testdata/" + name))
		w.Write(name, strings.NewReplacer("DIR", w.Dir, "SHARED", shared, "PASSWORD", lab.Secret).Replace(string(text)))
	}
	startFreeRADIUS(t, w.HostA, w.Dir)
	a := w.Start(w.SiteA, hub)
	siteC, siteD := w.AddSite("site-c", "192.0.2.3"), w.AddSite("site-d", "192.0.2.4")
	w.Start(w.SiteB, branch("b", "mschapv2", "secret", "")).WaitUp("a")
	c := w.Start(siteC, noLAN(branch("c", "eap-mschapv2", "secret", `exchange = "static"`)))
	c.WaitUp("a")
	s := a.WaitSite("branches", "two branches are up", func(s bridge.SiteStatus) bool {
		return len(s.Callers) == 2 && s.Callers[0].Up && s.Callers[1].Up
	})
	granted(t, w, a, s)

	c.Stop()
	wrong := w.Start(siteC, noLAN(branch("c", "mschapv2", "secret-wrong", `exchange = "static"`)))
	lab.Wait(t, "FreeRADIUS rejects a wrong secret", func() bool { return strings.Contains(a.Log(), `rejects \"c\"`) })
	wrong.Stop()
	limited(t, w, a, siteD)
	a.Stop()
	accounted(t, w)
}

// granted checks what FreeRADIUS grants.
func granted(t *testing.T, w *lab.World, a *lab.Daemon, s bridge.SiteStatus) {
	t.Helper()
	b, c := s.Callers[0], s.Callers[1]
	if got := fmt.Sprint(b.Name, " ", b.Address, " ", b.Routes, " ", b.Network, " ", b.Encryption, " ", b.Method); got != "b 10.255.1.77 [10.2.0.0/24] 0000BEEF mppe-128 mschapv2" {
		t.Error(got)
	}
	if got := fmt.Sprint(c.Name, " ", c.Address, " ", c.Network, " ", c.Encryption, " ", c.Method); got != "c 10.255.1.2 00000000 mppe-128 eap-mschapv2" || c.Node == "" {
		t.Error(got, c.Node)
	}
	w.WantPing(w.HostA, lab.AddrB, "-s", "1600") // through the Framed-Route, and the keys of RADIUS
	w.WantPing(w.HostB, lab.AddrA)
	w.WantPing(w.HostA, c.Address.String())
	a.WaitRoute(0x20, "behind b, over the network that it was granted", func(r router.RouteInfo) bool { return true })
	if log := a.Log(); !strings.Contains(log, `text="\"hello b\""`) {
		t.Error("the log does not say what FreeRADIUS said")
	}
	st := must[bridge.Status](t)(a.Status())
	if r := st.RADIUS.Servers; len(r) != 3 || !strings.Contains(r[0].Trouble, "10.1.0.2:1899 does not answer") || r[1].Trouble != "" || r[1].Answers < 2 || len(r[1].Dropped) > 0 {
		t.Errorf("%+v", r)
	}
	if out, _, _ := a.Run("status"); !strings.Contains(out, "RADIUS server 10.1.0.2:1899") {
		t.Errorf("status does not name the server that is dead:\n%s", out)
	}
}

// limited is a call that FreeRADIUS gives two seconds.
func limited(t *testing.T, w *lab.World, a *lab.Daemon, siteD *netlab.Namespace) {
	t.Helper()
	d := w.Start(siteD, noLAN(branch("d", "mschapv2", "secret", `exchange = "static"`)))
	d.WaitUp("a")
	lab.Wait(t, "Session-Timeout ends the call", func() bool { return strings.Contains(a.Log(), "Session-Timeout of RADIUS") })
	d.Stop()
}

// accounted reads what FreeRADIUS was told.
func accounted(t *testing.T, w *lab.World) {
	t.Helper()
	detail := string(must[[]byte](t)(os.ReadFile(filepath.Join(w.Dir, "detail"))))
	records := strings.Split(strings.TrimSpace(detail), "\n\n")
	sessions := map[string]string{}
	for _, want := range [][]string{
		{`User-Name = "b"`, "Acct-Status-Type = Start", "Framed-IP-Address = 10.255.1.77", "Framed-IPX-Network = 0.0.190.239", "Class = 0x6272616e63686573", `Calling-Station-Id = "192.0.2.2"`, `NAS-Identifier = "a"`},
		{`User-Name = "b"`, "Acct-Status-Type = Stop", "Acct-Terminate-Cause = Admin-Reboot", "Framed-IP-Address = 10.255.1.77"},
		{`User-Name = "c"`, "Acct-Status-Type = Stop", "Acct-Terminate-Cause = User-Request"},
		{`User-Name = "d"`, "Acct-Status-Type = Stop", "Acct-Terminate-Cause = Session-Timeout"},
	} {
		r := find(records, want)
		if r == "" {
			t.Errorf("no record has all of %q:\n%s", want, detail)
			continue
		}
		session := regexp.MustCompile(`Acct-Session-Id = "(\w+)"`).FindStringSubmatch(r)[1]
		if other := sessions[want[0]]; other != "" && other != session {
			t.Errorf("%s: the sessions %s and %s", want[0], other, session)
		}
		sessions[want[0]] = session
		if strings.Contains(want[1], "Stop") && regexp.MustCompile(`Acct-(Input|Output)-(Octets|Packets) = 0\n`).MatchString(r+"\n") && want[0] != `User-Name = "d"` {
			t.Errorf("nothing was counted: %s", r)
		}
	}
}

func find(records, want []string) string {
next:
	for _, r := range records {
		for _, words := range want {
			if !strings.Contains(r, words) {
				continue next
			}
		}
		return r
	}
	return ""
}
