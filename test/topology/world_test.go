package topology

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

const (
	hubAddr = "192.0.2.1"
	// hold is how long what is behind a lost link stays known: longer than dialling
	// again takes, and short, since the test waits for its end.
	hold = 2 * time.Second
	// games is the hub's name for the second link with b4, which is bridged.
	games = "b4-games"
	// firstTicks is what the router takes for a link before it was measured.
	firstTicks = 6
)

// A world is the hub and its branches.
type world struct {
	*netlab.Lab
	t        *testing.T
	dir      string
	wan      *netlab.Namespace
	hub      *place
	branches []*place
}

// A place is one site: its daemon, and a host on its LAN.
type place struct {
	name     string
	number   int
	exchange string // with the hub; empty: it is the hub
	site     *netlab.Namespace
	host     *netlab.Namespace
	network  ipx.Network // of the LAN
	offer    offer       // what is announced there
	daemon   *lab.Daemon
	neighbor *neighbor

	mu    sync.Mutex          // guards what follows
	ticks map[string][]uint16 // of the links to each site, all that they were; the last is now
}

func (w *world) places() []*place { return append([]*place{w.hub}, w.branches...) }

// newWorld lays the wires and starts the daemons.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Lab: netlab.New(t, "/dev/net/tun"), t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(w.dir, "secret"), []byte(lab.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wan = w.Namespace("wan")
	w.hub = w.place(0, "hub", "")
	for i, exchange := range []string{"rip-sap", "triggered", "auto-static", "triggered"} {
		w.branches = append(w.branches, w.place(i+1, fmt.Sprintf("b%d", i+1), exchange))
	}
	w.wan.Bridge("switch", "hub", "b1", "b2", "b3", "b4")
	for _, p := range w.places() {
		p.daemon = lab.StartDaemon(t, w.dir, p.site, w.config(p))
		p.neighbor = newNeighbor(t, p)
	}
	return w
}

func (w *world) place(number int, name, exchange string) *place {
	p := &place{
		name: name, number: number, exchange: exchange,
		site: w.Namespace("site-" + name), host: w.Namespace("host-" + name),
		network: ipx.Network(0x10 + 0x10*number),
		ticks:   map[string][]uint16{},
	}
	w.Veth(p.host, "lan", p.site, "lan")
	w.Veth(p.site, "wan", w.wan, name)
	p.site.Addr("wan", fmt.Sprintf("192.0.2.%d/24", 1+number))
	return p
}

// cut takes a branch off the WAN in silence, and mend puts it back and has it dial at
// once.
func (w *world) cut(p *place) {
	w.t.Helper()
	port, err := w.wan.Handle().LinkByName(p.name)
	if err == nil {
		err = w.wan.Handle().LinkSetNoMaster(port)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mend(p *place) {
	w.t.Helper()
	port, err := w.wan.Handle().LinkByName(p.name)
	if err != nil {
		w.t.Fatal(err)
	}
	sw, err := w.wan.Handle().LinkByName("switch")
	if err == nil {
		err = w.wan.Handle().LinkSetMaster(port, sw)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	p.daemon.Run("up", w.hub.name)
}

// config is the text of a daemon's configuration.
func (w *world) config(p *place) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[daemon]\nname = %q\nstatus = \"STATUS\"\n", p.name)
	if p == w.hub {
		b.WriteString("listen = [\"0.0.0.0:1723\"]\n")
	}
	fmt.Fprintf(&b, "[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = %q\n", p.network.String())
	segment := ""
	if p == w.hub {
		for _, branch := range w.branches {
			b.WriteString(link(branch.name, "", "", branch.exchange))
		}
		b.WriteString(link(games, "", "hub-games", ""))
		segment = games
	} else {
		b.WriteString(link(w.hub.name, hubAddr, "", p.exchange))
		if p == w.branches[3] {
			b.WriteString(link("hub-games", hubAddr, games, ""))
			segment = "hub-games"
		}
	}
	if segment != "" {
		fmt.Fprintf(&b, "[segment.games]\nnetwork = \"00000000\"\nlans = [{ lan = \"lan\", frame = \"ethernet_802_3\" }]\nsites = [%q]\n", segment)
	}
	return b.String()
}

// link is the tables of one site. Without an exchange it belongs to a segment.
func link(peer, dial, us, exchange string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[site.%s]\nrequired = [\"ipx\"]\necho = { interval = \"1s\", failures = 2 }\n", peer)
	direction := "in"
	if dial != "" {
		fmt.Fprintf(&b, "dial = [%q]\n", dial)
		direction = "out"
	}
	fmt.Fprintf(&b, "[site.%s.auth]\nmethods = [\"mschapv2\"]\nsecret_%s_file = \"secret\"\n", peer, direction)
	if us != "" {
		fmt.Fprintf(&b, "name = %q\n", us)
	}
	fmt.Fprintf(&b, "[site.%s.encryption]\npolicy = \"disabled\"\n", peer)
	if exchange != "" {
		fmt.Fprintf(&b, "[site.%s.ipx]\nexchange = %q\nhold = %q\n", peer, exchange, hold)
	}
	return b.String()
}

// status asks a daemon how things stand, and remembers how far its links were.
func (p *place) status() (bridge.Status, error) {
	s, err := p.daemon.Status()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, site := range s.Sites {
		if site.IPX == nil || site.IPX.Ticks == 0 {
			continue
		}
		if was := p.ticks[site.Name]; len(was) == 0 {
			p.ticks[site.Name] = []uint16{firstTicks, site.IPX.Ticks}
		} else if was[len(was)-1] != site.IPX.Ticks {
			p.ticks[site.Name] = append(was, site.IPX.Ticks)
		}
	}
	return s, err
}

// toward returns how far the link to a site is; or, where new ticks wait for the next
// full announcement, how far it ever was.
func (p *place) toward(site string, ever bool) []uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.ticks[site]
	if ever || len(was) == 0 {
		return slices.Clone(was)
	}
	return slices.Clone(was[len(was)-1:])
}

// tables asks a daemon for all that it knows.
func (p *place) tables() (t bridge.IPXTables, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = bridge.Client{Socket: p.daemon.Socket}.Get(ctx, "/v1/ipx", &t)
	return t, err
}

// printed is what an operator gets from `sitebridge ipx WHAT --json`.
func printed[T any](p *place, what string) (list []T) {
	out, errs, code := p.daemon.Run("ipx", what, "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		p.daemon.T.Errorf("%s: ipx %s: exit status %d, %v\n%s", p.name, what, code, err, errs)
	}
	return list
}

// sent is how many packets a place has sent into its link with another.
func (p *place) sent(to string) uint64 {
	s, err := p.status()
	if err != nil {
		p.daemon.T.Error(err)
	}
	for _, site := range s.Sites {
		if site.Name == to && site.IPX != nil && site.IPX.Stats != nil {
			return site.IPX.Stats.PacketsOut
		}
	}
	return 0
}

// memory returns what a daemon holds in memory, now and at most, in KiB
// (proc_pid_status(5)).
func (p *place) memory() (now, peak int) {
	p.daemon.T.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.daemon.Pid()))
	if err != nil {
		p.daemon.T.Fatal(err)
	}
	field := func(name string) int {
		_, rest, _ := strings.Cut(string(text), "\n"+name+":")
		line, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(line), " kB"))
		if err != nil {
			p.daemon.T.Fatalf("%s of %s: %v", name, p.name, err)
		}
		return n
	}
	return field("VmRSS"), field("VmHWM")
}
