package ip

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

const synAck = tcpSYN | tcpACK

// syn4 and syn6 are SYNs with options.
func syn4(options ...byte) []byte {
	return tcpSegment{src: "10.1.0.2", dst: "10.2.0.2", flags: tcpSYN, options: options}.packet()
}

func syn6(options ...byte) []byte {
	return tcpSegment{src: "2001:db8:1::2", dst: "2001:db8:2::2", flags: tcpSYN, options: options}.packet()
}

func TestClampMSS(t *testing.T) {
	linux := unhex("0204 05b4 0402 080a 0000 0001 0000 0000 0103 0307")
	withMSS := func(options []byte, n uint16) []byte {
		o := slices.Clone(options)
		binary.BigEndian.PutUint16(o[2:], n)
		return o
	}
	for _, c := range []struct {
		name string
		pkt  []byte
		mtu  int
		want []byte // nil: unchanged
	}{
		{"IPv4 SYN", syn4(linux...), 1456, syn4(withMSS(linux, 1416)...)},
		{"IPv6 SYN", syn6(linux...), 1456, syn6(withMSS(linux, 1396)...)},
		{"SYN-ACK", tcpSegment{src: "10.2.0.2", dst: "10.1.0.2", flags: synAck, options: linux}.packet(), 1400,
			tcpSegment{src: "10.2.0.2", dst: "10.1.0.2", flags: synAck, options: withMSS(linux, 1360)}.packet()},
		{"after NOPs, at an odd offset", syn4(1, 2, 4, 5, 0xb4, 1, 1, 1), 1400, syn4(1, 2, 4, 5, 0x50, 1, 1, 1)},
		{"after other options", syn4(4, 2, 2, 4, 5, 0xb4, 0, 0), 1400, syn4(4, 2, 2, 4, 5, 0x50, 0, 0)},
		{"small enough", syn4(mss(1360)...), 1400, nil},
		{"smaller", syn4(mss(536)...), 1400, nil},
		{"no option", syn4(), 1400, nil},
		{"not a SYN", tcpSegment{src: "10.1.0.2", dst: "10.2.0.2", flags: tcpACK, options: linux}.packet(), 1400, nil},
		{"after the end of options", syn4(0, 0, 0, 0, 2, 4, 5, 0xb4), 1400, nil},
		{"option of length 0", syn4(2, 0, 5, 0xb4), 1400, nil},
		{"option of length 1 before", syn4(9, 1, 1, 1, 2, 4, 5, 0xb4), 1400, nil},
		{"MSS of length 3", syn4(2, 3, 5, 0), 1400, nil},
		{"MSS over the end", syn4(1, 1, 2, 4), 1400, nil},
		{"kind without length", syn4(1, 1, 1, 2), 1400, nil},
		{"tunnel without room", syn4(mss(1460)...), 40, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := slices.Clone(c.pkt)
			v, ok := parse(got)
			if !ok {
				t.Fatal("not a packet")
			}
			changed, want := clampMSS(got, v, c.mtu), c.want
			if want == nil {
				want = c.pkt
			}
			if !bytes.Equal(got, want) || changed != (c.want != nil) {
				t.Errorf("changed %v:\ngot  % x\nwant % x", changed, got, want)
			}
		})
	}
}

func TestClampLeavesPiecesAlone(t *testing.T) {
	b := syn4(mss(1460)...)
	b[7] = 3 // fragment offset: what looks like a TCP header is data
	want := slices.Clone(b)
	v, _ := parse(b)
	if clampMSS(b, v, 1300) || !bytes.Equal(b, want) {
		t.Errorf("a later piece was changed: % x", b)
	}
}

func TestClampBehindExtensionHeaders(t *testing.T) {
	syn := syn6(mss(1440)...)
	b := slices.Concat(syn[:40], unhex("0600 0104 0000 0000"), syn[40:])
	b[6] = protoDestOptions
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	v, _ := parse(b)
	if !clampMSS(b, v, 1300) || binary.BigEndian.Uint16(b[40+8+22:]) != 1240 {
		t.Errorf("not clamped: % x", b)
	}
	if !checksumHolds(b, v) {
		t.Error("checksum broken")
	}
}

// FuzzClampMSS: at most the option and the checksum change, a good checksum
// stays good, and a second pass finds nothing to do.
func FuzzClampMSS(f *testing.F) {
	f.Add(syn4(mss(1460)...), 1400)
	f.Add(syn6(mss(1440)...), 1280)
	f.Add(syn4(1, 2, 4, 5, 0xb4, 1, 1, 1), 1300)
	f.Add(syn4(2, 0, 5, 0xb4), 1400)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		v, ok := parse(b)
		if !ok || mtu < 0 || mtu > 2048 {
			return
		}
		before, good := slices.Clone(b), v.version == 6 && v.protocol == protoTCP && checksumHolds(b, v)
		changed := clampMSS(b, v, mtu)
		if !changed {
			if !bytes.Equal(b, before) {
				t.Errorf("changed and did not say so:\n% x\n% x", before, b)
			}
			return
		}
		differ := 0
		for i := range b {
			if b[i] != before[i] {
				differ++
			}
		}
		if differ > 4 || !bytes.Equal(b[:v.transport+16], before[:v.transport+16]) {
			t.Errorf("too much changed:\n% x\n% x", before, b)
		}
		if good && !checksumHolds(b, v) {
			t.Errorf("checksum broken:\n% x\n% x", before, b)
		}
		if clampMSS(b, v, mtu) {
			t.Errorf("clamped twice: % x", b)
		}
	})
}

func BenchmarkClampMSS(b *testing.B) {
	for _, c := range []struct {
		name string
		pkt  []byte
	}{
		{"SYN", syn4(unhex("0402 080a 0000 0001 0000 0000 0103 0307 0204 05b4 0000")...)},
		{"data", tcpSegment{src: "10.1.0.2", dst: "10.2.0.2", flags: tcpACK, payload: make([]byte, 1400)}.packet()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v, _ := parse(c.pkt)
				clampMSS(c.pkt, v, 1400)
			}
		})
	}
}
