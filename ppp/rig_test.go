package ppp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// A fakeNCP is a network protocol without options.
type fakeNCP struct {
	t       testing.TB
	name    string
	number  uint16
	data    uint16
	refuse  error // what Up returns
	onUp    func()
	mu      sync.Mutex
	ups     int
	downs   int
	got     [][]byte
	batches []int
}

func fakeIP(t testing.TB) *fakeNCP {
	return &fakeNCP{t: t, name: "IPCP", number: 0x8021, data: 0x0021}
}
func fakeIPX(t testing.TB) *fakeNCP {
	return &fakeNCP{t: t, name: "IPXCP", number: 0x802b, data: 0x002b}
}

func (n *fakeNCP) Name() string                { return n.name }
func (n *fakeNCP) Number() uint16              { return n.number }
func (n *fakeNCP) Data() []uint16              { return []uint16{n.data} }
func (n *fakeNCP) Request() []fsm.Option       { return nil }
func (n *fakeNCP) Repeatable(byte) bool        { return false }
func (n *fakeNCP) Naked([]fsm.Option) error    { return nil }
func (n *fakeNCP) Rejected([]fsm.Option) error { return nil }
func (n *fakeNCP) Reset()                      {}
func (n *fakeNCP) Judge(p []fsm.Option, _ bool) fsm.Verdict {
	if len(p) > 0 {
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: p}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

func (n *fakeNCP) Up() error {
	n.mu.Lock()
	n.ups++
	n.mu.Unlock()
	if n.onUp != nil {
		n.onUp()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refuse
}

// allow lets Up succeed from now on.
func (n *fakeNCP) allow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = nil
}

func (n *fakeNCP) Down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.downs++
}

func (n *fakeNCP) Deliver(protocol uint16, pkts []*packet.Buffer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ups == 0 {
		n.t.Errorf("%s: a packet before Up", n.name)
	}
	if protocol != n.data {
		n.t.Errorf("%s: a packet of protocol %04x", n.name, protocol)
	}
	n.batches = append(n.batches, len(pkts))
	for _, b := range pkts {
		n.got = append(n.got, bytes.Clone(b.Bytes()))
	}
}

func (n *fakeNCP) counts() (ups, downs, got int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ups, n.downs, len(n.got)
}

// running is the Config.Admit of a site that runs these.
func running(ncps ...NCP) func(Admission) (Network, error) {
	return func(Admission) (Network, error) { return Network{NCPs: ncps}, nil }
}

// A wire carries frames one way, in order, each after 5 ms. Hook sees each frame
// and says what arrives in its place.
type wire struct {
	frames chan []byte
	mu     sync.Mutex
	hook   func(frame []byte) [][]byte
	// hesitant lets other goroutines run before a frame is taken, and not as often
	// for each frame: two senders would take turns.
	hesitant atomic.Bool
	calls    atomic.Int32
}

func newWire() *wire { return &wire{frames: make(chan []byte, 4096)} }

func (w *wire) send(frames []*packet.Buffer, _ bool) error {
	if w.hesitant.Load() {
		for range w.calls.Add(1) % 3 {
			runtime.Gosched()
		}
	}
	for _, b := range frames {
		w.frames <- bytes.Clone(b.Bytes())
	}
	return nil
}

func (w *wire) intercept(hook func([]byte) [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

func (w *wire) cut() { w.intercept(func([]byte) [][]byte { return nil }) }

func (w *wire) pump(ctx context.Context, to *Link) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-w.frames:
			time.Sleep(5 * time.Millisecond)
			w.mu.Lock()
			out := [][]byte{f}
			if w.hook != nil {
				out = w.hook(f)
			}
			w.mu.Unlock()
			for _, f := range out {
				b := packet.Get()
				b.Set(f)
				to.Receive([]*packet.Buffer{b})
				packet.Put(b)
			}
		}
	}
}

// An end is one Link of a pair while it runs.
type end struct {
	*Link
	out    *wire
	cancel context.CancelFunc // of Run
	done   chan struct{}      // closed when Run has returned
	err    error              // what it returned
}

// joined starts two Links on two wires. They are stopped, and waited for, when
// the test ends: a goroutine that is left makes the bubble fail.
func joined(t *testing.T, a, b Config) (*end, *end) {
	t.Helper()
	ab, ba := newWire(), newWire()
	a.Send, b.Send = ab.send, ba.send
	x, y := &end{Link: NewLink(a), out: ab}, &end{Link: NewLink(b), out: ba}
	ctx, stop := context.WithCancel(t.Context())
	var pumps sync.WaitGroup
	pumps.Go(func() { ab.pump(ctx, y.Link) })
	pumps.Go(func() { ba.pump(ctx, x.Link) })
	x.start(t)
	y.start(t)
	t.Cleanup(func() {
		x.cancel()
		y.cancel()
		<-x.done
		<-y.done
		stop()
		pumps.Wait()
	})
	return x, y
}

func (e *end) start(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel, e.done = cancel, make(chan struct{})
	go func() {
		defer close(e.done)
		e.err = e.Run(ctx)
	}()
}

// over waits until Run has returned and checks why.
func (e *end) over(t *testing.T, want EndKind) *End {
	t.Helper()
	select {
	case <-e.done:
	case <-time.After(10 * time.Minute):
		t.Fatalf("link still runs: %+v", e.Status())
	}
	var got *End
	if !errors.As(e.err, &got) || got.Kind != want {
		t.Fatalf("Run = %v (%v), want %v", e.err, got, want)
	}
	return got
}

// reaches waits, in virtual time, until cond holds.
func reaches(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 120_000 {
		synctest.Wait()
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func (e *end) up(t *testing.T, names ...string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%+v", e.Status())
		}
	}()
	reaches(t, "NCPs are up", func() bool {
		open := 0
		for _, n := range e.Status().NCPs {
			if n.Opened {
				open++
			}
		}
		return open > 0 && open >= len(names)
	})
}

// A lone Link is one whose peer is the test.
type lone struct {
	*end
	t    *testing.T
	mu   sync.Mutex
	sent [][]byte
	id   byte
}

func alone(t *testing.T, c Config) *lone {
	l := &lone{t: t}
	c.Send = func(frames []*packet.Buffer, _ bool) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, b := range frames {
			l.sent = append(l.sent, bytes.Clone(b.Bytes()))
		}
		return nil
	}
	l.end = &end{Link: NewLink(c)}
	l.start(t)
	t.Cleanup(func() {
		l.cancel()
		<-l.done
	})
	return l
}

// takes returns what was sent since the last call, without frame headers.
func (l *lone) takes() []frame {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []frame
	for _, p := range l.sent {
		b := buffer(l.t, p)
		protocol, ok := parseFrame(b)
		if !ok {
			l.t.Errorf("sent % x, which is no frame", p)
		}
		out = append(out, frame{protocol, false, b})
	}
	l.sent = nil
	return out
}

// gives hands the Link one packet.
func (l *lone) gives(protocol uint16, pkt []byte) {
	b := buffer(l.t, pkt)
	framing{}.put(b, protocol)
	l.Receive([]*packet.Buffer{b})
	synctest.Wait()
}

func (l *lone) control(protocol uint16, code fsm.Code, id byte, data ...byte) {
	l.gives(protocol, fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: id, Data: data}))
}

// find returns the packets of protocol and code.
func find(frames []frame, protocol uint16, code fsm.Code) []fsm.Packet {
	var out []fsm.Packet
	for _, f := range frames {
		if f.protocol != protocol {
			continue
		}
		if p, err := fsm.ParsePacket(f.Bytes()); err == nil && p.Code == code {
			out = append(out, p)
		}
	}
	return out
}

// one is find where there must be one.
func (l *lone) one(frames []frame, protocol uint16, code fsm.Code) fsm.Packet {
	l.t.Helper()
	found := find(frames, protocol, code)
	if len(found) != 1 {
		l.t.Fatalf("%d packets of %04x with the code %d, want one", len(found), protocol, code)
	}
	return found[0]
}

// agree acknowledges the Link's Configure-Request of protocol and makes one.
func (l *lone) agree(protocol uint16, options ...byte) {
	l.t.Helper()
	l.acknowledge(protocol)
	l.id++
	l.control(protocol, fsm.ConfigureRequest, l.id, options...)
}

// acknowledge takes the Link's last Configure-Request of protocol.
func (l *lone) acknowledge(protocol uint16) {
	l.t.Helper()
	asked := find(l.takes(), protocol, fsm.ConfigureRequest)
	if len(asked) == 0 {
		l.t.Fatalf("no Configure-Request of %04x", protocol)
	}
	p := asked[len(asked)-1]
	l.control(protocol, fsm.ConfigureAck, p.ID, p.Data...)
}

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// Two sites that know each other's secrets.
func dialler(t testing.TB, m ...auth.Method) Config {
	return Config{
		Log:       slog.New(slog.DiscardHandler),
		Prove:     m,
		MustProve: true,
		Peer:      auth.PeerConfig{Name: "branch", Secret: secret.Secret("right horse")},
	}
}

func answerer(t testing.TB, m ...auth.Method) Config {
	return Config{
		Log: slog.New(slog.DiscardHandler),
		Ask: m,
		Authenticator: auth.AuthenticatorConfig{
			Name: "hq",
			Lookup: func(name string) (secret.Secret, bool) {
				return "right horse", name == "branch"
			},
		},
	}
}
