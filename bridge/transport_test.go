package bridge

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/ppp/auth"
)

// The tests of this file choose between UDP and GRE, in whole daemons.

const somePort = 4754

var lost = gre.Line{Fault: func([]byte) [][]byte { return nil }}

// udpWorld is a world in which all daemons have a port.
func udpWorld(t *testing.T) *world {
	w := newWorld(t)
	w.udp = map[string]uint16{"alpha": somePort, "beta": 40001, "gamma": 40002, "delta": somePort}
	return w
}

func over(s *config.Site, t config.Transport) *config.Site {
	s.Transport = t
	return s
}

func tunnelOf(d *testDaemon) *Tunnel { return d.allSites()[0].status().Tunnel }

// wantCarrier looks at what a daemon says of its call, and what really passed.
func (t *testDaemon) wantCarrier(tt *testing.T, want config.Transport, why string) {
	tt.Helper()
	v := tunnelOf(t)
	if v == nil || v.Carrier != string(want) || !strings.Contains(v.CarrierReason, why) || (v.PeerPort != 0) != (want == config.TransportUDP) {
		tt.Errorf("%s: tunnel %+v, want %s: %s", t.config().Daemon.Name, v, want, why)
		return
	}
	raw, udp := t.carrier.Stats().Sent, uint64(0)
	if t.udp != nil {
		udp = t.udp.Stats().Sent
	}
	if want == config.TransportUDP && (raw != 0 || udp == 0) || want == config.TransportGRE && raw == 0 {
		tt.Errorf("%s: sent %d in GRE, %d in UDP, want %s", t.config().Daemon.Name, raw, udp, want)
	}
	if log := t.log.String(); !strings.Contains(log, "carrier="+string(want)) || strings.Contains(log, "token") {
		tt.Errorf("%s: does the log tell of %s, and of no token?\n%s", t.config().Daemon.Name, want, log)
	}
	if strings.Contains(v.PeerVendor, "token") {
		tt.Errorf("status shows a token: %q", v.PeerVendor)
	}
}

// Two of ours take UDP by themselves, and GRE where one of them has no UDP or wants none.
func TestTransport(t *testing.T) {
	const auto, udp, raw = config.TransportAuto, config.TransportUDP, config.TransportGRE
	type end struct {
		transport config.Transport
		port      uint16
	}
	for _, c := range []struct {
		name            string
		caller, called  end
		want            config.Transport
		why, calledsWhy string
	}{
		{"both auto", end{auto, 4755}, end{auto, 4756}, udp, "the peer answered on UDP port 4756", "came from port 4755"},
		{"caller wants UDP", end{udp, 4755}, end{auto, 4756}, udp, "answered on UDP port 4756", "came from port 4755"},
		{"called wants UDP", end{auto, 4755}, end{udp, 4756}, udp, "answered", "came from"},
		{"caller wants GRE", end{raw, 4755}, end{auto, 4756}, raw, `transport = "gre"`, "the peer did not ask for UDP"},
		{"called wants GRE", end{auto, 4755}, end{raw, 4756}, raw, "the peer offers no UDP", `transport = "gre"`},
		{"caller has no port", end{auto, 0}, end{auto, 4756}, raw, "daemon.udp = 0", "the peer did not ask for UDP"},
		{"called has no port", end{auto, 4755}, end{auto, 0}, raw, "the peer offers no UDP", "daemon.udp = 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.udp = map[string]uint16{"alpha": c.called.port, "beta": c.caller.port}
				a := w.start("alpha", over(peerSite("alpha", "beta", false, true), c.called.transport))
				b := w.start("beta", over(peerSite("beta", "alpha", true, false), c.caller.transport))
				if took := reaches(t, 5*time.Second, "both up", both(a, b, StateUp)); took > time.Second {
					t.Errorf("up after %v: something waited", took)
				}
				a.wantCarrier(t, c.want, c.calledsWhy)
				b.wantCarrier(t, c.want, c.why)
			})
		})
	}
}

// Where UDP does not pass, one way or the other, auto goes on in GRE, and says why.
func TestBlockedUDPIsGRE(t *testing.T) {
	for name, cut := range map[string]func(a, b *testDaemon){
		"probes":  func(a, b *testDaemon) { b.udp.SetLine(lost) },
		"replies": func(a, b *testDaemon) { a.udp.SetLine(lost) },
		"both":    func(a, b *testDaemon) { a.udp.SetLine(lost); b.udp.SetLine(lost) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := udpWorld(t)
				a := w.start("alpha", peerSite("alpha", "beta", false, true))
				b := w.start("beta", peerSite("beta", "alpha", false, true))
				b.stop()
				b = nil
				later := peerSite("beta", "alpha", true, false)
				w.noTCP = true
				b = w.start("beta", later)
				synctest.Wait() // it may have begun to dial
				cut(a, b)
				w.mu.Lock()
				w.noTCP = false
				w.mu.Unlock()
				reaches(t, time.Minute, "both up", both(a, b, StateUp))
				b.wantCarrier(t, config.TransportGRE, "the peer did not answer on UDP port 4754 within 1.5s")
				a.wantCarrier(t, config.TransportGRE, "the peer's first packet came so, though it asked for UDP")
			})
		})
	}
}

// A site that wants UDP alone gets it or stays down, in words, and goes up once it passes.
func TestTransportUDPAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		a.udp.SetLine(lost)
		b := w.start("beta", over(peerSite("beta", "alpha", true, false), config.TransportUDP))
		said := func() bool {
			return strings.Contains(b.allSites()[0].status().Reason, `did not answer on UDP port 4754 within 1.5s, and transport = "udp" allows nothing else`)
		}
		reaches(t, 10*time.Second, "the words", said)
		if v := b.allSites()[0].status(); v.Ends.NoGRE == 0 || v.Ends.Control != 0 {
			t.Errorf("counted as %+v", v.Ends)
		}
		a.udp.SetLine(gre.Line{})
		reaches(t, 3*time.Minute, "both up", both(a, b, StateUp))
		b.wantCarrier(t, config.TransportUDP, "answered")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.udp = map[string]uint16{"beta": somePort}
		w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", over(peerSite("beta", "alpha", true, false), config.TransportUDP))
		reaches(t, 10*time.Second, "the words", func() bool {
			return strings.Contains(b.allSites()[0].status().Reason, `transport = "udp" allows nothing but UDP: the peer offers no UDP`)
		})
	})
}

// Nobody has proved who calls when UDP is offered. A caller that then came by what its site
// does not allow is refused in words.
func TestCarrierIsRefusedInWords(t *testing.T) {
	for _, c := range []struct {
		name      string
		transport config.Transport
		cut       bool
		words     string
	}{
		{"udp", config.TransportUDP, true, `takes calls in UDP alone, by transport = "udp", and this one came by GRE`},
		{"gre", config.TransportGRE, false, `takes no call in UDP: transport = "gre" stands in its table here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := udpWorld(t)
				w.called = map[string]string{"beta": "somebody"} // else UDP would not be offered
				other := peerSite("alpha", "gamma", false, true)
				a := w.start("alpha", over(peerSite("alpha", "beta", false, true), c.transport), other)
				if c.cut {
					a.udp.SetLine(lost)
				}
				b := w.start("beta", peerSite("beta", "alpha", true, false))
				reaches(t, 20*time.Second, "the refusal", func() bool { return strings.Contains(a.log.String(), strings.ReplaceAll(c.words, `"`, `\"`)) })
				if b.is(StateUp)() || a.is(StateUp)() {
					t.Error("it is up all the same")
				}
			})
		})
	}
}

// Once chosen, a carrier stays for the call: what comes by the other is dropped, and when
// its own fails the call ends and is dialled anew.
func TestCarrierStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		first := tunnelOf(b).CallID
		a.udp.SetLine(lost)
		b.udp.SetLine(lost)
		reaches(t, time.Minute, "beta down", func() bool { return !b.is(StateUp)() })
		if n := a.carrier.Stats().Sent + b.carrier.Stats().Sent; n != 0 {
			t.Errorf("%d packets went by GRE in a call of UDP", n)
		}
		reaches(t, time.Minute, "both up", both(a, b, StateUp))
		b.wantNew(t, first)
		a.udp.SetLine(gre.Line{})
		b.udp.SetLine(gre.Line{})
		time.Sleep(time.Hour)
		if v := tunnelOf(b); v.Carrier != string(config.TransportGRE) || b.allSites()[0].status().Ups != 2 {
			t.Errorf("the call has changed its carrier: %+v", v)
		}
	})
}

// A way that answers probes and carries nothing else is named for what it is: IP protocol
// 47 has no part in it.
func TestBlockedUDPIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		probes := gre.Line{Fault: func(pkt []byte) [][]byte {
			if pkt[0] == 0xff {
				return [][]byte{pkt}
			}
			return nil
		}}
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		a.udp.SetLine(probes)
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		named := func() bool {
			return strings.Contains(b.allSites()[0].status().Reason, "TCP 1723 answers, but no UDP on port 4754 came back in 10 s: is UDP port 4754 blocked on the way?")
		}
		reaches(t, 15*time.Second, "the words for blocked UDP", named)
		if at := b.prober(b.allSites()[0]).session().attempt(b.allSites()[0]); at.UDP != 4754 || at.Heard {
			t.Errorf("diagnose hears of %+v", at)
		}
	})
}

func (t *testDaemon) wantNew(tt *testing.T, old uint16) {
	tt.Helper()
	if v := tunnelOf(t); v.CallID == old || v.Carrier != string(config.TransportGRE) {
		tt.Errorf("call %d by %s after call %d", v.CallID, v.Carrier, old)
	}
}

// A NAT that begins anew gives the peer another port. Where the cipher authenticates, the
// call goes on; else it ends, and the next one is there soon.
func TestPortMoves(t *testing.T) {
	beta := netip.AddrPortFrom(addrOf["beta"], 40001)
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addrOf["beta"], port) }
	for _, c := range []struct {
		name   string
		cipher config.Cipher // empty: none
		moves  bool
	}{{"aead", config.AEAD, true}, {"mppe", config.MPPE128, false}, {"clear", "", false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := udpWorld(t)
				w.gre.Translate(beta, at(50001))
				a, b := w.protected(c.cipher)
				reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
				if got := tunnelOf(a).PeerPort; got != 50001 {
					t.Fatalf("alpha sends to port %d", got)
				}
				call := tunnelOf(b).CallID
				w.gre.Translate(beta, at(50002))
				time.Sleep(3 * time.Minute) // RIP and SAP are sent each minute
				synctest.Wait()
				same := tunnelOf(b) != nil && tunnelOf(b).CallID == call
				if same != c.moves {
					t.Errorf("is it the same call? %v\n%s", same, b.log)
				}
				if !both(a, b, StateUp)() || tunnelOf(a).PeerPort != 50002 {
					t.Errorf("alpha sends to port %d", tunnelOf(a).PeerPort)
				}
				if strings.Contains(a.log.String(), "the peer's UDP port has moved") != c.moves {
					t.Errorf("log of alpha:\n%s", a.log)
				}
			})
		})
	}
}

// protected starts two daemons with a link that is encrypted, or not.
func (w *world) protected(by config.Cipher) (a, b *testDaemon) {
	x, y := peerSite("alpha", "beta", false, true), peerSite("beta", "alpha", true, false)
	w.own = map[string]*identity.Own{}
	for _, s := range []*config.Site{x, y} {
		if by != "" {
			s.Encryption = config.Encryption{Policy: config.PolicyRequired, Methods: []config.Cipher{by}}
		}
		w.own[s.Auth.Name] = must(identity.SelfSigned(s.Auth.Name, time.Now(), time.Hour))
	}
	for _, s := range []*config.Site{x, y} {
		if by == config.AEAD {
			s.Auth.Methods, s.Auth.SecretIn, s.Auth.SecretOut = []auth.Method{auth.EAPTLS}, "", ""
			s.Auth.Trust = &identity.Trust{Pinned: true, Fingerprint: identity.Of(w.own[s.Auth.PeerName].Leaf()), Name: s.Auth.PeerName}
		}
	}
	return w.start("alpha", x), w.start("beta", y)
}

// A peer of another make never notices: it is asked for a call as by any PPTP client.
func TestForeignPeerIsAskedAsEver(t *testing.T) {
	for _, vendor := range []string{"", "Microsoft", "sitebridge", "sitebridge udp=4754", "sitebridge udp token=" + strings.Repeat("00", 16), "sitebridge udp=4754 token=" + strings.Repeat("0G", 16)} {
		synctest.Test(t, func(t *testing.T) {
			w := udpWorld(t)
			asked := make(chan control.OutgoingCallRequest, 9)
			cfg := control.Config{Vendor: vendor, Answer: func(o *control.Offer) {
				asked <- o.Request
				o.Accept(7, 64)
			}}
			var serving sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			defer serving.Wait()
			defer cancel()
			w.foreign = func() (net.Conn, error) {
				near, far := net.Pipe()
				here, there := netip.AddrPortFrom(addrOf["beta"], 40000), netip.AddrPortFrom(addrOf["alpha"], 1723)
				serving.Go(func() { control.Serve(ctx, pipeConn{far, there, here}, cfg) })
				return pipeConn{near, here, there}, nil
			}
			b := w.start("beta", peerSite("beta", "alpha", true, false))
			if r := <-asked; r.Subaddress != (control.Text{}) {
				t.Errorf("vendor %q is asked with the subaddress %q", vendor, r.Subaddress)
			}
			reaches(t, time.Second, "LCP begins", func() bool { return b.carrier.Stats().Sent > 0 })
			if n := b.udp.Stats().Sent; n != 0 {
				t.Errorf("vendor %q is sent %d packets of UDP", vendor, n)
			}
		})
	}
}

// callerOf is a control connection from gamma to a daemon, whose caller calls itself vendor.
func callerOf(t *testing.T, to *testDaemon, vendor string) *control.Conn {
	t.Helper()
	l, _ := to.listen("alpha")
	nc, err := l.dial(netip.AddrPortFrom(addrOf["gamma"], 40000))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := control.Open(t.Context(), nc, control.Config{Vendor: vendor})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Nor does one that calls: LCP comes at once, and a Subaddress of its own is nobody's offer.
func TestForeignCallerWaitsForNothing(t *testing.T) {
	for _, sub := range []string{"", "a telephone number", "sitebridge udp=4754 token=" + strings.Repeat("00", 16)} {
		synctest.Test(t, func(t *testing.T) {
			w := udpWorld(t)
			a := w.start("alpha", peerSite("alpha", "beta", false, true))
			conn := callerOf(t, a, "Microsoft")
			defer conn.Close()
			if _, ok := control.ParseUDPOffer(conn.Peer().Vendor); !ok {
				t.Errorf("we call ourselves %q", conn.Peer().Vendor)
			}
			if _, err := conn.Call(t.Context(), control.CallRequest{ID: 5, Window: 64, Subaddress: sub}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if a.carrier.Stats().Sent == 0 || a.udp.Stats().Sent != 0 {
				t.Errorf("subaddress %q: LCP did not begin at once in GRE", sub)
			}
		})
	}
}

// A caller that asks for UDP and then says nothing holds up nobody but itself.
func TestSilentChooser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		conn := callerOf(t, a, "sitebridge")
		defer conn.Close()
		if _, err := conn.Call(t.Context(), control.CallRequest{ID: 5, Window: 64, Subaddress: control.UDPOffer{}.String()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(chooseTime - time.Millisecond)
		synctest.Wait()
		if n := a.carrier.Stats().Sent; n != 0 {
			t.Errorf("%d packets were sent before the caller has chosen", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if a.carrier.Stats().Sent == 0 {
			t.Error("LCP does not begin")
		}
		s := a.strangers.all()[0]
		if c := s.carrier.Load(); c.inUDP() || !strings.Contains(c.why, "nothing came of it by UDP or GRE within 5s") {
			t.Errorf("carrier %+v", c)
		}
	})
}

// A call that the peer ends while we probe is no matter of UDP.
func TestCallEndsDuringProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		a.udp.SetLine(lost)
		b := w.start("beta", over(peerSite("beta", "alpha", true, false), config.TransportUDP))
		reaches(t, 5*time.Second, "it calls", func() bool { return len(a.strangers.all()) == 1 })
		a.strangers.all()[0].link.HangUp("test")
		reason := func() string { return b.allSites()[0].status().Reason }
		if took := reaches(t, 5*time.Second, "a reason", func() bool { return reason() != "" }); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if strings.Contains(reason(), "UDP") {
			t.Errorf("reason %q", reason())
		} else {
			t.Log(reason())
		}
	})
}

// While callers have yet to choose there are as many places for them as at any time: who is
// pushed out is gone at once.
func TestChoosersArePushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		to, _ := a.listen("alpha")
		var first *session
		for i := range maxFromSource + 1 {
			nc, err := to.dial(netip.AddrPortFrom(addrOf["gamma"], uint16(40000+i)))
			if err != nil {
				t.Fatal(err)
			}
			conn, err := control.Open(t.Context(), nc, control.Config{Vendor: "sitebridge"})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Call(t.Context(), control.CallRequest{ID: 5, Window: 64, Subaddress: control.UDPOffer{}.String()}); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = a.strangers.all()[0]
			}
		}
		reaches(t, time.Second, "the first is gone", func() bool {
			select {
			case <-first.over:
				return true
			default:
				return false
			}
		})
	})
}

// A reload has a site change to the other carrier, with a new call.
func TestReloadOfTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := udpWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		for _, want := range []config.Transport{config.TransportAuto, config.TransportGRE, config.TransportUDP} {
			if _, err := a.Reload(a.withSites(over(peerSite("alpha", "beta", false, true), want))); err != nil {
				t.Fatal(err)
			}
			reaches(t, time.Minute, "both up", func() bool { return a.up("beta")() && b.is(StateUp)() })
			if v := tunnelOf(b); v.Carrier != string(want) && want != config.TransportAuto {
				t.Errorf("%s: %+v", want, v)
			}
		}
	})
}
