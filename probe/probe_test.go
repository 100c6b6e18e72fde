package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sitebridge/control"
)

// A server answers each octet stream as its function does.
func server(t *testing.T, serve func(net.Conn)) Config {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer nc.Close()
				serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return Config{Target: l.Addr().(*net.TCPAddr).AddrPort(), NoCarrier: "no GRE here", Patience: 50 * time.Millisecond, HalfOpen: 3}
}

// rows runs all and returns what came of each attack.
func rows(t *testing.T, cfg Config) (got map[string]Verdict, err error) {
	got = map[string]Verdict{}
	err = Run(t.Context(), cfg, func(r Row) {
		t.Logf("%+v", r)
		got[r.Attack] = r.Verdict
	})
	return got, err
}

// careless is a server that takes every length for what it says, waits for octets that
// do not come, and answers Start and Echo alone.
func careless(nc net.Conn) {
	for {
		head := make([]byte, 12)
		if _, err := io.ReadFull(nc, head); err != nil {
			return
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint16(head))-12))
		if binary.BigEndian.Uint16(head) < 12 {
			body = make([]byte, 1<<16) // a negative length, had it signs
		}
		if _, err := io.ReadFull(nc, body); err != nil {
			return
		}
		var answer control.Message
		switch control.MessageType(binary.BigEndian.Uint16(head[8:])) {
		case control.TypeStartRequest:
			answer = control.StartReply{Version: 0x0100, Result: control.Started}
		case control.TypeEchoRequest:
			answer = control.EchoReply{Identifier: binary.BigEndian.Uint32(append(body, 0, 0, 0, 0)), Result: control.EchoOK}
		default:
			continue
		}
		if _, err := nc.Write(control.Append(nil, answer)); err != nil {
			return
		}
	}
}

// TestFindsAStall: C1 finds the server that waits for ever, and the rest goes on.
func TestFindsAStall(t *testing.T) {
	got, err := rows(t, server(t, careless))
	if err != nil || got["C1"] != Broken || got["C5"] != Held || got["G1"] != Unsure {
		t.Errorf("%v, %v", got, err)
	}
}

// TestFindsTheEnd: a server that ends at an attack is told from one that closes.
func TestFindsTheEnd(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	got, err := rows(t, server(t, func(nc net.Conn) {
		if ctx.Err() != nil {
			return
		}
		var seen bytes.Buffer
		peer, ours := net.Pipe()
		defer peer.Close()
		go careless(ours)
		go io.Copy(nc, peer)
		_, _ = io.Copy(io.MultiWriter(&seen, peer), nc) // until either end closes
		if bytes.Contains(seen.Bytes(), header(300, 65535)) {
			end()
		}
	}))
	if err == nil || got["C3"] != Broken || got["C2"] != Held {
		t.Errorf("%v, %v", got, err)
	}
}

// TestNobodyThere: who does not answer at all is no PPTP server.
func TestNobodyThere(t *testing.T) {
	if got, err := rows(t, server(t, func(net.Conn) {})); err == nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
