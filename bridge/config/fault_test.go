package config

import (
	"cmp"
	"os"
	"strings"
	"testing"
)

// good is a base for faults: cases replace a part of it.
const good = `[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
[lan.office]
interface = "eth1"
ethernet_802_2 = "00000010"
[site.b1]
dial = ["b1.example.net"]
[site.b1.auth]
methods = ["mschapv2"]
secret_out_file = "out"
secret_in_file = "in"
[site.b1.encryption]
policy = "disabled"
[site.b1.ip]
[site.b2]
[site.b2.auth]
methods = ["mschapv2"]
secret_in_file = "in"
[site.b2.encryption]
policy = "disabled"
[site.b2.ip]
`

// Each case puts text into good and names all faults that this brings, whole.
func TestFaults(t *testing.T) {
	const b1ip, b2ip = "[site.b1.ip]\n", "[site.b2.ip]\n"
	runFaults(t, good, func(d dir) {
		d.secret("out", "one secret")
		d.secret("in", "another")
	}, []faultCase{
		{"nothing", "", "", nil},

		// the file
		{"not TOML", `name = "hq"`, `name = hq`,
			[]string{`:2: daemon.name: expected value but found "hq" instead: correct this first; the rest of the file was not looked at`}},
		{"a table twice", "", "[site.b1]\n",
			[]string{`:23: site: Key 'site.b1' has already been defined: correct this first; the rest of the file was not looked at`}},
		{"unknown table", "", "[sites.b3]\n", []string{`:23: sites: unknown key: did you mean site?`}},
		{"unknown key, near a known one", b1ip, b1ip + "metrik = 5\n",
			[]string{`:16: site.b1.ip.metrik: unknown key: did you mean metric?`}},
		{"unknown key, near none", b1ip, b1ip + "vlan = 5\n",
			[]string{`:16: site.b1.ip.vlan: unknown key: known here are address, dns, domain, interesting, ipv6, metric, nbns, peer, pool, routes, tell_routes`}},
		{"a value for a table", "[site.b1.encryption]\npolicy = \"disabled\"\n", "[site.b1]\nencryption = 3\n",
			[]string{`:13: site: Key 'site.b1' has already been defined: correct this first; the rest of the file was not looked at`}},
		{"a value for a dotted table", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\necho = 3",
			[]string{`:9: site.b1.echo: 3 is not a table: write [site.b1.echo], with its keys below`}},
		{"a value for all sites", "", "[lan]\nx = 5\n", []string{`:24: lan.x: 5 is not a table: write [lan.x], with its keys below`}},

		// daemon
		{"no name", "name = \"hq\"\n", "", []string{`:1: daemon.name: missing: write the name that peers know us by, as in name = "hq"`}},
		{"a name of other letters", `"hq"`, `"h q"`,
			[]string{`:2: daemon.name: "h q" is not a name: write up to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit`}},
		{"listen on IPv6", `"0.0.0.0:1723"`, `"[::]:1723"`,
			[]string{`:3: daemon.listen: "[::]:1723" is not an IPv4 address with a port: write it as in "0.0.0.0:1723"`}},
		{"listen is no list", `["0.0.0.0:1723"]`, `"0.0.0.0:1723"`,
			[]string{`:3: daemon.listen: "0.0.0.0:1723" is not a list: write it in square brackets`}},
		{"listen on nothing", `["0.0.0.0:1723"]`, `[]`,
			[]string{`:3: daemon.listen: no address to answer on: write listen = ["0.0.0.0:1723"], or leave it out to only dial`}},
		{"listen twice", `["0.0.0.0:1723"]`, `["0.0.0.0:1723", "0.0.0.0:1723"]`,
			[]string{`:3: daemon.listen: "0.0.0.0:1723" stands there twice: leave one out`}},
		{"internal network", "[lan.office]", "ipx_internal_network = 0xBEEF\n[lan.office]",
			[]string{`:4: daemon.ipx_internal_network: 48879 is not the number of an IPX network: write quoted hexadecimal, "00000001" to "FFFFFFFD"`}},
		{"metrics of no port", "[lan.office]", "metrics = \"127.0.0.1\"\n[lan.office]",
			[]string{`:4: daemon.metrics: "127.0.0.1" is not an address with a port: write it as in "127.0.0.1:9723" or "[::1]:9723"`}},
		{"metrics in words", "[lan.office]", "metrics = \"[::1]:9723\"\nmetrics_public = \"no\"\n[lan.office]",
			[]string{`:5: daemon.metrics_public: "no" is not a yes or no: write true or false, without quotes`}},

		// LANs
		{"two ports for a LAN", `interface = "eth1"`, "interface = \"eth1\"\ntap = \"ipx0\"",
			[]string{`:6: lan.office.tap: a LAN has one of interface, tap and dosbox, and this one has interface and tap: leave all but one out`}},
		{"no port for a LAN", "interface = \"eth1\"\n", "",
			[]string{`:4: lan.office: no interface: write interface = "eth1", or tap = "ipx0" for a port that we make, or dosbox = "127.0.0.1:10213" for emulators`}},
		{"long interface", `"eth1"`, `"averylongnameforone"`,
			[]string{`:5: lan.office.interface: "averylongnameforone" is not the name of an interface: write up to 15 letters, digits, hyphens and dots`}},
		{"names of other letters", "", "[lan.\"a b\"]\ntap = \"t\"\n[site.\"a\\u0008\"]\nauth = { methods = [\"chap\"] }\nencryption = { policy = \"disabled\" }\n", []string{
			`:23: lan."a b": "a b" is not a name: write up to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit`,
			`:25: site."a\b": "a\b" is not a name: write up to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit`,
			`:25: site."a\b": the site carries neither IP nor IPX: add [site."a\b".ip] or [site."a\b".ipx], or name it in the sites of a segment`,
			`:26: site."a\b".auth.secret_in_file: the site may call, and we have nothing to know it by: write secret_in_file = "..."`,
		}},
		{"one interface for two", "", "[lan.shop]\ninterface = \"eth1\"\n",
			[]string{`:24: lan.shop.interface: interface "eth1" is that of lan.office.interface already: put its frame types into [lan.office]`}},
		{"a network that is 0", `"00000010"`, `"00000000"`,
			[]string{`:6: lan.office.ethernet_802_2: "00000000" is not the number of an IPX network: write quoted hexadecimal, "00000001" to "FFFFFFFD", or "learn"`}},
		{"one network on two frame types", `ethernet_802_2 = "00000010"`, "ethernet_802_2 = \"00000010\"\nethernet_ii = \"10\"",
			[]string{`:6: lan.office.ethernet_802_2: network 00000010 is lan.office.ethernet_ii already: write a number that nothing else has`}},

		// segments
		{"a segment of nothing", "", "[segment.s]\n", []string{
			`:23: segment.s: a segment joins two or more: write lans = ["..."] and sites = ["..."]`,
			`:23: segment.s.network: missing: write quoted hexadecimal, "00000001" to "FFFFFFFD", or "00000000" for stations that know no number`}},
		{"a segment of strangers", "", "[segment.s]\nnetwork = \"0\"\nlans = [\"shop\"]\nsites = [\"b3\"]\n", []string{
			`:25: segment.s.lans: there is no LAN "shop": write "office"`,
			`:26: segment.s.sites: there is no site "b3": write "b1" or "b2"`}},
		{"a bridged frame type that is routed", "", "[segment.s]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = \"ethernet_802_2\" }]\nsites = [\"b1\"]\n",
			[]string{`:25: segment.s.lans: ethernet_802_2 on LAN office is routed there as 00000010: one frame type on one wire is either bridged or routed: take ethernet_802_2 out of [lan.office], or name another frame`}},
		{"a frame type that is none", "", "[segment.s]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = \"802.2\" }]\nsites = [\"b1\"]\n",
			[]string{`:25: segment.s.lans.frame: "802.2" is not an IPX frame type: write "ethernet_802_2"`}},
		{"a member of a segment that is none", "", "[segment.s]\nnetwork = \"0\"\nlans = [5, {}, { lan = \"office\", frame = [\"ethernet_ii\", \"ethernet_ii\"], fram = 1 }]\nsites = [\"b1\", \"b1\"]\n", []string{
			`:25: segment.s.lans: 5 is not a LAN: write its name, or { lan = "...", frame = "..." }`,
			`:25: segment.s.lans: a table without lan: write { lan = "...", frame = "..." }`,
			`:25: segment.s.lans.fram: unknown key: did you mean frame?`,
			`:25: segment.s.lans.frame: "ethernet_ii" stands there twice: leave one out`,
			`:26: segment.s.sites: site b1 stands there twice: leave one out`}},
		{"a LAN twice in a segment", "", "[segment.s]\nnetwork = \"0\"\nlans = [\"office\", \"office\"]\nsites = [\"b1\"]\n",
			[]string{`:25: segment.s.lans: LAN office has no frame type left: all are routed, or in a segment: take one out of [lan.office]`}},
		{"a segment without LANs to choose from", "[lan.office]\ninterface = \"eth1\"\nethernet_802_2 = \"00000010\"\n", "[segment.s]\nnetwork = \"1FFFFFFFF\"\nlans = [\"office\"]\nsites = [\"b1\"]\n", []string{
			`:5: segment.s.network: "1FFFFFFFF" is not the number of an IPX segment: write quoted hexadecimal, "00000001" to "FFFFFFFD", or "00000000" for stations that know no number`,
			`:6: segment.s.lans: there is no LAN "office": add a [lan.NAME]`}},
		{"a segment on a learned frame type", `"00000010"`, "\"learn\"\n[segment.s]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = \"ethernet_802_2\" }]\nsites = [\"b1\"]",
			[]string{`:9: segment.s.lans: ethernet_802_2 on LAN office is routed there as "learn": one frame type on one wire is either bridged or routed: take ethernet_802_2 out of [lan.office], or name another frame`}},
		{"a site in two segments", "", "[segment.s]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = \"ethernet_ii\" }]\nsites = [\"b1\"]\n[segment.t]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = [\"ethernet_ii\"] }]\nsites = [\"b1\"]\n", []string{
			`:29: segment.t.lans: ethernet_ii on LAN office is in segment s already: leave it out of one`,
			`:30: segment.t.sites: site b1 is in segment s already: leave it out of one`}},
		{"a bridged site that routes", b1ip, b1ip + "[site.b1.ipx]\nnetwork = \"FF01\"\nroutes = [\"20\"]\n[segment.s]\nnetwork = \"0\"\nlans = [\"office\"]\nsites = [\"b1\"]\n", []string{
			`:17: site.b1.ipx.network: the site is in segment s, so its link bridges and does not route: leave it out, or take the site out of the segment`,
			`:18: site.b1.ipx.routes: the site is in segment s, so its link bridges and does not route: leave it out, or take the site out of the segment`}},
		{"a bridged number that is routed elsewhere", "", "[segment.s]\nnetwork = \"10\"\nsites = [\"b1\", \"b2\"]\n",
			[]string{`:24: segment.s.network: network 00000010 is lan.office.ethernet_802_2 already: write a number that nothing else has`}},
		{"ageing and limit", "", "[segment.s]\nnetwork = \"0\"\nsites = [\"b1\", \"b2\"]\nageing = \"1s\"\nstation_limit = 0\n", []string{
			`:26: segment.s.ageing: "1s" is not a time that fits: write "10s" to "24h"`,
			`:27: segment.s.station_limit: 0 is not a number that fits: write 1 to 1048576, without quotes`}},

		// sites
		{"an endpoint of IPv6", `"b1.example.net"`, `"[2001:db8::1]:1723"`,
			[]string{`:8: site.b1.dial: "[2001:db8::1]:1723" is not a host to dial: write a name or an IPv4 address, as in "branch1.example.net" or "192.0.2.1:1723"`}},
		{"dials nobody", `["b1.example.net"]`, `[]`,
			[]string{`:8: site.b1.dial: no address to dial: write dial = ["host.example.net"], or leave it out to wait for a call`}},
		{"a call that cannot come", "listen = [\"0.0.0.0:1723\"]\n", "", []string{
			`:15: site.b2.dial: the site neither dials nor can be called: write dial = ["host.example.net"], or listen = ["0.0.0.0:1723"] in [daemon] and no answer = false`}},
		{"answers where nothing listens", "listen = [\"0.0.0.0:1723\"]\n[lan.office]", "[lan.office]", []string{
			`:15: site.b2.dial: the site neither dials nor can be called: write dial = ["host.example.net"], or listen = ["0.0.0.0:1723"] in [daemon] and no answer = false`}},
		{"no secrets", "secret_out_file = \"out\"\nsecret_in_file = \"in\"\n", "", []string{
			`:9: site.b1.auth.secret_in_file: the site may call, and we have nothing to know it by: write secret_in_file = "...", or answer = false in [site.b1]`,
			`:9: site.b1.auth.secret_out_file: the site is dialled, and we have nothing to prove ourselves with: write secret_out_file = "..."`}},
		{"a device that is too long", "", "[site.averylongname]\nip = {}\nauth = { methods = [\"chap\"], secret_in_file = \"in\" }\nencryption = { policy = \"disabled\" }\n",
			[]string{`:23: site.averylongname.device: the default, "sb-averylongname", is too long for an interface: write a name of at most 15 letters`}},
		{"a device that is taken", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\ndevice = \"sb-b2\"", []string{
			`:17: site.b2.device: interface "sb-b2" is that of site.b1.device already: write another one`}},
		{"answers nothing", "[site.b2]\n", "[site.b2]\nanswer = false\n",
			[]string{`:16: site.b2.dial: the site neither dials nor can be called: write dial = ["host.example.net"], or listen = ["0.0.0.0:1723"] in [daemon] and no answer = false`}},
		{"answers without listening", "listen = [\"0.0.0.0:1723\"]\n", "[defaults]\nanswer = true\n", []string{
			`:4: defaults.answer: nothing listens for calls: write listen = ["0.0.0.0:1723"] in [daemon], or leave answer out`}},
		{"a source that is none", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\nsource = \"eth 0\"",
			[]string{`:9: site.b1.source: "eth 0" is not an uplink: write an IPv4 address of ours, as in "192.0.2.10", or an interface, as in "eth0"`}},
		{"a transport that is none", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\ntransport = \"tcp\"", []string{
			`:9: site.b1.transport: "tcp" is not known here: write "auto", "udp" or "gre"`}},
		{"words of no version", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\nconnect = \"sometimes\"",
			[]string{`:9: site.b1.connect: "sometimes" is not known here: write "always" or "demand"`}},
		{"requires what it does not carry", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\nrequired = [\"ip\", \"ipx\", \"ipv6\", \"ip\", \"vines\"]", []string{
			`:9: site.b1.required: "vines" is not known here: write "ip", "ipv6" or "ipx"`,
			`:9: site.b1.required: the site does not carry "ipx": leave it out, or add [site.b1.ipx]`,
			`:9: site.b1.required: the site does not carry "ipv6": leave it out, or add ipv6 = true to [site.b1.ip]`,
			`:9: site.b1.required: "ip" stands there twice: leave one out`}},
		{"requires nothing", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\nrequired = []",
			[]string{`:9: site.b1.required: nothing is required: write required = ["ip"], or leave it out for all that the site carries`}},
		{"carries nothing", b1ip, "",
			[]string{`:7: site.b1: the site carries neither IP nor IPX: add [site.b1.ip] or [site.b1.ipx], or name it in the sites of a segment`}},
		{"echo", b1ip, b1ip + "[site.b1.echo]\ninterval = 10\nfailures = \"3\"\nlcp = \"no\"\nlpc = true\n", []string{
			`:17: site.b1.echo.interval: 10 has no unit: write "10s", or another time from "1s" to "1h"`,
			`:18: site.b1.echo.failures: "3" is not a number that fits: write 1 to 100, without quotes`,
			`:19: site.b1.echo.lcp: "no" is not a yes or no: write true or false, without quotes`,
			`:20: site.b1.echo.lpc: unknown key: did you mean lcp?`}},
		{"reorder", `dial = ["b1.example.net"]`, "dial = [\"b1.example.net\"]\nreorder = { packets = -1, time = \"1m\" }", []string{
			`:9: site.b1.reorder.packets: -1 is not a number that fits: write 0 to 1024, without quotes`,
			`:9: site.b1.reorder.time: "1m" is not a time that fits: write "1ms" to "1s"`}},
		// authentication
		{"an empty list of methods", "[\"mschapv2\"]\nsecret_out_file", "[]\nsecret_out_file",
			[]string{`:10: site.b1.auth.methods: no method: write methods = ["eap-tls"], or leave it out, which is the same`}},
		{"a secret that is no path", `secret_out_file = "out"`, `secret_out_file = 5`,
			[]string{`:11: site.b1.auth.secret_out_file: 5 is not a text: write it in quotes`}},
		{"no methods", "methods = [\"mschapv2\"]\nsecret_out_file", "secret_out_file", []string{
			`:1: daemon.certificate: "eap-tls", which is the default of auth.methods, needs a certificate of our own: make one with sitebridge identity new hq and write certificate = "hq.pem", or write other methods for the sites that do not have it`,
			`:9: site.b1.auth.ca: with "eap-tls", we have nothing to know the peer's certificate by: write ca = "ca.pem", who signs for it, or fingerprint = "sha256:...", which sitebridge identity show prints there; or methods = ["mschapv2"] for a peer that has no certificate`,
			`:10: site.b1.auth.secret_out_file: no method of the site uses a secret: leave it out, or write methods = ["mschapv2"] for a peer that has no certificate`,
			`:11: site.b1.auth.secret_in_file: no method of the site uses a secret: leave it out, or write methods = ["mschapv2"] for a peer that has no certificate`}},
		{"keys of another method", "secret_out_file", "ca = \"ca.pem\"\nfingerprint = \"" + printB2 + "\"\nsecret_out_file", []string{
			`:11: site.b1.auth.ca: cannot open "ca.pem": no such file or directory: write the path of a file that holds the certificate, relative to this file`,
			`:12: site.b1.auth.fingerprint: it belongs to "eap-tls", which the site does not allow: leave it out, or add "eap-tls" to methods`}},
		{"methods of no version", "[\"mschapv2\"]\nsecret_out_file", "[\"mschapv2\", \"EAP\"]\nsecret_out_file",
			[]string{`:10: site.b1.auth.methods: "EAP" is not known here: write "eap-tls", "eap-mschapv2", "mschapv2", "chap" or "pap"`}},
		{"one secret for both with chap", "[\"mschapv2\"]\nsecret_out_file = \"out\"", "[\"mschapv2\", \"chap\"]\nsecret_out_file = \"in\"",
			[]string{`:12: site.b1.auth.secret_in_file: the same secret as in secret_out_file: with chap and pap a peer could send our own proof back: take another secret for one of them`}},
		{"the peer has our name", "[site.b1.auth]", "[site.b1.auth]\npeer_name = 'X\\hq'",
			[]string{`:10: site.b1.auth.peer_name: "X\\hq" is our own name too, by daemon.name: a peer could send our own proof back: give the peer another name, in peer_name here and at its end`}},
		{"a peer has our name there", "[site.b1.auth]", "[site.b1.auth]\nname = \"b2\"",
			[]string{`:18: site.b2.auth.peer_name: "b2" is our own name too, by site.b1.auth.name: a peer could send our own proof back: give the peer another name, in peer_name here and at its end`}},
		{"two peers of one name", "[site.b2.auth]", "[site.b2.auth]\npeer_name = \"b1\"",
			[]string{`:18: site.b2.auth.peer_name: "b1" is the name of site b1 too, and the name decides which site calls: give each peer its own name, in peer_name here and at its end`}},
		{"a name of control characters", "[site.b1.auth]", "[site.b1.auth]\nname = \"a\\u001b[2J\"",
			[]string{`:10: site.b1.auth.name: "a\x1b[2J" is not a name to be proved: write up to 255 printable characters`}},
		{"a secret that is not there", `secret_out_file = "out"`, `secret_out_file = "ouch"`,
			[]string{`:11: site.b1.auth.secret_out_file: cannot open "ouch": no such file or directory: write the path of a file that holds the secret, relative to this file`}},

		// IP
		{"addresses", b1ip, b1ip + "address = \"10.0.0.300\"\npeer = \"::1\"\ndns = [\"1.1.1.1\", \"1.0.0.1\", \"9.9.9.9\"]\n", []string{
			`:16: site.b1.ip.address: "10.0.0.300" is not the IPv4 address of a host: write it in quotes, as in "10.255.0.1", or "from-peer" or "unnumbered"`,
			`:17: site.b1.ip.peer: "::1" is not the IPv4 address of a host: write it in quotes, as in "10.255.0.1"`,
			`:18: site.b1.ip.dns: 3 addresses, where a peer can ask for 2: leave the others out`}},
		{"one address for both", b1ip, b1ip + "address = \"10.0.0.1\"\npeer = \"10.0.0.1\"\n",
			[]string{`:17: site.b1.ip.peer: the same address as ours: write another one for one end`}},
		{"one address for two peers", "", "[defaults.ip]\npeer = \"10.0.0.2\"\n",
			[]string{`:24: defaults.ip.peer: 10.0.0.2 is the address of site b1 too: write another one for one of them`}},
		{"one network behind two peers with one metric", "", "[defaults.ip]\nroutes = [\"10.2.0.0/16\"]\n",
			[]string{`:22: site.b2.ip.metric: 10.2.0.0/16 leads to site b1 too, with the same metric 100: write a larger metric for the way that is second choice`}},
		{"one network behind two peers with two metrics", b2ip, b2ip + "metric = 200\n[defaults.ip]\nroutes = [\"10.2.0.0/16\"]\n", nil},
		{"routes", b1ip, b1ip + "routes = [\"10.2.0.1/16\", \"default\", \"10.3.0.0/16\", \"10.3.0.0/16\"]\n", []string{
			`:16: site.b1.ip.routes: "10.2.0.1/16" has bits set behind its length: write "10.2.0.0/16"`,
			`:16: site.b1.ip.routes: "default" is not a network: write it in quotes, as in "10.2.0.0/16" or "2001:db8:2::/48"`,
			`:16: site.b1.ip.routes: "10.3.0.0/16" stands there twice: leave one out`}},
		{"metric", b1ip, b1ip + "metric = 4294967295\n",
			[]string{`:16: site.b1.ip.metric: 4294967295 is not a number that fits: write 1 to 4294967294, without quotes`}},
		{"IPv6 routes without IPv6", b1ip, b1ip + "routes = [\"2001:db8::/32\"]\nipv6 = false\n",
			[]string{`:17: site.b1.ip.ipv6: routes has IPv6 networks: write true, or leave them out`}},
		{"an MTU too small for IPv6", "", "[defaults]\nmtu = 1279\n[defaults.ip]\nipv6 = true\n", []string{
			`:24: defaults.mtu: 1279 is too small for IPv6: write 1280 to 1500, or ipv6 = false in [site.b1.ip]`,
			`:24: defaults.mtu: 1279 is too small for IPv6: write 1280 to 1500, or ipv6 = false in [site.b2.ip]`}},

		// IPX
		{"IPX of a site", b2ip, b2ip + "[site.b2.ipx]\nnetwork = \"FFFFFFFF\"\nexchange = \"nlsp\"\nroutes = [\"20 hops 16\", \"21 ticks 1 hops 2\", \"21\"]\nservices = [\"4 FS1 5EA1:000000000001:0451\", \"4 FS1 5EA1\"]\naccept_networks = [\"20\"]\nhold = \"2h\"\n", []string{
			`:24: site.b2.ipx.network: "FFFFFFFF" is not the number of an IPX network: write quoted hexadecimal, "00000001" to "FFFFFFFD"`,
			`:25: site.b2.ipx.exchange: "nlsp" is not known here: write "static", "rip-sap", "triggered" or "auto-static"`,
			`:26: site.b2.ipx.routes: "20 hops 16" is not an IPX route: write "00000020 hops 1 ticks 7": a network, hops 1 to 15 (default 1), ticks 1 to 65534 of 55 ms (default 7)`,
			`:26: site.b2.ipx.routes: network 00000021 stands there twice: leave one out`,
			`:27: site.b2.ipx.services: "4 FS1 5EA1" is not an IPX service: write "0004 FS1 00005EA1:000000000001:0451 hops 2": a type in hexadecimal, a name of at most 47 letters, an address, hops 1 to 15 (default 1)`,
			`:29: site.b2.ipx.hold: "2h" is not a time that fits: write "0s" to "1h"`}},
		{"a service that no route leads to", b2ip, b2ip + "[site.b2.ipx]\nservices = [\"4 FS1 5EA1:000000000001:0451\"]\n",
			[]string{`:24: site.b2.ipx.services: FS1 is on network 00005EA1, and no route leads there: add "00005EA1 hops 1 ticks 7" to routes`}},
		{"a workstation", b2ip, b2ip + "[site.b2.ipx]\nworkstation = true\nroutes = [\"20\"]\n", []string{
			`:23: site.b2.ipx.network: a workstation needs a network to be on: write quoted hexadecimal, "00000001" to "FFFFFFFD", which nothing else has`,
			`:25: site.b2.ipx.routes: nothing is behind a workstation: leave it out, or workstation`}},
		{"one network on two links", b2ip, b2ip + "[site.b2.ipx]\nnetwork = \"FF01\"\n[site.b1.ipx]\nnetwork = \"FF01\"\n",
			[]string{`:24: site.b2.ipx.network: network 0000FF01 is site.b1.ipx.network already: write a number that nothing else has`}},
		{"our own network behind a peer", b2ip, b2ip + "[site.b2.ipx]\nroutes = [\"00000010\"]\n[site.b1.ipx]\nroutes = [\"00000020\"]\n",
			[]string{`:24: site.b2.ipx.routes: network 00000010 cannot be behind the peer: it is lan.office.ethernet_802_2: give one of the two another number`}},
		{"one network behind two peers", b2ip, b2ip + "[site.b2.ipx]\nroutes = [\"00000020\"]\n[site.b1.ipx]\nroutes = [\"00000020\"]\n", nil},

		// defaults
		{"a wrong default, once", "", "[defaults.ip]\nmetric = 0\n",
			[]string{`:24: defaults.ip.metric: 0 is not a number that fits: write 1 to 4294967294, without quotes`}},
		{"unknown defaults", "", "[defaults]\ndial = [\"x\"]\nrequred = []\n[defaults.ipx]\nnetwork = \"1\"\n", []string{
			`:24: defaults.dial: unknown key: known here are answer, auth, callers, connect, echo, encryption, hours, idle, ip, ipx, mtu, proxy_arp, reorder, required, source, transport, users_file`,
			`:25: defaults.requred: unknown key: did you mean required?`,
			`:26: defaults.ipx: no site has such a table: add [site.NAME.ipx], if empty, to those that it is for`}},
		{"unknown defaults of a table", b2ip, b2ip + "[site.b2.ipx]\n[defaults.ipx]\nnetwork = \"1\"\n",
			[]string{`:25: defaults.ipx.network: unknown key: known here are accept_networks, accept_services, announce_networks, announce_services, compression, drop_duplicates, exchange, filter_in, filter_out, hold, interesting, ipxwan, max_networks, max_services, nearest, netbios, routes, serial, services, slots, snmp, update, watchdogs, workstation`}},
	})
}

// A faultCase puts text into a base and names all faults that this brings, whole.
type faultCase struct {
	name     string
	old, new string // old is replaced by new; no old: new is appended
	want     []string
}

func runFaults(t *testing.T, base string, files func(dir), cases []faultCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := base + c.new
			if c.old != "" {
				if text = strings.Replace(base, c.old, c.new, 1); text == base {
					t.Fatalf("%q is not in the base", c.old)
				}
			}
			d := newDir(t, text)
			files(d)
			_, err := Load(d.path())
			wantFaults(t, d, err, c.want)
		})
	}
}

// wantFaults compares the lines of err, without the path in front.
func wantFaults(t *testing.T, d dir, err error, want []string) {
	t.Helper()
	var got []string
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			got = append(got, strings.TrimPrefix(line, d.path()))
		}
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("fault %d is\n\t%s\nwant\n\t%s", i, cmp.Or(g, "none"), cmp.Or(w, "none"))
		}
	}
}

func TestFaultsOfFiles(t *testing.T) {
	t.Run("no file", func(t *testing.T) {
		d := newDir(t, "")
		if err := os.Remove(d.path()); err != nil {
			t.Fatal(err)
		}
		_, err := Load(d.path())
		wantFaults(t, d, err, []string{": no such file or directory: write it (sites.toml.example shows every key), or name another with --config"})
	})
	t.Run("a folder", func(t *testing.T) {
		d := newDir(t, "")
		_, err := Load(d.root)
		if want := d.root + ": is a directory: name a file that can be read"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
	t.Run("nothing in it", func(t *testing.T) {
		d := newDir(t, "")
		_, err := Load(d.path())
		wantFaults(t, d, err, []string{
			`: there is no site: add a [site.NAME] for each peer`,
			`: daemon.name: missing: write the name that peers know us by, as in name = "hq"`,
		})
	})
	t.Run("includes", func(t *testing.T) {
		d := newDir(t, "include = [\"x.toml\", \"y/*.toml\", \"[\", \"sub\", 5, \"bad.toml\"]\n"+good)
		d.file("x.toml", "[daemon]\nname = \"x\"\n[site.b1]\n[lan.office]\ninterface = \"eth7\"\n[extra]\n", 0o644)
		d.file("bad.toml", "[site.b3\n", 0o644)
		d.file("sub/file", "", 0o644)
		d.secret("out", "one secret")
		d.secret("in", "another")
		_, err := Load(d.path())
		x, bad := d.path("x.toml"), d.path("bad.toml")
		wantFaults(t, d, err, []string{
			`:1: include: "[" is not a pattern for files: write it as in "sites.d/*.toml"`,
			`:1: include: "` + d.path("sub") + `" is not a file: name files`,
			`:1: include: 5 is not a text: write it in quotes`,
			x + `:1: daemon: an included file cannot have it: write it in the main file`,
			x + `:3: site.b1: the name is taken in ` + d.path() + `: write another name`,
			x + `:4: lan.office: the name is taken in ` + d.path() + `: write another name`,
			x + `:6: extra: unknown key: known in an included file are lan, segment, site`,
			bad + `:2: expected '.' or ']' to end table name, but got '\n' instead: correct this first; the rest of the file was not looked at`,
		})
	})
}
