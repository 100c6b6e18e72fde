package ipcp_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipcp"
)

func ip(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// keep makes cfg keep what the link agreed to.
func keep(cfg ipcp.Config, r *ipcp.Result) *ipcp.Protocol {
	cfg.Up = func(up ipcp.Result) error {
		*r = up
		return nil
	}
	return ipcp.New(cfg)
}

func TestTwoSites(t *testing.T) {
	pool := func() (netip.Addr, bool) { return ip("10.9.0.20"), true }
	for _, c := range []struct {
		name   string
		a, b   ipcp.Config
		ra, rb ipcp.Result
	}{
		{
			"both fixed",
			ipcp.Config{Address: ip("10.255.0.1"), Peer: ip("10.255.0.2")},
			ipcp.Config{Address: ip("10.255.0.2"), Peer: ip("10.255.0.1")},
			ipcp.Result{Local: ip("10.255.0.1"), Peer: ip("10.255.0.2")},
			ipcp.Result{Local: ip("10.255.0.2"), Peer: ip("10.255.0.1")},
		},
		{
			"each states its own",
			ipcp.Config{Address: ip("10.255.0.1")},
			ipcp.Config{Address: ip("10.255.0.2")},
			ipcp.Result{Local: ip("10.255.0.1"), Peer: ip("10.255.0.2")},
			ipcp.Result{Local: ip("10.255.0.2"), Peer: ip("10.255.0.1")},
		},
		{
			"from a pool, with name servers",
			ipcp.Config{AskDNS: true},
			ipcp.Config{Address: ip("10.9.0.1"), AssignPeer: pool,
				DNS: []netip.Addr{ip("2001:db8::53"), ip("10.9.0.53"), ip("10.9.0.54")}, NBNS: []netip.Addr{ip("10.9.0.55")}},
			ipcp.Result{Local: ip("10.9.0.20"), Peer: ip("10.9.0.1"),
				DNS: []netip.Addr{ip("10.9.0.53"), ip("10.9.0.54")}, NBNS: []netip.Addr{ip("10.9.0.55")}},
			ipcp.Result{Local: ip("10.9.0.1"), Peer: ip("10.9.0.20")},
		},
		{
			"given another one, and takes it",
			ipcp.Config{Address: ip("192.0.2.9"), AcceptAddress: true},
			ipcp.Config{Address: ip("10.9.0.1"), Peer: ip("10.9.0.2")},
			ipcp.Result{Local: ip("10.9.0.2"), Peer: ip("10.9.0.1")},
			ipcp.Result{Local: ip("10.9.0.1"), Peer: ip("10.9.0.2")},
		},
		{
			"unnumbered",
			ipcp.Config{Unnumbered: true},
			ipcp.Config{Unnumbered: true},
			ipcp.Result{},
			ipcp.Result{},
		},
		{
			"unnumbered with settings",
			ipcp.Config{Unnumbered: true, Address: ip("10.1.0.1"), Peer: ip("10.2.0.1")},
			ipcp.Config{Unnumbered: true},
			ipcp.Result{Local: ip("10.1.0.1"), Peer: ip("10.2.0.1")},
			ipcp.Result{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ra, rb ipcp.Result
				a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond, Loss: 0.1},
					keep(c.a, &ra), keep(c.b, &rb))
				fsmtest.AwaitOpened(t, time.Minute, a, b)
				wantResult(t, "a", ra, c.ra)
				wantResult(t, "b", rb, c.rb)
			})
		})
	}
}

func wantResult(t *testing.T, name string, got, want ipcp.Result) {
	t.Helper()
	if got.Local != want.Local || got.Peer != want.Peer || !slices.Equal(got.DNS, want.DNS) || !slices.Equal(got.NBNS, want.NBNS) {
		t.Errorf("%s agreed to %+v, want %+v", name, got, want)
	}
}

// TestDisagreement: settings that do not go together end with both addresses in
// words, at one end at least.
func TestDisagreement(t *testing.T) {
	none := func() (netip.Addr, bool) { return netip.Addr{}, false }
	for _, c := range []struct {
		name   string
		a, b   ipcp.Config
		reason string // of a
	}{
		{
			"our address",
			ipcp.Config{Address: ip("10.0.0.9")},
			ipcp.Config{Address: ip("10.0.0.2"), Peer: ip("10.0.0.1")},
			"peer insists that we are 10.0.0.1, we are set to 10.0.0.9",
		},
		{
			"the same at both ends",
			ipcp.Config{Address: ip("10.0.0.1")},
			ipcp.Config{Address: ip("10.0.0.1")},
			"both ends have the address 10.0.0.1",
		},
		{
			"nobody has one for us",
			ipcp.Config{},
			ipcp.Config{Address: ip("10.0.0.1")},
			"peer gives us no address, and we have none of our own",
		},
		{
			"the pool is used up",
			ipcp.Config{},
			ipcp.Config{Address: ip("10.0.0.1"), AssignPeer: none},
			"peer gives us no address, and we have none of our own",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond}, ipcp.New(c.a), ipcp.New(c.b))
				fsmtest.Await(t, 2*time.Minute, "finished", func() bool { return len(a.Finished()) > 0 })
				if got := a.Finished()[0].Error(); got != c.reason {
					t.Errorf("reason %q, want %q", got, c.reason)
				}
			})
		})
	}
}

// TestRefusedAddressIsNotForgotten: a peer whose address was Nak'd and then
// rejected leaves the option out. It has that address still.
func TestRefusedAddressIsNotForgotten(t *testing.T) {
	b := fsmtest.NewBench(t, ipcp.New(ipcp.Config{Address: ip("10.0.0.1"), Peer: ip("10.0.0.2")}))
	b.Want("0201000a 0306 0a000001")
	for range 5 {
		b.Want("0101000a 0306 0a000009", "0301000a 0306 0a000002")
	}
	b.Want("0101000a 0306 0a000009", "0401000a 0306 0a000009")
	b.Raw()
	b.Receive(fsmtest.Unhex("01020004"))
	if want := "peer insists that it is 10.0.0.9, we want it to be 10.0.0.2"; b.Opened() || b.Reason() == nil || b.Reason().Error() != want {
		t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), want)
	}
}

// TestVectors is the IPCP of a client that asks for everything, with ours as
// the server: VJ and NBNS are not to be had.
func TestVectors(t *testing.T) {
	b := fsmtest.NewBench(t, ipcp.New(ipcp.Config{Address: ip("10.9.0.1"), Peer: ip("10.9.0.2"),
		DNS: []netip.Addr{ip("10.9.0.53"), ip("10.9.0.54")}}))
	b.WantSent("0101000a 0306 0a090001")
	b.Want("01010028 0206002d0f01 030600000000 810600000000 820600000000 830600000000 840600000000",
		"04010016 0206002d0f01 820600000000 840600000000")
	b.Want("01020016 030600000000 810600000000 830600000000",
		"03020016 03060a090002 81060a090035 83060a090036")
	b.Want("01030016 03060a090002 81060a090035 83060a090036",
		"02030016 03060a090002 81060a090035 83060a090036")
}

func TestClient(t *testing.T) {
	var r ipcp.Result
	b := fsmtest.NewBench(t, keep(ipcp.Config{AskDNS: true}, &r))
	b.WantSent("01010022 030600000000 810600000000 820600000000 830600000000 840600000000")
	b.Want("04010010 820600000000 840600000000", "01020016 030600000000 810600000000 830600000000")
	b.Want("03020016 03060a090002 81060a090035 830600000000", "01030010 03060a090002 81060a090035")
	b.Want("02030010 03060a090002 81060a090035")
	b.Want("0101000a 03060a090001", "0201000a 03060a090001")
	wantResult(t, "client", r, ipcp.Result{Local: ip("10.9.0.2"), Peer: ip("10.9.0.1"), DNS: []netip.Addr{ip("10.9.0.53")}})
}

func TestJudge(t *testing.T) {
	pool := func() (netip.Addr, bool) { return ip("10.9.0.20"), true }
	for _, c := range []struct {
		name    string
		cfg     ipcp.Config
		request string
		want    string
	}{
		{"address left out", ipcp.Config{}, "01010004", "0301000a 030600000000"},
		{"address left out, pool", ipcp.Config{AssignPeer: pool}, "01010004", "0301000a 03060a090014"},
		{"address left out, but set", ipcp.Config{Peer: ip("10.9.0.2")}, "01010004", "02010004"},
		{"address left out, unnumbered", ipcp.Config{Unnumbered: true}, "01010004", "02010004"},
		{"asks, and we have none", ipcp.Config{}, "0101000a 030600000000", "0401000a 030600000000"},
		{"own wish against the pool", ipcp.Config{AssignPeer: pool}, "0101000a 0306c0000201", "0301000a 03060a090014"},
		{"multicast", ipcp.Config{}, "0101000a 0306e0000001", "0401000a 0306e0000001"},
		{"broadcast", ipcp.Config{}, "0101000a 0306ffffffff", "0401000a 0306ffffffff"},
		{"loopback", ipcp.Config{}, "0101000a 03067f000001", "0401000a 03067f000001"},
		{"network 0", ipcp.Config{}, "0101000a 030600000001", "0401000a 030600000001"},
		{"IP-Addresses (1)", ipcp.Config{}, "0101000e 010a0a0000010a000002", "0401000e 010a0a0000010a000002"},
		{"Mobile-IPv4 (4)", ipcp.Config{}, "0101000a 04060a000001", "0401000a 04060a000001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fsmtest.NewBench(t, ipcp.New(c.cfg))
			b.Want(c.request, c.want)
		})
	}
}

// TestRejectedAddress: a peer that does not negotiate addresses leaves us with
// our settings, and may ask for the option by a Nak later.
func TestRejectedAddress(t *testing.T) {
	var r ipcp.Result
	b := fsmtest.NewBench(t, keep(ipcp.Config{Address: ip("10.0.0.1"), Peer: ip("10.0.0.2")}, &r))
	b.Raw()
	b.Want("0401000a 03060a000001", "01020004")
	b.Want("0302000a 030600000000", "0103000a 03060a000001")
	b.Want("0403000a 03060a000001", "01040004")
	b.Want("02040004")
	b.Want("01010004", "02010004")
	wantResult(t, "unnumbered peer", r, ipcp.Result{Local: ip("10.0.0.1"), Peer: ip("10.0.0.2")})
}

func TestUpErrorAndDown(t *testing.T) {
	downs := 0
	var fault error
	p := ipcp.New(ipcp.Config{Address: ip("10.0.0.1"), Up: func(ipcp.Result) error { return fault }, Down: func() { downs++ }})
	open := func() *fsmtest.Bench {
		b := fsmtest.NewBench(t, p)
		b.Want("0201000a 03060a000001")
		b.Want("0101000a 03060a000002", "0201000a 03060a000002")
		return b
	}
	b := open()
	if b.LowerDown(); downs != 1 || b.State() != fsm.Starting {
		t.Errorf("down %d times, %v", downs, b.State())
	}
	fault = errors.New("10.0.0.2 is inside another site's routes")
	b = fsmtest.NewBench(t, p)
	b.GiveData(fsm.ConfigureAck, 1, fsmtest.Unhex("03060a000001"))
	b.GiveData(fsm.ConfigureRequest, 1, fsmtest.Unhex("03060a000002"))
	if downs != 1 || b.Reason() != fault || b.State() != fsm.Closing {
		t.Errorf("down %d times, %v, %v", downs, b.Reason(), b.State())
	}
}
