package ppp

import (
	"bytes"
	"fmt"
	"testing"
	"time"

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
