package bridge

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/radius"
	"sitebridge/ip"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
	"sitebridge/ipx/watchdog"
	"sitebridge/ppp"
)

// evil is what a peer says wherever it may say something.
const evil = "evil\"} 1\n\xff"

// sampleStatus is a daemon with one of everything.
func sampleStatus() Status {
	at := time.Unix(1_700_000_000, 500_000_000)
	link := ppp.Status{
		Phase:      ppp.PhaseNetwork,
		Method:     "mschapv2",
		Peer:       ppp.PeerStatus{Proved: true, Name: evil, Method: "mschapv2", Said: []string{evil}},
		NCPs:       []ppp.NCPState{{Name: "IPXCP", Reason: evil}},
		Encryption: ppp.EncryptionStatus{Method: "mppe-128", Packets: map[string]uint64{"sealed": 23, "opened": 24, "late": 25}, Events: map[string]uint64{"resynchronised": 30}},
		Stats:      ppp.Stats{PacketsIn: 11, OctetsOut: 12, Drops: ppp.Drops{BeforeLCP: 13}},

		RoundTrip: 20 * time.Millisecond, LastHeard: at,
	}
	tunnel := &Tunnel{PeerHost: evil, PeerVendor: evil, Carrier: "udp", CarrierReason: evil, PeerPort: 4755, PPP: link, Control: control.Stats{In: control.Messages{EchoReply: 35, StartReply: 1}, Out: control.Messages{EchoRequest: 37}}, GRE: gre.Stats{PacketsSent: 14, Drops: gre.Drops{TooBig: 15}}}
	up := SiteStatus{
		Name: "branch", State: StateUp, Since: at, Reason: evil, Dials: 1, Ups: 2, Refused: 3, Tunnel: tunnel,
		AuthMethods: []string{"eap-tls", "mschapv2"},
		Pool:        &PoolStatus{Now: 35, Limit: 36, Calls: 37, Refused: RemoteRefusals{Busy: 38}, ForeignIPX: 39},
		Callers:     []CallerStatus{{Name: evil}},
		Ends:        Ends{NoGRE: 38},
		IP:          &IPStatus{MTU: 1434, Stats: ip.Stats{OctetsIn: 16, Clamped: 39, TooBigSent: 40}}, IPX: &IPXStatus{Share: &router.Share{Networks: 41, MaxNetworks: 42}, PeerRouter: evil, Stats: &router.Stats{PacketsOut: 17}},
		Watchdogs: &watchdog.Stats{Answered: 31, Refused: watchdog.Refused{Silent: 32}},
		Demand:    &DemandStatus{Kept: 35, Drops: DemandDrops{Ignored: 36}, Woken: &Woken{Source: evil}},
	}
	return Status{
		Stations: 44,
		Name:     "hq", Version: "1.2.3", Started: at, Warnings: []string{evil},
		IPX:       router.Tally{Networks: map[string]int{"learned": 33}, Services: map[string]int{"held": 34}},
		Clashes:   []router.Clash{{Kind: router.OwnNode, Text: evil}, {Kind: router.OwnNode}},
		Sites:     []SiteStatus{up, {Name: "branch2", State: StateWaiting, Since: at}},
		Strangers: Strangers{Count: 18, Reason: evil},
		RADIUS: &radius.Status{Lost: 81, Servers: []radius.ServerStatus{{Address: netip.MustParseAddrPort("192.0.2.5:1812"), Kind: "authentication",
			Requests: 82, Answers: 83, Timeouts: 84, Dropped: map[radius.Drop]uint64{radius.DropSignature: 85}}}},
		Guard: GuardStatus{Wrong: 26, Delayed: 27, Sources: 28, Names: 29, WorstNames: []Guesser{{Who: evil}}},
		Certificates: []identity.Info{
			{Name: "ca", Use: "ca of site branch", NotAfter: at.Add(time.Hour)},
			{Name: "ca", Use: "ca of site branch", NotAfter: at}, // its successor is there already
		},
		Hooks:     []HookStatus{{"/etc/sitebridge/hook", 91, 92, 93}},
		Listeners: []ListenerStatus{{"0.0.0.0:1723", control.ListenerStats{Connections: 19, Stats: control.Stats{Drops: control.Drops{MagicCookie: 20}}}}},
		LANs: []LANStatus{{
			Name: "office", Up: true, Trouble: []string{evil}, Wires: []router.WireInfo{{Name: "office/ethernet_ii", Share: router.Share{MaxServices: 43}}},
			Stats: port.Stats{Reopened: 47, In: port.ByEncapsulation{EthernetSNAP: 21}}, DOSBox: &DOSBoxStatus{Clients: make([]port.DOSBoxClient, 2)},
		}},
		Segments: []SegmentStatus{{Name: "games", Ports: []segment.PortInfo{{Name: "office", Stations: 22, Blocked: at, Stats: segment.Stats{Unlearned: 45, Moves: 46}}}}},
	}
}

// metricsServer serves the metrics of a status until the test ends.
func metricsServer(t *testing.T, l net.Listener, s Status) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	go func() { done <- serveReaders(ctx, l, metricsHandler(func() Status { return s }, log), "metrics", log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serveReaders = %v", err)
		}
	})
}

// metricsURL serves the metrics of a status on a port of loopback.
func metricsURL(t *testing.T, s Status) string {
	t.Helper()
	l, err := listenReaders(t.Context(), ofMetrics, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	metricsServer(t, l, s)
	return "http://" + l.Addr().String()
}

// scraped returns what is served for a status.
func scraped(t *testing.T, s Status) string {
	t.Helper()
	code, body := fetch(t, http.MethodGet, metricsURL(t, s)+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, body)
	}
	return body
}

func fetch(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestMetricsServed(t *testing.T) {
	body := scraped(t, sampleStatus())
	for _, line := range []string{
		`sitebridge_up{version="1.2.3"} 1`,
		`sitebridge_start_time_seconds 1.7000000005e+09`,
		`sitebridge_hook_runs_total{hook="/etc/sitebridge/hook"} 91`,
		`sitebridge_hook_failures_total{hook="/etc/sitebridge/hook"} 92`,
		`sitebridge_hook_missed_total{hook="/etc/sitebridge/hook"} 93`,
		`sitebridge_site_state{site="branch",state="up"} 1`,
		`sitebridge_site_state{site="branch",state="waiting"} 0`,
		`sitebridge_site_state{site="branch2",state="waiting"} 1`,
		`sitebridge_site_dials_total{site="branch"} 1`,
		`sitebridge_site_calls_refused_total{site="branch"} 3`,
		`sitebridge_site_callers{site="branch"} 35`,
		`sitebridge_site_callers_limit{site="branch"} 36`,
		`sitebridge_site_calls_total{site="branch"} 37`,
		`sitebridge_site_callers_refused_total{reason="busy",site="branch"} 38`,
		`sitebridge_site_callers_foreign_ipx_total{site="branch"} 39`,
		`sitebridge_site_ends_total{kind="no_gre",site="branch"} 38`,
		`sitebridge_site_ends_total{kind="peer",site="branch2"} 0`,
		`sitebridge_site_control_messages_total{direction="in",site="branch"} 36`,
		`sitebridge_site_control_echoes_total{direction="out",message="request",site="branch"} 37`,
		`sitebridge_site_control_echoes_total{direction="in",message="reply",site="branch"} 35`,
		`sitebridge_site_ncp_up{protocol="ipxcp",site="branch"} 0`,
		`sitebridge_site_mtu_bytes{site="branch"} 1434`,
		`sitebridge_site_tcp_clamped_total{site="branch"} 39`,
		`sitebridge_site_too_big_total{site="branch"} 40`,
		`sitebridge_ipx_learned{attachment="branch",table="networks"} 41`,
		`sitebridge_ipx_learned_limit{attachment="branch",table="networks"} 42`,
		`sitebridge_ipx_learned_limit{attachment="office/ethernet_ii",table="services"} 43`,
		`sitebridge_ipx_stations 44`,
		`sitebridge_segment_unlearned_total{port="office",segment="games"} 45`,
		`sitebridge_segment_station_moves_total{port="office",segment="games"} 46`,
		`sitebridge_lan_reopened_total{lan="office"} 47`,
		`sitebridge_site_auth_method{method="mschapv2",site="branch"} 1`,
		`sitebridge_site_auth_weak{method="mschapv2",site="branch"} 1`,
		`sitebridge_site_encryption{method="mppe-128",site="branch"} 1`,
		`sitebridge_site_carrier{carrier="udp",site="branch"} 1`,
		`sitebridge_site_packets_total{direction="in",layer="encryption",site="branch"} 24`,
		`sitebridge_site_drops_total{layer="encryption",reason="late",site="branch"} 25`,
		`sitebridge_site_encryption_events_total{event="resynchronised",site="branch"} 30`,
		`sitebridge_guard_wrong_proofs_total 26`,
		`sitebridge_guard_delayed_proofs_total 27`,
		`sitebridge_guard_slowed{by="source"} 28`,
		`sitebridge_radius_server_up{kind="authentication",server="192.0.2.5:1812"} 1`,
		`sitebridge_radius_requests_total{kind="authentication",server="192.0.2.5:1812"} 82`,
		`sitebridge_radius_answers_total{kind="authentication",server="192.0.2.5:1812"} 83`,
		`sitebridge_radius_timeouts_total{kind="authentication",server="192.0.2.5:1812"} 84`,
		`sitebridge_radius_drops_total{kind="authentication",reason="wrong_message_authenticator",server="192.0.2.5:1812"} 85`,
		`sitebridge_radius_accounting_lost_total 81`,
		`sitebridge_guard_slowed{by="name"} 29`,
		`sitebridge_certificate_expiry_timestamp_seconds{name="ca",use="ca of site branch"} 1.7000000005e+09`,
		`sitebridge_site_ppp_phase{phase="network",site="branch"} 1`,
		`sitebridge_site_ppp_phase{phase="dead",site="branch2"} 1`,
		`sitebridge_site_packets_total{direction="in",layer="ppp",site="branch"} 11`,
		`sitebridge_site_packets_total{direction="out",layer="gre",site="branch"} 14`,
		`sitebridge_site_packets_total{direction="out",layer="ipx",site="branch"} 17`,
		`sitebridge_site_octets_total{direction="in",layer="ip",site="branch"} 16`,
		`sitebridge_site_drops_total{layer="ppp",reason="before_lcp",site="branch"} 13`,
		`sitebridge_site_drops_total{layer="gre",reason="too_big",site="branch"} 15`,
		`sitebridge_site_drops_total{layer="ipxcp",reason="malformed",site="branch"} 0`,
		`sitebridge_strangers_total 18`,
		`sitebridge_listener_connections{address="0.0.0.0:1723"} 19`,
		`sitebridge_listener_drops_total{address="0.0.0.0:1723",reason="magic_cookie"} 20`,
		`sitebridge_lan_frames_total{direction="in",frame="ethernet_snap",lan="office"} 21`,
		`sitebridge_segment_stations{port="office",segment="games"} 22`,
		`sitebridge_segment_port_blocked{port="office",segment="games"} 1`,
		`sitebridge_site_watchdog_answers_total{site="branch"} 31`,
		`sitebridge_site_watchdog_refused_total{reason="silent",site="branch"} 32`,
		`sitebridge_ipx_networks{origin="learned"} 33`,
		`sitebridge_ipx_services{origin="held"} 34`,
		`sitebridge_ipx_clashes{kind="own_node"} 2`,
		`sitebridge_ipx_clashes{kind="other_number"} 0`,
		`sitebridge_lan_dosbox_clients{lan="office"} 2`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

// What is no drop is not among the drops.
func TestMetricsOfEvents(t *testing.T) {
	for _, line := range strings.Split(scraped(t, sampleStatus()), "\n") {
		if strings.Contains(line, "resynchronised") && strings.HasPrefix(line, "sitebridge_site_drops_total") {
			t.Error(line)
		}
	}
}

// Row C12: what a peer says is in no metric. It could make as many series as it
// likes, and lines of its own.
func TestAttackC12NothingOfPeersInMetrics(t *testing.T) {
	if body := scraped(t, sampleStatus()); strings.Contains(body, "evil") {
		t.Error("the peer's words are in the metrics:\n" + body)
	}
}

// However many peers there are, whatever they call themselves, the series are those of our
// configuration.
func TestMetricsAreBounded(t *testing.T) {
	series := func(name string, peers int) int {
		s := sampleStatus()
		u := s.Sites[0].Tunnel
		u.PeerHost, u.PeerVendor, u.PPP.Peer.Name, u.PPP.Peer.Said = name, name, name, []string{name}
		for i := range peers {
			who := fmt.Sprint(name, i)
			s.Guard.WorstNames = append(s.Guard.WorstNames, Guesser{Who: who})
			s.Clashes = append(s.Clashes, router.Clash{Kind: router.OwnNode, Text: who})
			s.LANs[0].Wires[0].Neighbours = append(s.LANs[0].Wires[0].Neighbours, router.NeighbourInfo{Node: ipx.Node{byte(i)}})
			s.LANs[0].DOSBox.Clients = append(s.LANs[0].DOSBox.Clients, port.DOSBoxClient{})
			s.Segments[0].Stations = append(s.Segments[0].Stations, segment.StationInfo{Node: ipx.Node{byte(i)}})
		}
		return strings.Count(scraped(t, s), "\nsitebridge_")
	}
	if one, many := series("a", 1), series("b", 200); one != many || one < 200 {
		t.Errorf("%d series of one peer, %d of 200", one, many)
	}
}

// The manual has a row for each metric with its kind and labels, and none besides,
// and each is served.
func TestMetricsAreInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(sitebridge_[^`]*)` \\| (\\w+) \\|").FindAllStringSubmatch(string(manual), -1) {
		rows = append(rows, m[1]+" "+m[2])
	}
	var want []string
	for _, m := range metrics {
		labels := ""
		if len(m.labels) > 0 {
			labels = "{" + strings.Join(m.labels, ",") + "}"
		}
		want = append(want, m.name+labels+" "+strings.ToLower(m.kind.ToDTO().String()))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("docs/metrics.md has\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	body := scraped(t, sampleStatus())
	for _, m := range metrics {
		kind := strings.ToLower(m.kind.ToDTO().String())
		if !strings.Contains(body, "# TYPE "+m.name+" "+kind+"\n") {
			t.Errorf("%s is not served as a %s", m.name, kind)
		}
	}
}

// Names of our own that are no UTF-8 spoil one label and not the whole scrape.
func TestMetricsOfStrangeNames(t *testing.T) {
	s := Status{Sites: []SiteStatus{{Name: "caf\xe9"}, {Name: "two\nlines\""}}}
	body := scraped(t, s)
	for _, line := range []string{`sitebridge_site_dials_total{site="caf?"} 0`, `sitebridge_site_dials_total{site="two\nlines\""} 0`} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

func TestMetricsOnlyGet(t *testing.T) {
	url := metricsURL(t, sampleStatus())
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/metrics", http.StatusOK},
		{http.MethodHead, "/metrics", http.StatusOK},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/v1/status", http.StatusNotFound},
		{http.MethodPost, "/v1/sites/branch/down", http.StatusNotFound},
	} {
		if code, _ := fetch(t, c.method, url+c.path); code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, code, c.want)
		}
	}
}

// Readers that say nothing hold so many places, and only for so long.
func TestMetricsReadersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener(netip.MustParseAddrPort("127.0.0.1:9723"))
		metricsServer(t, l, sampleStatus())
		began := time.Now()
		for range readersConnections {
			c, err := l.dial(netip.MustParseAddrPort("127.0.0.1:40000"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		late, err := l.dial(netip.MustParseAddrPort("127.0.0.1:40001"))
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		fmt.Fprint(late, "GET /metrics HTTP/1.0\r\n\r\n")
		answer, err := io.ReadAll(late)
		if err != nil || !strings.Contains(string(answer), "sitebridge_up") {
			t.Errorf("answer %q, %v", answer, err)
		}
		if took := time.Since(began); took != readersTime {
			t.Errorf("a place was free after %v, want %v", took, readersTime)
		}
	})
}

func TestMetricsAddressInUse(t *testing.T) {
	l, err := listenReaders(t.Context(), ofMetrics, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = listenReaders(t.Context(), ofMetrics, netip.MustParseAddrPort(l.Addr().String()))
	if err == nil || !strings.Contains(err.Error(), "daemon.metrics names another address") {
		t.Errorf("listenReaders = %v", err)
	}
}
