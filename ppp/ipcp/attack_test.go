package ipcp_test

import (
	"net/netip"
	"testing"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipcp"
)

// makers are the ways to be set up that differ in what they answer.
var makers = map[string]fsmtest.Make{
	"server": func() fsm.Protocol {
		return ipcp.New(ipcp.Config{Address: ip("10.0.0.1"), Peer: ip("10.0.0.2"),
			DNS: []netip.Addr{ip("10.0.0.53"), ip("10.0.0.54")}, NBNS: []netip.Addr{ip("10.0.0.55"), ip("10.0.0.56")}})
	},
	"client":     func() fsm.Protocol { return ipcp.New(ipcp.Config{AskDNS: true, AcceptAddress: true}) },
	"unnumbered": func() fsm.Protocol { return ipcp.New(ipcp.Config{Unnumbered: true, AskDNS: true}) },
}

func each(t *testing.T, f func(t *testing.T, fresh fsmtest.Make)) {
	for name, fresh := range makers {
		t.Run(name, func(t *testing.T) { f(t, fresh) })
	}
}

func TestAttackP1RepeatedOption(t *testing.T) { each(t, fsmtest.Repeats) }

func TestAttackP2OptionLengths(t *testing.T) {
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		fsmtest.Lengths(t, fresh, func(kind byte, length int) bool { return kind == 3 && length == 6 })
	})
}

// TestAttackP3EmptyRefusals holds for IP-Compression-Protocol (2) too, whose
// empty Nak was read past its end elsewhere.
func TestAttackP3EmptyRefusals(t *testing.T) {
	each(t, fsmtest.EmptyRefusals)
	b := fsmtest.NewBench(t, makers["server"]())
	b.Raw()
	b.Want("03010006 0202", "0102000a 03060a000001")
}

func TestAttackP6EndlessNaks(t *testing.T) { each(t, fsmtest.EndlessNaks) }

func TestAttackP6EndlessRequests(t *testing.T) {
	fsmtest.EndlessRequests(t, makers["server"], func(round int) []fsm.Option {
		return []fsm.Option{{Type: 3, Data: []byte{10, 0, 1, byte(round % 2)}}}
	})
}

// FuzzJudge is row P5. The property: a refusal holds only options of the
// request, or our address for it; what is acknowledged is of the right length.
func FuzzJudge(f *testing.F) {
	f.Add(fsmtest.Unhex("0206002d0f01 030600000000 810600000000 820600000000 830600000000 840600000000"), false)
	f.Add(fsmtest.Unhex("03060a000002"), true)
	f.Fuzz(func(t *testing.T, b []byte, final bool) {
		opts, err := fsm.ParseOptions(b)
		if err != nil {
			return
		}
		for _, fresh := range makers {
			p := fresh()
			fsmtest.CheckVerdict(t, opts, p.Judge(opts, final), 3)
			p.Naked(opts)
			p.Rejected(opts)
			fsm.AppendOptions(nil, p.Request())
			p.Up()
		}
	})
}
