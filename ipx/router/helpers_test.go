package router

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A wire records what the router sends on it.
type wire struct {
	mu   sync.Mutex
	sent []sent
}

type sent struct {
	to  ipx.Node
	pkt []byte
}

func (w *wire) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range pkts {
		w.sent = append(w.sent, sent{dst, bytes.Clone(p.Bytes())})
		copy(p.Prepend(14), "frame in place") // as a port does
	}
	return nil
}

// take returns what was sent, and forgets it.
func (w *wire) take() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.sent
	w.sent = nil
	return all
}

// answers returns what was sent to single nodes: not the announcements.
func (w *wire) answers() (all []sent) {
	for _, s := range w.take() {
		if s.to != ipx.Broadcast {
			all = append(all, s)
		}
	}
	return all
}

// news returns what was sent to everybody.
func (w *wire) news() (all []sent) {
	for _, s := range w.take() {
		if s.to == ipx.Broadcast {
			all = append(all, s)
		}
	}
	return all
}

// Nodes of the tests: ours end in 99, others are stations.
var (
	nodeA = node("020000000A99")
	nodeB = node("020000000B99")
	nodeL = node("020000000F99")
	peer  = node("020000000F01")
)

func node(s string) ipx.Node {
	n, err := ipx.ParseNode(s)
	if err != nil {
		panic(err)
	}
	return n
}

func addr(s string) ipx.Addr {
	a, err := ipx.ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}

// A lab is a router with LANs A and B (networks A and B), and link L (network F)
// to a site that has network 20.
type lab struct {
	*Router
	a, b, l             *Attached
	wireA, wireB, wireL wire
	statics             map[*Attached]*statics
}

// statics is what the configuration says of an attachment.
type statics struct {
	routes   []Route
	services []Service
}

// configure lets change work on what is static behind at.
func (lab *lab) configure(at *Attached, change func(s *statics)) {
	if lab.statics == nil {
		lab.statics = make(map[*Attached]*statics)
	}
	if lab.statics[at] == nil {
		lab.statics[at] = new(statics)
	}
	s := lab.statics[at]
	change(s)
	at.SetStatic(s.routes, s.services)
}

func (lab *lab) addRoutes(at *Attached, routes ...Route) {
	lab.configure(at, func(s *statics) { s.routes = append(s.routes, routes...) })
}

func (lab *lab) addServices(at *Attached, services ...Service) {
	lab.configure(at, func(s *statics) { s.services = append(s.services, services...) })
}

const (
	netA    ipx.Network = 0xA
	netB    ipx.Network = 0xB
	netL    ipx.Network = 0xF
	netFar  ipx.Network = 0x20
	netHome ipx.Network = 0xBEEF
)

func newLab(t *testing.T) *lab {
	t.Helper()
	lab := &lab{Router: New(Config{InternalNetwork: netHome})}
	lab.a = lab.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &lab.wireA})
	lab.b = lab.attach(t, Attachment{Name: "b", Network: netB, Node: nodeB, Send: &lab.wireB})
	lab.l = lab.attach(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL})
	lab.addRoutes(lab.l, Route{Network: netFar, Hops: 1, Ticks: 7})
	return lab
}

func (lab *lab) attach(t *testing.T, a Attachment) *Attached {
	t.Helper()
	at, err := lab.Attach(a)
	if err != nil {
		t.Fatalf("Attach %s: %v", a.Name, err)
	}
	return at
}

// A pk describes a packet in a test.
type pk struct {
	from, to string // addresses
	hops     byte
	typ      ipx.PacketType
	data     string
	sum      bool // with a checksum
}

func (p pk) bytes() []byte {
	h := ipx.Header{Hops: p.hops, Type: p.typ, Src: addr(p.from), Dst: addr(p.to)}
	b := ipx.AppendPacket(nil, h, []byte(p.data))
	if p.sum {
		sum := ipx.Checksum(b)
		b[0], b[1] = byte(sum>>8), byte(sum)
	}
	return b
}

func buffer(b []byte) *packet.Buffer {
	p := new(packet.Buffer)
	p.Set(b)
	return p
}

// input hands one packet to a.
func input(a *Attached, b []byte, dst LinkDst) { a.Input([]In{{buffer(b), dst}}) }

// show prints packets as "to 020000000B02: 0000000A:...:4001 > ... hops 1 type 4".
func show(all []sent) string {
	var lines []string
	for _, s := range all {
		h, _, err := ipx.Parse(s.pkt)
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, fmt.Sprintf("to %v: %v > %v hops %d type %v", s.to, h.Src, h.Dst, h.Hops, h.Type))
	}
	return strings.Join(lines, "\n")
}

// dropped lists the reasons that a counted, as JSON keys with counts.
func dropped(a *Attached) string {
	var list []string
	for why := dropTruncated; why < drops; why++ {
		if n := a.count.drops[why].Load(); n != 0 {
			list = append(list, fmt.Sprintf("%s=%d", why, n))
		}
	}
	return strings.Join(list, " ")
}
