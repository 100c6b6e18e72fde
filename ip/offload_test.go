package ip

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

// frames puts packets together and returns the frames as they would be written.
func frames(pkts [][]byte) (list [][]byte) {
	var c coalescer
	for _, p := range pkts {
		b := packet.Get()
		b.Set(p)
		v, ok := parse(p)
		if !ok {
			panic("not a packet")
		}
		c.add(b, v)
	}
	for n := range c.nruns {
		pieces, _ := c.frame(&c.runs[n])
		list = append(list, slices.Concat(pieces...))
	}
	return list
}

// cut cuts frames as we read them.
func cut(frames [][]byte) (pkts [][]byte, ok bool) {
	for _, f := range frames {
		var s segments
		if !s.start(f) {
			return pkts, false
		}
		for !s.done {
			b := packet.Get()
			if !s.next(b) {
				return pkts, false
			}
			pkts = append(pkts, bytes.Clone(b.Bytes()))
		}
	}
	return pkts, true
}

// stream is segments of a connection, as its sender makes them.
func stream(src, dst string, seq uint32, lengths ...int) (pkts [][]byte) {
	for n, length := range lengths {
		payload := make([]byte, length)
		rand.NewChaCha8([32]byte{byte(n), 1}).Read(payload)
		p := tcpSegment{src: src, dst: dst, flags: tcpACK, seq: seq, payload: payload, options: unhex("0101 080a 0000 0001 0000 0002")}.packet()
		if p[0]>>4 == 4 {
			binary.BigEndian.PutUint16(p[4:], uint16(n))
			putHeaderChecksum(p[:20])
		}
		pkts, seq = append(pkts, p), seq+uint32(length)
	}
	return pkts
}

// change returns a copy of p, changed, with right checksums.
func change(p []byte, how func(b []byte)) []byte {
	b := bytes.Clone(p)
	how(b)
	v, _ := parse(b)
	if v.version == 4 {
		putHeaderChecksum(b[:20])
	}
	tcp := b[v.transport:v.length]
	tcp[16], tcp[17] = 0, 0
	putSum(tcp[16:], ^fold(add(pseudo(b, v, protoTCP, len(tcp)), tcp)))
	return b
}

func TestSegmentsOfAStreamMoveTogether(t *testing.T) {
	const a4, b4, a6, b6 = "10.1.0.2", "10.2.0.2", "2001:db8::1", "2001:db8::2"
	four := stream(a4, b4, 1000, 100, 100, 100, 60)
	for _, c := range []struct {
		name string
		pkts [][]byte
		want int // frames
	}{
		{"nothing", nil, 0},
		{"one", four[:1], 1},
		{"IPv4", four, 1},
		{"IPv6", stream(a6, b6, 1000, 100, 100, 100, 60), 1},
		{"sequence wraps", stream(a4, b4, 0xffffff80, 100, 100, 100), 1},
		{"two streams mixed", slices.Concat(four[:1], stream(a6, b6, 5, 90), four[1:2], stream(a6, b6, 95, 90), four[2:]), 2},
		{"a short one ends the frame", stream(a4, b4, 1000, 100, 60, 100, 100), 2},
		{"a longer one begins another", stream(a4, b4, 1000, 60, 100, 100), 2},
		{"a gap", [][]byte{four[0], four[2], four[1]}, 3},
		{"64 KiB are the most", stream(a4, b4, 1000, slices.Repeat([]int{1400}, 50)...), 2},
		{"PSH ends the frame", [][]byte{four[0], change(four[1], func(b []byte) { b[33] |= tcpPSH }), four[2], four[3]}, 2},
		{"FIN stays alone", [][]byte{four[0], four[1], change(four[2], func(b []byte) { b[33] |= tcpFIN })}, 2},
		{"another acknowledgement", [][]byte{four[0], change(four[1], func(b []byte) { b[28]++ }), four[2]}, 3},
		{"another window", [][]byte{four[0], change(four[1], func(b []byte) { b[34]++ })}, 2},
		{"another time stamp", [][]byte{four[0], change(four[1], func(b []byte) { b[51]++ })}, 2},
		{"another hop limit", [][]byte{four[0], change(four[1], func(b []byte) { b[8]-- })}, 2},
		{"congestion experienced", [][]byte{four[0], change(four[1], func(b []byte) { b[1] |= 3 })}, 2},
		{"may be cut", [][]byte{four[0], change(four[1], func(b []byte) { b[6] = 0 })}, 2},
		{"an empty one between", [][]byte{four[0], stream(a4, b4, 1100, 0)[0], four[1]}, 3},
		{"UDP between", [][]byte{four[0], ipPacket(a4, b4, 17, make([]byte, 8)), four[1]}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := frames(c.pkts)
			if len(got) != c.want {
				t.Errorf("%d frames, want %d", len(got), c.want)
			}
			back, ok := cut(got)
			if !ok || !sameInEachStream(c.pkts, back) {
				t.Errorf("cut again (%v):\n% x\nwas\n% x", ok, back, c.pkts)
			}
		})
	}
}

// sameInEachStream compares packets, in order for each pair of addresses and
// ports. Identifications of IPv4 are left out: they mean nothing here (RFC
// 6864).
func sameInEachStream(a, b [][]byte) bool {
	sorted := func(pkts [][]byte) map[string][]byte {
		streams := map[string][]byte{}
		for _, p := range pkts {
			p = bytes.Clone(p)
			v, _ := parse(p)
			if v.version == 4 {
				p[4], p[5], p[10], p[11] = 0, 0, 0, 0
			}
			key := string(p[8:min(v.transport+4, v.length)])
			streams[key] = append(streams[key], p...)
		}
		return streams
	}
	as, bs := sorted(a), sorted(b)
	if len(as) != len(bs) {
		return false
	}
	for k := range as {
		if !bytes.Equal(as[k], bs[k]) {
			return false
		}
	}
	return true
}

func TestBrokenChecksumStaysAlone(t *testing.T) {
	for _, n := range []int{0, 1} {
		pkts := stream("10.1.0.2", "10.2.0.2", 1, 100, 100)
		pkts[n][70] ^= 1
		got := frames(pkts)
		if len(got) != 2 {
			t.Fatalf("packet %d broken: %d frames, want 2", n, len(got))
		}
		for i, f := range got {
			if !bytes.Equal(f[virtioHeaderLen:], pkts[i]) || f[0] != 0 {
				t.Errorf("packet %d was changed or given a checksum", i)
			}
		}
	}
}

func TestFramesWeDoNotTake(t *testing.T) {
	good := frames(stream("10.1.0.2", "10.2.0.2", 1, 100, 100))[0]
	if _, ok := cut([][]byte{good}); !ok {
		t.Fatal("the good one is not taken")
	}
	for _, c := range []struct {
		name string
		how  func(b []byte) []byte
	}{
		{"empty", func(b []byte) []byte { return nil }},
		{"cut short", func(b []byte) []byte { return b[:9] }},
		{"no packet", func(b []byte) []byte { return b[:10] }},
		{"half a packet", func(b []byte) []byte { return b[:40] }},
		{"IPv6 said of IPv4", func(b []byte) []byte { b[1] = unix.VIRTIO_NET_HDR_GSO_TCPV6; return b }},
		{"UDP", func(b []byte) []byte { b[1] = unix.VIRTIO_NET_HDR_GSO_UDP_L4; return b }},
		{"segments of nothing", func(b []byte) []byte { b[4], b[5] = 0, 0; return b }},
		{"TCP header of 16 octets", func(b []byte) []byte { b[10+32] = 0x40; return b }},
		{"not TCP", func(b []byte) []byte { b[10+9] = 17; return b }},
		{"checksum past the end", func(b []byte) []byte { b[1] = 0; binary.NativeEndian.PutUint16(b[6:], 5000); return b }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if pkts, ok := cut([][]byte{c.how(bytes.Clone(good))}); ok {
				t.Errorf("taken as % x", pkts)
			}
		})
	}
}

// TestChecksumIsFilledIn has the kernel leave a UDP checksum to us; the second
// one adds up to zero, which UDP cannot say.
func TestChecksumIsFilledIn(t *testing.T) {
	for name, data := range map[string][]byte{"some": {0x12, 0x34}, "zero": {0, 0}} {
		b := ipPacket("10.1.0.2", "10.2.0.2", 17, slices.Concat(unhex("0009 0009 000a 0000"), data))
		v, _ := parse(b)
		putSum(b[26:], fold(pseudo(b, v, 17, 10)))
		if name == "zero" { // choose the data so that all adds up to ones
			putSum(b[28:], ^fold(add(0, b[20:])))
		}
		frame := make([]byte, virtioHeaderLen)
		virtioHeader{flags: unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, start: 20, sumFrom: 6}.put(frame)
		pkts, ok := cut([][]byte{append(frame, b...)})
		if !ok || len(pkts) != 1 {
			t.Fatalf("%s: %d packets, %v", name, len(pkts), ok)
		}
		got := pkts[0]
		if fold(add(pseudo(got, v, 17, 10), got[20:])) != 0xffff || got[26] == 0 && got[27] == 0 {
			t.Errorf("%s: checksum % x", name, got[26:28])
		}
		if name == "zero" && (got[26] != 0xff || got[27] != 0xff) {
			t.Errorf("zero became % x", got[26:28])
		}
	}
}

// FuzzSegments: every packet cut from a frame is whole, fits a buffer and has a
// right checksum.
func FuzzSegments(f *testing.F) {
	f.Add(frames(stream("10.1.0.2", "10.2.0.2", 1, 100, 100, 7))[0])
	f.Add(frames(stream("2001:db8::1", "2001:db8::2", 1, 100, 100, 7))[0])
	f.Add(frames(stream("10.1.0.2", "10.2.0.2", 1, 100))[0])
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, _ := parseVirtio(frame)
		pkts, ok := cut([][]byte{frame})
		if !ok || h.gso == unix.VIRTIO_NET_HDR_GSO_NONE {
			return
		}
		for _, p := range pkts {
			if v, ok := parse(p); !ok || v.length != len(p) || v.protocol != protoTCP {
				t.Fatalf("cut off: % x", p)
			} else if tcp := p[v.transport:]; fold(add(pseudo(p, v, protoTCP, len(tcp)), tcp)) != 0xffff {
				t.Errorf("checksum of % x", p)
			}
		}
	})
}

// FuzzCoalesce: what is put together comes apart as it was. The input says which
// packets of two streams come, and how they are spoiled.
func FuzzCoalesce(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3})
	f.Add([]byte{0, 8, 1, 9, 0x42, 3})
	f.Fuzz(func(t *testing.T, order []byte) {
		if len(order) > packet.BatchLen {
			return
		}
		all := slices.Concat(stream("10.1.0.2", "10.2.0.2", 1, 100, 100, 100, 60, 60, 100, 100, 100),
			stream("2001:db8::1", "2001:db8::2", 1, 100, 100, 60, 60, 60, 60, 60, 60))
		var pkts [][]byte
		for _, o := range order {
			p := bytes.Clone(all[o&15])
			if o&0xc0 == 0x40 { // another bit of the headers or of the data
				p[int(o)%len(p)] ^= o
			}
			if _, ok := parse(p); ok {
				pkts = append(pkts, p)
			}
		}
		back, ok := cut(frames(pkts))
		if !ok || len(back) != len(pkts) {
			t.Fatalf("%d packets came back as %d (%v)", len(pkts), len(back), ok)
		}
		for _, p := range pkts {
			n := slices.IndexFunc(back, func(b []byte) bool { return sameInEachStream([][]byte{p}, [][]byte{b}) })
			if n < 0 {
				t.Fatalf("lost: % x", p)
			}
			back = slices.Delete(back, n, n+1)
		}
	})
}
