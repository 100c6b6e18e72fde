package ipxcp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipxcp"
)

// TestIPXWANOpens is section 3.2 of the sheet: with IPXWAN the link opens, and says
// what is missing; without it stays closed.
func TestIPXWANOpens(t *testing.T) {
	n := node("020000000001")
	for _, c := range []struct {
		name     string
		cfg      ipxcp.Config
		ours     string // our request
		request  string // the peer's
		needs    bool
		may      bool
		complete bool
		network  ipx.Network
	}{
		{"nobody has a number", ipxcp.Config{Node: n}, "01010012 010600000000 0208020000000001",
			"0101000a 010600000000", true, true, false, 0},
		{"an empty request", ipxcp.Config{Node: n}, "01010012 010600000000 0208020000000001", "01010004", true, true, false, 0},
		{"an empty request, and we have a number", ipxcp.Config{Node: n, Network: 5},
			"01010014 010600000005 0208020000000001 0602", "01010004", false, true, false, 5},
		{"unnumbered", ipxcp.Config{Node: n, Unnumbered: true},
			"01010014 010600000000 0208020000000001 0602", "0101000c 010600000000 0602", false, false, true, 0},
		{"unnumbered, peer not complete", ipxcp.Config{Node: n, Unnumbered: true},
			"01010014 010600000000 0208020000000001 0602", "0101000a 010600000000", false, true, false, 0},
		{"complete both ways", ipxcp.Config{Node: n, Network: 5},
			"01010014 010600000005 0208020000000001 0602", "0101000c 010600000005 0602", false, false, true, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.IPXWAN = true
			var r ipxcp.Result
			b := fsmtest.NewBench(t, keep(c.cfg, &r))
			b.WantSent(c.ours)
			b.Receive(fsmtest.Unhex("02" + c.ours[2:]))
			b.Receive(fsmtest.Unhex(c.request))
			if !b.Opened() || r.NeedsIPXWAN != c.needs || r.MayIPXWAN != c.may || r.Complete != c.complete || r.Network != c.network {
				t.Errorf("%v because of %v with %+v", b.State(), b.Reason(), r)
			}
		})
	}
}

// TestIPXWANWithPeersThatReject: nothing is negotiable, and the number that we need
// comes by IPXWAN.
func TestIPXWANWithPeersThatReject(t *testing.T) {
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(ipxcp.Config{Network: 5, IPXWAN: true}, &r))
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureReject, request.ID, request.Data)
	b.Want("02020004")
	b.Receive(fsmtest.Unhex("01010004"))
	if !b.Opened() || !r.NeedsIPXWAN || !r.MayIPXWAN || r.Complete {
		t.Errorf("%v with %+v", b.State(), r)
	}
}

// TestIPXWANWorkstationWithoutNode: the node comes by IPXWAN.
func TestIPXWANWorkstationWithoutNode(t *testing.T) {
	cfg := server("2e0000000001")
	cfg.IPXWAN = true
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(cfg, &r))
	request := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
	for range 6 {
		b.GiveData(fsm.ConfigureRequest, 1, fsmtest.Unhex("01060000beef"))
	}
	if !b.Opened() || !r.NeedsIPXWAN {
		t.Errorf("%v because of %v with %+v", b.State(), b.Reason(), r)
	}
}

// TestIPXWANLearnsTheNumber: what the peer tells makes our request complete, and the
// ends renegotiate as ever.
func TestIPXWANLearnsTheNumber(t *testing.T) {
	var r ipxcp.Result
	b := fsmtest.NewBench(t, keep(ipxcp.Config{Node: node("020000000001"), IPXWAN: true}, &r))
	b.Want("0301000a 010600000005", "01020014 010600000005 0208020000000001 0602")
	b.Want("02020014 010600000005 0208020000000001 0602")
	b.Want("0101000c 010600000005 0602", "0201000c 010600000005 0602")
	if !b.Opened() || r.NeedsIPXWAN || r.MayIPXWAN || !r.Complete || r.Network != 5 {
		t.Errorf("%v with %+v", b.State(), r)
	}
}

func TestIPXWANTwoSites(t *testing.T) {
	for _, c := range []struct {
		name       string
		a, b       ipxcp.Config
		network    ipx.Network
		needs, may bool
	}{
		{"no number", ipxcp.Config{IPXWAN: true}, ipxcp.Config{IPXWAN: true}, 0, true, true},
		{"one has it", ipxcp.Config{IPXWAN: true}, ipxcp.Config{Network: 5, IPXWAN: true}, 5, false, false},
		{"both have one", ipxcp.Config{Network: 4, IPXWAN: true}, ipxcp.Config{Network: 5, IPXWAN: true}, 5, false, false},
		{"unnumbered", ipxcp.Config{Unnumbered: true, IPXWAN: true}, ipxcp.Config{Unnumbered: true, IPXWAN: true}, 0, false, false},
	} {
		for seed := range uint64(8) {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var ra, rb ipxcp.Result
					a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond, Loss: 0.1, Seed: seed}, keep(c.a, &ra), keep(c.b, &rb))
					fsmtest.AwaitOpened(t, time.Minute, a, b)
					for _, r := range []ipxcp.Result{ra, rb} {
						if r.Network != c.network || r.NeedsIPXWAN != c.needs || r.MayIPXWAN != c.may {
							t.Errorf("%+v", r)
						}
					}
				})
			})
		}
	}
}

// TestCompression is section 2.3: what the peer says it can take in, and what is answered.
func TestCompression(t *testing.T) {
	for _, c := range []struct {
		name          string
		slots         int
		request, want string
		send          ipxcp.Compression
	}{
		{"off", 0, "0101000a 030600020f00", "0401000a 030600020f00", ipxcp.Compression{}},
		{"16 slots", 16, "0101000a 030600020f00", "0201000a 030600020f00", ipxcp.Compression{Slots: 16}},
		{"more than we keep", 8, "0101000a 030600020f00", "0201000a 030600020f00", ipxcp.Compression{Slots: 8}},
		{"fewer", 200, "0101000a 030600020000", "0201000a 030600020000", ipxcp.Compression{Slots: 1}},
		{"256", 999, "0101000a 03060002ff00", "0201000a 03060002ff00", ipxcp.Compression{Slots: 256}},
		{"slot left out", 16, "0101000a 030600020f01", "0201000a 030600020f01", ipxcp.Compression{Slots: 16, CompressSlotID: true}},
		{"redefined", 16, "0101000a 030600020f02", "0301000a 030600020f00", ipxcp.Compression{}},
		{"redefined, slot left out", 16, "0101000a 030600020f0f", "0301000a 030600020f01", ipxcp.Compression{}},
		{"flags that have no name", 16, "0101000a 030600020fF0", "0301000a 030600020f00", ipxcp.Compression{}},
		{"Shiva", 16, "01010008 03040235", "0301000a 030600020f00", ipxcp.Compression{}},
		{"no data", 16, "01010008 03040002", "04010008 03040002", ipxcp.Compression{}},
		{"too long", 16, "0101000b 030700020f0000", "0401000b 030700020f0000", ipxcp.Compression{}},
		{"one octet", 16, "01010007 030300", "04010007 030300", ipxcp.Compression{}},
		{"left out", 16, "01010004", "02010004", ipxcp.Compression{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r ipxcp.Result
			b := fsmtest.NewBench(t, keep(ipxcp.Config{Unnumbered: true, Slots: c.slots}, &r))
			request := b.Sent()[0]
			b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
			b.Want(c.request, c.want)
			receive := ipxcp.Compression{Slots: min(c.slots, 256)}
			if c.want[:2] == "02" && (!b.Opened() || r.Send != c.send || r.Receive != receive) {
				t.Errorf("%v with %+v", b.State(), r)
			}
			if c.want[:2] == "03" { // again: once Nak'd is enough
				b.Want(c.request, "04"+c.request[2:])
			}
		})
	}
}

// TestOurCompression is what we ask for, and what is left after each answer.
func TestOurCompression(t *testing.T) {
	first := "0101001a 010600000000 0208020000000001 030600020f01 0602"
	without := "01020014 010600000000 0208020000000001 0602"
	for _, c := range []struct {
		name, answer, want string
		receive            ipxcp.Compression
	}{
		{"acknowledged", "0201001a 010600000000 0208020000000001 030600020f01 0602", "", ipxcp.Compression{Slots: 16, CompressSlotID: true}},
		{"rejected, as pppd does", "0401000a 030600020f01", without, ipxcp.Compression{}},
		{"fewer slots", "0301000a 030600020701", "0102001a 010600000000 0208020000000001 030600020701 0602", ipxcp.Compression{Slots: 8, CompressSlotID: true}},
		{"slot never left out", "0301000a 030600020f00", "0102001a 010600000000 0208020000000001 030600020f00 0602", ipxcp.Compression{Slots: 16}},
		{"more slots", "0301000a 03060002ff01", without, ipxcp.Compression{}},
		{"what we asked for", "0301000a 030600020f01", without, ipxcp.Compression{}},
		{"Shiva", "03010008 03040235", without, ipxcp.Compression{}},
		{"nonsense", "03010006 0302", without, ipxcp.Compression{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r ipxcp.Result
			b := fsmtest.NewBench(t, keep(ipxcp.Config{Unnumbered: true, Node: node("020000000001"), Slots: 16, CompressSlotID: true}, &r))
			b.WantSent(first)
			if c.want == "" {
				b.Want(c.answer)
			} else {
				b.Want(c.answer, c.want)
				b.Want("02" + c.want[2:])
			}
			b.Give(fsm.ConfigureRequest, 9)
			if !b.Opened() || r.Receive != c.receive || r.Send != (ipxcp.Compression{}) {
				t.Errorf("%v with %+v, want %+v", b.State(), r, c.receive)
			}
		})
	}
}

// TestCompressionNotAskedFor: a Nak that names it changes nothing.
func TestCompressionNotAskedFor(t *testing.T) {
	b := fsmtest.NewBench(t, ipxcp.New(ipxcp.Config{Unnumbered: true, Node: node("020000000001")}))
	b.Want("0301000a 030600020f00", "01020014 010600000000 0208020000000001 0602")
}

// TestExchange3WithCompression is vector 3a, answered by a site that has it on.
func TestExchange3WithCompression(t *testing.T) {
	cfg := server("2e0000000002")
	cfg.Slots = 32
	b := fsmtest.NewBench(t, ipxcp.New(cfg))
	v := exchange(t)
	b.Want(v["3a"], "0301000c 02082e0000000002")
	b.Want("01020018 01060000beef 030600020f00 02082e0000000002", "02020018 01060000beef 030600020f00 02082e0000000002")
}

func TestCompressionBetweenSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ra, rb ipxcp.Result
		a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond},
			keep(ipxcp.Config{Unnumbered: true, Slots: 16}, &ra), keep(ipxcp.Config{Unnumbered: true, Slots: 4, CompressSlotID: true}, &rb))
		fsmtest.AwaitOpened(t, time.Minute, a, b)
		if ra.Send != (ipxcp.Compression{Slots: 4, CompressSlotID: true}) || rb.Send != (ipxcp.Compression{Slots: 4}) ||
			ra.Receive != (ipxcp.Compression{Slots: 16}) || rb.Receive != (ipxcp.Compression{Slots: 4, CompressSlotID: true}) {
			t.Errorf("%+v and %+v", ra, rb)
		}
	})
}
