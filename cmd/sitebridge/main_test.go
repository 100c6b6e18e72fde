package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/privilege"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
	"sitebridge/ipx/watchdog"
	"sitebridge/ppp"
)

// run runs the program inside the test.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	keep := func(*privilege.User, *slog.Logger) error { return nil }
	code = dispatch(&env{context.Background(), &out, &errs, keep, kernelWires{}, nil}, args)
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere.sock")
	for _, c := range []struct {
		args []string
		code int
		want string // in either output
	}{
		{nil, exitUsage, "sitebridge run"},
		{[]string{"help"}, exitOK, "sitebridge ipx ping"},
		{[]string{"version"}, exitOK, "sitebridge "},
		{[]string{"statsu"}, exitUsage, `there is no command "statsu"`},
		{[]string{"ipx"}, exitUsage, "routes, services, nodes, update, ping, slist, listen, sniff, diag, capture"},
		{[]string{"run", "--nonsense"}, exitUsage, "usage: sitebridge run"},
		{[]string{"run", "--log", "xml", "--config", "x"}, exitUsage, `"text", "json" or "journal"`},
		{[]string{"run", "--config", nowhere}, exitConfig, "nowhere"},
		{[]string{"check", "--config", nowhere}, exitConfig, "nowhere"},
		{[]string{"status", "--socket", nowhere}, exitFailed, "no sitebridge answers on"},
		{[]string{"up", "--socket", nowhere, "x"}, exitFailed, "no sitebridge answers on"},
		{[]string{"up"}, exitUsage, "usage: sitebridge up"},
		{[]string{"ipx", "ping"}, exitUsage, "usage: sitebridge ipx ping"},
		{[]string{"ipx", "routes", "--socket", nowhere}, exitFailed, "no sitebridge answers on"},
		{[]string{"run", "my.toml"}, exitUsage, `sitebridge run: unexpected argument "my.toml": write --config my.toml`},
		{[]string{"check", nowhere, "--config", "x"}, exitUsage, `unexpected argument "` + nowhere + `": write --config ` + nowhere},
		{[]string{"ipx", "nodes", "my.toml"}, exitUsage, `unexpected argument "my.toml": write --config my.toml`},
		{[]string{"ipx", "routes", "10"}, exitUsage, "unexpected argument \"10\"\n"},
		{[]string{"status", "a", "b"}, exitUsage, `sitebridge status: unexpected argument "b"`},
		{[]string{"down", "a", "b"}, exitUsage, `sitebridge down: unexpected argument "b"`},
		{[]string{"ipx", "ping", "10", "20"}, exitUsage, `unexpected argument "20"`},
		{[]string{"ipx", "ping", "10", "-c", "many"}, exitUsage, `invalid value "many" for flag -c`},
		{[]string{"version", "2"}, exitUsage, `unexpected argument "2"`},
		{[]string{"help"}, exitOK, "on --socket FILE"},
		{[]string{"status", "--config", nowhere}, exitConfig, "nowhere"},
		{[]string{"demo", "more"}, exitUsage, "usage: sitebridge demo"},
	} {
		code, out, errs := run(t, c.args...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%q: exit %d, want %d, and %q in:\n%s%s", c.args, code, c.code, c.want, out, errs)
		}
	}
}

// placeholder stands where each reader of the README writes the peer's fingerprint.
var placeholder = "sha256:" + strings.Repeat("0", 64)

// What the README tells a newcomer to write must be what check accepts.
func TestREADMEsConfigurationsAreInOrder(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fingerprints := map[string]string{}             // by the table that gets it
	for _, name := range []string{"hq", "branch"} { // its second step
		out := good(t, "identity", "new", "--dir", dir, name)
		_, rest, _ := strings.Cut(out, `fingerprint = "`)
		fingerprints["[site."+name+".auth]"], _, _ = strings.Cut(rest, `"`)
	}
	blocks := strings.Split(string(readme), "```toml\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("the README has %d configurations, want those of two sites", len(blocks))
	}
	for i, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		file := filepath.Join(dir, "sites.toml")
		check := func(text string) (code int, out string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := run(t, "check", "--config", file)
			return code, out + errs
		}
		if code, out := check(text); code != exitConfig || strings.Count(out, "\n") != 1 || !strings.Contains(out, "that is the README's placeholder") {
			t.Errorf("configuration %d of the README as it stands there: exit %d\n%s", i+1, code, out)
		}
		for table, fingerprint := range fingerprints {
			if strings.Contains(text, table) {
				text = strings.Replace(text, placeholder, fingerprint, 1)
			}
		}
		if code, out := check(text); code != exitOK || !strings.Contains(out, "in order") {
			t.Errorf("configuration %d of the README: exit %d\n%s", i+1, code, out)
		}
	}
}

func TestStatusSaysWhyFirst(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &bridge.Status{
		Name: "hq", Version: "1", Started: now.Add(-time.Hour), Warnings: []string{"site.b: nothing is encrypted"},
		Sites: []bridge.SiteStatus{{
			Name: "b", State: bridge.StateWaiting, Since: now.Add(-time.Minute), Reason: "TCP 1723: connection refused",
			NextTry: now.Add(1500 * time.Millisecond), Dials: 7,
			Tunnel: &bridge.Tunnel{PeerHost: "b", Carrier: "udp", PeerPort: 4754, CarrierReason: "the peer answered on UDP port 4754", Control: control.Stats{Drops: control.Drops{UnknownCall: 4}}, GRE: gre.Stats{Lost: 3, Drops: gre.Drops{Late: 2}},
				PPP: ppp.Status{Phase: ppp.PhaseNetwork, NCPs: []ppp.NCPState{{Name: "IPXCP", State: "Stopped", Reason: "peer does not speak it"}}}},
		}},
		Certificates: []identity.Info{
			{Name: "hq", Use: "own", NotAfter: now.Add(-time.Hour), DaysLeft: -1},
			{Name: "b", Use: "peer of site b", NotAfter: now.Add(200 * time.Hour), DaysLeft: 8},
		},
		LANs:    []bridge.LANStatus{{Name: "office\x1b[31m", Device: "eth1", Up: false, Trouble: []string{"interface eth1 is down or gone"}}},
		Sockets: gre.RawStats{Drops: gre.RawDrops{SendQueueFull: 5}},
		UDPPort: 4754,
		UDP:     &gre.UDPStats{Drops: gre.UDPDrops{ReceiveQueueFull: 7}},
		Listeners: []bridge.ListenerStatus{{Address: "0.0.0.0:1723", ListenerStats: control.ListenerStats{
			Connections: 3, Vacant: 2, Evicted: 1, Stats: control.Stats{Drops: control.Drops{MagicCookie: 6}}}}},
	}
	var out bytes.Buffer
	printStatus(&out, s, now)
	for _, want := range []string{
		"warning: site.b: nothing is encrypted",
		"site b: WAITING for 1m0s\n  reason      TCP 1723: connection refused\n  next try    in 1.5s",
		"control; dropped: unknown_call 4",
		"carrier     UDP, peer's port 4754: the peer answered on UDP port 4754\n",
		"GRE sockets; dropped: send_queue_full 5",
		"tunnels in UDP on port 4754: 0 packets received; dropped: receive_queue_full 7",
		"UDP         sent 0 packets, 0 octets; received 0, 0",
		"calls on 0.0.0.0:1723: 3 connections, 2 of them without a call, 1 pushed out, 0 refused; dropped: magic_cookie 6",
		"lost 3, reordered 0; dropped: late 2",
		"IPXCP       Stopped: peer does not speak it",
		"LAN office\\x1b[31m: DOWN on eth1",
		"trouble     interface eth1 is down or gone",
		"certificate hq (own): until 2026-01-01, EXPIRED less than a day ago; sha256:",
		"certificate b (peer of site b): until 2026-01-09, 8 days left; sha256:",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a name steers the terminal")
	}
}

// What is there once is not there "1 times", and what has no number is not 00000000.
func TestStatusOfIPXInWords(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &bridge.Status{
		Clashes: []router.Clash{{Kind: router.OtherNumber, Network: 0x99, Text: "change one", First: now, Last: now}},
		Sites: []bridge.SiteStatus{{
			Name: "b", State: bridge.StateUp, Since: now, Ups: 1, Dials: 2,
			IPX:       &bridge.IPXStatus{Exchange: "auto-static", Ticks: 1},
			Watchdogs: &watchdog.Stats{Sessions: 2, Refused: watchdog.Refused{Silent: 3}},
		}},
		LANs:      []bridge.LANStatus{{Name: "office", Device: "eth1", Up: true, Wires: []router.WireInfo{{Name: "office/ethernet_ii"}}}},
		Segments:  []bridge.SegmentStatus{{Name: "games", Ports: []segment.PortInfo{{Name: "players", Stations: 1}}, Troubles: []segment.Trouble{{Port: "players", Text: "a loop", Since: now, Count: 1}}}},
		Listeners: []bridge.ListenerStatus{{Address: "0.0.0.0:1723", ListenerStats: control.ListenerStats{Connections: 1}}},
	}
	var out bytes.Buffer
	printStatus(&out, s, now)
	for _, want := range []string{
		"clash: network 00000099, other number: change one (first seen 0s ago, last 0s ago)\n",
		"up 1 time, dialled 2 times, 0 calls refused\n",
		"IPX         unnumbered, node 000000000000, peer's 000000000000, exchange auto-static, 1 tick\n",
		"2 NetWare and 0 SPX sessions known, 0 answered; refused: silent 3\n",
		"routed      office/ethernet_ii has no number yet; in 0",
		"segment games: network 00000000, 0 stations\n",
		"trouble     players: a loop (for 0s, 1 time)\n",
		"port        players: 1 station, in 0",
		"calls on 0.0.0.0:1723: 1 connection, 0 of them",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

// An interface that is not there is no fault of the file, but worth a word.
func TestCheckTellsOfAnAbsentInterface(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sites.toml")
	for path, text := range map[string]string{filepath.Join(dir, "secret"): "one secret that is long", file: `[daemon]
name = "hq"
[lan.shop]
interface = "none7"
ethernet_ii = "10"
[lan.here]
interface = "lo"
ethernet_ii = "11"
[site.b]
dial = ["192.0.2.1"]
[site.b.auth]
methods = ["mschapv2"]
secret_out_file = "secret"
[site.b.encryption]
policy = "disabled"
[site.b.ipx]
`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := run(t, "check", "--config", file)
	if code != exitOK || !strings.Contains(out, "warning: lan.shop: interface \"none7\" is not there now\n") || strings.Contains(out, "lan.here") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
}
