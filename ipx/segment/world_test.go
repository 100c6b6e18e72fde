package segment

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
)

// A world is wires in memory, segments on them, and links between those, in
// virtual time.
type world struct {
	*testing.T
	ctx context.Context
}

// inWorld runs a test on a day like today's. Virtual time begins in the year 2000,
// where sums that a real clock makes overflow still fit.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)))
		ctx, cancel := context.WithCancel(t.Context())
		test(&world{t, ctx})
		cancel()
		synctest.Wait()
	})
}

// wire joins a segment with a hub.
func (w *world) wire(s *Segment, name string, hub *port.Hub, mac ipx.Node) *Port {
	wire := w.slow(hub.Port(name, mac, true))
	p := s.AttachLAN(LANConfig{Name: name, Wire: wire, Encapsulations: []ipx.Encapsulation{ipx.EthernetII}})
	go wire.Run(w.ctx, p.InputFrames)
	return p
}

// A slowWire takes its time for a frame, as a cable and a switch do. On one that
// does not, a loop of some of the goroutines here could starve the others.
type slowWire struct {
	port.Port
	waiting chan slowFrame
}

type slowFrame struct {
	at       time.Time
	enc      ipx.Encapsulation
	dst, src ipx.Node
	pkt      []byte
}

func (w *world) slow(p port.Port) *slowWire {
	s := &slowWire{p, make(chan slowFrame, 1<<16)}
	go func() {
		for {
			select {
			case <-w.ctx.Done():
				return
			case f := <-s.waiting:
				time.Sleep(time.Until(f.at.Add(100 * time.Microsecond)))
				p.Send(f.enc, f.dst, f.src, []*packet.Buffer{buffer(f.pkt)})
			}
		}
	}()
	return s
}

func (s *slowWire) Send(enc ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error {
	for _, p := range pkts {
		s.waiting <- slowFrame{time.Now(), enc, dst, src, bytes.Clone(p.Bytes())}
	}
	return nil
}

// A line is one direction of a link.
type line struct {
	w       *world
	delay   time.Duration
	waiting chan []sentAt
	to      *Port
}

type sentAt struct {
	at  time.Time
	pkt []byte
}

func (w *world) line(delay time.Duration) *line {
	return &line{w: w, delay: delay, waiting: make(chan []sentAt, 1<<16)}
}

func (l *line) Send(pkts []*packet.Buffer) error {
	var batch []sentAt
	for _, p := range pkts {
		batch = append(batch, sentAt{time.Now(), bytes.Clone(p.Bytes())})
		clear(p.Prepend(4)) // as PPP spoils them
		clear(p.Bytes()[4:])
	}
	l.waiting <- batch
	return nil
}

func (l *line) run() {
	for {
		select {
		case <-l.w.ctx.Done():
			return
		case batch := <-l.waiting:
			var pkts []*packet.Buffer
			for _, p := range batch {
				time.Sleep(time.Until(p.at.Add(l.delay)))
				pkts = append(pkts, buffer(p.pkt))
			}
			l.to.InputPackets(pkts)
		}
	}
}

// link joins two segments, with the time that a packet takes.
func (w *world) link(name string, a, b *Segment, delay time.Duration) (atA, atB *Port) {
	toB, toA := w.line(delay), w.line(delay)
	atA = a.AttachLink(LinkConfig{Name: name, Link: toB})
	atB = b.AttachLink(LinkConfig{Name: name, Link: toA})
	toA.to, toB.to = atA, atB
	go toA.run()
	go toB.run()
	return atA, atB
}

// A host is a station on a hub, which remembers what it heard.
type host struct {
	node ipx.Node
	wire port.Port

	mu    sync.Mutex
	heard map[string]int
	way   chan ipx.Node // who answered its last RIP request
}

func (w *world) host(hub *port.Hub, n ipx.Node) *host {
	h := &host{node: n, wire: hub.Port("host", n, false), heard: make(map[string]int)}
	go h.wire.Run(w.ctx, func(frames []port.Frame) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, f := range frames {
			h.heard[string(f.Packet.Bytes()[ipx.HeaderLen:])]++
			if head, data, _ := ipx.Parse(f.Packet.Bytes()); head.Src.Socket == ipx.SocketRIP && data[1] == byte(rip.OpResponse) && h.way != nil {
				select {
				case h.way <- f.Src:
				default:
				}
			}
		}
	})
	return h
}

// say sends words to a station or to all.
func (h *host) say(to ipx.Node, words string) {
	h.wire.Send(ipx.EthernetII, to, h.node, []*packet.Buffer{buffer(pkt(at(h.node), at(to), words))})
}

// got returns how often the host heard the words.
func (h *host) got(words string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard[words]
}

// chatter has hosts speak to everybody so many times a second, each time
// something else.
func chatter(d time.Duration, perSecond int, hosts ...*host) {
	for i := range int(d.Seconds() * float64(perSecond)) {
		for j, h := range hosts {
			h.say(ipx.Broadcast, fmt.Sprint("chatter of ", j, " ", i, time.Now()))
		}
		time.Sleep(time.Second / time.Duration(perSecond))
	}
}

// counted returns a function that tells how many frames there were on hubs since
// it was last called.
func counted(hubs ...*port.Hub) func() int {
	var mu sync.Mutex
	n := 0
	for _, h := range hubs {
		h.Watch(func([]byte) {
			mu.Lock()
			defer mu.Unlock()
			n++
		})
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		seen := n
		n = 0
		return seen
	}
}

// wantTalk fails unless a and b hear each other, both when they shout and when
// they speak to each other, each word once.
func (w *world) wantTalk(when string, a, b *host) {
	w.Helper()
	words := fmt.Sprint(when, time.Now())
	for _, pair := range [][2]*host{{a, b}, {b, a}} {
		pair[0].say(ipx.Broadcast, words+"shout")
		time.Sleep(300 * time.Millisecond)
		pair[1].say(pair[0].node, words+"speak")
		time.Sleep(300 * time.Millisecond)
	}
	for _, h := range []*host{a, b} {
		if shout, speak := h.got(words+"shout"), h.got(words+"speak"); shout != 1 || speak != 1 {
			w.Errorf("%s: %v heard %d shouts and %d words, want one of each", when, h.node, shout, speak)
		}
	}
}

func (w *world) blockedPorts(segments ...*Segment) (names []string) {
	for i, s := range segments {
		for _, p := range s.Ports() {
			if !p.Blocked.IsZero() {
				names = append(names, fmt.Sprintf("%d/%s", i+1, p.Name))
			}
		}
	}
	return names
}
