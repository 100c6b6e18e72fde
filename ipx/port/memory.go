package port

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A Hub is a wire in memory, for tests: what one port sends, all others hear.
type Hub struct {
	mu       sync.Mutex // guards what follows
	ports    []*memoryPort
	watchers []func(frame []byte)
}

// NewHub returns a wire without ports.
func NewHub() *Hub { return new(Hub) }

// Port adds a port. As a real interface does, it takes in what is for others
// only if it is promiscuous.
func (h *Hub) Port(name string, mac ipx.Node, promiscuous bool) Port {
	p := &memoryPort{
		hub:         h,
		promiscuous: promiscuous,
		waiting:     make(chan struct{}, 1),
		ended:       make(chan struct{}),
	}
	p.name, p.put = name, p.putOnHub
	p.mac.Store(&mac)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = append(h.ports, p)
	return p
}

// Inject sends a frame from a station that is no port. It is copied.
func (h *Hub) Inject(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pass(nil, frame)
}

// Watch calls fn with a copy of every frame from now on, one after another. fn
// must not use the Hub.
func (h *Hub) Watch(fn func(frame []byte)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers = append(h.watchers, fn)
}

// pass carries one frame to everybody but its sender. mu is held.
func (h *Hub) pass(from *memoryPort, frame []byte) {
	frame = bytes.Clone(frame)
	for _, fn := range h.watchers {
		fn(frame)
	}
	for _, p := range h.ports {
		if p != from && p.takes(frame) {
			p.enqueue(frame)
		}
	}
}

// memoryQueueLen is how many frames wait for a port's Run before some are lost.
const memoryQueueLen = 4096

// A memoryPort is a Port on a Hub.
type memoryPort struct {
	common
	hub         *Hub
	promiscuous bool
	put         func(*outgoing) error // putOnHub, made once
	waiting     chan struct{}         // holds one when queue may hold frames
	ended       chan struct{}         // closed by Close
	queue       [][]byte              // guarded by hub.mu
}

// takes reports whether the interface would let the frame in.
func (p *memoryPort) takes(frame []byte) bool {
	if len(frame) < len(ipx.Node{}) {
		return false
	}
	dst := ipx.Node(frame[:6])
	return p.promiscuous || dst.IsGroup() || dst == p.MAC()
}

func (p *memoryPort) enqueue(frame []byte) {
	if len(p.queue) >= memoryQueueLen {
		p.count.drop(dropReceiveQueueFull)
		return
	}
	p.queue = append(p.queue, frame)
	select {
	case p.waiting <- struct{}{}:
	default: // Run has been told
	}
}

// dequeue fills the batch with frames that wait.
func (p *memoryPort) dequeue(batch *packet.Batch) []*packet.Buffer {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	n := min(len(p.queue), len(batch.Buffers))
	for i, frame := range p.queue[:n] {
		batch.Buffers[i].Set(frame[:min(len(frame), packet.MaxLen)])
	}
	p.queue = slices.Delete(p.queue, 0, n)
	return batch.Buffers[:n]
}

func (p *memoryPort) Send(encap ipx.Encapsulation, dst, src ipx.Node, pkts []*packet.Buffer) error {
	return p.send(encap, dst, src, pkts, p.put)
}

func (p *memoryPort) putOnHub(o *outgoing) error {
	if !p.Up() {
		o.failed(len(o.frames), dropInterfaceDown)
		return ErrDown
	}
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	for _, f := range o.frames {
		p.hub.pass(p, f.Bytes())
	}
	o.sent(len(o.frames))
	return nil
}

func (p *memoryPort) Run(ctx context.Context, h Handler) error {
	batch := packet.GetBatch()
	defer packet.PutBatch(batch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.ended:
			return net.ErrClosed
		case <-p.waiting:
		}
		for frames := p.dequeue(batch); len(frames) > 0; frames = p.dequeue(batch) {
			p.deliver(frames, h)
		}
	}
}

func (p *memoryPort) Up() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Close takes the port off the wire.
func (p *memoryPort) Close() error {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	if i := slices.Index(p.hub.ports, p); i >= 0 {
		p.hub.ports = slices.Delete(p.hub.ports, i, i+1)
		close(p.ended)
	}
	return nil
}
