// Package dosbox has Debian's DOSBox judge our port for it.
package dosbox

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
	"sitebridge/ipx/port"
	"sitebridge/test/dosbox/box"
	"sitebridge/test/lab"
)

func TestMain(m *testing.M) {
	lab.Quick("^$")
	netlab.Main(m)
}

var server = netip.MustParseAddrPort("127.0.0.1:10213")

// A host is one with a DOSBox port.
type host struct {
	*netlab.Namespace
	t    *testing.T
	port port.Port

	mu    sync.Mutex // guards heard
	heard []ipx.Header
}

// newHost opens a port in a namespace of its own.
func newHost(t *testing.T, cfg port.DOSBoxConfig) *host {
	t.Helper()
	box.Need(t)
	h := &host{Namespace: netlab.New(t).Namespace("players"), t: t}
	cfg.Name, cfg.Listen = "games", server
	err := h.Do(func() (err error) { h.port, err = port.OpenDOSBox(t.Context(), cfg); return err })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.port.Run(ctx, h.hear) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.port.Close()
	})
	return h
}

func (h *host) hear(frames []port.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range frames {
		header, _, err := ipx.Parse(f.Packet.Bytes())
		if err != nil || f.Src != header.Src.Node {
			h.t.Errorf("frame from %v: %+v, %v", f.Src, header, err)
		}
		h.heard = append(h.heard, header)
	}
}

func (h *host) clients() (nodes []ipx.Node) {
	for _, c := range h.port.(port.DOSBoxHost).Clients() {
		nodes = append(nodes, c.Node)
	}
	return nodes
}

// ping sends a ping from another wire.
func (h *host) ping(from ipx.Node) {
	h.t.Helper()
	b := new(packet.Buffer)
	b.Set(ipxnet.AppendPing(nil, from))
	if err := h.port.Send(port.DOSBoxEncapsulation, ipx.Broadcast, from, []*packet.Buffer{b}); err != nil {
		h.t.Fatal(err)
	}
}

// Two players, one of whom has never said a word, and somebody on another wire.
func TestTwoDOSBoxesSeeEachOther(t *testing.T) {
	h := newHost(t, port.DOSBoxConfig{})
	a, b := box.Start(t, h.Namespace), box.Start(t, h.Namespace)
	nodeA, nodeB := a.MustConnect(server), b.MustConnect(server)
	if nodeA == nodeB || nodeA.IsGroup() {
		t.Fatalf("nodes %v and %v", nodeA, nodeB)
	}
	if got := a.Ping(); !slices.Equal(got, []ipx.Node{nodeB}) {
		t.Errorf("a sees %v, want %v", got, nodeB)
	}
	if got := b.Ping(); !slices.Equal(got, []ipx.Node{nodeA}) {
		t.Errorf("b sees %v, want %v", got, nodeA)
	}
	if got := h.clients(); !slices.Equal(got, []ipx.Node{nodeA, nodeB}) {
		t.Errorf("clients %v, want %v and %v", got, nodeA, nodeB)
	}

	beyond := ipx.Node{2, 0, 0, 0, 0x20, 1}
	h.ping(beyond)
	for _, node := range []ipx.Node{nodeA, nodeB} {
		lab.Wait(t, "an answer from "+node.String(), func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return slices.ContainsFunc(h.heard, func(p ipx.Header) bool { return p.Src.Node == node && p.Dst.Node == beyond })
		})
	}
	if d := h.port.Stats().Drops; d != (port.Drops{}) {
		t.Errorf("drops %+v", d)
	}
}

// A DOSBox that says nothing after it has connected is found by our own ping, and
// so gets the wire's broadcasts. One that ends is forgotten at a packet that finds
// nobody, unless it has spoken just before.
func TestSilentDOSBoxIsFoundAndAnEndedOneForgotten(t *testing.T) {
	h := newHost(t, port.DOSBoxConfig{})
	a := box.Start(t, h.Namespace)
	node := a.MustConnect(server)
	lab.Wait(t, "the port's own ping answered", func() bool { return slices.Equal(h.clients(), []ipx.Node{node}) })
	h.mu.Lock()
	if len(h.heard) > 0 {
		t.Errorf("the answer went on to others: %+v", h.heard)
	}
	h.mu.Unlock()
	a.Kill()
	lab.Wait(t, "the client to be gone", func() bool {
		h.ping(ipx.Node{2, 0, 0, 0, 0x20, 1})
		return len(h.clients()) == 0
	})
}

// A full house refuses, and a DOSBox that leaves and comes back is let in again.
func TestFullHouse(t *testing.T) {
	h := newHost(t, port.DOSBoxConfig{Clients: 1})
	a, b := box.Start(t, h.Namespace), box.Start(t, h.Namespace)
	a.MustConnect(server)
	a.Ping()
	if node, ok := b.Connect(server); ok {
		t.Errorf("a second client was let in as %v", node)
	}
	if got := h.port.Stats().Drops.HouseFull; got != 1 {
		t.Errorf("refused %d", got)
	}
	a.Disconnect()
	lab.Wait(t, "a place to be free", func() bool {
		h.ping(ipx.Node{2, 0, 0, 0, 0x20, 1})
		return len(h.clients()) == 0
	})
	b.MustConnect(server)
}
