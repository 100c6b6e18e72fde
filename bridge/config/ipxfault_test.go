package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// routed is a base for faults of IPX: the LAN of the house is routed, that of the
// players bridged, and so is the site b2.
const routed = `[daemon]
name = "hq"
ipx_internal_network = "0000BEEF"
[lan.office]
interface = "eth1"
ethernet_802_2 = "00000010"
[lan.players]
tap = "ipx0"
[segment.games]
network = "00000000"
lans = ["players"]
sites = ["b2"]
[defaults.auth]
methods = ["mschapv2"]
secret_out_file = "out"
[defaults.encryption]
policy = "disabled"
[site.b1]
dial = ["192.0.2.1"]
[site.b1.ipx]
[site.b2]
dial = ["192.0.2.2"]
[site.b2.ipx]
`

const (
	atOffice  = "ethernet_802_2 = \"00000010\"\n" // line 6
	atPlayers = "tap = \"ipx0\"\n"                // line 8
	atGames   = "sites = [\"b2\"]\n"              // line 12
	atLANs    = "lans = [\"players\"]\n" + atGames
	atB1      = "[site.b1.ipx]\n" // line 20
	atB2      = "[site.b2.ipx]\n" // line 23
)

func TestFaultsOfIPX(t *testing.T) {
	const (
		notLearned  = `with exchange = "static" nothing is learned from the peer: leave it out, or write exchange = "triggered"`
		bridges     = `the site is in segment games, so its link bridges and does not route: leave it out, or take the site out of the segment`
		noUpdates   = `there are updates only with exchange = "rip-sap" or "triggered": leave it out, or write one of them`
		noFile      = `what is learned is kept in a file only with exchange = "auto-static": leave it out, or write that`
		workstation = `a workstation is no router, and nothing is behind it: leave it out, or workstation`
	)
	runFaults(t, routed, func(d dir) { d.secret("out", "one secret that is long") }, []faultCase{
		{"nothing", "", "", nil},

		// values
		{"values of the wrong kind", atB1, atB1 + `exchange = "rip-sap"
accept_networks = ["0", "20-10", 5]
accept_services = ["FS*"]
filter_in = ["drop socket 0455"]
filter_out = "deny"
drop_duplicates = ["0", "12345"]
netbios = "reverse"
update = "5s"
hold = "61m"
max_networks = 0
max_services = 16385
ipxwan = "no"
`, []string{
			`:22: site.b1.ipx.accept_networks: "0" is not a range of IPX networks: write it as in "00000020" or "00000020-0000002F"`,
			`:22: site.b1.ipx.accept_networks: "20-10" is not a range of IPX networks: write it as in "00000020" or "00000020-0000002F"`,
			`:22: site.b1.ipx.accept_networks: 5 is not a range of IPX networks: write it as in "00000020" or "00000020-0000002F"`,
			`:23: site.b1.ipx.accept_services: "FS*" is not a pattern for IPX services: write a type in hexadecimal, or "*", and a name, as in "0004 FS*", "0278" or "* FS1"`,
			`:24: site.b1.ipx.filter_in: "drop socket 0455" is not a filter rule: write "deny" or "permit" and pairs of a word and a value, as in "deny socket 0455" or "permit src-network 00000020-0000002F dst-socket 0451"; words are network, node and socket, also with src- or dst- before them, and type`,
			`:25: site.b1.ipx.filter_out: "deny" is not a list: write it in square brackets`,
			`:26: site.b1.ipx.drop_duplicates: "0" is not an IPX socket: write quoted hexadecimal, as in "0451"`,
			`:26: site.b1.ipx.drop_duplicates: "12345" is not an IPX socket: write quoted hexadecimal, as in "0451"`,
			`:27: site.b1.ipx.netbios: "reverse" is not known here: write "on", "off" or "reverse-path"`,
			`:28: site.b1.ipx.update: "5s" is not a time that fits: write "10s" to "1h"`,
			`:29: site.b1.ipx.hold: "61m" is not a time that fits: write "0s" to "1h"`,
			`:30: site.b1.ipx.max_networks: 0 is not a number that fits: write 1 to 16384, without quotes`,
			`:31: site.b1.ipx.max_services: 16385 is not a number that fits: write 1 to 16384, without quotes`,
			`:32: site.b1.ipx.ipxwan: "no" is not a yes or no: write true or false, without quotes`,
		}},

		// what needs what
		{"limits where nothing is learned", atB1, atB1 + "exchange = \"static\"\naccept_networks = []\naccept_services = []\nmax_networks = 5\nmax_services = 5\nannounce_networks = [\"10\"]\n", []string{
			`:22: site.b1.ipx.accept_networks: ` + notLearned, `:23: site.b1.ipx.accept_services: ` + notLearned,
			`:24: site.b1.ipx.max_networks: ` + notLearned, `:25: site.b1.ipx.max_services: ` + notLearned}},
		{"limits of the defaults, for other sites", "", "[defaults.ipx]\naccept_networks = [\"20\"]\nmax_services = 5\nupdate = \"30s\"\n", nil},
		{"limits with auto-static", atB1, atB1 + "exchange = \"auto-static\"\naccept_networks = [\"20\"]\nmax_networks = 5\n", nil},
		{"updates of auto-static", atB1, atB1 + "exchange = \"auto-static\"\nupdate = \"30s\"\n",
			[]string{`:22: site.b1.ipx.update: ` + noUpdates}},
		{"updates where there are none", atB1, atB1 + "exchange = \"static\"\nupdate = \"30s\"\n", []string{`:22: site.b1.ipx.update: ` + noUpdates}},
		{"a file for nothing", atB1, atB1 + "exchange = \"rip-sap\"\nfile = \"b1.ipx.toml\"\n", []string{`:22: site.b1.ipx.file: ` + noFile}},
		{"a file that include would take", atB1, atB1 + "exchange = \"auto-static\"\nfile = \"b1.toml\"\n",
			[]string{`:22: site.b1.ipx.file: "b1.toml" is not a file for what is learned: write a name that ends in ".ipx.toml", which include passes over`}},
		{"a file for all sites", "", "[defaults.ipx]\nfile = \"all.ipx.toml\"\n",
			[]string{`:25: defaults.ipx.file: unknown key: known here are accept_networks, accept_services, announce_networks, announce_services, compression, drop_duplicates, exchange, filter_in, filter_out, hold, interesting, ipxwan, max_networks, max_services, nearest, netbios, routes, serial, services, slots, snmp, update, watchdogs, workstation`}},
		{"one file for two sites", atB1, atB1 + "exchange = \"auto-static\"\n[site.b3]\ndial = [\"192.0.2.3\"]\n[site.b3.ipx]\nexchange = \"auto-static\"\nfile = \"./b1.ipx.toml\"\n",
			[]string{`:26: site.b3.ipx.file: it is the file of site b1 too: write another one`}},
		{"watchdogs without hold", atB1, atB1 + "watchdogs = true\nhold = \"0s\"\n",
			[]string{`:21: site.b1.ipx.watchdogs: watchdogs are answered for the time of hold, which is "0s": write hold = "1m" too, or leave watchdogs out`}},
		{"watchdogs of the defaults, and a site that holds nothing", atB1, atB1 + "hold = \"0s\"\n[defaults.ipx]\nwatchdogs = true\n", nil},
		{"watchdogs of the defaults that hold nothing", "", "[defaults.ipx]\nwatchdogs = true\nhold = \"0s\"\n",
			[]string{`:25: defaults.ipx.watchdogs: watchdogs are answered for the time of hold, which is "0s": write hold = "1m" too, or leave watchdogs out`}},
		{"slots for nothing", atB1, atB1 + "slots = 8\n",
			[]string{`:21: site.b1.ipx.slots: there are no slots without compression = "cipx": leave it out, or write that`}},
		{"a compression of no version", atB1, atB1 + "compression = \"shiva\"\nslots = 256\n", []string{
			`:21: site.b1.ipx.compression: "shiva" is not known here: write "off" or "cipx"`,
			`:22: site.b1.ipx.slots: 256 is not a number that fits: write 1 to 255, without quotes`}},
		{"a workstation that routes", atB1, atB1 + "network = \"FF01\"\nworkstation = true\nexchange = \"triggered\"\naccept_networks = [\"20\"]\nipxwan = true\nupdate = \"30s\"\nannounce_networks = [\"10\"]\nhold = \"30s\"\n", []string{
			`:23: site.b1.ipx.exchange: ` + workstation, `:24: site.b1.ipx.accept_networks: ` + workstation,
			`:25: site.b1.ipx.ipxwan: ` + workstation, `:26: site.b1.ipx.update: ` + workstation}},
		{"a workstation where the defaults exchange", atB1, atB1 + "network = \"FF01\"\nworkstation = true\n[defaults.ipx]\nexchange = \"triggered\"\naccept_networks = [\"20\"]\nipxwan = true\n", nil},

		// segments
		{"a bridged site that learns", atB2, atB2 + "exchange = \"rip-sap\"\nupdate = \"30s\"\naccept_networks = [\"20\"]\nannounce_networks = []\naccept_services = []\nannounce_services = []\nmax_networks = 1\nmax_services = 1\nnearest = false\nipxwan = true\nfile = \"x.ipx.toml\"\n", []string{
			`:24: site.b2.ipx.exchange: ` + bridges, `:25: site.b2.ipx.update: ` + bridges, `:26: site.b2.ipx.accept_networks: ` + bridges,
			`:27: site.b2.ipx.announce_networks: ` + bridges, `:28: site.b2.ipx.accept_services: ` + bridges, `:29: site.b2.ipx.announce_services: ` + bridges,
			`:30: site.b2.ipx.max_networks: ` + bridges, `:31: site.b2.ipx.max_services: ` + bridges, `:32: site.b2.ipx.nearest: ` + bridges,
			`:33: site.b2.ipx.ipxwan: ` + bridges, `:34: site.b2.ipx.file: ` + bridges}},
		{"a bridged site by routes", atB2, atB2 + "netbios = \"reverse-path\"\n",
			[]string{`:24: site.b2.ipx.netbios: "reverse-path" goes by routes, and the site is in segment games, which has none: write "on" or "off"`}},
		{"what a bridged site can have", atB2, atB2 + "netbios = \"off\"\nhold = \"5m\"\nwatchdogs = true\nfilter_in = [\"deny\"]\nfilter_out = []\nserial = true\nsnmp = true\ndrop_duplicates = [\"0451\"]\ncompression = \"cipx\"\nslots = 4\n", nil},
		{"what a segment passes on", atGames, atGames + "split_horizon = 1\nbroadcasts = -1\nstorm_block = \"0s\"\n", []string{
			`:13: segment.games.split_horizon: 1 is not a yes or no: write true or false, without quotes`,
			`:14: segment.games.broadcasts: -1 is not a number that fits: write 0 to 1000000, without quotes`,
			`:15: segment.games.storm_block: "0s" is not a time that fits: write "1s" to "1h"`}},

		// LANs
		{"a LAN's values", atOffice, atOffice + "exchange = \"triggered\"\nnetbios = \"no\"\nnearest = true\nnearest_delay = \"3s\"\nupdate = 60\n", []string{
			`:7: lan.office.exchange: "triggered" is not known here: write "rip-sap" or "static"`,
			`:8: lan.office.netbios: "no" is not known here: write "on", "off" or "reverse-path"`,
			`:9: lan.office.nearest: true is not known here: write "auto", "always" or "never"`,
			`:10: lan.office.nearest_delay: "3s" is not a time that fits: write "0s" to "2s"`,
			`:11: lan.office.update: 60 has no unit: write "60s", or another time from "10s" to "1h"`}},
		{"a LAN that learns nothing", atOffice, atOffice + "exchange = \"static\"\nupdate = \"30s\"\naccept_networks = []\nnearest = \"never\"\n", []string{
			`:8: lan.office.update: with exchange = "static" nothing is learned and announced: leave it out, or write exchange = "rip-sap"`,
			`:9: lan.office.accept_networks: with exchange = "static" nothing is learned and announced: leave it out, or write exchange = "rip-sap"`}},
		{"a LAN that routes nothing", atPlayers, atPlayers + "exchange = \"static\"\nnearest_delay = \"1s\"\nannounce_services = []\n", []string{
			`:9: lan.players.exchange: nothing is routed on this LAN: leave it out, or give a frame type a network number`,
			`:10: lan.players.nearest_delay: nothing is routed on this LAN: leave it out, or give a frame type a network number`,
			`:11: lan.players.announce_services: nothing is routed on this LAN: leave it out, or give a frame type a network number`}},
		{"a LAN that bridges nothing", atOffice, atOffice + "allow = [\"020000001001\"]\ndeny = []\nstations = { \"020000001001\" = \"ethernet_ii\" }\n", []string{
			`:7: lan.office.allow: no segment has this LAN: leave it out, or name the LAN in the lans of a segment`,
			`:8: lan.office.deny: no segment has this LAN: leave it out, or name the LAN in the lans of a segment`,
			`:9: lan.office.stations: no segment has this LAN: leave it out, or name the LAN in the lans of a segment`}},
		{"stations", atPlayers, atPlayers + "allow = [\"FFFFFFFFFFFF\", \"000000000000\", \"1\", \"020000001001\"]\ndeny = [\"02:00:00:00:10:01\", \"020000001002\", \"02-00-00-00-10-02\"]\nstations = { \"020000001001\" = \"802.3\", \"010000000000\" = \"ethernet_ii\", \"02:00:00:00:10:01\" = \"ethernet_ii\" }\n", []string{
			`:9: lan.players.allow: "FFFFFFFFFFFF" is not the Ethernet address of a station: write it as in "020000001001" or "02:00:00:00:10:01"`,
			`:9: lan.players.allow: "000000000000" is not the Ethernet address of a station: write it as in "020000001001" or "02:00:00:00:10:01"`,
			`:9: lan.players.allow: "1" is not the Ethernet address of a station: write it as in "020000001001" or "02:00:00:00:10:01"`,
			`:10: lan.players.deny: station 020000001001 stands there and in allow, or twice: leave one out`,
			`:10: lan.players.deny: station 020000001002 stands there and in allow, or twice: leave one out`,
			`:11: lan.players.stations."02:00:00:00:10:01": station 020000001001 stands there twice: leave one out`,
			`:11: lan.players.stations.010000000000: "010000000000" is not the Ethernet address of a station: write it as in "020000001001" or "02:00:00:00:10:01"`,
			`:11: lan.players.stations.020000001001: "802.3" is not an IPX frame type: write "ethernet_802_3"`}},
		{"a station of a frame type that is routed", atLANs, "lans = [\"players\", \"office\"]\nsites = [\"b2\"]\n[lan.office.stations]\n020000001001 = \"ethernet_802_2\"\n020000001002 = \"ethernet_ii\"\n",
			[]string{`:13: lan.office.stations: station 020000001001: no segment has ethernet_802_2 on this LAN: write "ethernet_ii", "ethernet_802_3" or "ethernet_snap", or leave the station out`}},
		{"a LAN that nothing is done with", "", "[lan.shop]\ninterface = \"eth2\"\n",
			[]string{`:24: lan.shop: nothing is done with this LAN: it has no frame type, and no segment has it: write ethernet_802_2 = "00000010", or another frame type, or name it in the lans of a segment`}},
		{"a LAN without an interface has that fault alone", "", "[lan.shop]\n",
			[]string{`:24: lan.shop: no interface: write interface = "eth1", or tap = "ipx0" for a port that we make, or dosbox = "127.0.0.1:10213" for emulators`}},
		{"a frame type's short name", atOffice, atOffice + "802_3 = \"11\"\n",
			[]string{`:7: lan.office.802_3: unknown key: did you mean ethernet_802_3?`}},
		{"a time without a unit that is out of bounds", atOffice, atOffice + "update = \"5\"\n",
			[]string{`:7: lan.office.update: "5" is not a time that fits: write "10s" to "1h"`}},
		{"a LAN with a number and no frame type", atOffice, atOffice + "network = \"000000D0\"\n",
			[]string{`:7: lan.office.network: each frame type has a network number of its own: write ethernet_802_2 = "00000010", or another frame type`}},

		// emulators
		{"emulators", "", "[lan.dos]\ndosbox = \"127.0.0.1:10213\"\nnetwork = \"D0\"\nnearest = \"never\"\n", nil},
		{"emulators on an interface", "", "[lan.dos]\ninterface = \"eth2\"\ndosbox = \"127.0.0.1:10213\"\n",
			[]string{`:26: lan.dos.dosbox: a LAN has one of interface, tap and dosbox, and this one has interface and dosbox: leave all but one out`}},
		{"emulators in a segment", atLANs, "lans = [\"players\", \"dos\"]\nsites = [\"b2\"]\n[lan.dos]\ndosbox = \"[::1]:10213\"\nallow = [\"020000001001\"]\n", nil},
		{"emulators in a segment, by frame type", atLANs, "lans = [\"players\", { lan = \"dos\", frame = \"ethernet_802_3\" }]\nsites = [\"b2\"]\n[lan.dos]\ndosbox = \"127.0.0.1:10213\"\n",
			[]string{`:11: segment.games.lans: LAN dos is one of emulators, and has no ethernet_802_3: leave frame out`}},
		{"emulators in a segment and routed", atLANs, "lans = [\"players\", { lan = \"dos\", frame = \"ethernet_ii\" }]\nsites = [\"b2\"]\n[lan.dos]\nnetwork = \"D0\"\ndosbox = \"127.0.0.1:10213\"\n",
			[]string{`:11: segment.games.lans: ethernet_ii on LAN dos is routed there as 000000D0: one frame type on one wire is either bridged or routed: take network out of [lan.dos], or name another frame`}},
		{"emulators nowhere", "", "[lan.dos]\ndosbox = \"127.0.0.1:10213\"\n",
			[]string{`:24: lan.dos.network: missing, and no segment has this LAN: write quoted hexadecimal, "00000001" to "FFFFFFFD", or name the LAN in a segment`}},
		{"emulators with frame types", "", "[lan.dos]\ndosbox = \"127.0.0.1:10213\"\nnetwork = \"learn\"\nethernet_ii = \"D0\"\nstations = { \"020000001001\" = \"ethernet_ii\" }\n", []string{
			`:26: lan.dos.network: "learn" is not the number of an IPX network: write quoted hexadecimal, "00000001" to "FFFFFFFD"`,
			`:27: lan.dos.ethernet_ii: a LAN of emulators has no Ethernet frames: write network = "000000D0" to route it, or name it in a segment`,
			`:28: lan.dos.stations: a LAN of emulators has no Ethernet frames: leave it out`}},
		{"emulators at an address that is none", "", "[lan.dos]\ndosbox = \"localhost\"\nnetwork = \"D0\"\ndosbox_clients = 0\ndosbox_rate = 0\n", []string{
			`:25: lan.dos.dosbox: "localhost" is not an address with a port: write it as in "127.0.0.1:10213"`,
			`:27: lan.dos.dosbox_clients: 0 is not a number that fits: write 1 to 1024, without quotes`,
			`:28: lan.dos.dosbox_rate: 0 is not a number that fits: write 1 to 100000, without quotes`}},
		{"emulators on an interface", atOffice, atOffice + "dosbox_clients = 5\n",
			[]string{`:7: lan.office.dosbox_clients: it is for a LAN of emulators: write dosbox = "127.0.0.1:10213" too, or leave it out`}},
		{"two kinds of LAN", atPlayers, atPlayers + "dosbox = \"127.0.0.1:10213\"\n",
			[]string{`:9: lan.players.dosbox: a LAN has one of interface, tap and dosbox, and this one has tap and dosbox: leave all but one out`}},
		{"emulators at one address twice", "", "[lan.dos]\ndosbox = \"127.0.0.1:213\"\nnetwork = \"D0\"\n[lan.games]\ndosbox = \"0.0.0.0:213\"\nnetwork = \"D1\"\n[lan.v6]\ndosbox = \"[::]:213\"\nnetwork = \"D2\"\n",
			[]string{`:28: lan.games.dosbox: "0.0.0.0:213" is taken by lan.dos.dosbox: write another port`}},

		// clashes
		{"the number of our inside on a wire", `"00000010"`, `"BEEF"`,
			[]string{`:6: lan.office.ethernet_802_2: network 0000BEEF is daemon.ipx_internal_network already: write a number that nothing else has`}},
		{"the number of a wire on emulators", "", "[lan.dos]\ndosbox = \"127.0.0.1:213\"\nnetwork = \"10\"\n",
			[]string{`:6: lan.office.ethernet_802_2: network 00000010 is lan.dos.network already: write a number that nothing else has`}},
		{"two links of one number", atB1, atB1 + "network = \"FF01\"\n[site.b3]\ndial = [\"192.0.2.3\"]\n[site.b3.ipx]\nnetwork = \"FF01\"\n",
			[]string{`:25: site.b3.ipx.network: network 0000FF01 is site.b1.ipx.network already: write a number that nothing else has`}},
		{"the number of a wire in a segment that is elsewhere", `network = "00000000"`, `network = "00000010"`,
			[]string{`:10: segment.games.network: network 00000010 is lan.office.ethernet_802_2 already: write a number that nothing else has`}},
		{"a server on our own wire", atB1, atB1 + "services = [\"4 FS1 10:000000000001:0451\", \"4 FS2 BEEF:000000000001:0451\"]\n", []string{
			`:21: site.b1.ipx.services: FS1 cannot be behind the peer: its network 00000010 is lan.office.ethernet_802_2: write the address that it has there, or leave it out`,
			`:21: site.b1.ipx.services: FS2 cannot be behind the peer: its network 0000BEEF is daemon.ipx_internal_network: write the address that it has there, or leave it out`}},
		{"a server whose route is to be learned", atB1, atB1 + "exchange = \"rip-sap\"\nservices = [\"4 FS1 5EA1:000000000001:0451\"]\n", nil},
		{"one network behind two peers", atB1, atB1 + "exchange = \"rip-sap\"\nroutes = [\"20\"]\n[site.b3]\ndial = [\"192.0.2.3\"]\n[site.b3.ipx]\nroutes = [\"20\"]\n", nil},
		{"a route that would not be learned", atB1, atB1 + "exchange = \"rip-sap\"\nroutes = [\"20\"]\naccept_networks = [\"30\"]\n", nil},
		{"what is ours is to be learned", atB1, atB1 + "exchange = \"rip-sap\"\naccept_networks = [\"20\", \"10\", \"1-FF\"]\n",
			[]string{`:22: site.b1.ipx.accept_networks: network 00000010 is never learned: it is lan.office.ethernet_802_2: leave it out, or give one of the two another number`}},
		{"what is ours is to be learned from a wire", atOffice, atOffice + "accept_networks = [\"BEEF\"]\n",
			[]string{`:7: lan.office.accept_networks: network 0000BEEF is never learned: it is daemon.ipx_internal_network: leave it out, or give one of the two another number`}},
		{"what is behind the peer is to be told to it", atB1, atB1 + "routes = [\"20\"]\nannounce_networks = [\"10\", \"20\", \"1-FF\"]\n",
			[]string{`:22: site.b1.ipx.announce_networks: network 00000020 is behind the peer, by routes, and is never told back to it: leave it out there or here`}},
		{"servers without a network", atB1, atB1 + "exchange = \"rip-sap\"\naccept_networks = []\naccept_services = [\"4\"]\nannounce_networks = []\nannounce_services = [\"4\"]\n", []string{
			`:23: site.b1.ipx.accept_services: accept_networks is empty, and a service is of no use without its network: write the networks of these services into accept_networks, or accept_services = [] too`,
			`:25: site.b1.ipx.announce_services: announce_networks is empty, and a service is of no use without its network: write the networks of these services into announce_networks, or announce_services = [] too`}},
		{"nothing is learned and told", atB1, atB1 + "exchange = \"rip-sap\"\naccept_networks = []\naccept_services = []\nannounce_networks = []\nannounce_services = []\n", nil},
	})
}

func loadIPX(t *testing.T, old, new string) (dir, *Config) {
	t.Helper()
	text := strings.Replace(routed, old, new, 1)
	if text == routed {
		t.Fatalf("%q is not in the base", old)
	}
	d := newDir(t, text)
	d.secret("out", "one secret that is long")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

// What the defaults say counts for routed and bridged sites, each for what it has.
func TestDefaultsOfIPX(t *testing.T) {
	_, c := loadIPX(t, atB1, atB1+`filter_in = []
[site.ws]
dial = ["192.0.2.4"]
[site.ws.ipx]
network = "0000FF04"
workstation = true
[site.quiet]
dial = ["192.0.2.5"]
[site.quiet.ipx]
exchange = "static"
netbios = "on"
hold = "0s"
[defaults.ipx]
exchange = "rip-sap"
update = "2m"
hold = "5m"
watchdogs = true
nearest = false
netbios = "reverse-path"
serial = true
max_networks = 100
accept_networks = ["20-2F"]
filter_in = ["deny socket 4003"]
compression = "cipx"
slots = 4
`)
	in := policy.Filter{mustRule("deny socket 4003")}
	learned := policy.Limits{AcceptNetworks: policy.Networks{{First: 0x20, Last: 0x2f}}, MaxNetworks: 100, MaxServices: 8192}
	for name, want := range map[string]*IPX{
		"b1": {Exchange: ExchangeRIPSAP, Update: 2 * time.Minute, Hold: 5 * time.Minute, Watchdogs: true, Compression: 4,
			NetBIOS: policy.PropagateReverse, Gate: policy.Gate{PassSerial: true, PassNetBIOS: true, In: policy.Filter{}}, Limits: learned},
		"b2": {Hold: 5 * time.Minute, Watchdogs: true, Compression: 4, Gate: policy.Gate{PassSerial: true, PassNetBIOS: true, In: in}},
		"ws": {Network: 0xff04, Workstation: true, Exchange: ExchangeStatic, Hold: 5 * time.Minute, Watchdogs: true, Compression: 4,
			NetBIOS: policy.PropagateReverse, Gate: policy.Gate{PassSerial: true, PassNetBIOS: true, In: in}},
		"quiet": {Exchange: ExchangeStatic, Compression: 4, NetBIOS: policy.PropagateOn, Gate: policy.Gate{PassSerial: true, PassNetBIOS: true, In: in}},
	} {
		if got := c.Site(name).IPX; dump(got) != dump(want) {
			t.Errorf("%s has\n%s\nwant\n%s", name, dump(got), dump(want))
		}
	}
}

// A site of a segment needs no table of its own for what the defaults say of links.
func TestDefaultsOfBridgedSites(t *testing.T) {
	_, c := loadIPX(t, atB2, "[site.b2.ip]\n[defaults.ipx]\nserial = true\n")
	if x := c.Site("b2").IPX; x == nil || !x.Gate.PassSerial {
		t.Errorf("%+v", x)
	}
}

func TestStationsAndEmulators(t *testing.T) {
	_, c := loadIPX(t, atPlayers, atPlayers+"stations = { \"02:00:00:00:10:01\" = \"ethernet_snap\" }\n[lan.dos]\ndosbox = \"0.0.0.0:213\"\nnetwork = \"D0\"\ndosbox_clients = 8\ndosbox_rate = 100\n")
	if got := c.LAN("players").Stations[ipx.Node{2, 0, 0, 0, 0x10, 1}]; got != ipx.EthernetSNAP {
		t.Errorf("%v", c.LAN("players").Stations)
	}
	dos := c.LAN("dos")
	if b := dos.DOSBox; b == nil || b.Listen.String() != "0.0.0.0:213" || b.Clients != 8 || b.Rate != 100 || dos.Device() != "" {
		t.Errorf("%+v", dos)
	}
	if want := []Frame{{Encapsulation: ipx.EthernetII, Network: 0xd0}}; !slices.Equal(dos.Frames, want) {
		t.Errorf("%v, want %v", dos.Frames, want)
	}
}

func TestSegmentWithoutLimit(t *testing.T) {
	_, c := loadIPX(t, atGames, atGames+"broadcasts = 0\nsplit_horizon = true\nstorm_block = \"2m\"\n")
	if s := c.Segments[0]; s.Broadcasts != -1 || !s.SplitHorizon || s.StormBlock != 2*time.Minute {
		t.Errorf("%+v", s)
	}
}

func TestWarningsOfIPX(t *testing.T) {
	for _, w := range []struct {
		name, old, new  string
		warning, advice string
	}{
		{"nothing", "", "", "", ""},
		{"emulators from here", atB1, atB1 + "[lan.dos]\ndosbox = \"127.0.0.1:213\"\nnetwork = \"D0\"\n", "", ""},
		{"emulators from elsewhere", atB1, atB1 + "[lan.dos]\ndosbox = \"0.0.0.0:213\"\nnetwork = \"D0\"\n",
			"daemon: LAN dos takes emulators at 0.0.0.0:213 from other machines, and they have no secret to prove: who reaches it is on the LAN", ""},
		{"a peer that may announce anything", atB1, atB1 + "exchange = \"triggered\"\n", "",
			`site.b1: with exchange = "triggered" the peer may announce every network that is not ours, and gets the packets for it: accept_networks says which are behind it`},
		{"a peer that may announce some", atB1, atB1 + "exchange = \"triggered\"\naccept_networks = [\"20\"]\n", "", ""},
		{"NetBIOS by the number of our inside", atB1, atB1 + "netbios = \"on\"\n", "", ""},
		{"NetBIOS without any number", "ipx_internal_network = \"0000BEEF\"\n", "[defaults.ipx]\nnetbios = \"on\"\nexchange = \"static\"\n",
			`site.b1: netbios = "on", and no NetBIOS broadcast crosses a link without a number, since its loops could not be found: write ipx_internal_network in [daemon], or network in [site.b1.ipx]`, ""},
		{"nothing learned yet", atB1, atB1 + "exchange = \"auto-static\"\naccept_networks = [\"20\"]\n",
			"site.b1: what is behind the peer is not learned yet: run sitebridge ipx update b1", ""},
	} {
		t.Run(w.name, func(t *testing.T) {
			if !strings.Contains(w.new, "exchange") { // the usual one has an advice of its own
				w.new += "[defaults.ipx]\nexchange = \"static\"\n"
			}
			_, c := loadIPX(t, w.old, w.new)
			got := slices.DeleteFunc(told(c.Warnings()), func(s string) bool {
				return strings.Contains(s, "mschapv2") || strings.Contains(s, "encrypted")
			})
			if joined := strings.Join(got, "\n"); joined != w.warning {
				t.Errorf("warned of %q, want %q", joined, w.warning)
			}
			if joined := strings.Join(told(c.Advice()), "\n"); joined != w.advice {
				t.Errorf("advised %q, want %q", joined, w.advice)
			}
		})
	}
}
