package router

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
)

func TestSocket(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		s, err := lab.OpenSocket(0)
		if err != nil || s.Number() != firstDynamic {
			t.Fatalf("OpenSocket = %v, %v", s, err)
		}
		for _, taken := range []ipx.Socket{s.Number(), ipx.SocketRIP, ipx.SocketSAP, ipx.SocketPing} {
			if _, err := lab.OpenSocket(taken); err == nil {
				t.Errorf("socket %v opened twice", taken)
			}
		}
		for _, tt := range []struct{ to, from string }{
			{hostA, "0000000A:020000000A99:4000"},                        // our node there
			{hostFar, "0000000A:020000000A99:4000"},                      // our first LAN
			{"0000000F:020000000F01:4001", "0000000F:020000000F99:4000"}, // the link's own network
		} {
			if err := s.WriteTo([]byte("hello"), ipx.TypePEP, addr(tt.to)); err != nil {
				t.Fatal(err)
			}
			out := append(lab.wireA.take(), lab.wireL.take()...)
			if h, _, err := ipx.Parse(out[0].pkt); err != nil || len(out) != 1 || h.Src != addr(tt.from) || h.Hops != 0 {
				t.Errorf("to %s: %s", tt.to, show(out))
			}
		}
		if err := s.WriteTo(nil, 0, addr("00000099:020000000A01:0001")); !errors.Is(err, ErrNoRoute) {
			t.Errorf("to nowhere: %v", err)
		}
		if err := s.WriteTo(make([]byte, 1471), 0, addr(hostA)); !errors.Is(err, ipx.TooLong) {
			t.Errorf("1501 octets: %v", err)
		}
		ask(lab.a, pk{from: hostA, to: "0000000A:020000000A99:4000", data: "answer"})
		var b [100]byte
		n, h, err := s.ReadFrom(t.Context(), b[:])
		if err != nil || string(b[:n]) != "answer" || h.Src != addr(hostA) {
			t.Errorf("ReadFrom = %q from %v, %v", b[:n], h.Src, err)
		}
		s.Close()
		s.Close()
		if _, _, err := s.ReadFrom(t.Context(), b[:]); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadFrom after Close: %v", err)
		}
		if err := s.WriteTo(nil, 0, addr(hostA)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteTo after Close: %v", err)
		}
	})
}

// TestPing: two routers, each with a LAN, joined by an unnumbered link.
func TestPing(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var wireC wire
		far := New(Config{})
		go far.Run(t.Context())
		if _, err := far.Attach(Attachment{Name: "c", Network: netFar, Node: node("020000000C99"), Send: &wireC}); err != nil {
			t.Fatal(err)
		}
		delay := 20 * time.Millisecond
		over := func(to **Attached) Interface {
			var one sync.Mutex // at a time calls InputPackets
			return sendFunc(func(_ ipx.Node, pkts []*packet.Buffer) error {
				for _, p := range pkts {
					c := buffer(p.Bytes())
					time.AfterFunc(delay, func() {
						one.Lock()
						defer one.Unlock()
						(*to).InputPackets([]*packet.Buffer{c})
					})
				}
				return nil
			})
		}
		var here, there *Attached
		lab.l.Detach()
		here = lab.attach(t, Attachment{Name: "far", Kind: Link, Node: nodeL, Send: over(&there)})
		lab.addRoutes(here, Route{Network: netFar, Hops: 1, Ticks: 7})
		there, _ = far.Attach(Attachment{Name: "near", Kind: Link, Node: peer, Send: over(&here)})
		there.SetStatic([]Route{{Network: netA, Hops: 1, Ticks: 7}}, nil)

		for _, kind := range []ping.Kind{ping.Novell, ping.Cisco} {
			rtt, hops, err := lab.Ping(t.Context(), kind, netFar, node("020000000C99"), 100)
			if err != nil || rtt != 2*delay || hops != 0 {
				t.Errorf("ping %d: %v, %d hops, %v", kind, rtt, hops, err)
			}
			if _, _, err := lab.Ping(t.Context(), kind, netHome, ipx.ServerNode, 0); err != nil {
				t.Errorf("ping %d of ourselves: %v", kind, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := lab.Ping(ctx, ping.Novell, netFar, node("020000000C01"), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ping of a silent node: %v", err)
		}
	})
}

func TestPingAnswers(t *testing.T) {
	request := string(ping.AppendRequest(nil, 7, make([]byte, 4)))
	reply := string([]byte("Ping\x01\x01\x00\x07\x01\x00\x00\x00\x00\x00"))
	for _, tt := range []struct {
		name, to, data, want string
	}{
		{"Novell", "0000000A:020000000A99:9086", request, reply},
		{"our node on another wire", "0000000B:020000000B99:9086", request, reply},
		{"Cisco", "0000000A:020000000A99:0002", "anything", "anything"},
		{"a reply", "0000000A:020000000A99:9086", reply, ""},
		{"cut", "0000000A:020000000A99:9086", request[:9], ""},
		{"to everybody", "0000000A:FFFFFFFFFFFF:9086", request, ""},
		{"Cisco, to everybody, as DOSBox does", "00000000:FFFFFFFFFFFF:0002", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				input(lab.a, pk{from: hostA, to: tt.to, typ: 2, data: tt.data, hops: 3}.bytes(), ToUs)
				ask(lab.b, ripAsk(hostB, 0x99)) // wait
				out := lab.wireA.take()
				if tt.want == "" {
					if len(out) != 0 {
						t.Errorf("answered: %s", show(out))
					}
					return
				}
				if len(out) != 1 {
					t.Fatalf("%d answers", len(out))
				}
				h, payload, err := ipx.Parse(out[0].pkt)
				if err != nil || h.Src != addr(tt.to) || h.Dst != addr(hostA) || h.Hops != 0 || string(payload) != tt.want {
					t.Errorf("answer %+v %q, %v", h, payload, err)
				}
			})
		})
	}
}

// TestPingsCannotGoOnForEver: a forged packet makes two Cisco responders answer
// each other; there is a limit.
func TestPingsCannotGoOnForEver(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		for range 200 {
			ask(lab.a, pk{from: "0000000A:020000000A01:0002", to: "0000000A:020000000A99:0002"})
		}
		if n := len(lab.wireA.take()); n != pingsPerSecond {
			t.Errorf("%d answers in no time, want %d", n, pingsPerSecond)
		}
	})
}
