package ipv6cp

import (
	"testing"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

func fresh() fsm.Protocol { return New(Config{Identifier: 5}) }

func TestAttackP1RepeatedOption(t *testing.T) { fsmtest.Repeats(t, fresh) }

func TestAttackP2OptionLengths(t *testing.T) {
	fsmtest.Lengths(t, fresh, func(kind byte, length int) bool { return kind == optIdentifier && length == 10 })
}

func TestAttackP3EmptyRefusals(t *testing.T) { fsmtest.EmptyRefusals(t, fresh) }

func TestAttackP6EndlessNaks(t *testing.T) { fsmtest.EndlessNaks(t, fresh) }

func TestAttackP6EndlessRequests(t *testing.T) {
	fsmtest.EndlessRequests(t, fresh, func(round int) []fsm.Option {
		return []fsm.Option{identifier(uint64(round%2) * 5)} // zero, or ours
	})
}

// FuzzJudge is row P5. The property: the answer is lawful, and what is
// acknowledged leaves the peer an identifier of its own.
func FuzzJudge(f *testing.F) {
	f.Add(fsmtest.Unhex("010a0011223344556677"), false)
	f.Add(fsmtest.Unhex("010a0000000000000005 0204004f"), true)
	f.Fuzz(func(t *testing.T, b []byte, final bool) {
		opts, err := fsm.ParseOptions(b)
		if err != nil {
			return
		}
		p := New(Config{Identifier: 5})
		v := p.Judge(opts, final)
		fsmtest.CheckVerdict(t, opts, v, optIdentifier)
		if v.Code == fsm.ConfigureAck && len(opts) > 0 && (p.peer == 0 || p.peer == p.local) {
			t.Fatalf("% x acknowledged, peer has %x", b, p.peer)
		}
		p.Naked(opts)
		if p.local == 0 || p.local == p.peer {
			t.Fatalf("after a Nak of % x we are %x", b, p.local)
		}
	})
}
