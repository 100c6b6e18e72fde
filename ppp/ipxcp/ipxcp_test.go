package ipxcp_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipxcp"
)

func TestTwoSites(t *testing.T) {
	for _, c := range []struct {
		name    string
		a, b    ipxcp.Config
		network ipx.Network
	}{
		{"the same number", ipxcp.Config{Network: 0xFF01}, ipxcp.Config{Network: 0xFF01}, 0xFF01},
		{"the higher wins", ipxcp.Config{Network: 0xFF01}, ipxcp.Config{Network: 0x80000000}, 0x80000000},
		{"one knows it", ipxcp.Config{Network: 0xFF01}, ipxcp.Config{}, 0xFF01},
		{"one knows it, one may do without", ipxcp.Config{Unnumbered: true}, ipxcp.Config{Network: 0xFF01}, 0xFF01},
		{"unnumbered", ipxcp.Config{Unnumbered: true}, ipxcp.Config{Unnumbered: true}, 0},
	} {
		for seed := range uint64(10) {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c.a.RouterName, c.b.RouterName = "hq", "branch 1"
					var ra, rb ipxcp.Result
					a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond, Loss: 0.1, Seed: seed},
						keep(c.a, &ra), keep(c.b, &rb))
					fsmtest.AwaitOpened(t, time.Minute, a, b)
					if ra.Network != c.network || rb.Network != c.network {
						t.Errorf("networks %v and %v, want %v", ra.Network, rb.Network, c.network)
					}
					if ra.Local != rb.Peer || ra.Peer != rb.Local || ra.Local == ra.Peer || ra.Local[0] != 2 {
						t.Errorf("nodes %v-%v and %v-%v", ra.Local, ra.Peer, rb.Local, rb.Peer)
					}
					if ra.PeerName != "BRANCH_1" || rb.PeerName != "HQ" || !ra.Complete || !rb.Complete {
						t.Errorf("%+v and %+v", ra, rb)
					}
				})
			})
		}
	}
}

func TestNoLink(t *testing.T) {
	used := func(n ipx.Network) bool { return n == 0x80000000 }
	for _, c := range []struct {
		name, reason string // of a
		a, b         ipxcp.Config
	}{
		{"neither has a number", "neither end has a network number for the link", ipxcp.Config{}, ipxcp.Config{}},
		{"the number is a LAN of ours", "network 80000000, which the peer wants for the link, is in use here",
			ipxcp.Config{Network: 0xFF01, InUse: used}, ipxcp.Config{Network: 0x80000000}},
		{"one node at both ends", "peer insists that our node is", ipxcp.Config{Network: 1, Node: ipx.Node{2, 5: 9}},
			ipxcp.Config{Network: 1, Node: ipx.Node{2, 5: 9}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond}, ipxcp.New(c.a), ipxcp.New(c.b))
				fsmtest.Await(t, 2*time.Minute, "finished", func() bool { return len(a.Finished()) > 0 })
				if got := a.Finished()[0].Error(); !strings.Contains(got, c.reason) {
					t.Errorf("reason %q, want %q", got, c.reason)
				}
			})
		})
	}
}

// TestJudge is the answer to one request of the peer.
func TestJudge(t *testing.T) {
	numbered := ipxcp.Config{Network: 0xBEEF, Node: node("020000000001"), AssignNode: func() ipx.Node { return node("2e0000000001") }}
	unnumbered := ipxcp.Config{Unnumbered: true}
	for _, c := range []struct {
		name          string
		cfg           ipxcp.Config
		request, want string
	}{
		{"network 0, ours known", numbered, "0101000a 010600000000", "0301000a 01060000beef"},
		{"network lower", numbered, "0101000a 01060000beee", "0301000a 01060000beef"},
		{"network equal", numbered, "0101000a 01060000beef", "0201000a 01060000beef"},
		{"network higher", numbered, "0101000a 01060000bef0", "0201000a 01060000bef0"},
		{"network higher, unsigned", numbered, "0101000a 0106fffffffd", "0201000a 0106fffffffd"},
		{"network FFFFFFFE", numbered, "0101000a 0106fffffffe", "0301000a 01060000beef"},
		{"network FFFFFFFF", numbered, "0101000a 0106ffffffff", "0301000a 01060000beef"},
		{"network FFFFFFFF, none of ours", unnumbered, "0101000a 0106ffffffff", "0401000a 0106ffffffff"},
		{"network 0, none of ours, unnumbered", unnumbered, "0101000a 010600000000", "0201000a 010600000000"},
		{"network 0, none of ours", ipxcp.Config{}, "0101000a 010600000000", "0401000a 010600000000"},
		{"network given, none of ours", ipxcp.Config{}, "0101000a 01060000beef", "0201000a 01060000beef"},
		{"network left out is not appended", numbered, "0101000c 020802a1b2c3d4e5", "0201000c 020802a1b2c3d4e5"},

		{"node 0", numbered, "0101000c 0208000000000000", "0301000c 02082e0000000001"},
		{"node ours", numbered, "0101000c 0208020000000001", "0301000c 02082e0000000001"},
		{"node broadcast", numbered, "0101000c 0208ffffffffffff", "0301000c 02082e0000000001"},
		{"node group", numbered, "0101000c 0208010000000001", "0301000c 02082e0000000001"},
		{"node as pppd makes it", numbered, "0101000c 02080000a1b2c3d4", "0201000c 02080000a1b2c3d4"},
		{"node left out by a router", numbered, "01010004", "02010004"},

		{"CIPX", numbered, "0101000a 030600020f00", "0401000a 030600020f00"},
		{"Shiva compression", numbered, "01010008 03040235", "04010008 03040235"},
		{"unknown option", numbered, "01010006 0702", "04010006 0702"},

		{"routing none", numbered, "01010008 04040000", "02010008 04040000"},
		{"routing RIP/SAP", numbered, "01010008 04040002", "02010008 04040002"},
		{"routing reserved", numbered, "01010008 04040001", "03010008 04040002"},
		{"routing NLSP with data", numbered, "0101000a 040600040001", "03010008 04040002"},
		{"routing RIP/SAP and NLSP", numbered, "0101000c 04040002 04040004", "03010008 04040002"},
		{"routing none and RIP/SAP", numbered, "0101000c 04040000 04040002", "03010008 04040002"},
		{"routing RIP/SAP twice", numbered, "0101000c 04040002 04040002", "03010008 04040002"},
		{"routing RIP/SAP with data", numbered, "01010009 0405000201", "04010009 0405000201"},
		{"routing of one octet", numbered, "01010007 040300", "04010007 040300"},

		{"name", numbered, "01010008 05044851", "02010008 05044851"},
		{"complete", numbered, "01010006 0602", "02010006 0602"},
		{"complete with data", numbered, "01010007 060300", "04010007 060300"},

		{"Reject before Nak, order kept", numbered, "01010016 03040235 010600000001 040300 0502 060300", "04010010 03040235 040300 0502 060300"},
		{"Naks in the request's order", numbered, "01010016 04040004 0208000000000000 010600000001", "03010016 04040002 02082e0000000001 01060000beef"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fsmtest.NewBench(t, ipxcp.New(c.cfg))
			b.Want(c.request, c.want)
		})
	}
}

// The peers below are scripts of real ones.

// TestPppdWithoutNetwork: neither end has a number. Each rejects the other's
// zero, and a link that must not be unnumbered is not opened.
func TestPppdWithoutNetwork(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    ipxcp.Config
		reason error
	}{
		{"numbered wanted", ipxcp.Config{Node: node("020000000001")}, errors.New("neither end has a network number for the link")},
		{"unnumbered", ipxcp.Config{Node: node("020000000001"), Unnumbered: true}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fsmtest.NewBench(t, ipxcp.New(c.cfg))
			b.WantSent("01010014 010600000000 0208020000000001 0602")
			b.Want("0401000a 010600000000", "0102000e 0208020000000001 0602")
			if c.reason != nil {
				b.Want("01010012 010600000000 02080000a1b2c3d4", "0401000a 010600000000")
			}
			b.Want("0202000e 0208020000000001 0602")
			b.GiveData(fsm.ConfigureRequest, 2, fsmtest.Unhex("02080000a1b2c3d4"))
			if got := b.Reason(); b.Opened() != (c.reason == nil) || c.reason != nil && got.Error() != c.reason.Error() {
				t.Errorf("%v because of %v, want %v", b.State(), got, c.reason)
			}
		})
	}
}

// TestPeerRejectsEverything: ipxbox knows the node only, others not even that.
func TestPeerRejectsEverything(t *testing.T) {
	for _, c := range []struct {
		name    string
		cfg     ipxcp.Config
		request string // the peer's own
		network ipx.Network
		reason  string
	}{
		{"unnumbered", ipxcp.Config{Unnumbered: true}, "01010004", 0, ""},
		{"it has a number of its own", ipxcp.Config{Network: 0xBEEF}, "0101000a 01060000bef0", 0xBEF0, ""},
		{"ours is set", ipxcp.Config{Network: 0xBEEF}, "01010004", 0, "peer does not negotiate network numbers: the link can only be unnumbered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r ipxcp.Result
			c.cfg.RouterName = "HQ"
			b := fsmtest.NewBench(t, keep(c.cfg, &r))
			request := b.Sent()[0]
			b.Receive(fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureReject, ID: request.ID, Data: request.Data}))
			b.WantSent("01020004")
			b.Want("02020004")
			b.Receive(fsmtest.Unhex(c.request))
			switch {
			case c.reason != "" && (b.Opened() || b.Reason() == nil || b.Reason().Error() != c.reason):
				t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), c.reason)
			case c.reason == "" && (!b.Opened() || r.Network != c.network || r.Complete || !r.Peer.IsZero() || r.Local.IsZero()):
				t.Errorf("%v with %+v", b.State(), r)
			}
		})
	}
}

// TestPeerRejects256: what is not the number may be missing.
func TestPeerRejects256(t *testing.T) {
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(ipxcp.Config{Network: 0xBEEF, Node: node("020000000001"), RouterName: "HQ"}, &r))
	b.Want("04010012 0208020000000001 05044851 0602", "0102000a 01060000beef")
	b.Want("0202000a 01060000beef")
	b.Want("0101000a 01060000beef", "0201000a 01060000beef")
	if want := (ipxcp.Result{Network: 0xBEEF, Local: node("020000000001"), PeerRouting: ipxcp.RIPSAP}); r != want {
		t.Errorf("agreed to %+v, want %+v", r, want)
	}
}

// TestPeerAcksTheLowerNumber and asks for the higher one: the numbers differ
// once both have opened. We ask again with the higher.
func TestPeerAcksTheLowerNumber(t *testing.T) {
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(ipxcp.Config{Network: 1, Node: node("020000000001")}, &r))
	b.WantSent("01010014 010600000001 0208020000000001 0602")
	b.Want("02010014 010600000001 0208020000000001 0602")
	b.Want("0101000a 010600000002",
		"0201000a 010600000002", "01020014 010600000002 0208020000000001 0602")
	if b.Opened() || r.Network != 0 {
		t.Errorf("%v with %+v", b.State(), r)
	}
	b.Want("0102000a 010600000002", "0202000a 010600000002")
	b.Want("02020014 010600000002 0208020000000001 0602")
	if !b.Opened() || r.Network != 2 {
		t.Errorf("%v with %+v", b.State(), r)
	}
}

// TestPeerNeverAgrees: it acknowledges every number of ours and asks for a
// higher one each time.
func TestPeerNeverAgrees(t *testing.T) {
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Network: 1}))
	for n := byte(2); n < 20 && b.Reason() == nil; n++ {
		for _, p := range b.Sent() {
			if p.Code == fsm.ConfigureRequest {
				b.Receive(fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureAck, ID: p.ID, Data: p.Data}))
			}
		}
		b.Receive(append(fsmtest.Unhex("0101000a 0106000000"), n))
	}
	if want := "the ends disagree on the link's network: ours is 00000003, the peer's is 00000004"; b.Reason() == nil || b.Reason().Error() != want {
		t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), want)
	}
}

// TestNakOfOurNetwork: a higher number is taken, a lower one refused with both
// in words.
func TestNakOfOurNetwork(t *testing.T) {
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Network: 0xBEEF, Node: node("020000000001")}))
	b.Raw()
	b.Want("0301000a 01060000bef0", "01020014 01060000bef0 0208020000000001 0602")
	b.Want("0302000a 0106ffffffff", "01030014 01060000bef0 0208020000000001 0602")
	for id := byte(3); id < 9 && b.Reason() == nil; id++ {
		b.Give(fsm.ConfigureNak, id, fsm.Option{Type: 1, Data: []byte{0, 0, 0, 1}})
	}
	if want := "peer insists on network 00000001 for the link, ours is 0000BEF0 and higher"; b.Reason() == nil || b.Reason().Error() != want {
		t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), want)
	}
}

func TestNakOfOurNode(t *testing.T) {
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Unnumbered: true}))
	b.Raw()
	b.Want("0301000c 02082e0000000007", "01020014 010600000000 02082e0000000007 0602")
	// Neither a broadcast nor an option that may not be Nak'd changes anything.
	b.Want("0302000e 0208ffffffffffff 0602", "01030014 010600000000 02082e0000000007 0602")
	b.Want("0303000c 04040004 0504 4851", "01040014 010600000000 02082e0000000007 0602")
}

func TestWorkstationWithoutNode(t *testing.T) {
	b := fsmtest.NewBench(t, ipxcp.New(server("2e0000000001")))
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	for range 6 {
		b.GiveData(fsm.ConfigureRequest, 1, fsmtest.Unhex("01060000beef"))
	}
	if want := "peer is a workstation and has no node"; b.Opened() || b.Reason() == nil || b.Reason().Error() != want {
		t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), want)
	}
}

// TestRenegotiationOfALinkInUse: the link's own number is in use by the link
// until it is down; that is no conflict.
func TestRenegotiationOfALinkInUse(t *testing.T) {
	attached := ipx.Network(0)
	p := ipxcp.New(ipxcp.Config{
		InUse: func(n ipx.Network) bool { return n == attached },
		Up:    func(r ipxcp.Result) error { attached = r.Network; return nil },
		Down:  func() { attached = 0 },
	})
	b := fsmtest.NewBench(t, p)
	open := func() {
		last := b.Give(fsm.ConfigureRequest, 7, fsm.Option{Type: 1, Data: []byte{0, 0, 0xbe, 0xef}})
		for len(last) > 0 && !b.Opened() {
			sent := last
			last = nil
			for _, s := range sent {
				if s.Code == fsm.ConfigureRequest {
					last = append(last, b.GiveData(fsm.ConfigureAck, s.ID, s.Data)...)
				}
			}
		}
	}
	first := b.Sent()[0]
	b.Give(fsm.ConfigureNak, first.ID, fsm.Option{Type: 1, Data: []byte{0, 0, 0xbe, 0xef}})
	b.Pass(time.Second)
	second := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, second.ID, second.Data)
	open()
	if !b.Opened() || attached != 0xBEEF {
		t.Fatalf("%v, attached %v", b.State(), attached)
	}
	open()
	if !b.Opened() || attached != 0xBEEF {
		t.Errorf("anew: %v because of %v, attached %v", b.State(), b.Reason(), attached)
	}
}

func TestRoutingNames(t *testing.T) {
	for r, want := range map[ipxcp.Routing]string{0: "none", 2: "RIP/SAP", 4: "NLSP", 7: "routing protocol 7"} {
		if r.String() != want {
			t.Errorf("%d is %q, want %q", r, r, want)
		}
	}
}
