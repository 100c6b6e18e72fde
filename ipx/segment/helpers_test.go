package segment

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// A cable records what a segment puts on a wire.
type cable struct {
	mac  ipx.Node
	mu   sync.Mutex
	sent []framed
}

type framed struct {
	enc      ipx.Encapsulation
	dst, src ipx.Node
	pkt      []byte
}

func (c *cable) MAC() ipx.Node { return c.mac }

func (c *cable) Send(enc ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pkts {
		c.sent = append(c.sent, framed{enc, dst, src, bytes.Clone(p.Bytes())})
	}
	return nil
}

// take returns what was sent, and forgets it.
func (c *cable) take() []framed {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.sent
	c.sent = nil
	return all
}

// frames shows what was sent as "ethernet_ii 020000000A01 > 020000000B01".
func (c *cable) frames() string {
	var lines []string
	for _, f := range c.take() {
		lines = append(lines, fmt.Sprintf("%v %v > %v", f.enc, f.src, f.dst))
	}
	return strings.Join(lines, ", ")
}

// A pipe is a link: it spoils the buffers, as PPP does with its headers.
type pipe struct {
	mu   sync.Mutex
	sent [][]byte
}

func (l *pipe) Send(pkts []*packet.Buffer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range pkts {
		l.sent = append(l.sent, bytes.Clone(p.Bytes()))
		clear(p.Prepend(4))
		clear(p.Bytes()[4:])
	}
	return nil
}

func (l *pipe) take() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.sent
	l.sent = nil
	return all
}

// A lab is a segment with number A on LANs 1 and 2 and links 1 and 2.
type lab struct {
	*Segment
	lan1, lan2, link1, link2 *Port
	cable1, cable2           cable
	pipe1, pipe2             pipe
}

const netA ipx.Network = 0xA

var (
	mac1   = node("0200000001FF") // ours on LAN 1
	mac2   = node("0200000002FF")
	host1  = node("020000000101") // on LAN 1
	host1b = node("020000000102")
	host2  = node("020000000201") // on LAN 2
	far1   = node("020000001101") // behind link 1
	far2   = node("020000001201") // behind link 2
)

func newLab(cfg Config) *lab {
	l := &lab{Segment: New(cfg), cable1: cable{mac: mac1}, cable2: cable{mac: mac2}}
	l.lan1 = l.lanPort("lan1", &l.cable1, ipx.Ethernet8022, ipx.EthernetII, ipx.Ethernet8023)
	l.lan2 = l.lanPort("lan2", &l.cable2)
	l.link1 = l.linkPort("link1", &l.pipe1, 0)
	l.link2 = l.linkPort("link2", &l.pipe2, 0)
	return l
}

func node(s string) ipx.Node {
	n, err := ipx.ParseNode(s)
	if err != nil {
		panic(err)
	}
	return n
}

// at is an address on the segment; in names its network.
func at(n ipx.Node) ipx.Addr                  { return ipx.Addr{Network: netA, Node: n, Socket: 0x4001} }
func in(net ipx.Network, n ipx.Node) ipx.Addr { return ipx.Addr{Network: net, Node: n, Socket: 0x4001} }

func pkt(src, dst ipx.Addr, data string) []byte {
	return ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypePEP, Src: src, Dst: dst}, []byte(data))
}

func buffer(b []byte) *packet.Buffer {
	p := new(packet.Buffer)
	p.Set(b)
	return p
}

// hear lets a frame arrive on a wire. Its Ethernet source is the node's own.
func (p *Port) hear(enc ipx.Encapsulation, dst ipx.Node, b []byte) {
	h, _, _ := ipx.Parse(b)
	p.hearFrom(enc, dst, h.Src.Node, b)
}

func (p *Port) hearFrom(enc ipx.Encapsulation, dst, src ipx.Node, b []byte) {
	p.InputFrames([]port.Frame{{Packet: buffer(b), Encap: enc, Dst: dst, Src: src}})
}

func (p *Port) receive(b []byte) { p.InputPackets([]*packet.Buffer{buffer(b)}) }

// dropped lists what p counted, as JSON keys with counts.
func dropped(p *Port) string {
	var list []string
	for why := dropTruncated; why < drops; why++ {
		if n := p.count.drops[why].Load(); n != 0 {
			list = append(list, fmt.Sprintf("%s=%d", why, n))
		}
	}
	return strings.Join(list, " ")
}

func wantFrames(t *testing.T, what string, c *cable, want string) {
	t.Helper()
	if got := c.frames(); got != want {
		t.Errorf("%s: on the wire %q, want %q", what, got, want)
	}
}

func wantPackets(t *testing.T, what string, l *pipe, want ...[]byte) {
	t.Helper()
	got := l.take()
	if len(got) != len(want) {
		t.Errorf("%s: %d packets on the link, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("%s: packet %x, want %x", what, got[i], want[i])
		}
	}
}

// lanPort and linkPort attach plain ports.
func (s *Segment) lanPort(name string, w Wire, encs ...ipx.Encapsulation) *Port {
	return s.AttachLAN(LANConfig{Name: name, Wire: w, Encapsulations: encs})
}

func (s *Segment) linkPort(name string, link Sender, mtu int) *Port {
	return s.AttachLink(LinkConfig{Name: name, Link: link, MTU: mtu})
}
