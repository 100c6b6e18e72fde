package ppp

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

func TestEnds(t *testing.T) {
	wrong := func(c *Config) { c.Peer.Secret = "wrong horse" }
	for _, c := range []struct {
		name         string
		dial, answer []auth.Method
		change       func(dial, answer *Config)
		x, y         EndKind
		reason       string // of the dialler's
	}{
		{
			name: "wrong secret", dial: []auth.Method{auth.CHAP}, answer: []auth.Method{auth.CHAP},
			change: func(d, _ *Config) { wrong(d) }, x: AuthFailed, y: PeerNotProved, reason: "authentication with chap failed",
		},
		{
			name: "wrong secret, MS-CHAPv2", dial: []auth.Method{auth.MSCHAPv2}, answer: []auth.Method{auth.MSCHAPv2},
			change: func(d, _ *Config) { wrong(d) }, x: AuthFailed, y: PeerNotProved, reason: "authentication with mschapv2 failed",
		},
		{
			name: "dialler has no method of the answerer's", dial: []auth.Method{auth.CHAP}, answer: []auth.Method{auth.MSCHAPv2},
			x: PeerTerminated, y: PeerNotProved, reason: "; it wants us to prove ourselves with mschapv2, but only chap is configured",
		},
		{
			name: "dialler will not prove itself", dial: nil, answer: []auth.Method{auth.MSCHAPv2},
			x: PeerTerminated, y: PeerNotProved, reason: "; it wants us to prove ourselves with mschapv2, but nothing is configured for that",
		},
		{
			name: "answerer does not ask", dial: []auth.Method{auth.MSCHAPv2, auth.CHAP}, answer: nil,
			x: PeerNotProved, y: PeerTerminated, reason: "peer did not ask us to prove ourselves with mschapv2 or chap",
		},
		{
			name: "not admitted", dial: []auth.Method{auth.CHAP}, answer: []auth.Method{auth.CHAP},
			change: func(_, a *Config) {
				a.Admit = func(Admission) (Network, error) { return Network{}, errors.New("site is disabled") }
			},
			x: PeerTerminated, y: Refused, reason: `"not admitted"`,
		},
		{
			name: "no network protocol in common", dial: []auth.Method{auth.CHAP}, answer: []auth.Method{auth.CHAP},
			change: func(d, a *Config) { d.Admit, a.Admit = running(fakeIP(nil)), running(fakeIPX(nil)) },
			x:      NoNetwork, y: NoNetwork, reason: "IPCP: peer does not speak the protocol",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				d, a := dialler(t, c.dial...), answerer(t, c.answer...)
				d.MustProve = c.dial != nil
				d.Admit, a.Admit = running(fakeIP(t)), running(fakeIP(t))
				if c.change != nil {
					c.change(&d, &a)
				}
				x, y := joined(t, d, a)
				if c.x == NoNetwork { // whoever sees it first ends it
					<-x.done
					<-y.done
					for _, e := range []*end{x, y} {
						if k := e.err.(*End).Kind; k != NoNetwork && k != PeerTerminated {
							t.Errorf("ended with %v", e.err)
						}
					}
					return
				}
				got := x.over(t, c.x)
				if !strings.Contains(got.Reason, c.reason) {
					t.Errorf("reason %q, want %q", got.Reason, c.reason)
				}
				y.over(t, c.y)
			})
		})
	}
}

// A peer that does not get what it wants gives up first, and ends the call.
func TestHangUpInADispute(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t, dialler(t, auth.PAP), answerer(t, auth.MSCHAPv2))
		<-y.done
		x.HangUp("call cleared")
		e := x.over(t, NotAgreed)
		const want = "peer ended the link: \"peer refuses to prove itself with mschapv2: it wants pap\"; it wants us to prove ourselves with mschapv2, but only pap is configured"
		if e.Reason != want {
			t.Errorf("reason %q, want %q", e.Reason, want)
		}
	})
}

func TestContextEndsOrderly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		x, y := joined(t, Config{Admit: running(ip)}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		y.up(t)
		began := time.Now()
		x.cancel()
		<-x.done
		if x.err != nil {
			t.Errorf("Run = %v after its context ended", x.err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("goodbye took %v although the peer answered", took)
		}
		if ups, downs, _ := ip.counts(); ups != 1 || downs != 1 {
			t.Errorf("NCP was up %d and down %d times", ups, downs)
		}
		e := y.over(t, PeerTerminated)
		if want := `peer ended the link: "link closed by administrator"`; e.Reason != want {
			t.Errorf("reason %q, want %q", e.Reason, want)
		}
		if err := x.Send(0x0021, []*packet.Buffer{buffer(t, []byte{1})}, false); !errors.Is(err, ErrNotOpen) {
			t.Errorf("Send on a dead link: %v", err)
		}
	})
}

// A dead line does not hold up the end for long.
func TestContextEndsOnDeadLine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t, Config{Admit: running(fakeIP(t))}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		x.out.cut()
		y.out.cut()
		began := time.Now()
		x.cancel()
		<-x.done
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("goodbye took %v", took)
		}
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t, Config{Admit: running(fakeIP(t))}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		x.Close("replaced by a newer call")
		x.Close("twice")
		if e := x.over(t, Closed); e.Reason != "replaced by a newer call" {
			t.Errorf("reason %q", e.Reason)
		}
		if e := y.over(t, PeerTerminated); !strings.Contains(e.Reason, "replaced by a newer call") {
			t.Errorf("peer's reason %q", e.Reason)
		}
	})
}

func TestNothingReceived(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := alone(t, Config{})
		x.over(t, NothingReceived)
	})
}

// TestNotHeard: a peer that talks, and never answers. Its call may end first.
func TestNotHeard(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := alone(t, Config{})
		x.control(protocolLCP, fsm.ConfigureRequest, 1) // one request, and never an Ack
		e := x.over(t, NotHeard)
		if !strings.HasPrefix(e.Reason, "LCP: ") {
			t.Errorf("reason %q", e.Reason)
		}
	})
	inBubble(t, func(t *testing.T) {
		x := alone(t, Config{})
		x.control(protocolLCP, fsm.ConfigureRequest, 1)
		time.Sleep(5 * time.Second)
		x.HangUp("peer disconnected the call")
		e := x.over(t, NotHeard)
		if e.Reason != "peer disconnected the call; before that, its requests reached us and ours were not answered" {
			t.Errorf("reason %q", e.Reason)
		}
	})
}

func TestEchoTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		admit := func(Admission) (Network, error) {
			return Network{NCPs: []NCP{fakeIP(t)}, Echo: Echo{Interval: 5 * time.Second, Failures: 2}}, nil
		}
		x, y := joined(t, Config{Admit: admit}, Config{Admit: admit})
		x.up(t)
		time.Sleep(time.Hour) // a silent line stays up
		if rtt := x.Status().RoundTrip; rtt != 10*time.Millisecond {
			t.Errorf("round trip %v, want 10ms", rtt)
		}
		y.out.cut()
		began := time.Now()
		e := x.over(t, EchoTimeout)
		if want := "no answer to 2 echo requests: nothing received for 15s"; e.Reason != want {
			t.Errorf("reason %q, want %q", e.Reason, want)
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A line that is full of data answers no echo, and lives: whatever comes is a
// sign of life.
func TestDataKeepsLinkAlive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		deaf := func(Admission) (Network, error) {
			return Network{NCPs: []NCP{fakeIP(t)}, Echo: Echo{Off: true}}, nil
		}
		x, y := joined(t, Config{Admit: running(fakeIP(t))}, Config{Admit: deaf})
		x.up(t)
		y.up(t)
		x.out.cut() // no echo of x's would be answered
		for range 60 {
			send(t, y.Link, 0x0021, "data")
			time.Sleep(15 * time.Second) // longer than the interval: x asks, in vain
		}
		if s := x.Status(); s.Phase != PhaseNetwork || s.Stats.ControlOut < 60 {
			t.Errorf("status %+v", s)
		}
	})
}

// When the call is gone there is nobody to say goodbye to.
func TestHangUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		x, y := joined(t, Config{Admit: running(ip)}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		y.up(t)
		began := time.Now()
		x.HangUp("call cleared")
		e := x.over(t, CarrierLost)
		if took := time.Since(began); took != 0 || e.Reason != "call cleared" {
			t.Errorf("%q after %v", e.Reason, took)
		}
		if _, downs, _ := ip.counts(); downs != 1 {
			t.Errorf("NCP down %d times", downs)
		}
		y.over(t, EchoTimeout)
	})
}

// Who comes back after a renegotiation as somebody else is not let in.
func TestPeerChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := answerer(t, auth.PAP)
		c.Authenticator.Lookup = func(string) (secret.Secret, bool) { return "right horse", true }
		c.Admit = running(fakeIP(t))
		x := alone(t, c)
		enter := func(name string) {
			data := append([]byte{byte(len(name))}, name...)
			data = append(append(data, 11), "right horse"...)
			x.control(protocolPAP, 1, 1, data...)
		}
		x.agree(protocolLCP)
		enter("branch")
		reaches(t, "Network phase", func() bool { return x.Status().Phase == PhaseNetwork })
		x.takes()
		x.control(protocolLCP, fsm.ConfigureRequest, 99) // begins anew
		x.acknowledge(protocolLCP)
		enter("other")
		e := x.over(t, Refused)
		if want := `peer proved to be "other" with pap, after it was "branch" with pap`; e.Reason != want {
			t.Errorf("reason %q, want %q", e.Reason, want)
		}
	})
}

func TestEndReadsWell(t *testing.T) {
	b, err := json.Marshal(Status{Phase: PhaseTerminate, End: &End{EchoTimeout, "why"}})
	if want := `{"phase":"terminate","end":{"kind":"echo_timeout","reason":"why"}`; err != nil || !strings.HasPrefix(string(b), want) {
		t.Errorf("%s, %v", b, err)
	}
	for k := Closed; k <= NoNetwork; k++ {
		if w := k.String(); w == "" || strings.Contains(w, "(") {
			t.Errorf("kind %d is called %q", uint8(k), w)
		}
	}
}
