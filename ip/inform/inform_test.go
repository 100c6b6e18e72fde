package inform

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

var config = Config{
	Server: netip.MustParseAddr("10.1.0.1"), Client: netip.MustParseAddr("10.1.0.200"),
	Routes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.168.7.128/25"), netip.MustParsePrefix("10.0.0.0/8")},
	DNS:    []netip.Addr{netip.MustParseAddr("10.1.0.53")}, Domain: "example.net",
}

// inform is what Windows sends after PPP is up.
func inform(from string, options ...byte) []byte {
	src := netip.MustParseAddr(from).As4()
	m := make([]byte, fixed)
	m[0], m[1], m[2] = opRequest, 8, 6 // the hardware type of PPP, as Windows has it
	binary.BigEndian.PutUint32(m[4:], 0xfeedbeef)
	copy(m[12:], src[:])
	copy(m[28:], "\x00\x53\x45\x00\x00\x00")
	m = binary.BigEndian.AppendUint32(m, cookie)
	m = append(m, options...)
	b := make([]byte, ipHeader+udpHeader, ipHeader+udpHeader+len(m))
	b = append(b, m...)
	b[0], b[8], b[9] = 0x45, 128, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], src[:])
	copy(b[16:], "\xff\xff\xff\xff")
	binary.BigEndian.PutUint16(b[20:], portClient)
	binary.BigEndian.PutUint16(b[22:], portServer)
	binary.BigEndian.PutUint16(b[24:], uint16(len(b)-ipHeader))
	return b
}

func TestAnswer(t *testing.T) {
	const dns, domain = "06040a010035", "0f0b6578616d706c652e6e6574"
	const routes = "16" + "100a01" + "0a010001" + "19c0a80780" + "0a010001" + "080a" + "0a010001"
	for _, c := range []struct {
		name    string
		query   []byte
		options string // empty: no answer
	}{
		{"all", inform("10.1.0.200", 53, 1, 8, 255), dns + domain + "79" + routes + "f9" + routes},
		{"what Windows asks for", inform("10.1.0.200", 0, 53, 1, 8, 61, 1, 9, 55, 4, 6, 249, 15, 44, 255), dns + domain + "f9" + routes},
		{"nothing that we have", inform("10.1.0.200", 53, 1, 8, 55, 1, 3), "ff"}, // the end alone
		{"another's address", inform("10.1.0.201", 53, 1, 8, 255), ""},
		{"a discover", inform("10.1.0.200", 53, 1, 1, 255), ""},
		{"a broken option", inform("10.1.0.200", 53, 1, 8, 55, 9, 1), ""},
		{"no type", inform("10.1.0.200", 255), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Answer(nil, c.query, config)
			if c.options == "" {
				if got != nil {
					t.Errorf("answered: % x", got)
				}
				return
			}
			want := "3501053604" + "0a010001" + c.options
			if c.options != "ff" {
				want += "ff"
			}
			if len(got) < ipHeader+udpHeader+shortest {
				t.Errorf("%d octets", len(got))
			}
			if opts := hex.EncodeToString(bytes.TrimRight(got[ipHeader+udpHeader+fixed+4:], "\x00")); opts != want {
				t.Errorf("options\n%s, want\n%s", opts, want)
			}
			m := got[ipHeader+udpHeader:]
			if m[0] != opReply || binary.BigEndian.Uint32(m[4:]) != 0xfeedbeef || !bytes.Equal(m[12:16], got[16:20]) || !bytes.Equal(m[16:28], make([]byte, 12)) {
				t.Errorf("% x", m[:44])
			}
		})
	}
}

// What is answered is a packet to the caller of its own length, and in bounds.
func FuzzAnswer(f *testing.F) {
	f.Add(inform("10.1.0.200", 53, 1, 8, 55, 2, 6, 121, 255))
	f.Add(inform("10.1.0.200", 53, 1, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		got := Answer(nil, b, config)
		if !bytes.Equal(was, b) {
			t.Error("the question was changed")
		}
		if got == nil {
			return
		}
		if !Asks(b) || int(binary.BigEndian.Uint16(got[2:])) != len(got) || netip.AddrFrom4([4]byte(got[16:20])) != config.Client || len(got) > 1000 {
			t.Errorf("% x", got)
		}
	})
}

func TestAsksDoesNotAllocate(t *testing.T) {
	b := inform("10.1.0.200", 53, 1, 8)
	if n := testing.AllocsPerRun(100, func() { Asks(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
