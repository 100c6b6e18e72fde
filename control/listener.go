package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// errEvicted ends a vacant connection for which there was no more room.
var errEvicted = errors.New("too many connections without a call")

// A Listener answers on TCP port 1723, within Limits.
type Listener struct {
	nl     net.Listener
	cfg    Config
	limits Limits
	lobby  *lobby
	count  counters
	warn   ration
	deaf   atomic.Bool // Deafen was called
}

// Listen returns a Listener that owns nl and answers as cfg says.
func Listen(nl net.Listener, cfg Config, limits Limits) *Listener {
	limits = limits.withDefaults()
	return &Listener{
		nl:     nl,
		cfg:    cfg.withDefaults(),
		limits: limits,
		lobby:  newLobby(limits),
		warn:   ration{every: 10 * time.Second},
	}
}

// Addr returns the address that the Listener answers on.
func (l *Listener) Addr() net.Addr { return l.nl.Addr() }

// ListenerStats is what a Listener has seen.
type ListenerStats struct {
	Stats              // of all its connections, past and present
	Connections uint64 `json:"connections"` // now
	Vacant      uint64 `json:"vacant"`      // now, of those: without a call
	Evicted     uint64 `json:"evicted"`     // vacant ones, for newer ones
	Refused     uint64 `json:"refused"`     // when all places had calls
}

// Stats returns what the Listener has seen.
func (l *Listener) Stats() ListenerStats {
	l.lobby.mu.Lock()
	defer l.lobby.mu.Unlock()
	return ListenerStats{
		Stats:       l.count.stats(),
		Connections: uint64(l.lobby.total),
		Vacant:      uint64(l.lobby.waiting),
		Evicted:     l.lobby.evicted,
		Refused:     l.lobby.refused,
	}
}

// Deafen closes the listening socket. The connections that are there go on, and Run
// returns when the last of them has ended.
func (l *Listener) Deafen() {
	l.deaf.Store(true)
	l.nl.Close()
}

// Run answers until ctx ends; then it stops all connections in order, waits for
// them, and returns nil.
func (l *Listener) Run(ctx context.Context) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before Wait
	stop := context.AfterFunc(ctx, func() { l.nl.Close() })
	defer stop()
	for {
		nc, err := l.accept(ctx)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case err != nil && l.deaf.Load():
			serving.Wait()
			return nil
		case err != nil:
			return fmt.Errorf("accept control connections: %w", err)
		}
		l.serve(ctx, &serving, nc)
	}
}

// accept accepts one connection. What is wrong with the newcomer, or a lack of
// descriptors, passes; only the end of the listening socket is an error.
func (l *Listener) accept(ctx context.Context) (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		nc, err := l.nl.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return nc, err
		}
		l.warning("cannot accept a control connection", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve lets nc in and starts its goroutine. The lobby knows nc before the next
// one is accepted, so its bounds are exact.
func (l *Listener) serve(ctx context.Context, serving *sync.WaitGroup, nc net.Conn) {
	ctx, cancel := context.WithCancelCause(ctx)
	remote := addrPort(nc.RemoteAddr())
	g := &guest{source: remote.Addr(), evict: func() {
		cancel(errEvicted)
		nc.Close()
	}}
	if !l.lobby.enter(g) {
		cancel(nil)
		nc.Close()
		l.warning("control connection refused", "peer", remote, "error", "too many connections with calls")
		return
	}
	opt := options{
		startTimeout: l.limits.StartTimeout,
		callTimeout:  l.limits.CallTimeout,
		callCount:    func(calls int) { l.lobby.update(g, calls) },
		ending:       func() { l.lobby.finish(g) },
		parent:       &l.count,
	}
	c := newConn(nc, l.cfg, opt)
	serving.Go(func() {
		defer cancel(nil)
		defer l.lobby.leave(g)
		l.tellEnd(remote, c.serve(ctx))
	})
}

func (l *Listener) tellEnd(remote netip.AddrPort, err error) {
	if worthTelling(err) {
		l.warning("control connection ended", "peer", remote, "error", err)
	}
}

// worthTelling tells the ends that are somebody's fault from everyday ones.
// Whoever has a call on the connection learns of its end there.
func worthTelling(err error) bool {
	var stopped *StoppedError
	return err != nil && !errors.Is(err, ErrPeerClosed) && !errors.As(err, &stopped)
}

// warning logs, but only so often: strangers decide how much there is to say.
func (l *Listener) warning(message string, args ...any) {
	if held, ok := l.warn.take(time.Now()); ok {
		l.cfg.Log.Warn(message, append(args, "similar_since_last", held)...)
	}
}
