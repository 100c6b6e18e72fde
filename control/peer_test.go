package control

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A testPeer is the other end of a connection under test: it says exactly what
// a test has it say.
type testPeer struct {
	t  *testing.T
	nc net.Conn
	in stream
}

func newTestPeer(t *testing.T, nc net.Conn) *testPeer {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	return &testPeer{t: t, nc: nc, in: stream{r: nc}}
}

func (p *testPeer) send(messages ...Message) {
	p.t.Helper()
	var b []byte
	for _, m := range messages {
		b = Append(b, m)
	}
	p.write(b)
}

func (p *testPeer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("peer writes: %v", err)
	}
}

// next returns the next message, which must be an M.
func next[M Message](p *testPeer) M {
	p.t.Helper()
	m, err := p.in.next()
	if err != nil {
		p.t.Fatalf("peer reads %v, want %T", err, *new(M))
	}
	got, ok := m.(M)
	if !ok {
		p.t.Fatalf("peer got %+v, want %T", m, *new(M))
	}
	return got
}

func (p *testPeer) expect(want Message) {
	p.t.Helper()
	if m, err := p.in.next(); m != want {
		p.t.Fatalf("peer got %+v, %v, want %+v", m, err, want)
	}
}

// expectEnd waits for the end of the connection without a further message.
func (p *testPeer) expectEnd() {
	p.t.Helper()
	m, err := p.in.next()
	var timeout net.Error
	if m != nil || errors.As(err, &timeout) && timeout.Timeout() {
		p.t.Fatalf("peer got %+v, %v, want the end", m, err)
	}
}

// drain reads in the background until the end, for peers that do not care.
func (p *testPeer) drain() { go io.Copy(io.Discard, p.nc) }

var (
	okRequest = StartRequest{Version: 0x0100, Framing: 1, Bearer: 1, Firmware: 2600, Vendor: MakeText("Microsoft Windows NT")}
	okReply   = StartReply{Version: 0x0100, Result: Started, Framing: 3, Bearer: 3, Host: MakeText("pac")}
)

// dialled returns an established connection that we opened, and its peer.
func dialled(t *testing.T, cfg Config) (*Conn, *testPeer) {
	t.Helper()
	ours, theirs := net.Pipe()
	peer := newTestPeer(t, theirs)
	var conn *Conn
	var err error
	opened := make(chan struct{})
	go func() {
		conn, err = Open(t.Context(), ours, cfg)
		close(opened)
	}()
	next[StartRequest](peer)
	peer.send(okReply)
	<-opened
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return conn, peer
}

// A served is a connection that we accepted.
type served struct {
	stop   context.CancelFunc
	result chan error // what Serve returned
}

// accepted returns an established connection that the peer opened.
func accepted(t *testing.T, cfg Config) (*served, *testPeer) {
	t.Helper()
	s, peer := acceptedIdle(t, cfg)
	peer.send(okRequest)
	if m := next[StartReply](peer); m.Result != Started {
		t.Fatalf("Start-Control-Connection-Reply = %+v", m)
	}
	return s, peer
}

// acceptedIdle returns one on which nothing has been said.
func acceptedIdle(t *testing.T, cfg Config) (*served, *testPeer) {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	s := &served{stop: stop, result: make(chan error, 1)}
	go func() { s.result <- Serve(ctx, ours, cfg) }()
	return s, newTestPeer(t, theirs)
}

// wantEnd waits for Serve to return with an error like want.
func wantEnd[E error](t *testing.T, s *served) (e E) {
	t.Helper()
	err := <-s.result
	if !errors.As(err, &e) {
		t.Fatalf("Serve = %v, want a %T", err, e)
	}
	return e
}

// bubble runs a test in virtual time. At its end no goroutine may be left.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// since is how much virtual time has passed.
func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }
