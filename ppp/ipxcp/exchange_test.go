package ipxcp_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipxcp"
)

// exchange returns the packets of testdata by their short names: "1a".
func exchange(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/ipxcp.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Hex string }
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	packets := make(map[string]string)
	for _, v := range vectors {
		short, _, _ := strings.Cut(v.Name, " ")
		packets[short] = v.Hex
	}
	return packets
}

func node(s string) ipx.Node {
	n, err := ipx.ParseNode(s)
	if err != nil {
		panic(err)
	}
	return n
}

// keep makes cfg keep what the link agreed to.
func keep(cfg ipxcp.Config, r *ipxcp.Result) *ipxcp.Protocol {
	cfg.Up = func(up ipxcp.Result) error {
		*r = up
		return nil
	}
	return ipxcp.New(cfg)
}

func TestExchange1TwoRouters(t *testing.T) {
	v := exchange(t)
	var ra, rb ipxcp.Result
	a := fsmtest.NewBench(t, keep(ipxcp.Config{Network: 0xC0DE0001, Node: node("02a1b2c3d4e5"), RouterName: "site_a"}, &ra))
	a.WantSent(v["1a"])
	a.Want(v["1b"], v["1d"])
	a.Want(v["1c"], v["1e"])
	a.Want(v["1f"])
	b := fsmtest.NewBench(t, keep(ipxcp.Config{Network: 0xC0DE0002, Node: node("02f1e2d3c4b5"), RouterName: "SITE_B"}, &rb))
	b.WantSent(v["1b"])
	b.Want(v["1a"], v["1c"])
	b.Want(v["1d"])
	b.Want(v["1e"], v["1f"])
	if !a.Opened() || !b.Opened() {
		t.Errorf("%v and %v", a.State(), b.State())
	}
	wantA := ipxcp.Result{Network: 0xC0DE0002, Local: node("02a1b2c3d4e5"), Peer: node("02f1e2d3c4b5"),
		PeerName: "SITE_B", PeerRouting: ipxcp.RIPSAP, Complete: true}
	wantB := ipxcp.Result{Network: 0xC0DE0002, Local: node("02f1e2d3c4b5"), Peer: node("02a1b2c3d4e5"),
		PeerName: "SITE_A", PeerRouting: ipxcp.RIPSAP, Complete: true}
	if ra != wantA || rb != wantB {
		t.Errorf("A agreed to %+v, want %+v; B to %+v, want %+v", ra, wantA, rb, wantB)
	}
}

// server is set up for workstations, and gives them this node.
func server(assign string) ipxcp.Config {
	return ipxcp.Config{
		Network:     0xBEEF,
		Node:        node("2e0000000000"),
		Workstation: true,
		AssignNode:  func() ipx.Node { return node(assign) },
	}
}

func TestExchange2Workstation(t *testing.T) {
	v := exchange(t)
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(server("2e0000000001"), &r))
	request := b.Sent()[0]
	b.Want(v["2a"], v["2b"])
	b.Want(v["2c"], v["2d"])
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	want := ipxcp.Result{Network: 0xBEEF, Local: node("2e0000000000"), Peer: node("2e0000000001"),
		PeerRouting: ipxcp.RoutingNone, Complete: true}
	if r != want || !b.Opened() {
		t.Errorf("%v, agreed to %+v, want %+v", b.State(), r, want)
	}
}

func TestExchange3CompressionAndMissingNode(t *testing.T) {
	v := exchange(t)
	b := fsmtest.NewBench(t, ipxcp.New(server("2e0000000002")))
	b.Want(v["3a"], v["3b"])
	b.Want(v["3c"], v["3d"])
	b.Want(v["3e"], v["3f"])
}

func TestExchange4EmptyRequest(t *testing.T) {
	v := exchange(t)
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Network: 0xC0DE0002}))
	b.Want(v["4a"], v["4b"])
}

func TestExchange5NLSP(t *testing.T) {
	v := exchange(t)
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Network: 0xC0DE0002}))
	b.Want(v["5a"], v["5b"])
	b.Want(v["5a"], "04010008 04040004") // once Nak'd is enough
}

func TestExchange6Terminate(t *testing.T) {
	v := exchange(t)
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Unnumbered: true}))
	b.Want(v["6a"], v["6b"])
}

func TestExchange7Echo(t *testing.T) {
	v := exchange(t)
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Unnumbered: true}))
	// The identifier of a Code-Reject is its sender's: ours is at 2 here.
	b.Want("0904 0008 1a2b3c4d", strings.Replace(v["7"], "070a", "0702", 1))
}
