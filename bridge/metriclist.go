package bridge

import "github.com/prometheus/client_golang/prometheus"

// A metric is one family of values. docs/metrics.md has a line for each.
type metric struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	desc   *prometheus.Desc
}

// metrics are all of them, in the order of docs/metrics.md.
var metrics []*metric

func gauge(name, help string, labels ...string) *metric {
	return newMetric(prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *metric {
	return newMetric(prometheus.CounterValue, name, help, labels)
}

func newMetric(kind prometheus.ValueType, name, help string, labels []string) *metric {
	name = "sitebridge_" + name
	m := &metric{name, kind, labels, prometheus.NewDesc(name, help, labels, nil)}
	metrics = append(metrics, m)
	return m
}

// Labels hold words of ours and names of our own configuration. Nothing that a
// peer says is one: it could make as many series as it likes.
var (
	metricUp           = gauge("up", "Always 1.", "version")
	metricStarted      = gauge("start_time_seconds", "When the daemon started.")
	metricWarnings     = gauge("warnings", "Warnings about the configuration and the kernel's settings.")
	metricGoroutines   = gauge("goroutines", "Goroutines of the daemon.")
	metricDescriptors  = gauge("open_descriptors", "Files and sockets that the daemon has open.")
	metricMostOpen     = gauge("open_descriptors_limit", "How many it may.")
	metricResident     = gauge("resident_memory_bytes", "Memory of the daemon.")
	metricCertificates = gauge("certificate_expiry_timestamp_seconds", "When a certificate expires.", "name", "use")

	metricHookRuns   = counter("hook_runs_total", "Times that a hook was run for an event.", "hook")
	metricHookFailed = counter("hook_failures_total", "Times that a hook failed or could not be run.", "hook")
	metricHookMissed = counter("hook_missed_total", "Events for which a hook was not run, since it was too far behind.", "hook")

	metricState      = gauge("site_state", "1 for the state in which the site is.", "site", "state")
	metricSince      = gauge("site_state_since_timestamp_seconds", "When the site entered its state.", "site")
	metricDials      = counter("site_dials_total", "Calls tried.", "site")
	metricUps        = counter("site_ups_total", "Times that the site came up.", "site")
	metricRefused    = counter("site_calls_refused_total", "Calls refused because another one stays.", "site")
	metricEnds       = counter("site_ends_total", "Calls that ended, and tries that led to none, by what was wrong.", "site", "kind")
	metricControl    = counter("site_control_messages_total", "PPTP control messages of the call.", "site", "direction")
	metricEchoes     = counter("site_control_echoes_total", "Echo messages among these.", "site", "message", "direction")
	metricAuthWeak   = gauge("site_auth_weak", "For each method that the site allows: 1 if who records an exchange can find the secret.", "site", "method")
	metricAuth       = gauge("site_auth_method", "1 for the method by which a side of the call has to prove itself.", "site", "method")
	metricEncryption = gauge("site_encryption", "1 for the encryption of the call, which may be none.", "site", "method")
	metricCarrier    = gauge("site_carrier", "1 for what the packets of the call travel in, udp or gre.", "site", "carrier")
	metricPhase      = gauge("site_ppp_phase", "1 for the phase of the link.", "site", "phase")
	metricNCP        = gauge("site_ncp_up", "1 if the network protocol is open.", "site", "protocol")
	metricMTU        = gauge("site_mtu_bytes", "Longest IP packet that the tunnel takes whole.", "site")
	metricClamped    = counter("site_tcp_clamped_total", "TCP connections whose segment size was lowered.", "site")
	metricTooBig     = counter("site_too_big_total", "Senders that were told of a packet too big.", "site")
	metricRoundTrip  = gauge("site_round_trip_seconds", "Round trip of the last LCP Echo.", "site")
	metricHeard      = gauge("site_last_heard_timestamp_seconds", "When the last frame came from the peer.", "site")
	metricPackets    = counter("site_packets_total", "Packets through a layer of the site.", "site", "layer", "direction")
	metricOctets     = counter("site_octets_total", "Octets through a layer of the site.", "site", "layer", "direction")
	metricDrops      = counter("site_drops_total", "Packets dropped by a layer of the site.", "site", "layer", "reason")
	metricEvents     = counter("site_encryption_events_total", "What befell the cipher of the call and is no drop.", "site", "event")
	metricLost       = counter("site_gre_lost_total", "GRE packets of the peer that never came.", "site")
	metricReordered  = counter("site_gre_reordered_total", "GRE packets put back in their place.", "site")
	metricResyncs    = counter("site_gre_resyncs_total", "Times that the peer's sequence numbers jumped.", "site")

	metricCallers        = gauge("site_callers", "Callers of a site with a pool now.", "site")
	metricCallersLimit   = gauge("site_callers_limit", "How many there may be.", "site")
	metricCalls          = counter("site_calls_total", "Callers of a site with a pool that were let in.", "site")
	metricCallersRefused = counter("site_callers_refused_total", "Callers that proved who they are and were not let in.", "site", "reason")
	metricForeignIPX     = counter("site_callers_foreign_ipx_total", "IPX packets of callers under the addresses of others.", "site")
	metricKept           = counter("site_demand_kept_total", "Packets that had to wait for a call of a site on demand.", "site")

	metricWatchdogs       = counter("site_watchdog_answers_total", "Watchdogs answered for hosts behind the site.", "site")
	metricWatchdogRefused = counter("site_watchdog_refused_total", "Watchdogs that were not answered for hosts behind the site.", "site", "reason")

	metricMuxReceived = counter("gre_received_total", "GRE packets received, those of no call included.")
	metricMuxDrops    = counter("gre_drops_total", "GRE packets dropped before they belonged to a call.", "layer", "reason")

	metricConnections   = gauge("listener_connections", "Control connections now.", "address")
	metricVacant        = gauge("listener_vacant", "Control connections without a call.", "address")
	metricEvicted       = counter("listener_evicted_total", "Control connections without a call that had to go for newer ones.", "address")
	metricOverflow      = counter("listener_refused_total", "Control connections refused when all places had calls.", "address")
	metricListenerDrops = counter("listener_drops_total", "Control messages dropped.", "address", "reason")
	metricStrangers     = counter("strangers_total", "Calls that ended before their caller was known.")
	metricWrongProofs   = counter("guard_wrong_proofs_total", "Proofs of a name that were wrong.")
	metricDelayedProofs = counter("guard_delayed_proofs_total", "Proofs that had to wait before they were judged.")
	metricSlowed        = gauge("guard_slowed", "Addresses or names whose proofs have to wait.", "by")

	metricRadiusUp       = gauge("radius_server_up", "1 if the server answered the last request, or was not asked.", "server", "kind")
	metricRadiusRequests = counter("radius_requests_total", "Requests to a server, without repeats.", "server", "kind")
	metricRadiusAnswers  = counter("radius_answers_total", "Answers of a server that were believed.", "server", "kind")
	metricRadiusTimeouts = counter("radius_timeouts_total", "Times that a server did not answer in time.", "server", "kind")
	metricRadiusDrops    = counter("radius_drops_total", "Packets that were not taken as answers.", "server", "kind", "reason")
	metricRadiusLost     = counter("radius_accounting_lost_total", "Records of calls that no server took.")

	metricLANUp        = gauge("lan_up", "1 if the interface is up.", "lan")
	metricLANTrouble   = gauge("lan_troubles", "What is wrong with the wire: so many things.", "lan")
	metricReopened     = counter("lan_reopened_total", "Times that the interface came back.", "lan")
	metricLANFrames    = counter("lan_frames_total", "IPX frames by type.", "lan", "frame", "direction")
	metricLANDrops     = counter("lan_drops_total", "Frames dropped.", "lan", "reason")
	metricWirePackets  = counter("wire_packets_total", "IPX packets between a routed wire and the router.", "wire", "direction")
	metricWireOctets   = counter("wire_octets_total", "Octets of these.", "wire", "direction")
	metricWireDrops    = counter("wire_drops_total", "IPX packets of a routed wire dropped.", "wire", "reason")
	metricDOSBox       = gauge("lan_dosbox_clients", "Emulators connected.", "lan")
	metricNetworks     = gauge("ipx_networks", "IPX networks known.", "origin")
	metricServices     = gauge("ipx_services", "IPX services known.", "origin")
	metricClashes      = gauge("ipx_clashes", "IPX numbers that two claim.", "kind")
	metricLearned      = gauge("ipx_learned", "Ways that an attachment, a wire or a site, has taught.", "attachment", "table")
	metricLearnedMax   = gauge("ipx_learned_limit", "How many it may.", "attachment", "table")
	metricHeardOnLANs  = gauge("ipx_stations", "Stations heard on routed wires.")
	metricStations     = gauge("segment_stations", "Stations known behind a port of a segment.", "segment", "port")
	metricBlocked      = gauge("segment_port_blocked", "1 while a port is out of use because of a loop.", "segment", "port")
	metricUnlearned    = counter("segment_unlearned_total", "Packets of stations beyond the limit of a port.", "segment", "port")
	metricMoves        = counter("segment_station_moves_total", "Stations that came to a port from another one.", "segment", "port")
	metricPortPackets  = counter("segment_packets_total", "IPX packets between a port and its segment.", "segment", "port", "direction")
	metricPortOctets   = counter("segment_octets_total", "Octets of these.", "segment", "port", "direction")
	metricSegmentDrops = counter("segment_drops_total", "IPX packets of a port dropped.", "segment", "port", "reason")
)
