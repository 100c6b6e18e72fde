package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/ipfilter"
	"sitebridge/ipx/policy"
)

const demanded = `[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
[lan.office]
interface = "eth1"
ethernet_802_2 = "00000010"
[site.b1]
dial = ["b1.example.net"]
connect = "demand"
[site.b1.auth]
methods = ["mschapv2"]
secret_out_file = "out"
secret_in_file = "in"
[site.b1.encryption]
policy = "disabled"
[site.b1.ip]
routes = ["10.2.0.0/16"]
[site.b1.ipx]
routes = ["20"]
`

func TestDemand(t *testing.T) {
	load := func(change ...string) *Demand {
		t.Helper()
		d := newDir(t, strings.NewReplacer(change...).Replace(demanded))
		d.secret("out", "one secret")
		d.secret("in", "another")
		c, err := Load(d.path())
		if err != nil {
			t.Fatal(err)
		}
		return c.Site("b1").Demand
	}
	if got, want := load(), (&Demand{Idle: 15 * time.Minute}); !reflect.DeepEqual(got, want) {
		t.Errorf("the defaults are %+v", got)
	}
	for keys, want := range map[string]bool{"": true, "watchdogs = false\n": false, "hold = \"0s\"\n": false} {
		d := newDir(t, strings.Replace(demanded, "[site.b1.ipx]\n", "[site.b1.ipx]\n"+keys, 1))
		d.secret("out", "one secret")
		d.secret("in", "another")
		if c, err := Load(d.path()); err != nil || c.Site("b1").IPX.Watchdogs != want {
			t.Errorf("%q: watchdogs are answered otherwise than %v: %v", keys, want, err)
		}
	}
	if load(`connect = "demand"`, "") != nil {
		t.Error("on demand, and nobody wrote it")
	}
	got := load(`connect = "demand"`, "connect = \"demand\"\nidle = \"30s\"\nhours = [\"mon\"]",
		`routes = ["10.2.0.0/16"]`, `interesting = ["ignore udp port 123"]`, `routes = ["20"]`, "routes = [\"20\"]\ninteresting = [\"ignore socket 4003\", \"dial\"]")
	ip, _ := ipfilter.ParseRule("ignore udp port 123")
	ignore, _ := policy.ParseRule("deny socket 4003")
	want := &Demand{
		Idle: 30 * time.Second, Hours: Hours{{Days: [7]bool{time.Monday: true}, To: day}},
		IP: ipfilter.Filter{ip}, IPX: policy.Filter{ignore, {Permit: true}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s, want %s", dump(got), dump(want))
	}
}

func TestFaultsOfDemand(t *testing.T) {
	const connect, ip, ipx = "connect = \"demand\"\n", "[site.b1.ip]\n", "[site.b1.ipx]\n"
	runFaults(t, demanded, func(d dir) {
		d.secret("out", "one secret")
		d.secret("in", "another")
	}, []faultCase{
		{"nothing", "", "", nil},
		{"addresses", ip, ip + "address = \"10.255.0.1\"\npeer = \"10.255.0.2\"\n", nil},
		{"to be learned by hand", "routes = [\"20\"]\n", "exchange = \"auto-static\"\n", nil},
		{"without dial", "dial = [\"b1.example.net\"]\n", "", nil},
		{"kept up", connect, "idle = \"1h\"\nhours = [\"mon\"]\n", []string{
			`:9: site.b1.idle: it belongs to connect = "demand": leave it out, or write that`,
			`:10: site.b1.hours: it belongs to connect = "demand": leave it out, or write that`}},
		{"rules of one that is kept up", connect + "[site.b1.auth]\nmethods = [\"mschapv2\"]\nsecret_out_file = \"out\"\nsecret_in_file = \"in\"\n[site.b1.encryption]\npolicy = \"disabled\"\n" + ip,
			"[site.b1.auth]\nmethods = [\"mschapv2\"]\nsecret_out_file = \"out\"\nsecret_in_file = \"in\"\n[site.b1.encryption]\npolicy = \"disabled\"\n" + ip + "interesting = []\n", []string{
				`:16: site.b1.ip.interesting: it belongs to connect = "demand": leave it out, or write that`}},
		{"values", connect, connect + "idle = \"25h\"\nhours = [\"monday\"]\n", []string{
			`:10: site.b1.idle: "25h" is not a time that fits: write "1s" to "24h"`,
			`:11: site.b1.hours: "monday" is not a time of the week: write days, hours or both, as in "mon-fri 07:30-18:00", "sat,sun", or "22:00-06:00" for each night`}},
		{"rules", ip, ip + "interesting = [\"deny icmp\"]\n", []string{
			`:17: site.b1.ip.interesting: "deny icmp" is not a rule of what counts: write "ignore" or "dial", perhaps a protocol, and pairs of a word and a value, as in "ignore udp port 123" or "dial tcp dst-net 10.2.0.0/16 dst-port 445-450"; words are port and net, also with src- or dst- before them`}},
		{"rules of IPX", ipx, ipx + "interesting = [\"deny socket 4003\"]\n", []string{
			`:19: site.b1.ipx.interesting: "deny socket 4003" is not a rule of what counts: write "ignore" or "dial" and pairs of a word and a value, as in "ignore socket 4003" or "dial dst-socket 0451"; words are network, node and socket, also with src- or dst- before them, and type`}},
		{"hours of one that never dials", "dial = [\"b1.example.net\"]\n" + connect, connect + "hours = [\"mon\"]\n", []string{
			`:9: site.b1.hours: the site has no dial, and never dials: leave it out, or write dial`}},
		{"an address from the peer", ip, ip + "address = \"from-peer\"\n", []string{
			`:17: site.b1.ip.address: with connect = "demand" our address must be known while there is no call: write address and peer, or "unnumbered", or connect = "always"`}},
		{"a peer of any address", ip, ip + "address = \"10.255.0.1\"\n", []string{
			`:16: site.b1.ip.peer: with connect = "demand" the peer's address must be known while there is no call: write peer = "10.255.0.2", or connect = "always"`}},
		{"what is announced", "routes = [\"20\"]\n", "exchange = \"rip-sap\"\n", []string{
			`:19: site.b1.ipx.exchange: with connect = "demand" what is behind the peer must be known while there is no call, and "rip-sap" would keep it up: write exchange = "static", with routes, or "auto-static", or connect = "always"`}},
		{"IPXWAN", ipx, ipx + "ipxwan = true\n", []string{
			`:19: site.b1.ipx.ipxwan: with connect = "demand" the link must be known while there is no call, and IPXWAN agrees on it anew each time: leave it out, or connect = "always"`}},
		{"a workstation", "routes = [\"20\"]\n", "network = \"FF01\"\nworkstation = true\n", []string{
			`:20: site.b1.ipx.workstation: connect = "demand" is for two routers: leave one of them out`}},
		{"a full tunnel by name", "10.2.0.0/16", "0.0.0.0/0", []string{
			`:8: site.b1.dial: with connect = "demand" and a route for everything, nobody can be asked where b1.example.net is: write its address, or connect = "always"`}},
		{"a segment", ipx + "routes = [\"20\"]\n", ipx + "[segment.s]\nnetwork = \"0\"\nlans = [{ lan = \"office\", frame = \"ethernet_ii\" }]\nsites = [\"b1\"]\n", []string{
			`:9: site.b1.connect: the site is in segment s, whose broadcasts would keep the tunnel up: write connect = "always", or route IPX`}},
	})
}
