package hub

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/control/gre"
	"sitebridge/internal/netlab"
	"sitebridge/internal/secret"
	"sitebridge/ip"
	"sitebridge/ppp/ipcp"
	"sitebridge/test/lab"
)

// The wires of a hub and its branches, which are one process, this one:
//
//	server --lan-- hub ==wan== branches
const (
	hubWAN, branchesWAN = "192.0.2.1", "192.0.2.2"
	hubLAN, serverLAN   = "10.1.0.1", "10.1.0.2"
)

// fieldQueue is for how many octets the branches, which share one socket, have room.
const fieldQueue = 32 << 20

// A fleetConfig says what hub and branches are like.
type fleetConfig struct {
	branches int
	method   string        // "aead", by EAP-TLS, or "mppe-128", by MS-CHAPv2
	pool     bool          // all branches are callers of one site
	nat      bool          // all branches call from one address
	udp      bool          // GRE travels in UDP
	echo     time.Duration // how long a link is silent before the peer is asked; 0: 10 s
}

// A fleet is a hub and many branches.
type fleet struct {
	fleetConfig
	t                *testing.T
	dir              string
	hub, field, host *netlab.Namespace // where the hub is, the branches, the host behind the hub
	daemon           *lab.Daemon
	ca               *identity.Own
	branches         []*branch
	callers          []atomic.Pointer[ip.Caller]

	mux      *gre.Mux
	dev      *ip.Interface
	all      ip.Callers
	up       atomic.Int64  // branches
	received atomic.Uint64 // octets, by the ends of streams
	running  sync.WaitGroup
}

// newFleet lays the wires, and makes all that branches and hub need to know of each
// other. Nobody runs yet.
func newFleet(t *testing.T, cfg fleetConfig) *fleet {
	t.Helper()
	f := &fleet{fleetConfig: cfg, t: t, dir: t.TempDir(), callers: make([]atomic.Pointer[ip.Caller], cfg.branches)}
	if f.echo == 0 {
		f.echo = 10 * time.Second
	}
	l := netlab.New(t, "/dev/net/tun")
	f.hub, f.field, f.host = l.Namespace("hub"), l.Namespace("branches"), l.Namespace("server")
	l.Veth(f.hub, "wan", f.field, "wan")
	l.Veth(f.host, "lan", f.hub, "lan")
	f.hub.Addr("wan", hubWAN+"/30")
	f.field.Addr("wan", branchesWAN+"/30")
	f.hub.Addr("lan", hubLAN+"/24")
	f.host.Addr("lan", serverLAN+"/24")
	f.hub.Route("198.18.0.0/16", branchesWAN)
	f.hub.Route("10.2.0.0/16", serverLAN)
	f.host.Route("default", hubLAN)
	f.hub.Forward()
	f.everyAddress(f.host, "10.2.0.0/16")
	f.everyAddress(f.field, "198.18.0.0/16")
	f.everyAddress(f.field, "10.64.0.0/10")
	f.identities()
	f.openField()
	return f
}

// everyAddress makes all addresses of a network the host's own.
func (f *fleet) everyAddress(ns *netlab.Namespace, network string) {
	f.t.Helper()
	f.command(ns, "ip", "route", "add", "local", network, "dev", "lo")
}

func (f *fleet) command(ns *netlab.Namespace, name string, args ...string) {
	f.t.Helper()
	if out, err := ns.Command(name, args...).CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, out)
	}
}

// identities makes the branches, each with its certificate or its secret.
func (f *fleet) identities() {
	f.t.Helper()
	now := time.Now()
	var err error
	if f.ca, err = identity.NewCA("test-CA", now, 24*time.Hour); err != nil {
		f.t.Fatal(err)
	}
	own, err := f.ca.Issue("hub", now, 12*time.Hour)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("ca.pem", f.ca.Certificate())
	f.write("hub.pem", own.Certificate())
	f.write("hub.key", own.Key())
	for n := range f.fleetConfig.branches {
		b := &branch{f: f, n: n}
		if f.method == "aead" {
			if b.own, err = f.ca.Issue(b.name(), now, 12*time.Hour); err != nil {
				f.t.Fatal(err)
			}
		} else {
			b.secret = secret.Secret(fmt.Sprintf("%s of branch %d", lab.Secret, n))
			if !f.pool {
				f.write("word-"+b.name(), []byte(b.secret))
			}
		}
		f.branches = append(f.branches, b)
	}
	if f.pool {
		f.write("users.toml", []byte(f.users()))
	}
}

func (f *fleet) write(name string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// openField opens what the branches share: the carrier, and their interface.
func (f *fleet) openField() {
	f.t.Helper()
	err := f.field.Do(func() error {
		raw, err := gre.OpenRaw(gre.RawConfig{ReceiveBuffer: fieldQueue})
		if err != nil {
			return err
		}
		udp, err := f.openUDP()
		if err != nil {
			return err
		}
		f.mux = gre.NewMux(raw, udp, nil)
		host, err := ip.OpenHost()
		if err != nil {
			return err
		}
		f.t.Cleanup(host.Close)
		f.dev, err = ip.Open(ip.Config{Name: "field", Host: host})
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.dev.Close() })
	// A thousand interfaces would have as many queues.
	f.command(f.field, "ip", "link", "set", "field", "txqueuelen", "50000")
	f.command(f.field, "ip", "route", "add", "10.2.0.0/16", "dev", "field")
}

// dialAll has the branches dial from now on, until the test ends.
func (f *fleet) dialAll() {
	ctx, cancel := context.WithCancel(context.Background())
	under, endUnder := context.WithCancel(context.Background())
	f.running.Go(func() { f.mux.Run(under) })
	f.running.Go(func() { f.dev.Run(under) })
	var calls sync.WaitGroup
	for _, b := range f.branches {
		calls.Go(func() { b.run(ctx) })
	}
	f.t.Cleanup(func() {
		cancel()
		calls.Wait()
		endUnder()
		f.running.Wait()
	})
}

// dial opens TCP to the hub, from the branch's own address.
func (f *fleet) dial(ctx context.Context, b *branch) (nc net.Conn, err error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if !f.nat {
		d.LocalAddr = &net.TCPAddr{IP: b.outer().AsSlice()}
	}
	err = f.field.Do(func() error {
		nc, err = d.DialContext(ctx, "tcp4", hubWAN+":1723")
		return err
	})
	return nc, err
}

func (f *fleet) take(b *branch, c ip.CallerConfig) {
	f.callers[b.n].Store(f.all.Add(c))
	f.dev.Up(ip.Live{Callers: &f.all, MTU4: f.all.MTU()})
}

func (f *fleet) drop(b *branch) {
	if c := f.callers[b.n].Swap(nil); c != nil {
		c.Remove()
	}
}

func (f *fleet) cameUp(ipcp.Result) { f.up.Add(1) }

// start starts the hub.
func (f *fleet) start() {
	f.t.Helper()
	f.daemon = lab.StartDaemon(f.t, f.dir, f.hub, f.config())
}

// waitUp waits until all branches are up and returns how long that took since began.
func (f *fleet) waitUp(began time.Time, patience time.Duration) time.Duration {
	f.t.Helper()
	for time.Since(began) < patience {
		if int(f.up.Load()) == len(f.branches) {
			return time.Since(began)
		}
		select {
		case <-f.daemon.Ended():
			f.t.Fatal("the hub has ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
	reasons := map[string]int{}
	for _, b := range f.branches {
		if b.up.Load() {
			continue
		}
		words := "still trying"
		if why := b.reason.Load(); why != nil {
			words = *why
		}
		reasons[words]++
	}
	f.t.Fatalf("%d of %d branches are up after %v; why not: %v", f.up.Load(), len(f.branches), patience, reasons)
	return 0
}

// config is the hub's sites.toml.
func (f *fleet) config() string {
	var b strings.Builder
	b.WriteString("[daemon]\nname = \"hub\"\nstatus = \"STATUS\"\nlisten = [\"0.0.0.0:1723\"]\n")
	methods, trust := `["mschapv2"]`, ""
	if f.method == "aead" {
		b.WriteString("certificate = \"hub.pem\"\n")
		methods, trust = `["eap-tls"]`, "ca = \"ca.pem\"\n"
	}
	fmt.Fprintf(&b, "[defaults]\necho = { interval = %q, failures = 3 }\nrequired = [\"ip\"]\n", f.echo)
	fmt.Fprintf(&b, "[defaults.auth]\nmethods = %s\n%s[defaults.encryption]\nmethods = [%q]\n", methods, trust, f.method)
	if f.pool {
		fmt.Fprintf(&b, "[site.road]\nusers_file = \"users.toml\"\ncallers = %d\n[site.road.ip]\naddress = \"10.253.0.1\"\npool = \"10.254.0.0/16\"\n", len(f.branches))
		return b.String()
	}
	for _, n := range f.branches {
		fmt.Fprintf(&b, "[site.%s]\n[site.%[1]s.auth]\n", n.name())
		if f.method != "aead" {
			fmt.Fprintf(&b, "secret_in_file = \"word-%s\"\n", n.name())
		}
		fmt.Fprintf(&b, "[site.%s.ip]\naddress = \"10.255.0.1\"\npeer = \"%v\"\nroutes = [\"%v\"]\n", n.name(), n.inner(), n.lan())
	}
	return b.String()
}

// users is the file of the callers of a pool.
func (f *fleet) users() string {
	var b strings.Builder
	for _, n := range f.branches {
		fmt.Fprintf(&b, "[user.%s]\naddress = \"%v\"\nroutes = [\"%v\"]\n", n.name(), n.inner(), n.lan())
		if n.secret != "" {
			fmt.Fprintf(&b, "secret = %q\n", string(n.secret))
		}
	}
	return b.String()
}
