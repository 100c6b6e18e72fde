package control

import (
	"context"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// tcpPair returns the two ends of a TCP connection with small buffers, smaller
// from us to the peer.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	nl := listenTCP(t)
	defer nl.Close()
	dialled, err := net.Dial("tcp", nl.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := nl.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = taken.(*net.TCPConn), dialled.(*net.TCPConn)
	ours.SetWriteBuffer(4 << 10)
	theirs.SetReadBuffer(4 << 10)
	ours.SetReadBuffer(64 << 10)
	theirs.SetWriteBuffer(64 << 10)
	return ours, theirs
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return nl
}

// until waits for a condition that other goroutines or the kernel bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for give := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(give) {
			t.Errorf("not in 10 s: %s", what)
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// A harbour is a running Listener that accepts every call.
type harbour struct {
	*Listener
	addr string
	stop func() // and wait
}

func newHarbour(t *testing.T, limits Limits) *harbour {
	t.Helper()
	nl := listenTCP(t)
	cfg := Config{StopTimeout: time.Second, Answer: func(o *Offer) { o.Accept(1, 64) }}
	h := &harbour{Listener: Listen(nl, cfg, limits), addr: nl.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// baseline returns a function that waits until the process has no more descriptors and goroutines
// than now.
func baseline(t *testing.T) (want func()) {
	fds, goroutines := descriptors(t), runtime.NumGoroutine()
	return func() {
		t.Helper()
		until(t, "descriptors return to where they were", func() bool { return descriptors(t) <= fds })
		until(t, "goroutines return to where they were", func() bool { return runtime.NumGoroutine() <= goroutines })
	}
}
