package tap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"sitebridge/internal/race"
)

var here, there = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// hush is "hush" in hexadecimal, what nobody may see.
const hush = "68757368"

func TestBlank(t *testing.T) {
	for _, c := range []struct {
		name         string
		protocol     uint16
		pkt, blanked string
	}{
		{"PAP", 0xc023, "0101000c 0261 62 04" + hush, "01010010 0261 62 085b7365637265745d"},
		{"PAP with padding", 0xc023, "0101000c 026162 04" + hush + "0000" + hush, "01010010 026162 085b7365637265745d"},
		{"PAP, no password", 0xc023, "01010007 026162", "01010004"},
		{"PAP, whose name has no end", 0xc023, "0101000c ff6162 04" + hush, "01010004"},
		{"PAP, cut", 0xc023, "0101", "01"},
		{"PAP's answer", 0xc023, "02010007 026f6b", "02010007 026f6b"},
		{"CHAP response", 0xc223, "0201000f 04" + hush + "61", "0201000f 04 00000000 61"},
		{"CHAP response, cut", 0xc223, "02010031 31" + hush, "02010031 31 00000000"},
		{"CHAP challenge", 0xc223, "0101000f 04" + hush + "61", "0101000f 04" + hush + "61"},
		{"EAP MD5", 0xc227, "0201000e 04 04" + hush + "61", "0201000e 04 04 00000000 00"},
		{"EAP GTC", 0xc227, "02010009 06" + hush, "02010009 06 00000000"},
		{"EAP MS-CHAPv2", 0xc227, "02010013 1a 02010009 04" + hush + "61", "02010013 1a 02010009 04 00000000 61"},
		{"EAP Identity", 0xc227, "02010009 01" + hush, "02010009 01" + hush},
		{"EAP request", 0xc227, "01010009 06" + hush, "01010009 06" + hush},
		{"a rejected PAP", 0xc021, "0809000e c023 0101000c 026162 04" + hush, "08090016 c023 01010010 026162 085b7365637265745d"},
		{"LCP", 0xc021, "01010008 0104 05dc", "01010008 0104 05dc"},
		{"IPCP", 0x8021, "0101000a 0306 " + hush, "0101000a 0306" + hush},
	} {
		in := unhex(c.pkt)
		if got := blanked(c.protocol, in); !bytes.Equal(got, unhex(c.blanked)) {
			t.Errorf("%s: %x became %x", c.name, in, got)
		}
		if !bytes.Equal(in, unhex(c.pkt)) {
			t.Errorf("%s: what crosses was changed", c.name)
		}
	}
}

// A packet of GRE is as long as it says, with something blanked inside, too, in each
// form that a frame's header can have.
func TestBlankInsideOfGRE(t *testing.T) {
	header := unhex("3081880b 000c 1234 00000001 00000002")
	for _, front := range []string{"ff03 c023", "c023"} {
		frame := unhex(front + "0101000c 026162 04" + hush)
		got := blankedFrame(bytes.Clone(header), frame)
		if bytes.Contains(got, []byte("hush")) {
			t.Errorf("the secret is in %x", got)
		}
		if n := int(binary.BigEndian.Uint16(got[4:])); n != len(got)-len(header) {
			t.Errorf("%x says that it has %d octets behind its header of %d", got, n, len(header))
		}
	}
	for _, whole := range []string{"21 45000014", "ff03 0021 4500", "", "c0", "ff03", "ff03c0"} {
		if got := blankedFrame(bytes.Clone(header), unhex(whole)); !bytes.Equal(got[len(header):], unhex(whole)) {
			t.Errorf("%s became %x", whole, got[len(header):])
		}
	}
}

// A password is never in what a Tap shows, wherever somebody puts its packet.
func FuzzBlank(f *testing.F) {
	f.Add([]byte{0xff, 0x03, 0xc0, 0x23, 1, 1, 0, 12, 2, 'a', 'b'}, []byte("password"))
	f.Add(unhex("c021 08010010 c023 01010010 026162"), []byte("password"))
	f.Fuzz(func(t *testing.T, frame, password []byte) {
		out := blankedFrame(make([]byte, 12), frame)
		if len(out) > len(frame)+12+len(stands)+1 {
			t.Errorf("%d octets became %d", len(frame), len(out))
		}
		if len(password) < 4 || len(password) > 255 {
			return
		}
		name := frame[:min(len(frame), 200)]
		pkt := append([]byte{papRequest, 1, 0, 0, byte(len(name))}, name...)
		pkt = append(append(pkt, byte(len(password))), password...)
		measured(pkt)
		if got := blanked(protocolPAP, pkt); bytes.Contains(got[5+len(name):], password) && !strings.Contains(stands, string(password)) {
			t.Errorf("%q is in %q", password, got)
		}
	})
}

func TestBoardKeepsWhatWasNegotiated(t *testing.T) {
	var strangers, site Board
	c := New(here, there, &strangers, false)
	early := strangers.Look(Link|Control, 10)
	c.Message(false, []byte("start"))
	c.Negotiation(true, 0xc021, false, unhex("01010004"))
	c.Negotiation(false, 0xc021, false, unhex("09010008 00000000")) // an Echo
	c.Move(&site)
	before, l := site.LookBack(10)
	c.Negotiation(true, 0x802b, true, bytes.Repeat([]byte{1}, 1000))
	if len(before) != 2 || before[0].Layer != Control || before[1].Protocol != 0xc021 || before[0].Remote != there || before[0].Out || !before[1].Out {
		t.Errorf("kept of what came before: %+v", before)
	}
	if p := <-l.C; len(p.Bytes) != 1000 || !p.Sealed {
		t.Errorf("shown: %+v", p)
	}
	if n := len(early.C); n != 3 {
		t.Errorf("who looks at strangers saw %d packets", n)
	}
	again, _ := site.LookBack(10)
	if len(again) != 3 || len(again[2].Bytes) != maxBeginning || again[2].Length != 1000 {
		t.Errorf("kept: %+v", again)
	}
	for range 3 * maxKept {
		c.Message(true, []byte("more"))
	}
	if again, _ := site.LookBack(10); len(again) != maxKept {
		t.Errorf("%d packets are kept", len(again))
	}
	if seen, lost := l.Counts(); seen != 1+3*maxKept || lost != seen-11 {
		t.Errorf("%d seen, %d lost", seen, lost)
	}
}

// Whoever does not look at a layer does not make it be shown, and a trace costs the data
// path nothing.
func TestLookersSeeTheirLayers(t *testing.T) {
	var b Board
	c := New(here, there, &b, true)
	_, trace := b.LookBack(10)
	if c.Watched(Link) || c.Watched(GRE) {
		t.Error("a trace has data shown")
	}
	gre, link := b.Look(GRE, 10), b.Look(Link, 10)
	if !c.Watched(Link) || !c.Watched(GRE) || c.Watched(Control) {
		t.Error("not watched")
	}
	c.Carried(true, make([]byte, 12), nil)
	c.Data(true, 0x21, false, []byte{1})
	c.Negotiation(true, 0xc021, false, []byte{1, 1, 0, 4})
	if len(trace.C) != 1 || len(gre.C) != 1 || len(link.C) != 2 {
		t.Errorf("shown %d, %d and %d packets", len(trace.C), len(gre.C), len(link.C))
	}
	for _, l := range []*Looker{trace, gre, link, link} {
		l.Close()
	}
	if b.audience.Load() != nil {
		t.Error("somebody still looks")
	}
	var none *Tap
	none.Message(true, nil)
	none.Negotiation(true, 1, false, nil)
	none.Move(&b)
	if none.Watched(GRE) {
		t.Error("no tap is watched")
	}
}

func TestWatchedAllocatesNothing(t *testing.T) {
	var b Board
	for _, c := range []*Tap{nil, New(here, there, &b, true)} {
		if n := testing.AllocsPerRun(100, func() { c.Watched(Link) }); n != 0 && !race.Enabled {
			t.Errorf("%v allocations", n)
		}
	}
}
