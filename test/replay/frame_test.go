package replay

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

type node [6]byte

var everybody = node{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

func (n node) group() bool { return n[0]&1 != 0 }

// mac is a node of the recordings, which all begin with 0200.
func mac(last ...byte) (n node) {
	n[0] = 2
	copy(n[6-len(last):], last)
	return n
}

// An encap is one of the four ways to put IPX into Ethernet frames.
type encap int

const (
	ethernetII encap = iota
	raw8023
	llc8022
	snap
	encaps
)

// configured is how the configuration names them.
var configured = [encaps]string{"ethernet_ii", "ethernet_802_3", "ethernet_802_2", "ethernet_snap"}

func (e encap) String() string { return configured[e] }

// llc is what stands between the length and the packet.
var llc = [encaps]string{llc8022: "\xE0\xE0\x03", snap: "\xAA\xAA\x03\x00\x00\x00\x81\x37"}

// longest is the longest packet that a frame carries.
func (e encap) longest() int { return 1500 - len(llc[e]) }

// A pkt is an IPX packet.
type pkt []byte

func (p pkt) length() int     { return int(binary.BigEndian.Uint16(p[2:])) }
func (p pkt) hops() int       { return int(p[4]) }
func (p pkt) typ() byte       { return p[5] }
func (p pkt) dstNet() uint32  { return binary.BigEndian.Uint32(p[6:]) }
func (p pkt) dstNode() node   { return node(p[10:16]) }
func (p pkt) dstSock() uint16 { return binary.BigEndian.Uint16(p[16:]) }
func (p pkt) srcNet() uint32  { return binary.BigEndian.Uint32(p[18:]) }
func (p pkt) srcNode() node   { return node(p[22:28]) }
func (p pkt) srcSock() uint16 { return binary.BigEndian.Uint16(p[28:]) }
func (p pkt) data() []byte    { return p[30:] }

func (p pkt) setDst(net uint32, n node) {
	binary.BigEndian.PutUint32(p[6:], net)
	copy(p[10:], n[:])
}
func (p pkt) setSrcNet(net uint32) { binary.BigEndian.PutUint32(p[18:], net) }

// An addr is a network, node and socket.
type addr struct {
	net  uint32
	node node
	sock uint16
}

// compose makes a packet without checksum.
func compose(typ byte, src, dst addr, data []byte) pkt {
	p := binary.BigEndian.AppendUint16(nil, 0xFFFF)
	p = binary.BigEndian.AppendUint16(p, uint16(30+len(data)))
	p = append(p, 0, typ)
	for _, a := range []addr{dst, src} {
		p = binary.BigEndian.AppendUint32(p, a.net)
		p = append(p, a.node[:]...)
		p = binary.BigEndian.AppendUint16(p, a.sock)
	}
	return append(p, data...)
}

// A frame is a packet on a wire.
type frame struct {
	enc      encap
	dst, src node
	pkt      pkt
	recorded []byte // as it was recorded; nil if it was not, or was changed since
}

// open finds the packet in a frame. It reports false for what is not IPX. A
// frame with checksum 0, as DOSBox makes them, is raw when nothing else fits.
func open(b []byte) (f frame, ok bool) {
	if len(b) < 14 {
		return f, false
	}
	f.dst, f.src, f.recorded = node(b[0:]), node(b[6:]), b
	body := b[14:]
	switch t := binary.BigEndian.Uint16(b[12:]); {
	case t == 0x8137:
		f.enc = ethernetII
	case t > 1500:
		return f, false
	case bytes.HasPrefix(body, []byte(llc[snap])):
		f.enc = snap
	case bytes.HasPrefix(body, []byte(llc[llc8022])):
		f.enc = llc8022
	case bytes.HasPrefix(body, []byte{0xFF, 0xFF}), bytes.HasPrefix(body, []byte{0, 0}):
		f.enc = raw8023
	default:
		return f, false
	}
	p := pkt(body[len(llc[f.enc]):])
	if len(p) < 30 || p.length() < 30 || p.length() > len(p) {
		return f, false
	}
	f.pkt = p[:p.length()]
	return f, true
}

// wire returns the frame as Ethernet carries it. A packet of odd length is
// followed by one octet, which the length field of the 802.3 forms counts; then
// zeros fill the frame to 60 octets, which no length counts.
func (f frame) wire() []byte {
	b := append(append(slices.Clone(f.dst[:]), f.src[:]...), 0x81, 0x37)
	length := len(llc[f.enc]) + len(f.pkt)
	b = append(append(b, llc[f.enc]...), f.pkt...)
	if len(f.pkt)%2 == 1 {
		b = append(b, 0)
		length++
	}
	if f.enc != ethernetII {
		binary.BigEndian.PutUint16(b[12:], uint16(length))
	}
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

// as returns the frame in another type, for other stations. A frame that keeps
// its type keeps its octets too: taps were recorded that neither pad nor make
// even.
func (f frame) as(enc encap, dst, src node) frame {
	g := frame{enc: enc, dst: dst, src: src, pkt: slices.Clone(f.pkt)}
	if enc == f.enc && f.recorded != nil {
		g.recorded = slices.Clone(f.recorded)
		copy(g.recorded, dst[:])
		copy(g.recorded[6:], src[:])
	}
	return g
}

// played is what the hosts put on the wire.
func (f frame) played() []byte {
	if f.recorded != nil {
		return f.recorded
	}
	return f.wire()
}

// recording reads the frames of one of the captures.
func recording(t *testing.T, name string) (frames []frame) {
	t.Helper()
	b, err := os.ReadFile("../../ipx/testdata/" + name + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	const head, record = 24, 16
	for b = b[head:]; len(b) >= record; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		f, ok := open(b[record : record+n])
		if !ok {
			t.Fatalf("%s: frame %d is not IPX: %x", name, len(frames)+1, b[record:record+n])
		}
		frames = append(frames, f)
		b = b[record+n:]
	}
	return frames
}

// TestFrameVectors: what the oracles take for the four frame types is what
// hand-made vectors say.
func TestFrameVectors(t *testing.T) {
	text, err := os.ReadFile("../../ipx/testdata/ipx_frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name  string
		IPX   string `json:"ipx_hex"`
		Frame string `json:"frame_hex"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		raw, err := hex.DecodeString(v.Frame)
		if err != nil {
			t.Fatal(err)
		}
		f, ok := open(raw)
		switch {
		case !ok || hex.EncodeToString(f.pkt) != v.IPX:
			t.Errorf("%s: opened as %v, %x", v.Name, ok, f.pkt)
		case fmt.Sprintf("%x", f.wire()) != v.Frame:
			t.Errorf("%s: made again\n%x, want\n%s", v.Name, f.wire(), v.Frame)
		}
	}
}
