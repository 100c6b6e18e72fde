package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// remoteHQ is a site with a pool of addresses of the LAN of site a.
const remoteHQ = `
[daemon]
name = "a"
status = "STATUS"
listen = ["0.0.0.0:1723"]
certificate = "a.pem"
[lan.lan]
interface = "lan"
ethernet_802_2 = "00000010"
[site.road]
echo = { interval = "1s", failures = 3 }
users_file = "users.toml"
proxy_arp = "lan"
[site.road.auth]
ca = "ca.pem"
methods = ["eap-tls", "mschapv2"]
[site.road.encryption]
methods = ["mppe-128"]
[site.road.ip]
address = "10.1.0.1"
pool = "10.1.0.192/28"
tell_routes = ["10.1.0.0/24"]
[site.road.ipx]
network = "0000FF03"
workstation = true
`

// remoteCaller is a machine that calls it.
func remoteCaller(name, auth string) string {
	return fmt.Sprintf(`
[daemon]
name = %q
status = "STATUS"
%s
[site.a.encryption]
methods = ["mppe-128"]
[site.a.ip]
address = "from-peer"
routes = ["10.1.0.0/24"]
[site.a.ipx]
exchange = "static"
`, name, auth)
}

const (
	bySecret      = "[site.a]\ndial = [\"192.0.2.1\"]\necho = { interval = \"1s\", failures = 3 }\n[site.a.auth]\nmethods = [\"mschapv2\"]\nsecret_out_file = \"secret\""
	byCertificate = "certificate = \"b.pem\"\n[site.a]\ndial = [\"192.0.2.1\"]\necho = { interval = \"1s\", failures = 3 }\n[site.a.auth]\nca = \"ca.pem\""
)

const remoteUsers = `[user.c]
secret = "` + lab.Secret + `"
address = "10.1.0.200"
[user.d]
secret = "` + lab.Secret + `"
address = "10.9.9.9"
routes = ["10.9.0.0/24"]
`

// TestRemoteComputers: three machines call one site, one with a certificate. Each has
// an address of its own, two of them of the LAN itself, and hosts of the LAN find them.
func TestRemoteComputers(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Write("users.toml", remoteUsers)
	a := w.Start(w.SiteA, remoteHQ)
	siteC, siteD := w.AddSite("site-c", "192.0.2.3"), w.AddSite("site-d", "192.0.2.4")
	w.Start(w.SiteB, remoteCaller("b", byCertificate)).WaitUp("a")
	c := w.Start(siteC, remoteCaller("c", bySecret))
	c.WaitUp("a")
	w.Start(siteD, remoteCaller("d", bySecret)).WaitUp("a")
	s := a.WaitSite("road", "three callers are up", func(s bridge.SiteStatus) bool {
		return len(s.Callers) == 3 && s.Callers[0].Up && s.Callers[1].Up && s.Callers[2].Up
	})
	addrs := map[string]string{}
	for _, c := range s.Callers {
		addrs[c.Name] = c.Address.String()
		if c.Encryption != "mppe-128" || c.MTU < 1300 || c.Node == "" {
			t.Errorf("%+v", c)
		}
	}
	if addrs["b"] != "10.1.0.193" || addrs["c"] != "10.1.0.200" || addrs["d"] != "10.9.9.9" {
		t.Errorf("addresses %v", addrs)
	}
	for name, ns := range map[string]*netlab.Namespace{"b": w.SiteB, "c": siteC, "d": siteD} {
		w.WantPing(w.HostA, addrs[name])
		w.WantPing(ns, lab.AddrA, "-s", "1600")
	}
	if arp := w.IP(w.HostA, "neigh", "show", "10.1.0.200"); !strings.Contains(arp, "lladdr") {
		t.Errorf("the host does not reach c on its own wire: %q", arp)
	}
	w.WantPing(siteC, addrs["b"]) // one caller to another
	if out, _, code := a.Run("status", "road"); code != 0 || !strings.Contains(out, "caller      c, 10.1.0.200") {
		t.Errorf("status exits with %d:\n%s", code, out)
	}
	informed(t, w, siteC)
	spoofed(t, w, a, siteD)
	remoteEnds(t, w, a, c)
}

// informed asks for routes, as Windows does once its tunnel is up.
func informed(t *testing.T, w *lab.World, siteC *netlab.Namespace) {
	t.Helper()
	c := w.ListenUDP(siteC, "10.1.0.200:68")
	ask := make([]byte, 236)
	ask[0] = 1
	copy(ask[12:], net.IPv4(10, 1, 0, 200).To4())
	ask = append(ask, 0x63, 0x82, 0x53, 0x63, 53, 1, 8, 55, 1, 121, 255)
	if _, err := c.WriteTo(ask, &net.UDPAddr{IP: net.IPv4(10, 1, 0, 1), Port: 67}); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(lab.Patience))
	buf := make([]byte, 1000)
	n, from, err := c.ReadFrom(buf)
	if want := "\x79\x08\x18\x0a\x01\x00\x0a\x01\x00\x01\xff"; err != nil || !strings.Contains(string(buf[:n]), want) {
		t.Errorf("% x from %v, %v", buf[:n], from, err)
	}
}

// spoofed sends from d what is not d's to send, and then what is.
func spoofed(t *testing.T, w *lab.World, a *lab.Daemon, siteD *netlab.Namespace) {
	t.Helper()
	in := w.ListenUDP(w.HostA, lab.AddrA+":9")
	w.IP(siteD, "addr", "add", "10.1.0.200/32", "dev", "lo") // c's
	w.IP(siteD, "addr", "add", "10.9.0.5/32", "dev", "lo")
	for _, from := range []string{"10.1.0.200", "10.9.0.5"} {
		c := w.ListenUDP(siteD, from+":9")
		if _, err := c.WriteTo([]byte(from), in.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	in.SetReadDeadline(time.Now().Add(lab.Patience))
	buf := make([]byte, 100)
	n, from, err := in.ReadFrom(buf)
	if err != nil || from.(*net.UDPAddr).IP.String() != "10.9.0.5" {
		t.Errorf("%q from %v (%v) comes first", buf[:n], from, err)
	}
	for _, c := range a.Site("road").Callers {
		if want := map[string]uint64{"d": 1}[c.Name]; c.Foreign != want {
			t.Errorf("%s sent %d packets from others' addresses, want %d", c.Name, c.Foreign, want)
		}
	}
	if n := a.Site("road").IP.Stats.Drops.SourceNotCallers; n != 1 {
		t.Errorf("source_not_callers is %d", n)
	}
}

// remoteEnds ends one call, then changes the users, and then kills the daemon.
func remoteEnds(t *testing.T, w *lab.World, a *lab.Daemon, c *lab.Daemon) {
	t.Helper()
	if out, _, code := a.Run("down", "--caller", "c", "road"); code != 0 || !strings.Contains(out, "the call of c is over") {
		t.Errorf("down --caller exits with %d: %s", code, out)
	}
	a.WaitSite("road", "c calls again", func(s bridge.SiteStatus) bool { return len(s.Callers) == 3 && s.Callers[1].Up })
	since := map[string]time.Time{}
	for _, c := range a.Site("road").Callers {
		since[c.Name] = c.Since
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "users.toml"), []byte(remoteUsers[strings.Index(remoteUsers, "[user.d]"):]), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := a.Run("reload"); code != 0 || !strings.Contains(out, "~ site road: users_file") {
		t.Errorf("reload exits with %d: %s%s", code, out, errs)
	}
	for _, c := range a.Site("road").Callers {
		if c.Name == "c" || !c.Since.Equal(since[c.Name]) {
			t.Errorf("after c was taken out %s is there since %v", c.Name, c.Since)
		}
	}
	proxied := func() string { return w.IP(w.SiteA, "neigh", "show", "proxy") }
	if p := proxied(); !strings.Contains(p, "10.1.0.193 dev lan") || strings.Contains(p, "10.1.0.200") {
		t.Errorf("proxy ARP: %s", p)
	}
	a.Kill()
	if p := proxied(); !strings.Contains(p, "10.1.0.193") {
		t.Errorf("a killed daemon cleaned up: %s", p)
	}
	a = w.Start(w.SiteA, remoteHQ)
	a.WaitSite("road", "the pool waits", func(bridge.SiteStatus) bool { return !strings.Contains(proxied(), "10.1.0.194") })
	a.Stop()
	if p := proxied(); strings.TrimSpace(p) != "" {
		t.Errorf("left behind: %s", p)
	}
	wantClean(t, w, w.SiteA)
}
