package fault

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

var (
	insideAddr = netip.MustParseAddr("192.0.2.2")
	publicAddr = netip.MustParseAddr("192.0.2.99")
	worldAddr  = netip.MustParseAddr("192.0.2.1")
)

func hidden() *NAT { return NewNAT(insideAddr, publicAddr, 3) }

// from makes a packet between two addresses, with good checksums.
func from(src, dst netip.Addr, protocol byte, data ...byte) []byte {
	b := udp(20+len(data), 0, 0)
	p := b[etherLen:]
	p[9] = protocol
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	copy(p[20:], data)
	sumHeader(p)
	if at := sumOf(p); at != 0 {
		p[at], p[at+1] = 0, 0
		binary.BigEndian.PutUint16(p[at:], ^pseudo(p))
	}
	return b
}

// pseudo is the sum that the checksum of TCP or UDP makes 0xFFFF (RFC 9293, section 3.1).
func pseudo(p []byte) uint16 {
	data := p[headLen(p):]
	b := slices.Concat(p[12:20], []byte{0, p[9]}, binary.BigEndian.AppendUint16(nil, uint16(len(data))), data)
	return sum(b)
}

// segment is TCP with a payload.
func segment(src, dst uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0)
	return append(b, data...)
}

func datagram(src, dst uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	return append(binary.BigEndian.AppendUint16(b, uint16(8+len(data))), append([]byte{1, 1}, data...)...)
}

// message is a PPTP message with two numbers where call IDs are.
func message(kind, first, second uint16) []byte {
	b := make([]byte, 24)
	binary.BigEndian.PutUint16(b, 24)
	binary.BigEndian.PutUint16(b[2:], 1)
	binary.BigEndian.PutUint32(b[4:], pptpMagic)
	binary.BigEndian.PutUint16(b[8:], kind)
	binary.BigEndian.PutUint16(b[12:], first)
	binary.BigEndian.PutUint16(b[14:], second)
	return b
}

// request is a segment of the inside with one message.
func request(kind, callID uint16) []byte {
	return from(insideAddr, worldAddr, protoTCP, segment(40000, pptpPort, message(kind, callID, 0)...)...)
}

func good(t *testing.T, frame []byte) []byte {
	t.Helper()
	p := headed(t, frame)
	if sumOf(p) != 0 && pseudo(p) != 0xFFFF {
		t.Fatalf("the checksum is wrong: % x", frame)
	}
	return p
}

func addrs(p []byte) (src, dst netip.Addr) {
	return netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:]))
}

func TestNATPorts(t *testing.T) {
	for name, c := range map[string]struct {
		protocol byte
		make     func(src, dst uint16, data ...byte) []byte
	}{"TCP": {protoTCP, segment}, "UDP": {protoUDP, datagram}} {
		n := hidden()
		out := from(insideAddr, worldAddr, c.protocol, c.make(40000, 80, 'x')...)
		n.Out(out)
		p := good(t, out)
		src, dst := addrs(p)
		public := binary.BigEndian.Uint16(p[20:])
		if src != publicAddr || dst != worldAddr || public == 40000 || p[23] != 80 {
			t.Errorf("%s: out as %v:%d to %v", name, src, public, dst)
		}
		in := from(worldAddr, publicAddr, c.protocol, c.make(80, public, 'y')...)
		if !n.In(in) {
			t.Errorf("%s: the answer is dropped", name)
		}
		p = good(t, in)
		if _, dst := addrs(p); dst != insideAddr || binary.BigEndian.Uint16(p[22:]) != 40000 {
			t.Errorf("%s: in to %v:%d", name, dst, binary.BigEndian.Uint16(p[22:]))
		}
		if n.In(from(worldAddr, publicAddr, c.protocol, c.make(80, public-1, 'y')...)) || n.Dropped() != 1 {
			t.Errorf("%s: what nobody asked for came in", name)
		}
		again := from(insideAddr, worldAddr, c.protocol, c.make(40000, 80)...)
		n.Out(again)
		if binary.BigEndian.Uint16(again[etherLen+20:]) != public {
			t.Errorf("%s: the second packet has another port", name)
		}
	}
}

func TestNATCallIDs(t *testing.T) {
	n := hidden()
	two := from(insideAddr, worldAddr, protoTCP, segment(40000, pptpPort, append(message(5, 1, 1), message(outgoingRequest, 0x0102, 0)...)...)...)
	n.Out(two)
	p := good(t, two)
	id := binary.BigEndian.Uint16(p[40+24+12:])
	if id == 0x0102 || !bytes.Equal(p[40:64], message(5, 1, 1)) {
		t.Fatalf("call ID %#x after an Echo: % x", id, p[40:])
	}
	port := binary.BigEndian.Uint16(p[20:])
	reply := from(worldAddr, publicAddr, protoTCP, segment(pptpPort, port, message(outgoingReply, 0x0A0B, id)...)...)
	n.In(reply)
	if p := good(t, reply); !bytes.Equal(p[40:], message(outgoingReply, 0x0A0B, 0x0102)) {
		t.Errorf("the reply: % x", p[40:])
	}
	info := from(worldAddr, publicAddr, protoTCP, segment(pptpPort, port, message(setLinkInfo, id, 0)...)...)
	n.In(info)
	if p := good(t, info); !bytes.Equal(p[40:], message(setLinkInfo, 0x0102, 0)) {
		t.Errorf("Set-Link-Info: % x", p[40:])
	}
	clear := request(clearRequest, 0x0102)
	n.Out(clear)
	if p := good(t, clear); binary.BigEndian.Uint16(p[52:]) != id {
		t.Errorf("Call-Clear-Request: % x", p[40:])
	}
	gre := func(to uint16) []byte {
		return from(worldAddr, publicAddr, protoGRE, 0x30, 1, 0x88, 0x0B, 0, 0, byte(to>>8), byte(to), 0, 0, 0, 1)
	}
	in := gre(id)
	if !n.In(in) || binary.BigEndian.Uint16(good(t, in)[26:]) != 0x0102 {
		t.Errorf("GRE: % x", in)
	}
	if n.In(gre(id - 1)) {
		t.Error("GRE for nobody came in")
	}
	n.Forget()
	if n.In(gre(id)) {
		t.Error("a NAT that was switched off knows the call")
	}
}

func TestNATTranslatesWhatICMPQuotes(t *testing.T) {
	n := hidden()
	out := from(insideAddr, worldAddr, protoUDP, datagram(4754, 4754, make([]byte, 1400)...)...)
	sent := slices.Clone(out)
	binary.BigEndian.PutUint16(out[etherLen+6:], dontFragment)
	sumHeader(out[etherLen:])
	n.Out(out)
	told := needsCut(out, 1300)
	if !n.In(told) {
		t.Fatal("the error is dropped")
	}
	p := good(t, told)
	q := p[28:]
	if sum(p[20:]) != 0xFFFF || sum(q[:20]) != 0xFFFF || string(q[12:24]) != string(sent[etherLen+12:etherLen+24]) {
		t.Errorf("it quotes % x", q)
	}
}

func TestNATAnswersForItsAddress(t *testing.T) {
	arp := func(sender, target netip.Addr) []byte {
		b := slices.Concat(make([]byte, 12), []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 6), sender.AsSlice(), make([]byte, 6), target.AsSlice())
		return b
	}
	n := hidden()
	asked := arp(worldAddr, publicAddr)
	n.In(asked)
	if !bytes.Equal(asked, arp(worldAddr, insideAddr)) {
		t.Errorf("who has the public address: % x", asked)
	}
	answer := arp(insideAddr, worldAddr)
	n.Out(answer)
	if !bytes.Equal(answer, arp(publicAddr, worldAddr)) {
		t.Errorf("the answer: % x", answer)
	}
}

func TestNATMoves(t *testing.T) {
	n := hidden()
	n.Out(request(outgoingRequest, 1))
	n.Move(netip.MustParseAddr("192.0.2.77"))
	out := request(1, 0)
	n.Out(out)
	if src, _ := addrs(good(t, out)); src.String() != "192.0.2.77" {
		t.Errorf("it leaves from %v", src)
	}
	old := from(worldAddr, publicAddr, protoTCP, segment(pptpPort, 40000)...)
	n.In(old)
	if _, dst := addrs(good(t, old)); dst != publicAddr {
		t.Errorf("what is for the old address goes to %v", dst)
	}
}

func TestNATForwards(t *testing.T) {
	n := hidden()
	n.Forward(pptpPort)
	in := from(worldAddr, publicAddr, protoTCP, segment(40000, pptpPort, message(outgoingRequest, 9, 0)...)...)
	if !n.In(in) || !bytes.Equal(good(t, in)[40:], message(outgoingRequest, 9, 0)) {
		t.Errorf("a call did not come in, or was changed: % x", in)
	}
	out := from(insideAddr, worldAddr, protoTCP, segment(pptpPort, 40000, message(outgoingReply, 5, 9)...)...)
	n.Out(out)
	p := good(t, out)
	if id := binary.BigEndian.Uint16(p[52:]); binary.BigEndian.Uint16(p[20:]) != pptpPort || id == 5 || binary.BigEndian.Uint16(p[54:]) != 9 {
		t.Errorf("the reply: % x", p[40:])
	}
}

// What is not the first fragment has no ports.
func TestNATOfAFragment(t *testing.T) {
	n := hidden()
	out := from(insideAddr, worldAddr, protoUDP, datagram(4754, 4754, make([]byte, 100)...)...)
	binary.BigEndian.PutUint16(out[etherLen+6:], 10)
	sumHeader(out[etherLen:])
	data := slices.Clone(out[etherLen+20:])
	n.Out(out)
	p := headed(t, out)
	if src, _ := addrs(p); src != publicAddr || !bytes.Equal(p[20:], data) {
		t.Errorf("from %v, its data changed: %v", src, !bytes.Equal(p[20:], data))
	}
}

func headed(t *testing.T, frame []byte) []byte {
	t.Helper()
	p := ipv4(frame)
	if p == nil || sum(p[:headLen(p)]) != 0xFFFF {
		t.Fatalf("the header's checksum is wrong: % x", frame)
	}
	return p
}
