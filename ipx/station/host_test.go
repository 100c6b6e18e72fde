package station

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

var (
	ours   = ipx.Node{2, 0, 0, 0, 0, 1}
	theirs = ipx.Node{2, 0, 0, 0, 0, 2}
)

// onHub runs a test with a host and a peer on one wire, in virtual time. The peer
// says what answer returns to every packet in its frame type.
func onHub(t *testing.T, enc ipx.Encapsulation, answer func(s *peer, h ipx.Header, payload []byte), test func(ctx context.Context, h *Host)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		hub := port.NewHub()
		h := NewHost(hub.Port("us", ours, false))
		s := &peer{hub.Port("them", theirs, false), enc, ctx}
		go h.Run(ctx)
		go s.Run(ctx, func(frames []port.Frame) {
			for _, f := range frames {
				if head, payload, err := ipx.Parse(f.Packet.Bytes()); err == nil && f.Encap == enc {
					answer(s, head, slices.Clone(payload))
				}
			}
		})
		test(ctx, h)
	})
}

type peer struct {
	port.Port
	enc ipx.Encapsulation
	ctx context.Context
}

// say sends one packet to us.
func (s *peer) say(src, dst ipx.Addr, payload []byte) {
	b := packet.Get()
	defer packet.Put(b)
	b.Set(ipx.AppendPacket(nil, ipx.Header{Src: src, Dst: dst}, payload))
	s.Send(s.enc, ours, theirs, []*packet.Buffer{b})
}

func routes(entries ...rip.Entry) []byte {
	return rip.Message{Operation: rip.OpResponse, Entries: entries}.Append(nil)
}

// onNetwork gives us a number by answering.
func onNetwork(n ipx.Network, a ipx.Addr) ipx.Addr { a.Network = n; return a }

var aRouter = ipx.Addr{Network: 0x10, Node: theirs, Socket: ipx.SocketRIP}

func TestHostAsksInEveryFrameType(t *testing.T) {
	for enc := range ipx.Encapsulation(ipx.Encapsulations) {
		onHub(t, enc, func(s *peer, h ipx.Header, _ []byte) {
			if h.Dst.Socket == ipx.SocketRIP {
				s.say(aRouter, onNetwork(0x10, h.Src), routes(rip.Entry{Network: 0x20, Hops: 1, Ticks: 2}))
			}
		}, func(ctx context.Context, h *Host) {
			began := time.Now()
			ways, err := h.Ways(ctx, 0x20)
			if err != nil || len(ways) != 1 || ways[0].Router != theirs || ways[0].Encapsulation != enc || ways[0].Guessed {
				t.Errorf("%v: %+v, %v", enc, ways, err)
			}
			if took := time.Since(began); took != betterWait {
				t.Errorf("%v: took %v", enc, took)
			}
			if n := h.Networks(); len(n) != 1 || n[enc] != 0x10 {
				t.Errorf("%v: networks %v", enc, n)
			}
			found, err := h.Routes(ctx, Patience{Least: time.Second, Quiet: time.Second, Most: time.Minute})
			if err != nil || len(found) != 1 || found[0] != (RouteReport{rip.Entry{Network: 0x20, Hops: 1, Ticks: 2}, Teller{enc, theirs}}) {
				t.Errorf("%v: routes %+v, %v", enc, found, err)
			}
		})
	}
}

func TestHostAnswersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer synctest.Wait()
		defer cancel()
		hub := port.NewHub()
		silent, asking := NewHost(hub.Port("silent", theirs, false), ipx.EthernetII), NewHost(hub.Port("asking", ours, false), ipx.EthernetII)
		go silent.Run(ctx)
		go asking.Run(ctx)
		ways, err := asking.Ways(ctx, ipx.ThisNetwork)
		if err != nil || len(ways) != 1 || !ways[0].Guessed {
			t.Fatalf("%+v, %v", ways, err)
		}
		if pong, err := asking.Ping(ctx, ping.Novell, ways, theirs, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", pong, err)
		}
	})
}

// Who floods makes us wait no longer than Most, and keep no more than MaxReports.
func TestAttackX3AnswersWithoutEnd(t *testing.T) {
	onHub(t, ipx.EthernetII, func(s *peer, h ipx.Header, _ []byte) {
		if h.Dst.Socket != ipx.SocketRIP && h.Dst.Socket != ipx.SocketSAP {
			return
		}
		src := ipx.Addr{Network: 0x10, Node: theirs, Socket: h.Dst.Socket}
		go func() {
			for n := uint32(1); ; n++ {
				select {
				case <-s.ctx.Done():
					return
				case <-time.After(10 * time.Millisecond):
				}
				if src.Socket == ipx.SocketRIP {
					m := rip.Message{Operation: rip.OpResponse}
					for i := range uint32(180) {
						m.Entries = append(m.Entries, rip.Entry{Network: ipx.Network(n*180 + i), Hops: 1})
					}
					s.say(src, h.Src, m.Append(nil))
				} else {
					m := sap.Message{Operation: sap.OpResponse}
					for i := range uint32(20) {
						m.Services = append(m.Services, sap.Service{Type: 4, Name: "X", Addr: ipx.Addr{Network: ipx.Network(n*20 + i)}})
					}
					s.say(src, h.Src, m.Append(nil))
				}
			}
		}()
	}, func(ctx context.Context, h *Host) {
		p := Patience{Least: time.Second, Quiet: 2 * time.Second, Most: 20 * time.Second}
		for name, ask := range map[string]func() (int, error){
			"routes":   func() (int, error) { r, err := h.Routes(ctx, p); return len(r), err },
			"services": func() (int, error) { s, err := h.Services(ctx, sap.AnyType, p); return len(s), err },
		} {
			began := time.Now()
			n, err := ask()
			if took := time.Since(began); err != nil || n > MaxReports || n < 1000 || took > p.Most {
				t.Errorf("%s: %d after %v, %v", name, n, took, err)
			}
		}
	})
}

func TestPatience(t *testing.T) {
	p := Patience{Least: 3 * time.Second, Quiet: 2 * time.Second, Most: 10 * time.Second}
	began := time.Unix(100, 0)
	for _, c := range []struct {
		news time.Time
		end  int64
	}{{time.Time{}, 103}, {time.Unix(100, 0), 103}, {time.Unix(102, 0), 104}, {time.Unix(107, 0), 109}, {time.Unix(109, 0), 110}} {
		if got := p.end(began, c.news); got != time.Unix(c.end, 0) {
			t.Errorf("news at %v: ends at %v, want %d", c.news, got, c.end)
		}
	}
}

// What goes away while we look is not in the list, if who says so also told of it.
func TestServicesThatGo(t *testing.T) {
	found := map[serviceKey]ServiceReport{}
	near, far := Teller{ipx.EthernetII, theirs}, Teller{ipx.EthernetII, ours}
	s := sap.Service{Type: 4, Name: "A", Hops: 3}
	nearer, gone := s, s
	nearer.Hops, gone.Hops = 1, sap.Infinity
	if !takeService(found, s, far) || takeService(found, s, far) || takeService(found, nearer, near) {
		t.Error("it is news once")
	}
	if takeService(found, s, far); found[serviceKey{4, "A", ipx.Addr{}}].By != near {
		t.Error("the nearer teller was forgotten")
	}
	if takeService(found, gone, far); len(found) != 1 {
		t.Error("gone, says who is not the nearest")
	}
	if takeService(found, gone, near); len(found) != 0 {
		t.Error("still there")
	}
}
