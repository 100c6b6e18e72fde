package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
)

// remoteComputers is our configuration for many callers, whose addresses are of the
// LAN itself.
const remoteComputers = `
[daemon]
name = "rigserver"
listen = ["0.0.0.0:1723"]
status = "$DIR/s"
[site.road]
users_file = "users.toml"
proxy_arp = "lan0"
callers = 3
[site.road.auth]
methods = ["mschapv2"]
[site.road.encryption]
methods = ["mppe-128"]
[site.road.ip]
address = "10.1.0.1"
pool = "10.1.0.192/28"
dns = ["10.1.0.53"]
`

// A remoteUser calls from the guest. pptp-linux has one control connection to an
// address, and we take one call on each, so each calls another address of ours.
type remoteUser struct{ name, calls, addr string }

var remoteUsers = []remoteUser{
	{"anna", "192.0.2.254", "10.1.0.193"},
	{"bert", "192.0.2.253", "10.1.0.200"}, // its own
	{"carl", "192.0.2.252", "10.1.0.194"},
	{"dora", "192.0.2.251", ""}, // one too many
}

// TestRemoteComputersCallUs: several pptp-linux at once.
func TestRemoteComputersCallUs(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle")
	l.capture(t)
	var users, secrets strings.Builder
	for i, u := range remoteUsers {
		if i > 0 {
			l.hq.Addr("br0", u.calls+"/24")
		}
		fmt.Fprintf(&users, "[user.%s]\nsecret = \"the long secret of %s\"\n", u.name, u.name)
		fmt.Fprintf(&secrets, "%s rigserver \"the long secret of %s\" *\n", u.name, u.name)
		if u.name == "bert" {
			users.WriteString("address = \"10.1.0.200\"\n")
		}
	}
	file := filepath.Join(l.dir, "users.toml")
	if err := os.WriteFile(file, []byte(users.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := l.start(t, strings.Replace(remoteComputers, `"users.toml"`, fmt.Sprintf("%q", file), 1))
	g.must(t, "cat >/etc/ppp/chap-secrets <<'E'\n%sE\nchmod 600 /etc/ppp/chap-secrets", secrets.String())
	for _, u := range remoteUsers[:3] {
		g.call(t, u)
		g.waitFor(t, "link.ip."+u.name)
	}
	var s bridge.SiteStatus
	eventually(t, 20*time.Second, "three callers are up", func() bool {
		s = d.status()
		return len(s.Callers) == 3 && s.Callers[0].Up && s.Callers[1].Up && s.Callers[2].Up
	})
	for i, c := range s.Callers {
		u := remoteUsers[i]
		if c.Name != u.name || c.Address.String() != u.addr || c.Method != "mschapv2" || c.Encryption != "mppe-128" || c.Peer.String() != guestPPP {
			t.Errorf("%+v, want %+v", c, u)
		}
	}
	for _, u := range remoteUsers[:3] {
		// One machine has one way to the LAN, and is each caller in turn.
		g.must(t, "ip route replace %s dev %s src %s", farHost, u.name, u.addr)
		g.ping(t, farHost)
		ping(t, l.host, u.addr) // by proxy ARP: the host looks for it on its own wire
	}
	if n := d.status().IP.Stats.Drops; n.SourceNotCallers+n.NoCaller+n.MalformedIn != 0 {
		t.Errorf("drops %+v", n)
	}
	g.call(t, remoteUsers[3])
	eventually(t, 20*time.Second, "the fourth is refused", func() bool { return d.status().Pool.Refused.Limit == 1 })
	g.must(t, "kill -TERM $(head -n 1 /run/bert.pid)")
	eventually(t, 20*time.Second, "bert is gone", func() bool { return len(d.status().Callers) == 2 })
	d.wantLog("caller gone", "caller=bert", "octets_in=")
}

// call has the guest call us as a user, on an interface of that name.
func (g *guest) call(t *testing.T, u remoteUser) {
	t.Helper()
	g.must(t, `cat >/etc/ppp/options.%[1]s <<'E'
nodetach debug logfile /run/share/%[1]s.log noipv6 nomp noauth noipdefault nodefaultroute noproxyarp
ipcp-accept-local ipcp-accept-remote mtu 1400 mru 1400 nobsdcomp nodeflate novj novjccomp
name %[1]s remotename rigserver ifname %[1]s linkname %[1]s
require-mppe-128 nomppe-40 nomppe-stateful
pty "pptp %[2]s --nolaunchpppd --nohostroute --loglevel 2 --logstring %[1]s"
E
setsid pppd file /etc/ppp/options.%[1]s >/run/share/%[1]s.out 2>&1 </dev/null &`, u.name, u.calls)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("pppd of %s:\n%s\n%s", u.name, g.read(u.name+".log"), g.read(u.name+".out"))
		}
	})
}
