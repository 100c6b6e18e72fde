package ppp

import (
	"bytes"
	"testing"
	"time"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

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
				d.Admit = func(Admission) (Network, error) { admitted = true; return Network{}, nil }
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
