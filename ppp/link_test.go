package ppp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

func TestLinksComeUp(t *testing.T) {
	for _, methods := range [][]auth.Method{nil, {auth.PAP}, {auth.CHAP}, {auth.MSCHAPv2}} {
		t.Run(words(methods), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, methods...), answerer(t, methods...)
				a.MustProve = methods != nil
				a.MRU = 1400
				ipA, ipB, ipxB := fakeIP(t), fakeIP(t), fakeIPX(t)
				var who Identity
				a.Admit = running(ipA, fakeIPX(t))
				b.Admit = func(id Admission) (Network, error) {
					who = id.Identity
					return Network{NCPs: []NCP{ipB, ipxB}}, nil
				}
				began := time.Now()
				x, y := joined(t, a, b)
				x.up(t, "IPCP", "IPXCP")
				y.up(t, "IPCP", "IPXCP")
				if took := time.Since(began); took > time.Second {
					t.Errorf("took %v on a line without loss", took)
				}
				want := Identity{}
				if methods != nil {
					want = Identity{Name: "branch", Method: methods[0], Proved: true}
				}
				if who != want {
					t.Errorf("peer is %+v, want %+v", who, want)
				}
				if got := y.PeerMRU(); got != 1400 {
					t.Errorf("peer's MRU is %d, want 1400", got)
				}
				send(t, x.Link, 0x0021, "over")
				reaches(t, "data arrives", func() bool { _, _, got := ipB.counts(); return got == 1 })
				// PFC and ACFC were agreed: one octet of header.
				if s := x.Stats(); s.PacketsOut != 1 || s.OctetsOut != 5 {
					t.Errorf("sent %d packets, %d octets, want 1, 5", s.PacketsOut, s.OctetsOut)
				}
			})
		})
	}
}

func send(t testing.TB, l *Link, protocol uint16, text string) {
	t.Helper()
	b := buffer(t, []byte(text))
	defer packet.Put(b)
	if err := l.Send(protocol, []*packet.Buffer{b}, false); err != nil {
		t.Errorf("send: %v", err)
	}
}

// Both ends ask, with secrets of their own for each direction.
func TestBothSidesProve(t *testing.T) {
	for _, m := range []auth.Method{auth.PAP, auth.CHAP, auth.MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, m), answerer(t, m)
				a.Ask, b.Prove = a.Prove, b.Ask
				a.Authenticator = auth.AuthenticatorConfig{Name: "branch", Lookup: func(name string) (secret.Secret, bool) {
					return "other secret", name == "hq"
				}}
				b.Peer = auth.PeerConfig{Name: "hq", Secret: "other secret"}
				a.Admit, b.Admit = running(fakeIP(t)), running(fakeIP(t))
				x, y := joined(t, a, b)
				x.up(t)
				y.up(t)
				if got := x.Status().Peer.Name; got != "hq" {
					t.Errorf("dialler's peer is %q", got)
				}
				if got := y.Status().Peer.Name; got != "branch" {
					t.Errorf("answerer's peer is %q", got)
				}
			})
		})
	}
}

// A stranger who calls and asks us to prove ourselves gets nothing to work on
// until he has proved himself: not the secret by PAP, not an answer by CHAP.
func TestAnswererProvesItselfLast(t *testing.T) {
	for _, c := range []struct {
		method auth.Method
		option []byte
	}{
		{auth.PAP, []byte{3, 4, 0xc0, 0x23}},
		{auth.CHAP, []byte{3, 5, 0xc2, 0x23, 5}},
	} {
		t.Run(c.method.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := answerer(t, c.method)
				a.Prove = a.Ask
				a.Peer = auth.PeerConfig{Name: "hq", Secret: "other secret"}
				x := alone(t, a)
				x.agree(protocolLCP, c.option...)
				challenge := append([]byte{16}, make([]byte, 16)...)
				for id := range byte(5) {
					x.control(protocolCHAP, 1, id, append(challenge, "branch"...)...)
					time.Sleep(3 * time.Second)
				}
				frames := x.takes()
				if got := append(find(frames, protocolPAP, 1), find(frames, protocolCHAP, 2)...); len(got) > 0 {
					t.Errorf("told a stranger %x", got)
				}
			})
		})
	}
}

// The line loses, repeats and reorders. Negotiation gets through, and nothing
// is delivered before Up.
func TestBadLine(t *testing.T) {
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, auth.CHAP), answerer(t, auth.CHAP)
				ip := fakeIP(t)
				a.Admit, b.Admit = running(fakeIP(t), fakeIPX(t)), running(ip, fakeIPX(t))
				x, y := joined(t, a, b)
				x.out.intercept(badLine(uint32(2*seed + 1)))
				y.out.intercept(badLine(uint32(2*seed + 2)))
				x.up(t, "IPCP", "IPXCP")
				y.up(t, "IPCP", "IPXCP")
				reaches(t, "data gets through", func() bool {
					b := buffer(t, []byte("again"))
					x.Send(0x0021, []*packet.Buffer{b}, false)
					_, _, got := ip.counts()
					return got > 0
				})
			})
		})
	}
}

// badLine loses every fifth frame, repeats every fifth and holds every fifth
// back until the next, by a generator that is the same each time.
func badLine(seed uint32) func([]byte) [][]byte {
	var held []byte
	return func(f []byte) [][]byte {
		seed = seed*1664525 + 1013904223
		var out [][]byte
		switch seed >> 16 % 5 {
		case 0:
		case 1:
			out = append(out, f, f)
		case 2:
			if held == nil {
				held = f
				return nil
			}
			fallthrough
		default:
			out = append(out, f)
		}
		if held != nil {
			out, held = append(out, held), nil
		}
		return out
	}
}

// LCP negotiated again in Opened takes everything down and up once more, whom
// the peer is included.
func TestRenegotiation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		a, b := dialler(t, auth.CHAP), answerer(t, auth.CHAP)
		a.Admit, b.Admit = running(fakeIP(t)), running(ip)
		x, y := joined(t, a, b)
		x.up(t)
		y.up(t)
		pkt := unhex(t, "ff03 c021 01 77 0004")
		buf := buffer(t, pkt)
		y.Receive([]*packet.Buffer{buf})
		synctest.Wait()
		if p := y.Status().Phase; p != PhaseEstablish {
			t.Errorf("phase %v after a Configure-Request", p)
		}
		if err := y.Send(0x0021, []*packet.Buffer{buffer(t, []byte{1})}, false); !errors.Is(err, ErrNotOpen) {
			t.Errorf("Send while LCP negotiates: %v", err)
		}
		reaches(t, "the NCP is up again", func() bool { ups, downs, _ := ip.counts(); return ups == 2 && downs == 1 })
	})
}

// A peer that asks for the proof again while traffic runs gets it, by the same name, and
// nothing is negotiated anew or lost for that.
func TestChallengedAgainUnderLoad(t *testing.T) {
	for _, m := range []auth.Method{auth.CHAP, auth.MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ipA, ipB := fakeIP(t), fakeIP(t)
				a, b := dialler(t, m), answerer(t, m)
				a.Admit, b.Admit = running(ipA), running(ipB)
				x, y := joined(t, a, b)
				x.up(t)
				y.up(t)
				var answers, configures atomic.Int32
				x.out.intercept(func(f []byte) [][]byte {
					if i := bytes.Index(f, []byte{0xc2, 0x23, 2, 0x77}); i >= 0 && bytes.HasSuffix(f, []byte("branch")) {
						answers.Add(1)
						return nil // who asked is not y
					}
					if bytes.Contains(f, []byte{0xc0, 0x21, 1}) || bytes.Contains(f, []byte{0x80, 0x21, 1}) {
						configures.Add(1)
					}
					return [][]byte{f}
				})
				const n = 300
				for i := range n {
					if i == n/2 {
						x.Receive([]*packet.Buffer{buffer(t, unhex(t, "ff03 c223 01 77 0017 10 000102030405060708090a0b0c0d0e0f 6871"))})
					}
					send(t, x.Link, 0x0021, "to y")
					send(t, y.Link, 0x0021, "to x")
					time.Sleep(10 * time.Millisecond)
				}
				for _, ip := range []*fakeNCP{ipA, ipB} {
					reaches(t, "all of it arrives", func() bool { _, _, got := ip.counts(); return got == n })
					if ups, downs, _ := ip.counts(); ups != 1 || downs != 0 {
						t.Errorf("up %d times, down %d", ups, downs)
					}
				}
				if x.Status().Phase != PhaseNetwork || answers.Load() != 1 || configures.Load() != 0 {
					t.Errorf("%v, %d answers, %d Configure-Requests", x.Status().Phase, answers.Load(), configures.Load())
				}
			})
		})
	}
}

// One NCP that goes down, or is refused, does not end the link while another
// that is required lives (accel-ppp #57).
func TestLinkLivesWithOneNCP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		a := Config{Admit: running(ip, fakeIPX(t))}
		b := Config{Admit: running(fakeIP(t))}
		x, y := joined(t, a, b)
		x.up(t)
		y.up(t)
		time.Sleep(2 * time.Minute)
		if s := x.Status(); s.Phase != PhaseNetwork || s.NCPs[1].State != "Stopped" || !strings.Contains(s.NCPs[1].Reason, "Protocol-Reject") {
			t.Errorf("status %+v", s)
		}
		send(t, y.Link, 0x0021, "lives")
		reaches(t, "data arrives", func() bool { _, _, got := ip.counts(); return got == 1 })
	})
}

// A layer that could not come up, beside one that lives, tries again by itself.
func TestNCPThatGaveUpTriesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ipx := fakeIPX(t)
		ipx.refuse = errors.New("network 00000010 is in use")
		a := Config{Admit: running(fakeIP(t), ipx)}
		b := Config{Admit: running(fakeIP(t), fakeIPX(t))}
		x, y := joined(t, a, b)
		reaches(t, "IPXCP is refused", func() bool { s := x.Status(); return len(s.NCPs) == 2 && s.NCPs[1].Reason != "" && s.NCPs[0].Opened })
		ipx.allow()
		time.Sleep(2 * reopenAfter)
		x.up(t)
		y.up(t)
	})
}

// One layer that its owner does not want any more is closed with its reason; the
// others go on, and it is tried again later.
func TestCloseLayer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := Config{Admit: running(fakeIP(t), fakeIPX(t))}
		b := Config{Admit: running(fakeIP(t), fakeIPX(t))}
		x, y := joined(t, a, b)
		x.up(t)
		y.up(t)
		x.CloseLayer("IPXCP", "the peer does not answer IPXWAN")
		reaches(t, "IPXCP is closed, IPCP is not", func() bool {
			s := x.Status()
			return !s.NCPs[1].Opened && s.NCPs[1].Reason == "the peer does not answer IPXWAN" && s.NCPs[0].Opened
		})
		time.Sleep(2 * reopenAfter)
		x.up(t)
		y.up(t)
	})
}

func TestRequired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		admit := func(Admission) (Network, error) {
			return Network{NCPs: []NCP{fakeIP(t), fakeIPX(t)}, Required: []string{"IPXCP"}}, nil
		}
		x, _ := joined(t, Config{Admit: admit}, Config{Admit: running(fakeIP(t))})
		e := x.over(t, NoNetwork)
		if !strings.Contains(e.Reason, "IPXCP") || strings.Contains(e.Reason, "IPCP:") && !strings.Contains(e.Reason, "IPXCP:") {
			t.Errorf("reason %q", e.Reason)
		}
	})
}

func TestNCPRefusesToComeUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bad := fakeIP(t)
		bad.refuse = errors.New("address 10.0.0.1 is in use")
		x, _ := joined(t, Config{Admit: running(bad)}, Config{Admit: running(fakeIP(t))})
		e := x.over(t, NoNetwork)
		if !strings.Contains(e.Reason, "address 10.0.0.1 is in use") {
			t.Errorf("reason %q", e.Reason)
		}
		if _, downs, _ := bad.counts(); downs != 0 {
			t.Errorf("Down %d times after an Up that failed", downs)
		}
	})
}

// A line that fails when the network protocols begin is no refusal: whoever
// dials must not wait as long as for a peer that wants something else.
func TestLineFailsBeforeNCPs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		off := func(n NCP) func(Admission) (Network, error) {
			return func(Admission) (Network, error) { return Network{NCPs: []NCP{n}, Echo: Echo{Off: true}}, nil }
		}
		x, y := joined(t, Config{Admit: off(fakeIP(t))}, Config{Admit: off(fakeIP(t))})
		withoutNCPs := func(f []byte) [][]byte {
			if protocol, _ := parseFrame(buffer(t, f)); protocol == 0x8021 {
				return nil
			}
			return [][]byte{f}
		}
		x.out.intercept(withoutNCPs)
		y.out.intercept(withoutNCPs)
		if e := x.over(t, NoAnswer); !strings.Contains(e.Reason, "IPCP: no answer to 10 Configure-Requests") {
			t.Errorf("reason %q", e.Reason)
		}
	})
}

// An NCP may send from its Up.
func TestSendFromUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip, got := fakeIP(t), fakeIP(t)
		made := make(chan *Link, 1)
		ip.onUp = func() { send(t, <-made, 0x0021, "first") }
		x, _ := joined(t, Config{Admit: running(ip)}, Config{Admit: running(got)})
		made <- x.Link
		x.up(t)
		if s := x.Stats(); s.PacketsOut != 1 || s.Drops.NotOpen != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		changes := 0
		a, b := dialler(t, auth.MSCHAPv2), answerer(t, auth.MSCHAPv2)
		a.Admit, b.Admit = running(fakeIP(t)), running(fakeIP(t))
		b.Changed = func() { changes++ }
		x, y := joined(t, a, b)
		x.up(t)
		y.up(t)
		for _, text := range []string{"MSRASV5.20", "MSRAS-0-\x1b[31mHOST", "MSRASV5.20"} {
			pkt := append(unhex(t, "ff03 c021 0c 01"), 0, byte(8+len(text)), 1, 2, 3, 4)
			y.Receive([]*packet.Buffer{buffer(t, append(pkt, text...))})
		}
		synctest.Wait()
		s := y.Status()
		if s.Phase != PhaseNetwork || s.LCP != "Opened" || changes == 0 {
			t.Errorf("phase %v, LCP %v, %d changes", s.Phase, s.LCP, changes)
		}
		if s.Ours.Auth != "mschapv2" || !s.Ours.PFC || !s.Peers.ACFC || s.Peers.Auth != "" || s.Peers.MRU != 1500 {
			t.Errorf("options %+v %+v", s.Ours, s.Peers)
		}
		if got := strings.Join(s.Peer.Said, "|"); got != `MSRASV5.20|MSRAS-0-\x1b[31mHOST` {
			t.Errorf("identification %q", got)
		}
		if s.Peer.Name != "branch" || s.Peer.Method != "mschapv2" || !s.Peer.Proved {
			t.Errorf("peer %+v", s.Peer)
		}
		if s.LastHeard.IsZero() || len(s.NCPs) != 1 || !s.NCPs[0].Opened {
			t.Errorf("status %+v", s)
		}
	})
}

// The link's own guard ends an authentication that goes nowhere.
// A line that fails while the two prove themselves is no refusal: whoever dials
// must not wait as long as for a wrong secret.
func TestLineFailsDuringAuthentication(t *testing.T) {
	for _, m := range []auth.Method{auth.PAP, auth.CHAP, auth.MSCHAPv2} {
		inBubble(t, func(t *testing.T) {
			x, y := joined(t, dialler(t, m), answerer(t, m))
			withoutAuth := func(f []byte) [][]byte {
				if protocol, _ := parseFrame(buffer(t, f)); isAuthentication(protocol) {
					return nil
				}
				return [][]byte{f}
			}
			x.out.intercept(withoutAuth)
			y.out.intercept(withoutAuth)
			<-x.done
			<-y.done
			for _, e := range []*end{x, y} {
				if k := e.err.(*End).Kind; k != AuthTimeout && k != PeerTerminated {
					t.Errorf("%v: ended by %v: %v", m, k, e.err)
				}
			}
		})
	}
}

func TestAuthTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := answerer(t, auth.CHAP)
		c.AuthTimeout = 7 * time.Second
		x := alone(t, c)
		x.agree(protocolLCP)
		e := x.over(t, AuthTimeout)
		if want := "peer did not finish to prove itself with chap in 7s"; e.Reason != want {
			t.Errorf("reason %q, want %q", e.Reason, want)
		}
	})
}

// A resetter is an NCP with codes of its own, like CCP.
type resetter struct {
	*fakeNCP
	resets int
}

func (n *resetter) ReceiveExtra(code fsm.Code, _ byte, _ []byte) bool {
	if code == 14 {
		n.resets++
	}
	return code == 14
}

func TestNCPWithExtraCodes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		with, without := &resetter{fakeNCP: fakeIP(t)}, fakeIPX(t)
		x := opened(t, Config{Admit: running(with, without)}, 1500)
		for _, protocol := range []uint16{0x8021, 0x802b} {
			x.control(protocol, 14, 1)
			x.control(protocol, 15, 1)
		}
		frames := x.takes()
		if n := len(find(frames, 0x8021, fsm.CodeReject)); with.resets != 1 || n != 1 {
			t.Errorf("%d resets, %d Code-Rejects", with.resets, n)
		}
		if n := len(find(frames, 0x802b, fsm.CodeReject)); n != 2 {
			t.Errorf("%d Code-Rejects without codes of its own", n)
		}
		if s := x.Status(); s.NCPs[0].Stats.UnknownCode != 1 || s.NCPs[1].Stats.UnknownCode != 2 || s.LCPStats.Received == 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// A verdict that is lost does not hang the link until somebody gives up.
func TestLostVerdict(t *testing.T) {
	for _, m := range []auth.Method{auth.CHAP, auth.MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, m), answerer(t, m)
				a.Admit, b.Admit = running(fakeIP(t)), running(fakeIP(t))
				x, y := joined(t, a, b)
				lost := 0
				y.out.intercept(func(f []byte) [][]byte {
					if i := bytes.Index(f, []byte{0xc2, 0x23, 3}); i >= 0 && i <= 2 && lost == 0 {
						lost++
						return nil
					}
					return [][]byte{f}
				})
				began := time.Now()
				x.up(t)
				y.up(t)
				if took := time.Since(began); took > 3*time.Second || lost != 1 {
					t.Errorf("took %v, %d verdicts lost", took, lost)
				}
			})
		})
	}
}
