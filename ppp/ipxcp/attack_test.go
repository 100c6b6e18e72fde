package ipxcp_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/ipxcp"
)

// makers are the ways to be set up that differ in what they answer.
var makers = map[string]fsmtest.Make{
	"router": func() fsm.Protocol {
		return ipxcp.New(ipxcp.Config{Network: 0xBEEF, Node: node("020000000001"), RouterName: "HQ"})
	},
	"unnumbered": func() fsm.Protocol { return ipxcp.New(ipxcp.Config{Unnumbered: true}) },
	"wan": func() fsm.Protocol {
		return ipxcp.New(ipxcp.Config{IPXWAN: true, Slots: 16, CompressSlotID: true})
	},
	"server": func() fsm.Protocol { return ipxcp.New(server("2e0000000001")) },
}

func each(t *testing.T, f func(t *testing.T, fresh fsmtest.Make)) {
	for name, fresh := range makers {
		t.Run(name, func(t *testing.T) { f(t, fresh) })
	}
}

func TestAttackP1RepeatedOption(t *testing.T) { each(t, fsmtest.Repeats) }

func TestAttackP2OptionLengths(t *testing.T) {
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		fsmtest.Lengths(t, fresh, func(kind byte, length int) bool {
			switch kind {
			case 1:
				return length == 6
			case 2:
				return length == 8
			case 5:
				return length > 2
			case 6:
				return length == 2
			}
			return false
		})
	})
}

func TestAttackP3EmptyRefusals(t *testing.T) { each(t, fsmtest.EmptyRefusals) }

// TestAttackP4RouterName: names of any length and of any octets. What is kept
// has at most 48 of them, escaped.
func TestAttackP4RouterName(t *testing.T) {
	for _, n := range []int{0, 1, 2, 46, 47, 48, 49, 200, 253} {
		for _, fill := range []string{"A", "\x00", "\xff", "\n", "\x1b[2J", `"`, "é"} {
			name := []byte(strings.Repeat(fill, n))[:n]
			var r ipxcp.Result
			b := fsmtest.NewBench(t, keep(ipxcp.Config{Unnumbered: true}, &r))
			request := b.Sent()[0]
			b.GiveData(fsm.ConfigureAck, request.ID, request.Data)
			got := b.Give(fsm.ConfigureRequest, 1, fsm.Option{Type: 5, Data: name})
			if n == 0 {
				if len(got) != 1 || got[0].Code != fsm.ConfigureReject {
					t.Errorf("a name of no octets was answered by %v", got)
				}
				continue
			}
			kept := name[:min(n, 48)]
			want := fmt.Sprintf("%+q", bytes.TrimRight(kept, "\x00"))
			if want = want[1 : len(want)-1]; r.PeerName != want {
				t.Errorf("%d octets of %q are shown as %s, want %s", n, fill, r.PeerName, want)
			}
			for _, c := range []byte(r.PeerName) {
				if c < ' ' || c > '~' {
					t.Errorf("%d octets of %q are shown with %#x", n, fill, c)
				}
			}
		}
	}
}

func TestAttackP6EndlessNaks(t *testing.T) { each(t, fsmtest.EndlessNaks) }

func TestAttackP6EndlessRequests(t *testing.T) {
	fsmtest.EndlessRequests(t, makers["router"], func(round int) []fsm.Option {
		return []fsm.Option{{Type: 1, Data: []byte{0, 0, 0, byte(1 + round%2)}}}
	})
	fsmtest.EndlessRequests(t, makers["server"], func(round int) []fsm.Option {
		return []fsm.Option{{Type: 2, Data: make([]byte, 6)}}
	})
}

func TestAttackP9UnknownCodes(t *testing.T) {
	b := fsmtest.NewBench(t, makers["router"]())
	for code := 8; code < 256; code++ {
		if got := b.GiveData(fsm.Code(code), 1, make([]byte, 100)); len(got) != 1 || got[0].Code != fsm.CodeReject {
			t.Errorf("code %d was answered by %v", code, got)
		}
	}
}

// FuzzJudge is row P5. The property: the answer is lawful, at most one entry for
// each type, and after any request, Nak and Reject our own request is one that a
// link may have.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{
		"0106c0de0001 020802a1b2c3d4e5 0508534954455f41 0602",
		"010600000000 0208000000000000 04040000 0602",
		"01060000beef 030600020f00",
		"04040004 04040002 04040000",
		"0106ffffffff 0208ffffffffffff 0502 060300",
	} {
		f.Add(fsmtest.Unhex(s), false)
		f.Add(fsmtest.Unhex(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, final bool) {
		opts, err := fsm.ParseOptions(b)
		if err != nil {
			return
		}
		for _, fresh := range makers {
			p := fresh()
			v := p.Judge(opts, final)
			if v.Err != nil {
				t.Fatal(v.Err)
			}
			fsmtest.CheckVerdict(t, opts, v, 2)
			p.Naked(opts)
			wantGoodRequest(t, p)
			p.Rejected(opts)
			wantGoodRequest(t, p)
			p.Up()
		}
	})
}

func wantGoodRequest(t *testing.T, p fsm.Protocol) {
	t.Helper()
	for _, o := range p.Request() {
		switch {
		case o.Type == 1 && bytes.Compare(o.Data, []byte{0xff, 0xff, 0xff, 0xfe}) >= 0,
			o.Type == 2 && (ipx.Node(o.Data).IsGroup() || ipx.Node(o.Data).IsZero()),
			o.Type == 3 && (len(o.Data) != 4 || o.Data[1] != 2 || o.Data[2] > 15), o.Type == 4:
			t.Fatalf("we ask for option %d % x", o.Type, o.Data)
		}
	}
}
