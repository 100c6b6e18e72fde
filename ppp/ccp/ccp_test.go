package ccp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/ppp/mppe"
)

// keys are those of one end of a link.
func keys(authenticator bool) mppe.StartKeys {
	var msk [64]byte
	for i := range msk {
		msk[i] = byte(i * 3)
	}
	return mppe.FromMSK(msk, authenticator)
}

func config(stateful bool) ccp.Config { return ccp.Config{Keys: keys(false), Stateful: stateful} }

const ours = "0101000a 1206 01000040" // our first request

// ipPacket is as it stands inside.
func ipPacket() []byte {
	b := make([]byte, 62)
	copy(b, fsmtest.Unhex("0021 4500003c"))
	return b
}

func wantThrough(t *testing.T, from, to *mppe.Coder) {
	t.Helper()
	var b packet.Buffer
	b.Set(ipPacket())
	from.Seal([]*packet.Buffer{&b})
	if bytes.Contains(b.Bytes(), ipPacket()[:8]) {
		t.Error("sealed, and still to be read")
	}
	out, err := to.Open([]*packet.Buffer{&b})
	if err != nil || len(out) != 1 || !bytes.Equal(out[0].Bytes(), ipPacket()) {
		t.Errorf("%d opened, %v, %v", len(out), err, to.Counters())
	}
}

// TestTwoSites: two of us come up on a bad line.
func TestTwoSites(t *testing.T) {
	for seed := range uint64(50) {
		for _, stateful := range []bool{false, true} { // nobody asks for it
			caller := ccp.New(ccp.Config{Keys: keys(false), Stateful: stateful})
			answerer := ccp.New(ccp.Config{Keys: keys(true), Stateful: stateful})
			if !newRig(seed, 0.2, caller, answerer).opens() {
				t.Fatalf("seed %d: not up", seed)
			}
			for _, p := range []*ccp.Protocol{caller, answerer} {
				if got := p.Agreed(); got != "MPPE, 128 bits, stateless" || p.Dispute() != "" {
					t.Fatalf("seed %d: agreed on %q, dispute %q", seed, got, p.Dispute())
				}
			}
			wantThrough(t, caller.Coder(), answerer.Coder())
			wantThrough(t, answerer.Coder(), caller.Coder())
		}
	}
}

func TestIdentity(t *testing.T) {
	p := ccp.New(config(false))
	if p.Name() != "CCP" || p.Number() != 0x80fd || p.Data() != 0x00fd || p.Method() != "mppe-128" {
		t.Errorf("%s %04x %04x %s", p.Name(), p.Number(), p.Data(), p.Method())
	}
	if p.Dispute() != "" {
		t.Errorf("dispute %q before anything", p.Dispute())
	}
	for protocol, want := range map[uint16]bool{
		0x0021: true, 0x002b: true, 0x0057: true, 0x002d: true, 0x00f9: true,
		0x001f: false, 0x00fb: false, 0x00fd: false, 0x8021: false, 0x802b: false, 0x80fd: false, 0xc021: false, 0xc223: false,
	} {
		if p.Inside(protocol) != want {
			t.Errorf("Inside(%04x) = %v", protocol, !want)
		}
	}
}

// vectors returns the CCP packets of testdata by name.
func vectors(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/ppp_control.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Protocol, Hex string }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, v := range all {
		if v.Protocol == "80fd" {
			found[strings.TrimPrefix(v.Name, "CCP ")] = v.Hex
		}
	}
	return found
}

// TestVectors: each CCP packet of the vectors, and what it brings.
func TestVectors(t *testing.T) {
	const ack, nak = "0201000a 1206 01000040", "0301000a 1206 01000040"
	want := map[string][]string{
		"Configure-Request MPPE/MPPC stateless 40+56+128":   {nak},
		"Configure-Request MPPE/MPPC stateless 128":         {ack},
		"Configure-Request MPPE/MPPC stateful 40 with MPPC": {nak},
		"Configure-Request MPPE/MPPC MPPC only":             {nak},
		"Configure-Request MPPE/MPPC obsolete D bit":        {nak},
		"Reset-Request": nil,
		"Reset-Ack":     nil,
	}
	for name, hex := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			answer, known := want[name]
			if !known {
				t.Fatal("nothing is said of it here")
			}
			b := fsmtest.NewBench(t, ccp.New(config(false)))
			b.WantSent(ours)
			b.Want(hex, answer...)
		})
	}
	if len(vectors(t)) != len(want) {
		t.Errorf("%d vectors, want %d", len(vectors(t)), len(want))
	}
}

// TestJudge is the answer to the peer's requests, one after the other.
func TestJudge(t *testing.T) {
	const good, nak = "1206 01000040", "0301000a 1206 01000040"
	for _, c := range []struct {
		name     string
		stateful bool
		script   []string // request, answer, request, answer
	}{
		{"as we want it", false, []string{"0101000a" + good, "0201000a" + good}},
		{"Windows, encryption on", false, []string{"0101000a 1206 010000e1", nak, "0102000a" + good, "0202000a" + good}},
		{"Windows, encryption off", false, []string{"0101000a 1206 01000001", nak, "01020004", "0302000a" + good}},
		{"pppd with 40 bits too", false, []string{"0101000a 1206 01000060", nak}},
		{"stateful router", false, []string{"0101000a 1206 00000040", nak, "0102000a" + good, "0202000a" + good}},
		{"stateful router that insists", false, []string{"0101000a 1206 00000040", nak,
			"0102000a 1206 00000040", "0302000a" + good, "0103000a 1206 00000040", "0303000a" + good}},
		{"40 bits", false, []string{"0101000a 1206 01000020", nak}},
		{"56 bits", false, []string{"0101000a 1206 01000080", nak}},
		{"no bit at all", false, []string{"0101000a 1206 00000000", nak}},
		{"the obsolete bit", false, []string{"0101000a 1206 01000050", nak}},
		{"a bit that nobody knows", false, []string{"0101000a 1206 01000042", nak}},
		{"empty", false, []string{"01010004", nak}},
		{"option 18 too short", false, []string{"01010009 1205 010000", "04010009 1205 010000"}},
		{"option 18 too long", false, []string{"0101000b 1207 01000040 00", "0401000b 1207 01000040 00"}},
		{"LZS beside it", false, []string{"0101000f 1105 000104" + good, "04010009 1105 000104", "0102000a" + good, "0202000a" + good}},
		{"LZS beside bad bits", false, []string{"0101000f 1206 010000e1 1105 000104", "04010009 1105 000104"}},
		{"Deflate and BSD, then nothing", false, []string{"0101000f 1a047800 1804 7800 15032f",
			"0401000f 1a047800 1804 7800 15032f", "01020004", "0302000a" + good}},

		{"stateful is not the first wish", true, []string{"0101000a" + good, "0201000a" + good}},
		{"stateful at the third time", true, []string{"0101000a 1206 00000040", nak,
			"0102000a 1206 00000040", "0302000a" + good, "0103000a 1206 00000040", "0203000a 1206 00000040"}},
		{"stateful with more bits", true, []string{"0101000a 1206 000000e1", nak,
			"0102000a 1206 000000e1", "0302000a" + good, "0103000a 1206 000000e1", "0303000a 1206 00000040"}},
		{"stateful does not mean weak", true, []string{"0101000a 1206 00000020", nak,
			"0102000a 1206 00000020", "0302000a" + good, "0103000a 1206 00000020", "0303000a" + good}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fsmtest.NewBench(t, ccp.New(config(c.stateful)))
			b.Sent()
			for i := 0; i < len(c.script); i += 2 {
				b.Want(c.script[i], c.script[i+1])
			}
		})
	}
}

// TestDisputes: what is told of a negotiation that fails, and how it ends.
func TestDisputes(t *testing.T) {
	const asked = "we asked for MPPE 128 bits stateless; the peer offered "
	for _, c := range []struct {
		name     string
		stateful bool
		script   []string // what the peer sends; "A": it acknowledges ours
		want     string
	}{
		{"40 bits in a Nak", false, []string{"0301000a 1206 01000020"}, asked + "MPPE 40 bits stateless; rule: never less than 128 bits"},
		{"56 bits in a Nak", true, []string{"0301000a 1206 00000080"}, asked + "MPPE 56 bits stateful; rule: never less than 128 bits"},
		{"no bits in a Nak", false, []string{"0301000a 1206 00000000"}, asked + "no encryption; rule: never less than 128 bits"},
		{"compression in a Nak", false, []string{"0301000a 1206 01000001"}, asked + "no encryption, MPPC compression; rule: never less than 128 bits"},
		{"stateful in a Nak", false, []string{"0301000a 1206 00000040"}, asked + "MPPE 128 bits stateful; rule: stateless only"},
		{"Reject", false, []string{"0401000a 1206 01000040"}, asked + "nothing: it rejects MPPE; rule: MPPE in both directions"},
		{"Reject of stateful", true, []string{"0301000a 1206 00000040", "0402000a 1206 00000040"},
			"we asked for MPPE 128 bits stateful; the peer offered nothing: it rejects MPPE"},
		{"stateful one way only", true, []string{"0101000a 1206 00000040", "0102000a 1206 00000040", "0103000a 1206 00000040", "A"},
			asked + "MPPE 128 bits stateful for the other direction; rule: the same mode in both directions"},
		{"stateful the other way only", true, []string{"0301000a 1206 00000040", "0201000a 1206 00000040", "0101000a 1206 01000040", "B"},
			"we asked for MPPE 128 bits stateful; the peer offered MPPE 128 bits stateless for the other direction; rule: the same mode"},
		{"empty requests", false, []string{"A", "01010004", "01020004", "01030004", "01040004", "01050004", "01060004"},
			asked + "nothing: its request is empty; rule: MPPE in both directions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ccp.New(config(c.stateful))
			b := fsmtest.NewBench(t, p)
			for _, s := range c.script {
				switch s {
				case "A":
					b.Receive(fsmtest.Unhex("0201000a 1206 01000040"))
				case "B":
					b.Receive(fsmtest.Unhex("0202000a 1206 00000040"))
				default:
					b.Receive(fsmtest.Unhex(s))
				}
			}
			if b.Opened() || b.Reason() == nil || p.Coder() != nil {
				t.Fatalf("%v, reason %v", b.State(), b.Reason())
			}
			if !strings.HasPrefix(b.Reason().Error(), c.want) || !strings.HasPrefix(p.Dispute(), c.want) {
				t.Errorf("reason  %q\ndispute %q\nwant    %q", b.Reason(), p.Dispute(), c.want)
			}
			b.Pass(time.Minute)
			if len(b.Finished) != 1 {
				t.Errorf("finished %v", b.Finished)
			}
		})
	}
}

// Offers that are only Nak'd leave a dispute too, until it is settled.
func TestDisputeBeforeTheEnd(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{"0101000a 1206 010000e1", "MPPE 128 or 56 or 40 bits stateless, MPPC compression; rule: 128 bits alone"},
		{"0101000a 1206 01000020", "MPPE 40 bits stateless; rule: never less than 128 bits"},
		{"0101000a 1206 00000040", "MPPE 128 bits stateful; rule: stateless only"},
		{"0101000a 1206 01000052", "MPPE 128 bits stateless, the obsolete bit D, unknown bits 00000002; rule: 128 bits alone"},
		{"01010009 1105 000104", "option 17 (Stac LZS); rule: MPPE"},
		{"01010012 0a02 0b02 1204 0000 1a02 1802 0002", "option 10 (unknown), option 11 (unknown), option 18 (MPPE of a wrong length), option 26 (Deflate), and more; rule: MPPE"},
	} {
		p := ccp.New(config(false))
		b := fsmtest.NewBench(t, p)
		b.Receive(fsmtest.Unhex(c.request))
		if want := "we asked for MPPE 128 bits stateless; the peer offered " + c.want; !strings.HasPrefix(p.Dispute(), want) {
			t.Errorf("dispute %q, want %q", p.Dispute(), want)
		}
		b.Receive(fsmtest.Unhex("0102000a 1206 01000040"))
		b.Receive(fsmtest.Unhex("0201000a 1206 01000040"))
		if !b.Opened() || p.Dispute() != "" {
			t.Errorf("%v, dispute %q", b.State(), p.Dispute())
		}
	}
}

// TestStateful: a peer that has nothing else, at a site that takes it.
func TestStateful(t *testing.T) {
	p := ccp.New(config(true))
	b := fsmtest.NewBench(t, p)
	b.WantSent(ours)
	b.Want("0301000a 1206 00000040", "0102000a 1206 00000040")
	b.Want("0101000a 1206 00000040", "0201000a 1206 00000040") // it has insisted by its Nak
	b.Want("0202000a 1206 00000040")
	if !b.Opened() || p.Agreed() != "MPPE, 128 bits, stateful" {
		t.Fatalf("%v, agreed on %q", b.State(), p.Agreed())
	}
	wantThrough(t, p.Coder(), mppe.New(keys(true), true))
}

// Once the keys were used CCP does not come up again.
func TestComesUpOnce(t *testing.T) {
	p := ccp.New(config(false))
	b := fsmtest.NewBench(t, p)
	b.Want("0101000a 1206 01000040", "0201000a 1206 01000040")
	b.Want("0201000a 1206 01000040")
	coder := p.Coder()
	if !b.Opened() || coder == nil {
		t.Fatalf("%v", b.State())
	}
	p.Down()
	p.Reset()
	p.Judge([]fsm.Option{{Type: 18, Data: []byte{1, 0, 0, 0x40}}}, false)
	p.Request()
	if err := p.Up(); err == nil || !strings.Contains(err.Error(), "new link") {
		t.Errorf("a second Up: %v", err)
	}
	if p.Coder() != coder {
		t.Error("there is another Coder")
	}
}

// What is told when nothing of the peer can be read.
func TestDisputeOverKeys(t *testing.T) {
	p := ccp.New(config(false))
	b := fsmtest.NewBench(t, p)
	b.Receive(fsmtest.Unhex("0101000a 1206 01000040"))
	b.Receive(fsmtest.Unhex("0201000a 1206 01000040"))
	other := mppe.New(keys(false), false) // it has the keys of the wrong end
	for range 8 {
		var pkt packet.Buffer
		pkt.Set(ipPacket())
		other.Seal([]*packet.Buffer{&pkt})
		p.Coder().Open([]*packet.Buffer{&pkt})
	}
	if !strings.HasPrefix(p.Dispute(), "keys differ: of ") {
		t.Errorf("dispute %q", p.Dispute())
	}
}

func TestNoKeys(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New took no keys")
		}
	}()
	ccp.New(ccp.Config{})
}

func TestKeysCannotBePrinted(t *testing.T) {
	p := ccp.New(config(false))
	fsmtest.NewBench(t, p).Receive(fsmtest.Unhex("0101000a 1206 01000040"))
	out := fmt.Sprintf("%v %+v %#v %v %+v", p, p, p, config(false), config(false))
	for _, secret := range []string{"0 3 6 9 12", "96 99 102 105", "0x60, 0x63"} {
		if strings.Contains(out, secret) {
			t.Errorf("keys are printed: %s", out)
		}
	}
}
