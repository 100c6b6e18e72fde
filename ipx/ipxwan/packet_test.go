package ipxwan

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sitebridge/ipx"
)

// vectors returns the packets of testdata by their short names: "1a".
func vectors(tb testing.TB) map[string][]byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/ipxwan.json")
	if err != nil {
		tb.Fatal(err)
	}
	var list []struct{ Name, Hex string }
	if err := json.Unmarshal(b, &list); err != nil {
		tb.Fatal(err)
	}
	packets := make(map[string][]byte)
	for _, v := range list {
		short, _, _ := strings.Cut(v.Name, " ")
		if packets[short], err = hex.DecodeString(v.Hex); err != nil {
			tb.Fatal(err)
		}
	}
	return packets
}

// TestVectors reads each vector field by field and writes it again.
func TestVectors(t *testing.T) {
	v := vectors(t)
	type options []Option
	numbered := options{routingOption(NumberedRIP, Yes), routingOption(UnnumberedRIP, Yes)}
	unnumbered := options{routingOption(UnnumberedRIP, Yes), routingOption(NumberedRIP, Yes)}
	no := func(o options, i int) options {
		o = append(options(nil), o...)
		o[i].Accept = No
		return o
	}
	inform := func(network ipx.Network, name string) options {
		return options{info{delay: 330, network: network, name: []byte(name)}.option()}
	}
	for _, c := range []struct {
		name    string
		kind    Type
		node    ipx.Network
		length  int
		options options // without the pad
	}{
		{"1a", TimerRequest, 0xC001, 576, numbered},
		{"1b", TimerRequest, 0xB001, 576, unnumbered},
		{"1c", TimerResponse, 0xB001, 576, no(numbered, 1)},
		{"1d", InformationRequest, 0xC001, 99, inform(0xC0DE0002, "SITE-A")},
		{"1e", InformationResponse, 0xB001, 99, inform(0xC0DE0002, "SITE-B")},
		{"2a", TimerRequest, 0, 576, append(unnumbered[:2:2], extendedOption(0xC001))},
		{"2b", TimerRequest, 0, 576, append(unnumbered[:2:2], extendedOption(0xB001))},
		{"2c", TimerResponse, 0xB001, 576, append(no(unnumbered, 1), extendedOption(0xC001))},
		{"2d", InformationRequest, 0xC001, 99, inform(0, "SITE-A")},
		{"2e", InformationResponse, 0xB001, 99, inform(0, "SITE-B")},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse(v[c.name])
			if err != nil || len(v[c.name]) != c.length {
				t.Fatalf("%d octets, %v, want %d", len(v[c.name]), err, c.length)
			}
			if p.Type != c.kind || p.NodeID != c.node || p.Sequence != 0 {
				t.Errorf("type %d, node ID %v, sequence %d", p.Type, p.NodeID, p.Sequence)
			}
			if last := len(p.Options) - 1; c.length == timerLen {
				pad := p.Options[last]
				if pad.Number != optPad || pad.Accept != Yes || bytes.Count(pad.Data, []byte{0}) > len(pad.Data)/10 {
					t.Errorf("the pad is %+v", pad)
				}
				c.options = append(c.options[:len(c.options):len(c.options)], pad)
			}
			for i, want := range c.options {
				if got := p.Options[i]; got.Number != want.Number || got.Accept != want.Accept || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("option %d is %+v, want %+v", i, got, want)
				}
			}
			if len(p.Options) != len(c.options) {
				t.Errorf("%d options, want %d", len(p.Options), len(c.options))
			}
			if got := p.Append(nil); !bytes.Equal(got, v[c.name]) {
				t.Errorf("written as\n% x, want\n% x", got, v[c.name])
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	good := vectors(t)["1d"]
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	cut := func(b []byte, n int) []byte {
		b[2], b[3] = byte(n>>8), byte(n)
		return b[:n]
	}
	for _, c := range []struct {
		name string
		pkt  []byte
		nak  bool // it is IPXWAN, but malformed
	}{
		{"nothing", nil, false},
		{"29 octets", good[:29], false},
		{"IPX length more than there is", good[:98], false},
		{"header only", change(func(b []byte) []byte { return cut(b, 30) }), false},
		{"another socket", change(func(b []byte) []byte { b[17] = 5; return b }), false},
		{"WASN", change(func(b []byte) []byte { b[33] = 'N'; return b }), false},
		{"no type", change(func(b []byte) []byte { return cut(b, 34) }), false},
		{"ten octets", change(func(b []byte) []byte { return cut(b, 40) }), true},
		{"option cut in its head", change(func(b []byte) []byte { return cut(b, 44) }), true},
		{"option cut in its data", change(func(b []byte) []byte { return cut(b, 98) }), true},
		{"more options than there are", change(func(b []byte) []byte { b[40] = 2; return b }), true},
		{"option of 65535 octets", change(func(b []byte) []byte { b[43], b[44] = 255, 255; return b }), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.pkt)
			if err == nil || (err == errNotIPXWAN) == c.nak {
				t.Errorf("%v", err)
			}
			var sent []byte
			m := New(Config{NodeID: 1, Send: func(b []byte) { sent = bytes.Clone(b) }})
			m.Receive(c.pkt, start)
			if c.nak {
				want := bytes.Clone(c.pkt)
				want[34] = 0xFF
				if !bytes.Equal(sent, want) || m.Stats().Malformed != 1 {
					t.Errorf("answered by % x, want % x", sent, want)
				}
				m.Receive(sent, start) // a Nak is never answered
			} else if m.Stats().NotIPXWAN != 1 {
				t.Errorf("counted as %+v", m.Stats())
			}
			if c.nak != (sent != nil) || c.nak && m.Stats().Sent != 1 {
				t.Errorf("%d packets sent", m.Stats().Sent)
			}
		})
	}
}

// FuzzParse: what can be read comes back as it was, up to where its last option ends.
func FuzzParse(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		got := p.Append(nil)
		if !bytes.HasPrefix(b[ipx.HeaderLen:], got[ipx.HeaderLen:]) {
			t.Fatalf("% x\ncame back as\n% x", b, got)
		}
		if err := ipx.Check(got); err != nil {
			t.Fatal(err)
		}
		p.info()
		p.extended()
		p.nic()
	})
}

// FuzzReceive: no sequence of packets breaks a machine. Whatever it is in, it says
// when it wants to be called, or is at an end, and it sends a packet at most for
// each that it got, and one with each Tick, Up and restart.
func FuzzReceive(f *testing.F) {
	v := vectors(f)
	for _, names := range []string{"1a 1c 1d 1e", "1b 1c 1e", "2a 2d 2d", "2b 2c 2e 2b"} {
		var b []byte
		for _, n := range strings.Fields(names) {
			b = append(append(b, byte(len(v[n])>>8), byte(len(v[n]))), v[n]...)
		}
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, numbered bool) {
		sent, now := 0, start
		cfg := Config{NodeID: 0xC001, Name: "SITE-A", Send: func(pkt []byte) {
			sent++
			if p, err := Parse(pkt); p.Type != Nak && err != nil {
				t.Fatalf("we send % x: %v", pkt, err)
			}
		}}
		if numbered {
			cfg.Network, cfg.Workstation = 0xC0DE0002, true
		}
		m := New(cfg)
		m.Up(now)
		for n := 1; len(b) >= 2; n++ {
			size := min(int(b[0])<<8|int(b[1]), len(b)-2)
			m.Receive(b[2:2+size], now)
			b = b[2+size:]
			if now = now.Add(time7); !m.Next().IsZero() && !now.Before(m.Next()) {
				m.Tick(now)
			}
			waits := m.State() == Asking || m.State() == Answered || m.State() == Informing
			r, ok := m.Result()
			switch {
			case waits == m.Next().IsZero():
				t.Fatalf("%v, and next at %v", m.State(), m.Next())
			case (m.State() == Closed) != (m.Err() != nil):
				t.Fatalf("%v because of %v", m.State(), m.Err())
			case ok && (r.Ticks == 0 || r.Numbered != r.Network.Assignable() || r.Local == r.Peer && r.Routing == Workstation):
				t.Fatalf("%+v", r)
			case sent > 1+3*n:
				t.Fatalf("%d packets sent for %d", sent, n)
			}
		}
	})
}
