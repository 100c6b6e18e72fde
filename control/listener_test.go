package control

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// A Listener that is told to stop says so to every peer, and waits for them.
func TestListenerStopsInOrder(t *testing.T) {
	wantBaseline := baseline(t)
	h := newHarbour(t, Limits{})
	const peers = 20
	conns := make([]*Conn, peers)
	for i := range conns {
		nc, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		if conns[i], err = Open(t.Context(), nc, Config{}); err != nil {
			t.Fatal(err)
		}
		if _, err := conns[i].Call(t.Context(), CallRequest{ID: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if s := h.Stats(); s.Connections != peers || s.Vacant != 0 || s.In.OutgoingCallRequest != peers {
		t.Errorf("Stats = %+v", s)
	}
	h.stop()
	for _, conn := range conns {
		<-conn.Done()
		var stopped *StoppedError
		if err := conn.Err(); !errors.As(err, &stopped) || stopped.Reason != StopLocalShutdown {
			t.Errorf("Err = %v", err)
		}
		conn.Close()
	}
	if s := h.Stats(); s.Connections != 0 || s.In.StopReply != peers {
		t.Errorf("Stats = %+v", s)
	}
	wantBaseline()
}

// addrs of a connection over real TCP are those of its two ends.
func TestPeerAddresses(t *testing.T) {
	h := newHarbour(t, Limits{})
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Open(t.Context(), nc, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := conn.Peer()
	if p.Remote.String() != h.addr || p.Local.String() != nc.LocalAddr().String() {
		t.Errorf("Peer = %+v", p)
	}
}

// A fickle listener fails with what passes, then with what does not.
type fickle struct {
	net.Listener
	failures int
}

func (f *fickle) Accept() (net.Conn, error) {
	if f.failures--; f.failures >= 0 {
		return nil, syscall.EMFILE
	}
	return nil, net.ErrClosed
}

func (f *fickle) Close() error { return nil }

func TestListenerOutlivesALackOfDescriptors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log lines
		start := time.Now()
		l := Listen(&fickle{failures: 10}, Config{Log: log.logger()}, Limits{})
		err := l.Run(context.Background())
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run = %v, want %v", err, net.ErrClosed)
		}
		if got := since(start); got < 2*time.Second || got > 4*time.Second {
			t.Errorf("10 failures took %v", got)
		}
		if len(log) != 1 {
			t.Errorf("log: %q", log)
		}
	})
}
