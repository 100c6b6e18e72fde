package bridge

import (
	"cmp"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sitebridge/control"
	"sitebridge/internal/radius"
	"sitebridge/ipx/router"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// metricsScrapes is how many may be under way at once.
const metricsScrapes = 4

// metricsHandler answers GET /metrics in the words of Prometheus. status is asked once for
// each scrape.
func metricsHandler(status func() Status, log *slog.Logger) http.Handler {
	all := prometheus.NewRegistry()
	all.MustRegister(collector{status})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		DisableCompression:  true,
		MaxRequestsInFlight: metricsScrapes,
		Timeout:             readersTime,
	}))
	return mux
}

// A collector makes metrics of the daemon's status when somebody asks: packets
// pay nothing for it.
type collector struct {
	status func() Status
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s, to := c.status(), scrape{out}
	to.add(metricUp, 1, s.Version)
	to.at(metricStarted, s.Started)
	to.add(metricWarnings, float64(len(s.Warnings)))
	to.add(metricGoroutines, float64(s.Process.Goroutines))
	to.add(metricDescriptors, float64(s.Process.Descriptors))
	to.add(metricMostOpen, float64(s.Process.DescriptorsLimit))
	to.add(metricResident, float64(s.Process.Resident))
	to.certificates(s)
	for _, h := range s.Hooks {
		to.count(metricHookRuns, h.Runs, h.Hook)
		to.count(metricHookFailed, h.Failed, h.Hook)
		to.count(metricHookMissed, h.Missed, h.Hook)
	}
	for _, site := range s.Sites {
		to.site(site)
	}
	to.count(metricMuxReceived, s.GRE.Received)
	to.drops(metricMuxDrops, s.GRE.Drops, "call")
	to.drops(metricMuxDrops, s.Sockets.Drops, "socket")
	if s.UDP != nil {
		to.drops(metricMuxDrops, s.UDP.Drops, "udp_socket")
	}
	for _, l := range s.Listeners {
		to.listener(l)
	}
	to.count(metricStrangers, s.Strangers.Count)
	to.guard(s.Guard)
	to.radius(s.RADIUS)
	for _, l := range s.LANs {
		to.lan(l)
	}
	for _, g := range s.Segments {
		to.segment(g)
	}
	to.ipx(s.IPX, s.Clashes)
	to.add(metricHeardOnLANs, float64(s.Stations))
}

// A scrape hands over values one by one.
type scrape struct {
	out chan<- prometheus.Metric
}

func (to scrape) add(m *metric, value float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?") // else the whole scrape would fail
	}
	to.out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

func (to scrape) count(m *metric, n uint64, labels ...string) { to.add(m, float64(n), labels...) }

func (to scrape) is(m *metric, yes bool, labels ...string) {
	value := 0.0
	if yes {
		value = 1
	}
	to.add(m, value, labels...)
}

// at adds a time; the zero time is none.
func (to scrape) at(m *metric, t time.Time, labels ...string) {
	if !t.IsZero() {
		to.add(m, float64(t.UnixNano())/1e9, labels...)
	}
}

// drops adds each counter of a struct under its name in JSON, as the last label.
func (to scrape) drops(m *metric, counters any, labels ...string) {
	v := reflect.ValueOf(counters)
	for i := range v.NumField() {
		reason, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		to.count(m, v.Field(i).Uint(), append(labels[:len(labels):len(labels)], reason)...)
	}
}

// flow adds what went in and out.
func (to scrape) flow(m *metric, in, out uint64, labels ...string) {
	to.count(m, in, append(labels[:len(labels):len(labels)], "in")...)
	to.count(m, out, append(labels[:len(labels):len(labels)], "out")...)
}

// certificates adds when they expire; of two that are alike, the first to do so.
func (to scrape) certificates(s Status) {
	type key struct{ name, use string }
	first := map[key]time.Time{}
	for _, c := range s.Certificates {
		k := key{c.Name, c.Use}
		if t, ok := first[k]; !ok || c.NotAfter.Before(t) {
			first[k] = c.NotAfter
		}
	}
	for k, t := range first {
		to.at(metricCertificates, t, k.name, k.use)
	}
}

func (to scrape) site(s SiteStatus) {
	for _, state := range []State{StateListening, StateDialing, StateNegotiating, StateUp, StateWaiting, StateIdle, StateStopped} {
		to.is(metricState, s.State == state, s.Name, string(state))
	}
	to.at(metricSince, s.Since, s.Name)
	to.count(metricDials, s.Dials, s.Name)
	to.count(metricUps, s.Ups, s.Name)
	to.count(metricRefused, s.Refused, s.Name)
	to.drops(metricEnds, s.Ends, s.Name)
	for _, m := range s.AuthMethods {
		to.is(metricAuthWeak, weak(m), s.Name, m)
	}
	phase := ppp.PhaseDead
	if s.Tunnel != nil {
		phase = s.Tunnel.PPP.Phase
		to.tunnel(s.Name, s.Tunnel)
	}
	for p := ppp.PhaseDead; p <= ppp.PhaseTerminate; p++ {
		to.is(metricPhase, p == phase, s.Name, p.String())
	}
	if s.IP != nil {
		v := s.IP.Stats
		to.flow(metricPackets, v.PacketsIn, v.PacketsOut, s.Name, "ip")
		to.flow(metricOctets, v.OctetsIn, v.OctetsOut, s.Name, "ip")
		to.drops(metricDrops, v.Drops, s.Name, "ip")
		to.count(metricClamped, v.Clamped, s.Name)
		to.count(metricTooBig, v.TooBigSent, s.Name)
		if s.IP.MTU > 0 {
			to.add(metricMTU, float64(s.IP.MTU), s.Name)
		}
	}
	if p := s.Pool; p != nil {
		to.add(metricCallers, float64(p.Now), s.Name)
		to.add(metricCallersLimit, float64(p.Limit), s.Name)
		to.count(metricCalls, p.Calls, s.Name)
		to.drops(metricCallersRefused, p.Refused, s.Name)
		to.count(metricForeignIPX, p.ForeignIPX, s.Name)
	}
	if w := s.Watchdogs; w != nil {
		to.count(metricWatchdogs, w.Answered, s.Name)
		to.drops(metricWatchdogRefused, w.Refused, s.Name)
	}
	if d := s.Demand; d != nil {
		to.count(metricKept, d.Kept, s.Name)
		to.drops(metricDrops, d.Drops, s.Name, "demand")
	}
	if s.IPX != nil && s.IPX.Share != nil {
		to.share(s.Name, *s.IPX.Share)
	}
	if s.IPX != nil && s.IPX.Stats != nil {
		v := s.IPX.Stats
		to.flow(metricPackets, v.PacketsIn, v.PacketsOut, s.Name, "ipx")
		to.flow(metricOctets, v.OctetsIn, v.OctetsOut, s.Name, "ipx")
		to.drops(metricDrops, v.Drops, s.Name, "ipx")
	}
}

// share adds how much an attachment has taught.
func (to scrape) share(attachment string, s router.Share) {
	for _, t := range []struct {
		table     string
		is, limit int
	}{{"networks", s.Networks, s.MaxNetworks}, {"services", s.Services, s.MaxServices}} {
		to.add(metricLearned, float64(t.is), attachment, t.table)
		to.add(metricLearnedMax, float64(t.limit), attachment, t.table)
	}
}

// ipx adds how much is known, and what two claim.
func (to scrape) ipx(known router.Tally, clashes []router.Clash) {
	for origin, n := range known.Networks {
		to.add(metricNetworks, float64(n), origin)
	}
	for origin, n := range known.Services {
		to.add(metricServices, float64(n), origin)
	}
	kinds := map[string]int{}
	for _, k := range router.ClashKinds() {
		kinds[k] = 0
	}
	for _, c := range clashes {
		kinds[c.Kind]++
	}
	for kind, n := range kinds {
		to.add(metricClashes, float64(n), kind)
	}
}

// tunnel adds what is known of a site's call. Its counters begin at zero with
// each call, as those of a program that was started again.
func (to scrape) tunnel(site string, t *Tunnel) {
	link := t.PPP
	to.flow(metricPackets, t.GRE.PacketsReceived, t.GRE.PacketsSent, site, "gre")
	to.flow(metricOctets, t.GRE.OctetsReceived, t.GRE.OctetsSent, site, "gre")
	to.flow(metricPackets, link.Stats.PacketsIn, link.Stats.PacketsOut, site, "ppp")
	to.flow(metricOctets, link.Stats.OctetsIn, link.Stats.OctetsOut, site, "ppp")
	to.flow(metricPackets, link.Stats.ControlIn, link.Stats.ControlOut, site, "ppp_control")
	to.control(site, t.Control)
	to.drops(metricDrops, t.Control.Drops, site, "control")
	to.drops(metricDrops, t.GRE.Drops, site, "gre")
	to.drops(metricDrops, link.Stats.Drops, site, "ppp")
	to.drops(metricDrops, link.LCPStats.Drops, site, "lcp")
	for _, n := range link.NCPs {
		to.drops(metricDrops, n.Stats.Drops, site, strings.ToLower(n.Name))
		to.is(metricNCP, n.Opened, site, strings.ToLower(n.Name))
	}
	to.count(metricLost, t.GRE.Lost, site)
	to.count(metricReordered, t.GRE.Reordered, site)
	to.count(metricResyncs, t.GRE.Resyncs, site)
	if link.RoundTrip > 0 {
		to.add(metricRoundTrip, link.RoundTrip.Seconds(), site)
	}
	to.at(metricHeard, link.LastHeard, site)
	if m := t.PPP.Method; m != "" {
		to.add(metricAuth, 1, site, m)
	}
	to.encryption(site, link.Encryption)
	if t.Carrier != "" {
		to.add(metricCarrier, 1, site, t.Carrier)
	}
}

// control adds the messages of a call's control connection.
func (to scrape) control(site string, s control.Stats) {
	to.flow(metricControl, s.In.Total(), s.Out.Total(), site)
	to.flow(metricEchoes, s.In.EchoRequest, s.Out.EchoRequest, site, "request")
	to.flow(metricEchoes, s.In.EchoReply, s.Out.EchoReply, site, "reply")
}

// encryption adds what the cipher counts. All packets but those of these two counters
// are drops.
func (to scrape) encryption(site string, e ppp.EncryptionStatus) {
	const in, out = "opened", "sealed"
	to.add(metricEncryption, 1, site, cmp.Or(e.Method, "none"))
	if e.Packets == nil {
		return
	}
	to.flow(metricPackets, e.Packets[in], e.Packets[out], site, "encryption")
	for reason, n := range e.Packets {
		if reason != in && reason != out {
			to.count(metricDrops, n, site, "encryption", reason)
		}
	}
	for event, n := range e.Events {
		to.count(metricEvents, n, site, event)
	}
}

func (to scrape) listener(l ListenerStatus) {
	to.count(metricConnections, l.Connections, l.Address)
	to.count(metricVacant, l.Vacant, l.Address)
	to.count(metricEvicted, l.Evicted, l.Address)
	to.count(metricOverflow, l.Refused, l.Address)
	to.drops(metricListenerDrops, l.Drops, l.Address)
}

func (to scrape) guard(g GuardStatus) {
	to.count(metricWrongProofs, g.Wrong)
	to.count(metricDelayedProofs, g.Delayed)
	to.add(metricSlowed, float64(g.Sources), "source")
	to.add(metricSlowed, float64(g.Names), "name")
}

func (to scrape) radius(s *radius.Status) {
	if s == nil {
		return
	}
	for _, r := range s.Servers {
		server := r.Address.String()
		to.is(metricRadiusUp, r.Trouble == "", server, r.Kind)
		to.count(metricRadiusRequests, r.Requests, server, r.Kind)
		to.count(metricRadiusAnswers, r.Answers, server, r.Kind)
		to.count(metricRadiusTimeouts, r.Timeouts, server, r.Kind)
		for reason, n := range r.Dropped {
			to.count(metricRadiusDrops, n, server, r.Kind, string(reason))
		}
	}
	to.count(metricRadiusLost, s.Lost)
}

func (to scrape) lan(l LANStatus) {
	to.is(metricLANUp, l.Up, l.Name)
	to.count(metricReopened, l.Stats.Reopened, l.Name)
	to.add(metricLANTrouble, float64(len(l.Trouble)), l.Name)
	in, out := l.Stats.In, l.Stats.Out
	to.flow(metricLANFrames, in.EthernetII, out.EthernetII, l.Name, "ethernet_ii")
	to.flow(metricLANFrames, in.Ethernet8023, out.Ethernet8023, l.Name, "ethernet_802_3")
	to.flow(metricLANFrames, in.Ethernet8022, out.Ethernet8022, l.Name, "ethernet_802_2")
	to.flow(metricLANFrames, in.EthernetSNAP, out.EthernetSNAP, l.Name, "ethernet_snap")
	to.drops(metricLANDrops, l.Stats.Drops, l.Name)
	if l.DOSBox != nil {
		to.add(metricDOSBox, float64(len(l.DOSBox.Clients)), l.Name)
	}
	for _, w := range l.Wires {
		to.flow(metricWirePackets, w.Stats.PacketsIn, w.Stats.PacketsOut, w.Name)
		to.flow(metricWireOctets, w.Stats.OctetsIn, w.Stats.OctetsOut, w.Name)
		to.drops(metricWireDrops, w.Stats.Drops, w.Name)
		to.share(w.Name, w.Share)
	}
}

func (to scrape) segment(s SegmentStatus) {
	for _, p := range s.Ports {
		to.add(metricStations, float64(p.Stations), s.Name, p.Name)
		to.count(metricUnlearned, p.Stats.Unlearned, s.Name, p.Name)
		to.count(metricMoves, p.Stats.Moves, s.Name, p.Name)
		to.flow(metricPortPackets, p.Stats.PacketsIn, p.Stats.PacketsOut, s.Name, p.Name)
		to.flow(metricPortOctets, p.Stats.OctetsIn, p.Stats.OctetsOut, s.Name, p.Name)
		to.drops(metricSegmentDrops, p.Stats.Drops, s.Name, p.Name)
		to.is(metricBlocked, !p.Blocked.IsZero(), s.Name, p.Name)
	}
}

// weak reports whether who records an exchange by the method can find the secret:
// in the clear, by a dictionary or, for MS-CHAPv2, by one DES search.
func weak(method string) bool { return method != auth.EAPTLS.String() }
