package fault

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"
)

var epoch = time.Unix(1_000_000, 0)

// udp is an Ethernet frame with an IPv4 packet of n octets. tag stands in the payload.
func udp(n int, flags uint16, tag uint32) []byte {
	b := make([]byte, etherLen+n)
	copy(b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00")
	p := b[etherLen:]
	p[0], p[8], p[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(p[2:], uint16(n))
	binary.BigEndian.PutUint16(p[6:], flags)
	copy(p[12:], "\xC0\x00\x02\x01\xC0\x00\x02\x02")
	if n >= 32 {
		binary.BigEndian.PutUint32(p[28:], tag)
	}
	sumHeader(p)
	return b
}

func tagOf(frame []byte) uint32 { return binary.BigEndian.Uint32(frame[etherLen+28:]) }

// send passes n packets of 1000 octets, one each millisecond.
func send(l *Line, n int) (out []Delivery) {
	for i := range n {
		out = append(out, l.Pass(epoch.Add(time.Duration(i)*time.Millisecond), udp(1000, dontFragment, uint32(i)))...)
	}
	return out
}

func with(f Faults) *Line {
	l := NewLine(7)
	l.Set(f)
	return l
}

// near fails unless a count is within five standard deviations of n draws of p.
func near(t *testing.T, what string, got uint64, n int, p float64) {
	t.Helper()
	mean := p * float64(n)
	if off := math.Abs(float64(got) - mean); off > 5*math.Sqrt(mean*(1-p)) {
		t.Errorf("%s: %d of %d, want about %.0f", what, got, n, mean)
	}
}

func TestGoodLine(t *testing.T) {
	out := send(with(Faults{}), 10)
	for i, d := range out {
		if tagOf(d.Frame) != uint32(i) || d.Back || !d.At.Equal(epoch.Add(time.Duration(i)*time.Millisecond)) {
			t.Errorf("packet %d came out as %d at %v", i, tagOf(d.Frame), d.At.Sub(epoch))
		}
	}
	if len(out) != 10 {
		t.Errorf("%d of 10 came out", len(out))
	}
}

func TestChances(t *testing.T) {
	const n = 50_000
	l := with(Faults{Loss: 0.1, Corrupt: 0.05, Duplicate: 0.02, Reorder: 0.03})
	out := send(l, n)
	s := l.Stats()
	near(t, "lost", s.Lost, n, 0.1)
	passed := n - int(s.Lost)
	near(t, "corrupted", s.Corrupted, passed, 0.05)
	near(t, "duplicated", s.Duplicated, passed, 0.02)
	near(t, "late", s.Late, passed, 0.03)
	if len(out) != passed+int(s.Duplicated) || s.Delivered != uint64(len(out)) || s.Seen[UDP] != n {
		t.Errorf("%d came out: %+v", len(out), s)
	}
}

func TestBursts(t *testing.T) {
	const n = 200_000
	b := Burst{Begin: 0.01, End: 0.2}
	l := with(Faults{Burst: b})
	out := send(l, n)
	// The share of time in the bad state is Begin/(Begin+End); losses depend on each other.
	if share := float64(l.Stats().LostBursts) / n; math.Abs(share-b.Begin/(b.Begin+b.End)) > 0.005 {
		t.Errorf("%.4f are lost, want %.4f", share, b.Begin/(b.Begin+b.End))
	}
	bursts := 0
	for i := 1; i < len(out); i++ {
		if tagOf(out[i].Frame) != tagOf(out[i-1].Frame)+1 {
			bursts++
		}
	}
	if mean := float64(l.Stats().LostBursts) / float64(bursts); math.Abs(mean-1/b.End) > 0.3 {
		t.Errorf("a burst is %.2f long, want %.2f", mean, 1/b.End)
	}
}

func TestBurstThatLosesSome(t *testing.T) {
	const n = 100_000
	l := with(Faults{Burst: Burst{Begin: 1, End: 1e-9, Loss: 0.25}})
	send(l, n)
	near(t, "lost", l.Stats().LostBursts, n, 0.25)
}

func TestSameSeedSameFate(t *testing.T) {
	all := Faults{Loss: 0.1, Burst: Burst{Begin: 0.01, End: 0.3}, Delay: 20 * time.Millisecond, Jitter: 9 * time.Millisecond,
		Reorder: 0.1, Corrupt: 0.1, Duplicate: 0.1, Rate: 5_000_000}
	fate := func(seed uint64) []Delivery {
		l := NewLine(seed)
		l.Set(all)
		return send(l, 2000)
	}
	same := func(a, b Delivery) bool { return a.At.Equal(b.At) && bytes.Equal(a.Frame, b.Frame) }
	if !slices.EqualFunc(fate(1), fate(1), same) {
		t.Error("the same seed does something else the second time")
	}
	if slices.EqualFunc(fate(1), fate(2), same) {
		t.Error("two seeds do the same")
	}
}

// One more fault leaves the others' draws alone.
func TestFaultsDoNotDisturbEachOther(t *testing.T) {
	lost := func(f Faults) (tags []uint32) {
		for _, d := range send(with(f), 1000) {
			tags = append(tags, tagOf(d.Frame))
		}
		return tags
	}
	a, b := lost(Faults{Loss: 0.2}), lost(Faults{Loss: 0.2, Delay: time.Second, Jitter: time.Millisecond, Reorder: 0.3})
	if !slices.Equal(a, b) {
		t.Error("another packet is lost when the line is slow too")
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	const delay, jitter = 50 * time.Millisecond, 10 * time.Millisecond
	var last time.Time
	for _, d := range send(with(Faults{Delay: delay, Jitter: jitter}), 5000) {
		sent := epoch.Add(time.Duration(tagOf(d.Frame)) * time.Millisecond)
		if took := d.At.Sub(sent); took < delay-jitter || took > delay+jitter {
			t.Fatalf("it took %v", took)
		}
		if d.At.Before(last) {
			t.Fatal("one overtook another")
		}
		last = d.At
	}
}

func TestReorder(t *testing.T) {
	out := send(with(Faults{Reorder: 0.1, Late: 2500 * time.Microsecond}), 1000)
	slices.SortStableFunc(out, func(a, b Delivery) int { return a.At.Compare(b.At) })
	overtaken := 0
	for i := 1; i < len(out); i++ {
		if tagOf(out[i].Frame) < tagOf(out[i-1].Frame) {
			overtaken++
		}
	}
	if overtaken < 50 || overtaken > 150 {
		t.Errorf("%d of 1000 came late", overtaken)
	}
}

func TestRate(t *testing.T) {
	// 1014 octets each millisecond are 8.1 Mbit/s; half of that passes.
	l := with(Faults{Rate: 4_056_000, Queue: 20 * time.Millisecond})
	out := send(l, 2000)
	if n := len(out); n < 1000 || n > 1020 {
		t.Errorf("%d of 2000 passed", n)
	}
	for i := 1; i < len(out); i++ {
		if gap := out[i].At.Sub(out[i-1].At); gap != 2*time.Millisecond {
			t.Fatalf("%v after the one before, want 2ms", gap)
		}
		if wait := out[i].At.Sub(epoch.Add(time.Duration(tagOf(out[i].Frame)) * time.Millisecond)); wait > 22*time.Millisecond {
			t.Fatalf("one waited for %v", wait)
		}
	}
	if l.Stats().Overflowed != uint64(2000-len(out)) {
		t.Errorf("%+v", l.Stats())
	}
}

func TestBlock(t *testing.T) {
	gre, tcp, arp := udp(100, 0, 0), udp(100, 0, 0), udp(100, 0, 0)
	gre[etherLen+9], tcp[etherLen+9] = protoGRE, protoTCP
	binary.BigEndian.PutUint16(arp[12:], etherARP)
	for name, c := range map[string]struct {
		block Kinds
		frame []byte
		pass  bool
	}{
		"GRE, GRE blocked":    {Some(GRE), gre, false},
		"TCP, GRE blocked":    {Some(GRE), tcp, true},
		"TCP, TCP blocked":    {Some(TCP, UDP), tcp, false},
		"GRE, TCP blocked":    {Some(TCP, UDP), gre, true},
		"GRE into blackhole":  {All, gre, false},
		"UDP into blackhole":  {All, udp(100, 0, 0), false},
		"ARP by a blackhole":  {All, arp, true},
		"nothing of a packet": {All, make([]byte, 3), true},
	} {
		if got := len(with(Faults{Block: c.block}).Pass(epoch, c.frame)) == 1; got != c.pass {
			t.Errorf("%s: passes: %v", name, got)
		}
	}
}

func TestMTU(t *testing.T) {
	const mtu = 576
	for name, c := range map[string]struct {
		frame  []byte
		silent bool
		out    int
		back   bool
	}{
		"fits":                      {udp(576, dontFragment, 0), false, 1, false},
		"too long, told":            {udp(577, dontFragment, 0), false, 1, true},
		"too long, black hole":      {udp(577, dontFragment, 0), true, 0, false},
		"too long, may be cut":      {udp(1500, 0, 0), true, 3, false},
		"fits, padded on the wire":  {append(udp(570, dontFragment, 0), make([]byte, 20)...), false, 1, false},
		"too long, a late fragment": {udp(577, dontFragment|100, 0), false, 0, false},
	} {
		out := with(Faults{MTU: mtu, Silent: c.silent}).Pass(epoch, c.frame)
		if len(out) != c.out || len(out) > 0 && out[0].Back != c.back {
			t.Errorf("%s: %d came out", name, len(out))
		}
		for _, d := range out {
			if p := ipv4(d.Frame); p == nil || len(p) > mtu || sum(p[:headLen(p)]) != 0xFFFF {
				t.Errorf("%s: % x", name, d.Frame[:min(len(d.Frame), 40)])
			}
		}
	}
}

func TestNeedsCut(t *testing.T) {
	sent := udp(1500, dontFragment, 0)
	got := with(Faults{MTU: 1400}).Pass(epoch, sent)[0].Frame
	p := ipv4(got)
	if !bytes.Equal(got[:6], sent[6:12]) || string(p[12:20]) != "\xC0\x00\x02\x02\xC0\x00\x02\x01" || p[9] != protoICMP {
		t.Errorf("it goes elsewhere: % x", got)
	}
	icmp := p[20:]
	if icmp[0] != 3 || icmp[1] != 4 || binary.BigEndian.Uint16(icmp[6:]) != 1400 || sum(icmp) != 0xFFFF || !bytes.Equal(icmp[8:], sent[etherLen:etherLen+28]) {
		t.Errorf("it says something else: % x", icmp)
	}
}

func TestFragmentsMakeTheWhole(t *testing.T) {
	whole := udp(1300, 0, 42)
	for i := range whole[etherLen+28:] {
		whole[etherLen+28+i] = byte(i * 7)
	}
	var data []byte
	for i, piece := range cut(whole, 500) {
		p := ipv4(piece)
		word := binary.BigEndian.Uint16(p[6:])
		if int(word&fragmentAt)*8 != len(data) || word&moreFragments == 0 != (len(data)+len(p)-20 == 1280) {
			t.Errorf("fragment %d: %#x after %d octets", i, word, len(data))
		}
		data = append(data, p[20:]...)
	}
	if !bytes.Equal(data, whole[etherLen+20:]) {
		t.Errorf("%d octets of 1280, or others", len(data))
	}
	if cut(whole, 24) != nil {
		t.Error("4 octets were a fragment")
	}
}

func TestOneBitIsTurned(t *testing.T) {
	sent := udp(100, 0, 0)
	before := slices.Clone(sent)
	turned := 0
	for i, b := range with(Faults{Corrupt: 1}).Pass(epoch, sent)[0].Frame {
		for d := b ^ sent[i]; d != 0; d &= d - 1 {
			turned++
			if i < etherLen+minIPv4 {
				t.Errorf("in octet %d, of the header", i)
			}
		}
	}
	if turned != 1 || !bytes.Equal(sent, before) {
		t.Errorf("%d bits were turned, or the sender's own", turned)
	}
}

// Nothing that a frame says makes the line or the NAT reach beyond it.
func FuzzFrames(f *testing.F) {
	f.Add(udp(60, 0, 1), uint16(600))
	f.Add(udp(1200, 0, 1), uint16(100))
	f.Add(request(7, 0x0102), uint16(68))
	f.Fuzz(func(t *testing.T, frame []byte, mtu uint16) {
		l := with(Faults{MTU: int(mtu), Corrupt: 1, Duplicate: 0.5})
		n := hidden()
		for _, d := range l.Pass(epoch, frame) {
			if !d.Back && mtu > 0 && KindOf(frame) != NotIP && ipv4(d.Frame) != nil && ipLen(d.Frame) > int(mtu) {
				t.Errorf("%d octets passed an MTU of %d", ipLen(d.Frame), mtu)
			}
			length := len(d.Frame)
			n.Out(d.Frame)
			n.In(d.Frame)
			if len(d.Frame) != length {
				t.Error("a NAT changed a length")
			}
		}
	})
}
