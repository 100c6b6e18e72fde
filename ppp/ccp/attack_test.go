package ccp_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"sitebridge/ppp/ccp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

var makers = map[string]fsmtest.Make{
	"stateless": func() fsm.Protocol { return ccp.New(config(false)) },
	"stateful":  func() fsm.Protocol { return ccp.New(config(true)) },
}

func each(t *testing.T, f func(t *testing.T, fresh fsmtest.Make)) {
	for name, fresh := range makers {
		t.Run(name, func(t *testing.T) { f(t, fresh) })
	}
}

func mppeOption(b uint32) fsm.Option {
	return fsm.Option{Type: 18, Data: []byte{byte(b >> 24), byte(b >> 16), byte(b >> 8), byte(b)}}
}

// TestAttackA2WeakKeys: whatever bits are offered, alone or together, only 128
// bits alone are ever acknowledged, and we never ask for anything else. The one
// setting that there is changes nothing but the mode.
func TestAttackA2WeakKeys(t *testing.T) {
	var offers []uint32
	for mask := range uint32(1 << 7) {
		var b uint32
		for i, bit := range []uint32{0x01000000, 0x80, 0x40, 0x20, 0x10, 0x01, 0x02} {
			b |= mask >> i & 1 * bit
		}
		offers = append(offers, b)
	}
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		for _, offer := range offers {
			p := fresh()
			for round := range 20 {
				v := p.Judge([]fsm.Option{mppeOption(offer)}, round >= 5)
				good := offer == 0x01000040 || offer == 0x40 && strings.HasSuffix(t.Name(), "/stateful")
				if v.Code == fsm.ConfigureAck && !good {
					t.Fatalf("%08x was acknowledged in round %d", offer, round)
				}
			}
			p = fresh()
			p.Naked([]fsm.Option{mppeOption(offer)})
			wantStrong(t, p)
		}
	})
}

func wantStrong(t *testing.T, p fsm.Protocol) {
	t.Helper()
	opts := p.Request()
	if len(opts) != 1 || !opts[0].Equal(mppeOption(0x01000040)) && !opts[0].Equal(mppeOption(0x40)) {
		t.Fatalf("we ask for %v", opts)
	}
}

// TestAttackE1Downgrade: what is said in CCP to get rid of encryption closes it.
// What the link does then is tested there.
func TestAttackE1Downgrade(t *testing.T) {
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		for name, packet := range map[string]string{
			"Reject of MPPE":    "0401000a 1206 01000040",
			"Nak to no bits":    "0301000a 1206 00000000",
			"Nak to 40 bits":    "0301000a 1206 01000020",
			"Nak to MPPC":       "0301000a 1206 01000001",
			"Protocol-Reject":   "",
			"Code-Reject of it": "07010005 01",
		} {
			b := fsmtest.NewBench(t, fresh())
			if packet == "" {
				b.ProtocolRejected()
			} else {
				b.Receive(fsmtest.Unhex(packet))
			}
			if b.Opened() || b.State() >= fsm.ReqSent || b.Reason() == nil {
				t.Errorf("%s: %v, %v", name, b.State(), b.Reason())
			}
		}
	})
}

// TestZeroForEver: some home routers repeat a request without any bit. It is
// Nak'd, then rejected, and then the layer ends, with nothing in the log that an
// operator reads.
func TestZeroForEver(t *testing.T) {
	var log bytes.Buffer
	cfg := config(false)
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	b := fsmtest.NewBench(t, ccp.New(cfg))
	b.Want("0201000a 1206 01000040") // it accepts ours
	answers := map[fsm.Code]int{}
	for i := range 1000 {
		for _, p := range b.Give(fsm.ConfigureRequest, byte(i), mppeOption(0)) {
			answers[p.Code]++
		}
	}
	if answers[fsm.ConfigureNak] != 5 || answers[fsm.ConfigureReject] != 5 || answers[fsm.ConfigureAck] != 0 {
		t.Errorf("answered by %v, want 5 Naks and 5 Rejects", answers)
	}
	if b.State() >= fsm.ReqSent || b.Reason() == nil {
		t.Errorf("%v, reason %v", b.State(), b.Reason())
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}

// A debug log has one line for each thing that is new.
func TestLogNamesADisputeOnce(t *testing.T) {
	var log bytes.Buffer
	cfg := config(false)
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := ccp.New(cfg)
	for range 100 {
		p.Judge([]fsm.Option{mppeOption(0x20)}, false)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !cfg.Log.Enabled(context.Background(), slog.LevelDebug) {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

func TestAttackP1RepeatedOption(t *testing.T) { each(t, fsmtest.Repeats) }

func TestAttackP2OptionLengths(t *testing.T) {
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		fsmtest.Lengths(t, fresh, func(byte, int) bool { return false }) // the bits are never good
	})
}

func TestAttackP3EmptyRefusals(t *testing.T) { each(t, fsmtest.EmptyRefusals) }

func TestAttackP6EndlessNaks(t *testing.T) { each(t, fsmtest.EndlessNaks) }

func TestAttackP6EndlessRequests(t *testing.T) {
	for _, offers := range [][]uint32{{0}, {0x01000020}, {0x01000001, 0x20}, {0x010000e1, 0x21}} {
		each(t, func(t *testing.T, fresh fsmtest.Make) {
			fsmtest.EndlessRequests(t, fresh, func(round int) []fsm.Option {
				return []fsm.Option{mppeOption(offers[round%len(offers)])}
			})
		})
	}
	each(t, func(t *testing.T, fresh fsmtest.Make) {
		fsmtest.EndlessRequests(t, fresh, func(int) []fsm.Option { return nil })
	})
}

func TestAttackP9UnknownCodes(t *testing.T) {
	b := fsmtest.NewBench(t, makers["stateless"]())
	for code := 8; code < 256; code++ {
		got := b.GiveData(fsm.Code(code), 1, make([]byte, 100))
		if code == 14 || code == 15 {
			if len(got) != 0 {
				t.Errorf("code %d was answered by %v", code, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Code != fsm.CodeReject {
			t.Errorf("code %d was answered by %v", code, got)
		}
	}
}

// FuzzJudge is row P5. The property: the answer is lawful, nothing but 128 bits is
// acknowledged, and after any request, Nak and Reject our own request is a good
// one and what is told of it is bounded and of plain letters.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{
		"1206010000e1", "120600000040", "120600000000", "1105000104 120601000040",
		"1a047800 18047800 15032f", "", "1207010000400000", "0006000102 03", "12060100004012060100004f",
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
			p := fresh().(*ccp.Protocol)
			for range 4 {
				v := p.Judge(opts, final)
				if v.Err == nil {
					fsmtest.CheckVerdict(t, opts, v, 18)
				}
				if last := len(opts) - 1; v.Code == fsm.ConfigureAck && !opts[last].Equal(mppeOption(0x01000040)) && !opts[last].Equal(mppeOption(0x40)) {
					t.Fatalf("%v was acknowledged", opts)
				}
			}
			p.Naked(opts)
			wantStrong(t, p)
			p.Rejected(opts)
			wantStrong(t, p)
			if said := p.Dispute(); len(said) > 500 || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("dispute %q", said)
			}
			p.Up()
			p.ReceiveExtra(14, 0, b)
		}
	})
}
