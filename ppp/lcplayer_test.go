package ppp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// Protocols that we do not run are rejected, not for ever, and never longer than
// the peer's MRU; NCP packets that come early are not.
func TestUnknownProtocols(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := opened(t, Config{Admit: running(fakeIP(t))}, 600)
		rejected := 0
		for i := range 1000 {
			x.gives([]uint16{0x80fd, 0x8053, 0x00fd, 0x0057}[i%4], make([]byte, 1400))
			for _, f := range x.takes() {
				if p, err := fsm.ParsePacket(f.Bytes()); err != nil || p.Code != codeProtocolReject || f.Len() != 600 {
					t.Fatalf("%v, %d octets", p.Code, f.Len())
				}
				rejected++
			}
		}
		if rejected == 0 || rejected > 8 {
			t.Errorf("%d Protocol-Rejects at once", rejected)
		}
		if d := x.Stats().Drops; d.UnknownProtocol != 1000 {
			t.Errorf("drops %+v", d)
		}
	})
}

func TestEarlyPackets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		c := answerer(t, auth.CHAP)
		c.Admit = running(ip)
		x := alone(t, c)
		early := func() {
			x.gives(0x8021, []byte{1, 1, 0, 4})
			x.gives(0x80fd, []byte{1, 1, 0, 4})
			x.gives(0x0021, []byte{0x45})
		}
		x.takes()
		early()
		if f := x.takes(); len(f) != 0 {
			t.Errorf("%d answers before LCP is open", len(f))
		}
		time.Sleep(1100 * time.Millisecond)
		x.agree(protocolLCP)
		x.takes()
		early()
		if f := x.takes(); len(f) != 0 {
			t.Errorf("%d answers before authentication is over", len(f))
		}
		if d := x.Stats().Drops; d.BeforeLCP != 2 || d.BeforeAuth != 2 || d.BeforeOpen != 2 {
			t.Errorf("drops %+v", d)
		}
	})
}

// All that we send comes back.
func TestLoopedBack(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"plain", Config{}},
		{"asking", answerer(t, auth.CHAP)},
		{"proving", dialler(t, auth.CHAP)},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var l *Link
				ready := make(chan struct{})
				c.cfg.Send = func(frames []*packet.Buffer, _ bool) error {
					<-ready
					l.Receive(frames)
					return nil
				}
				e := &end{Link: NewLink(c.cfg)}
				l = e.Link
				close(ready)
				e.start(t)
				e.over(t, LoopedBack)
			})
		})
	}
	t.Run("once it is up", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := opened(t, Config{}, 1500)
			time.Sleep(11 * time.Second)
			ask := find(x.takes(), protocolLCP, codeEchoRequest)
			x.control(protocolLCP, codeEchoReply, ask[0].ID, ask[0].Data...)
			if n := x.Stats().Drops.OwnEcho; n != 1 {
				t.Errorf("a reply with our own magic number: %d counted", n)
			}
			x.control(protocolLCP, codeEchoRequest, ask[0].ID, ask[0].Data...)
			x.over(t, LoopedBack)
		})
	})
}

// What the other end's operator must not learn is not in our last words.
func TestGoodbyeTellsNoNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d, a := dialler(t, auth.PAP), answerer(t, auth.PAP)
		d.Peer.Name = "nobody"
		x, y := joined(t, d, a)
		var said [][]byte
		y.out.intercept(func(f []byte) [][]byte {
			said = append(said, f)
			return [][]byte{f}
		})
		<-x.done
		e := y.over(t, PeerNotProved)
		if !strings.Contains(e.Reason, "no such name") {
			t.Errorf("reason %q", e.Reason)
		}
		synctest.Wait()
		for _, f := range said {
			if bytes.Contains(f, []byte("such name")) {
				t.Errorf("the peer is told %q", f)
			}
		}
	})
}

func TestFarewell(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", ""},
		{"text", hexOf("bye\x1b"), `: "bye\x1b"`},
		{"Windows", "1a2b3c4d 003ccd74 000002e6", ": Windows error 742"},
		{"like Windows, but longer", "1a2b3c4d 003ccd74 000002e6 00", `: "\x1a+<M\x00<\xcdt\x00\x00\x02\xe6\x00"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := farewell(unhex(t, c.data)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func hexOf(s string) string { return fmt.Sprintf("%x", s) }
