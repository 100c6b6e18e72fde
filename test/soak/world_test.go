package soak

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// A world is a hub and its branches, each with a LAN host, and a bad line between the
// hub and each branch:
//
//	host-hub --lan-- site-hub ==wan1==[relay]== site-b1 --lan-- host-b1
//	                          ==wan2==[relay]== site-b2 --lan-- host-b2
//	                          ==wan3==[relay]== site-b3 --lan-- host-b3
type world struct {
	*netlab.Lab
	t        *testing.T
	dir      string
	wan      *netlab.Namespace
	hub      *place
	branches []*place
}

// A place is one site with its daemon and the host on its LAN.
type place struct {
	name   string
	number int // of a branch; the hub's is 0
	site   *netlab.Namespace
	host   *netlab.Namespace
	line   *netlab.Relay // to the hub; nil: it is the hub
	config string
	router ipx.Node // its LAN card

	mu     sync.Mutex // guards what follows
	daemon *lab.Daemon
	began  time.Time // the daemon
}

// get returns the daemon that runs now.
func (p *place) get() *lab.Daemon {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.daemon
}

// start starts a daemon, in the place of one that has ended.
func (w *world) start(p *place) {
	d := lab.StartDaemon(w.t, w.dir, p.site, p.config)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.daemon, p.began = d, time.Now()
}

func (w *world) places() []*place { return append([]*place{w.hub}, w.branches...) }

// Addresses of a place.
func (p *place) lan() string     { return fmt.Sprintf("10.%d.0.1", 100+p.number) }
func (p *place) address() string { return fmt.Sprintf("10.%d.0.2", 100+p.number) } // of its host
func hubWAN(branch int) string   { return fmt.Sprintf("192.0.2.%d", 4*branch+1) }
func branchWAN(branch int) string {
	return fmt.Sprintf("192.0.2.%d", 4*branch+2)
}

// network is that of the place's LAN.
func (p *place) network() ipx.Network { return ipx.Network(0x10 + 0x10*p.number) }

// echo is how soon a silent peer is noticed: long enough for a machine that does much else.
func echo() string {
	if long() {
		return `echo = { interval = "2s", failures = 3 }`
	}
	return `echo = { interval = "1s", failures = 3 }`
}

const branches = 3

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Lab: netlab.New(t, "/dev/net/tun"), t: t, dir: t.TempDir()}
	w.wan = w.Namespace("wan")
	names := []string{"hub"}
	w.hub = w.place(0, "hub")
	for i := 1; i <= branches; i++ {
		p := w.place(i, fmt.Sprintf("b%d", i))
		wan := fmt.Sprintf("wan%d", i)
		w.Veth(w.hub.site, wan, w.wan, "hub"+p.name)
		w.Veth(p.site, "wan", w.wan, p.name)
		w.hub.site.Plain(wan)
		p.site.Plain("wan")
		w.hub.site.Addr(wan, hubWAN(i)+"/30")
		p.site.Addr("wan", branchWAN(i)+"/30")
		p.line = w.Relay(w.wan, "hub"+p.name, w.wan, p.name, *seed+uint64(2*i))
		w.branches, names = append(w.branches, p), append(names, p.name)
	}
	lab.WriteIdentities(t, w.dir, names...)
	if err := os.WriteFile(filepath.Join(w.dir, "secret"), []byte(lab.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.hub.config = w.hubConfig()
	for _, p := range w.branches {
		p.config = w.branchConfig(p)
	}
	return w
}

func (w *world) place(number int, name string) *place {
	p := &place{name: name, number: number, site: w.Namespace("site-" + name), host: w.Namespace("host-" + name)}
	w.Veth(p.host, "lan", p.site, "lan")
	p.site.Addr("lan", p.lan()+"/24")
	p.host.Addr("lan", p.address()+"/24")
	p.host.Route("default", p.lan())
	p.site.Forward()
	link, err := p.site.Handle().LinkByName("lan")
	if err != nil {
		w.t.Fatal(err)
	}
	p.router = macOf(link.Attrs().HardwareAddr)
	return p
}

func macOf(a net.HardwareAddr) (n ipx.Node) {
	copy(n[:], a)
	return n
}

// A way is how a branch and the hub are joined.
type way struct {
	carrier, encryption, ipx string
}

func (w way) String() string {
	return fmt.Sprintf("%s in %s, IPX %s", map[bool]string{true: "MPPE-128", false: "AEAD"}[w.encryption == "mppe-128"],
		map[string]string{"udp": "UDP", "gre": "raw GRE"}[w.carrier], w.ipx)
}

// ways are by the number of the branch, less one. The third is bridged.
var ways = []way{{"udp", "aead", "rip-sap"}, {"gre", "aead", "triggered"}, {"udp", "mppe-128", "bridged"}}

const bridged = branches // the number of the branch whose IPX is

func (w *world) hubConfig() string {
	var b strings.Builder
	b.WriteString("[daemon]\nname = \"hub\"\nstatus = \"STATUS\"\nlisten = [\"0.0.0.0:1723\"]\ncertificate = \"hub.pem\"\n")
	fmt.Fprintf(&b, "[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = %q\n", w.hub.network())
	b.WriteString(segment(w.branches[bridged-1].name))
	for i, p := range w.branches {
		b.WriteString(site(p.name, "answer = true", fmt.Sprintf("10.%d.0.0/24", 100+p.number), "in", ways[i]))
	}
	return b.String()
}

func (w *world) branchConfig(p *place) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[daemon]\nname = %q\nstatus = \"STATUS\"\ncertificate = \"%s.pem\"\n", p.name, p.name)
	b.WriteString("[lan.lan]\ninterface = \"lan\"\n")
	if p.number == bridged {
		b.WriteString(segment("hub"))
	} else {
		fmt.Fprintf(&b, "ethernet_802_2 = %q\n", p.network())
	}
	b.WriteString(site("hub", fmt.Sprintf("dial = [%q]", hubWAN(p.number)), "10.0.0.0/8", "out", ways[p.number-1]))
	return b.String()
}

func segment(site string) string {
	return fmt.Sprintf("[segment.games]\nnetwork = \"00000000\"\nlans = [{ lan = \"lan\", frame = \"ethernet_802_3\" }]\nsites = [%q]\n", site)
}

// site is the tables of one peer.
func site(name, how, routes, direction string, w way) string {
	auth, ipx := `ca = "ca.pem"`, fmt.Sprintf("exchange = %q", w.ipx)
	if w.encryption == "mppe-128" {
		auth = "methods = [\"mschapv2\"]\nsecret_" + direction + "_file = \"secret\""
	}
	if w.ipx == "bridged" {
		ipx = ""
	}
	return fmt.Sprintf(`[site.%[1]s]
%[2]s
transport = %[3]q
%[4]s
[site.%[1]s.auth]
%[5]s
[site.%[1]s.encryption]
methods = [%[6]q]
[site.%[1]s.ip]
routes = [%[7]q]
[site.%[1]s.ipx]
%[8]s
`, name, how, w.carrier, echo(), auth, w.encryption, routes, ipx)
}

// bring starts all daemons and waits until they are joined.
func (w *world) bring() {
	w.t.Helper()
	for _, p := range w.places() {
		w.start(p)
	}
	for _, p := range w.branches {
		p.get().WaitUp("hub")
		w.hub.get().WaitUp(p.name)
	}
}
