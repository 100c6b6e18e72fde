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

// lcpTypes are all option types that LCP has ever had, and some that nobody has.
func lcpTypes() []byte {
	var types []byte
	for typ := range byte(34) {
		types = append(types, typ)
	}
	return append(types, 0x80, 0xff)
}

func TestAttackP1RepeatedOption(t *testing.T) {
	for _, typ := range lcpTypes() {
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				x := alone(t, Config{Prove: []auth.Method{auth.CHAP}})
				x.takes()
				for _, option := range [][]byte{{typ, 2}, {typ, 4, 0, 0}, {typ, 6, 0, 0, 0, 0}} {
					x.control(protocolLCP, fsm.ConfigureRequest, 7, bytes.Repeat(option, 300)...)
					frames := x.takes()
					for _, f := range frames {
						if f.Len() > defaultMRU {
							t.Errorf("reply of %d octets", f.Len())
						}
					}
					rejects := find(frames, protocolLCP, fsm.ConfigureReject)
					if len(rejects) != 1 || len(frames) != 1 || !bytes.Equal(rejects[0].Data, option) {
						t.Errorf("answers to 300 times % x: %d, %v", option, len(frames), rejects)
					}
				}
			})
		})
	}
}

func TestAttackP2OptionLengths(t *testing.T) {
	minimum := map[byte]int{optMRU: 4, optACCM: 6, optAuth: 4, optMagic: 6, optPFC: 2, optACFC: 2}
	for _, typ := range lcpTypes() {
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				x := alone(t, Config{Prove: []auth.Method{auth.CHAP}})
				x.takes()
				least := max(minimum[typ], 2)
				for _, n := range []int{0, 1, 2, least - 1, least + 1, 255} {
					if n == least {
						continue
					}
					option := make([]byte, max(n, 2))
					option[0], option[1] = typ, byte(n)
					if typ == optAuth && n > 4 {
						copy(option[2:], []byte{0xc0, 0x23}) // PAP with a tail
					}
					x.control(protocolLCP, fsm.ConfigureRequest, 7, option...)
					frames := x.takes()
					if n < 2 {
						if len(frames) != 0 {
							t.Errorf("length %d is answered", n)
						}
						continue
					}
					rejects := find(frames, protocolLCP, fsm.ConfigureReject)
					if len(rejects) != 1 || !bytes.Equal(rejects[0].Data, option) {
						t.Errorf("length %d: %d answers, %v", n, len(frames), rejects)
					}
				}
			})
		})
	}
}

func TestAttackP3EmptyNak(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := alone(t, Config{Ask: []auth.Method{auth.CHAP}})
		id := find(x.takes(), protocolLCP, fsm.ConfigureRequest)[0].ID
		for _, code := range []fsm.Code{fsm.ConfigureNak, fsm.ConfigureReject} {
			for typ := range 256 {
				x.control(protocolLCP, code, id, byte(typ))
			}
			x.control(protocolLCP, code, id)
		}
		if f := x.takes(); len(f) != 0 {
			t.Errorf("%d packets in answer to none", len(f))
		}
		if s := x.Status(); s.Phase != PhaseEstablish || s.LCP != "Req-Sent" {
			t.Errorf("phase %v, LCP %v", s.Phase, s.LCP)
		}
	})
}

// The peer Naks all that we ask for, and asks for what it cannot have, each time
// with other values.
func TestAttackP6EndlessNegotiation(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(l *lone, p fsm.Packet, round int)
	}{
		{"Nak with new values", func(l *lone, p fsm.Packet, round int) {
			l.control(protocolLCP, fsm.ConfigureNak, p.ID, optMagic, 6, byte(round), 1, 2, 3)
		}},
		{"Nak between two methods", func(l *lone, p fsm.Packet, round int) {
			l.control(protocolLCP, fsm.ConfigureNak, p.ID, optAuth, 5, 0xc2, 0x23, []byte{0x05, 0x81}[round%2])
		}},
		{"asks for the impossible", func(l *lone, _ fsm.Packet, round int) {
			l.control(protocolLCP, fsm.ConfigureRequest, byte(round), optMRU, 4, 0, byte(round))
		}},
		{"agrees, and asks for the impossible", func(l *lone, p fsm.Packet, round int) {
			l.control(protocolLCP, fsm.ConfigureAck, p.ID, p.Data...)
			l.control(protocolLCP, fsm.ConfigureRequest, byte(round), optAuth, 4, 0xc2, 0x27)
		}},
		{"agrees, and begins anew", func(l *lone, p fsm.Packet, round int) {
			l.control(protocolLCP, fsm.ConfigureAck, p.ID, p.Data...)
			l.control(protocolLCP, fsm.ConfigureRequest, byte(round))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				x := alone(t, Config{Ask: []auth.Method{auth.MSCHAPv2, auth.CHAP}, Prove: []auth.Method{auth.CHAP}})
				sent := 0
				for round := 0; ; round++ {
					select {
					case <-x.done:
						if sent > 400 {
							t.Errorf("the session cost %d packets", sent)
						}
						return
					case <-time.After(10 * time.Millisecond):
					}
					if round > 10_000 {
						t.Fatal("no end")
					}
					frames := x.takes()
					sent += len(frames)
					ours := find(frames, protocolLCP, fsm.ConfigureRequest)
					var last fsm.Packet
					if len(ours) > 0 {
						last = ours[len(ours)-1]
					}
					c.answer(x, last, round)
				}
			})
		})
	}
}

// opened is a lone link in the Network phase, whose peer takes mru octets.
func opened(t *testing.T, c Config, mru uint16) *lone {
	x := alone(t, c)
	x.agree(protocolLCP, optMRU, 4, byte(mru>>8), byte(mru))
	reaches(t, "Network phase", func() bool { return x.Status().Phase == PhaseNetwork })
	x.takes()
	return x
}

func TestAttackP7EchoAmplification(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := opened(t, Config{}, 600)
		big := append([]byte{9, 9, 9, 9}, bytes.Repeat([]byte{0x55}, 1492)...)
		// One second of 10 000 Echo-Requests that are larger than what the peer
		// itself takes.
		replies := 0
		for i := range 10_000 {
			x.control(protocolLCP, codeEchoRequest, byte(i), big...)
			time.Sleep(100 * time.Microsecond)
			for _, f := range x.takes() {
				if f.protocol != protocolLCP || f.Bytes()[0] != byte(codeEchoReply) {
					t.Fatalf("%04x % x", f.protocol, f.Bytes()[:4])
				}
				if f.Len() != 600 {
					t.Fatalf("reply of %d octets, the peer takes 600", f.Len())
				}
				replies++
			}
		}
		if replies < 20 || replies > 45 {
			t.Errorf("%d replies in one second", replies)
		}
		if got := x.Stats().Drops.EchoLimited; got != uint64(10_000-replies) {
			t.Errorf("%d counted", got)
		}
		time.Sleep(5 * time.Second)
		x.control(protocolLCP, codeEchoRequest, 77, 9, 9, 9, 9, 1, 2, 3)
		r := find(x.takes(), protocolLCP, codeEchoReply)
		if len(r) != 1 || r[0].ID != 77 || !bytes.Equal(r[0].Data[magicLen:], []byte{1, 2, 3}) || bytes.Equal(r[0].Data[:magicLen], []byte{9, 9, 9, 9}) {
			t.Errorf("a decent request is answered by %v", r)
		}
	})
}

func TestAttackP7EchoTooShort(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := opened(t, Config{}, 1500)
		for n := range magicLen {
			for code := codeEchoRequest; code <= codeTimeRemaining; code++ {
				x.control(protocolLCP, code, 1, make([]byte, n)...)
			}
		}
		if f := x.takes(); len(f) != 0 {
			t.Errorf("%d answers", len(f))
		}
		if s := x.Status(); s.Phase != PhaseNetwork {
			t.Errorf("phase %v", s.Phase)
		}
	})
}

func TestAttackP8ProtocolReject(t *testing.T) {
	reject := func(x *lone, protocol uint16) {
		x.control(protocolLCP, codeProtocolReject, 1, byte(protocol>>8), byte(protocol), 1, 1, 0, 4)
	}
	t.Run("of LCP", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := opened(t, Config{Admit: running(fakeIP(t))}, 1500)
			reject(x, protocolLCP)
			if e := x.over(t, Rejected); e.Reason != "peer rejects LCP itself" {
				t.Errorf("reason %q", e.Reason)
			}
		})
	})
	t.Run("of the authentication that runs", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := alone(t, answerer(t, auth.CHAP))
			x.agree(protocolLCP)
			reject(x, protocolCHAP)
			x.over(t, Rejected)
		})
	})
	t.Run("of an NCP", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := opened(t, Config{Admit: running(fakeIP(t), fakeIPX(t))}, 1500)
			reject(x, 0x8021)
			reject(x, 0x802b)
			x.over(t, NoNetwork)
		})
	})
	t.Run("of an NCP's data", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := opened(t, Config{Admit: running(fakeIP(t), fakeIPX(t))}, 1500)
			reject(x, 0x0021)
			if s := x.Status(); s.Phase != PhaseNetwork || s.NCPs[0].State != "Stopped" || s.NCPs[1].State != "Req-Sent" {
				t.Errorf("status %+v", s)
			}
		})
	})
	t.Run("of what does not run", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := opened(t, Config{Admit: running(fakeIP(t))}, 1500)
			for _, p := range []uint16{0x80fd, 0x8053, 0xc025, 0, 0xffff} {
				reject(x, p)
			}
			x.control(protocolLCP, codeProtocolReject, 1)
			x.control(protocolLCP, codeProtocolReject, 1, 0xc0)
			if s := x.Status(); s.Phase != PhaseNetwork || len(x.takes()) != 0 {
				t.Errorf("status %+v", s)
			}
		})
	})
	t.Run("before LCP is open", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			x := alone(t, Config{})
			reject(x, protocolLCP)
			if s := x.Status(); s.Phase != PhaseEstablish || s.End != nil {
				t.Errorf("status %+v", s)
			}
		})
	})
}

func TestAttackP9Floods(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := opened(t, Config{}, 1500)
		for i := range 200 {
			x.control(protocolLCP, fsm.CodeReject, byte(i), 0x20, 1, 0, 4) // harmless, never answered
			x.control(protocolLCP, fsm.ConfigureAck, byte(i))              // of nothing
			x.control(protocolLCP, fsm.ConfigureNak, byte(i), optMRU, 4, 5, 0xdc)
			x.control(protocolLCP, fsm.ConfigureReject, byte(i), optPFC, 2)
			x.control(protocolLCP, codeEchoReply, byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
		}
		if f := x.takes(); len(f) != 0 {
			t.Errorf("%d answers to what needs none", len(f))
		}
		if s := x.Status(); s.Phase != PhaseNetwork || s.RoundTrip != 0 {
			t.Errorf("status %+v", s)
		}
		x.control(protocolLCP, 0x20, 9, 1, 2, 3)
		if r := find(x.takes(), protocolLCP, fsm.CodeReject); len(r) != 1 {
			t.Errorf("%d Code-Rejects for an unknown code", len(r))
		}
		for i := range 200 { // each is acknowledged, whatever the state (RFC 1661, section 5.5)
			x.control(protocolLCP, fsm.TerminateRequest, byte(i), []byte("bye")...)
			acks := find(x.takes(), protocolLCP, fsm.TerminateAck)
			if len(acks) != 1 || acks[0].ID != byte(i) {
				t.Fatalf("Terminate-Request %d: %v", i, acks)
			}
		}
		if e := x.over(t, PeerTerminated); e.Reason != `peer ended the link: "bye"` {
			t.Errorf("reason %q", e.Reason)
		}
	})
}

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

// authOptionIn returns the offset of option 3 in a frame with an LCP
// Configure packet of code, or -1.
func authOptionIn(frame []byte, code fsm.Code) int {
	if !bytes.HasPrefix(frame, []byte{0xff, 0x03, 0xc0, 0x21, byte(code)}) {
		return -1
	}
	for off := 8; off+2 <= len(frame) && frame[off+1] >= 2; off += int(frame[off+1]) {
		if frame[off] == optAuth {
			return off
		}
	}
	return -1
}

// Somebody in the middle edits the negotiation towards a weaker method.
func TestAttackA3Downgrade(t *testing.T) {
	// rewrite puts PAP in the place of option 3 of CHAP.
	rewrite := func(f []byte, code fsm.Code) []byte {
		i := authOptionIn(f, code)
		if i < 0 || len(f) < i+5 || f[i+1] != 5 {
			return f
		}
		g := append(bytes.Clone(f[:i]), optAuth, 4, 0xc0, 0x23)
		g = append(g, f[i+5:]...)
		g[7]--
		return g
	}
	remove := func(f []byte) []byte {
		i := authOptionIn(f, fsm.ConfigureRequest)
		if i < 0 {
			return f
		}
		n := f[i+1]
		g := append(bytes.Clone(f[:i]), f[i+int(n):]...)
		g[7] -= n
		return g
	}
	one := func(f []byte) [][]byte { return [][]byte{f} }
	for _, c := range []struct {
		name            string
		fromAnswerer    func([]byte) [][]byte
		fromDialler     func([]byte) [][]byte
		dialler, answer []EndKind
	}{
		{
			name:         "PAP in the answerer's request",
			fromAnswerer: func(f []byte) [][]byte { return one(rewrite(f, fsm.ConfigureRequest)) },
		},
		{
			name:         "no authentication in the answerer's request",
			fromAnswerer: func(f []byte) [][]byte { return one(remove(f)) },
		},
		{
			name: "a forged Nak towards PAP",
			fromDialler: func(f []byte) [][]byte {
				if !bytes.HasPrefix(f, []byte{0xff, 0x03, 0xc0, 0x21, byte(fsm.ConfigureAck)}) {
					return one(f)
				}
				return one([]byte{0xff, 0x03, 0xc0, 0x21, byte(fsm.ConfigureNak), f[5], 0, 8, optAuth, 4, 0xc0, 0x23})
			},
		},
		{
			name: "a forged Reject",
			fromDialler: func(f []byte) [][]byte {
				i := authOptionIn(f, fsm.ConfigureAck)
				if i < 0 {
					return one(f)
				}
				return one(append([]byte{0xff, 0x03, 0xc0, 0x21, byte(fsm.ConfigureReject), f[5], 0, 9}, f[i:i+5]...))
			},
		},
		{
			name:         "PAP to both",
			fromAnswerer: func(f []byte) [][]byte { return one(rewrite(f, fsm.ConfigureRequest)) },
			fromDialler:  func(f []byte) [][]byte { return one(rewrite(f, fsm.ConfigureNak)) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				d, a := dialler(t, auth.MSCHAPv2, auth.CHAP), answerer(t, auth.MSCHAPv2, auth.CHAP)
				admitted := false
				d.Admit = func(Identity) (Network, error) { admitted = true; return Network{}, nil }
				a.Admit = d.Admit
				x, y := joined(t, d, a)
				spy := func(hook func([]byte) [][]byte) func([]byte) [][]byte {
					return func(f []byte) [][]byte {
						if bytes.Contains(f, []byte("right horse")) {
							t.Error("the secret is on the line in clear")
						}
						if hook == nil {
							return one(f)
						}
						return hook(f)
					}
				}
				x.out.intercept(spy(c.fromDialler))
				y.out.intercept(spy(c.fromAnswerer))
				<-x.done
				<-y.done
				if admitted {
					t.Error("somebody was admitted")
				}
				for _, e := range []*end{x, y} {
					if err, ok := e.err.(*End); !ok || err.Reason == "" {
						t.Errorf("ended with %v", e.err)
					}
				}
			})
		})
	}
}

func TestAttackA5EAPNotNegotiated(t *testing.T) {
	eap := func(x *lone) {
		for _, n := range []int{0, 1, 4, 255, 256, 1500, 2000} {
			for _, code := range []fsm.Code{1, 2, 3, 4} {
				data := append([]byte{4, 16}, bytes.Repeat([]byte{'A'}, n)...)
				x.control(protocolEAP, code, 1, data...)
				pkt := fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: 1, Data: data})
				pkt[2], pkt[3] = 0xff, 0xff // a length of 65 535
				x.gives(protocolEAP, pkt)
			}
		}
		if f := x.takes(); len(f) != 0 {
			x.t.Errorf("EAP is answered by %04x % x", f[0].protocol, f[0].Bytes())
		}
	}
	inBubble(t, func(t *testing.T) {
		x := alone(t, answerer(t, auth.CHAP))
		x.takes()
		eap(x)
		if d := x.Stats().Drops; d.BeforeLCP != 56 {
			t.Errorf("drops %+v", d)
		}
		time.Sleep(1100 * time.Millisecond)
		x.agree(protocolLCP)
		x.takes()
		eap(x)
		if d := x.Stats().Drops; d.AuthNotAgreed != 56 {
			t.Errorf("drops %+v", d)
		}
	})
	inBubble(t, func(t *testing.T) {
		x := opened(t, Config{}, 1500)
		eap(x)
		if s := x.Status(); s.Phase != PhaseNetwork || s.Stats.Drops.AuthNotAgreed != 56 {
			t.Errorf("status %+v", s)
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
