package bridge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// Whole daemons with an IPX wire each, in virtual time: what their configuration
// makes of a link.

const (
	alphaWire ipx.Network = 0x10
	betaWire  ipx.Network = 0x20
)

// ipxSite is peerSite with another IPX table.
func ipxSite(us, them string, dial bool, x config.IPX) *config.Site {
	s := peerSite(us, them, dial, !dial)
	x.Nearest = true
	s.IPX = &x
	return s
}

// A cable is a LAN with nobody on it.
type cable struct{}

func (cable) Send(ipx.Node, []*packet.Buffer) error { return nil }

// wire gives a daemon a LAN with a server behind it.
func (d *testDaemon) wire(t *testing.T, n ipx.Network, servers ...router.Service) {
	t.Helper()
	cfg := router.Attachment{Name: "lan", Kind: router.LAN, Network: n, Node: ipx.Node{2, 5: byte(n)}, Send: cable{}}
	for _, s := range servers {
		cfg.Services = append(cfg.Services, s)
		cfg.Routes = append(cfg.Routes, router.Route{Network: s.Addr.Network, Hops: 1, Ticks: 2, Next: ipx.Node{2, 4: 1, 5: byte(n)}})
	}
	if _, err := d.ipx.router.Attach(cfg); err != nil {
		t.Fatal(err)
	}
}

func fileServer(name string, n ipx.Network) router.Service {
	return router.Service{Type: sap.FileServer, Name: name, Addr: ipx.Addr{Network: n, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: 1}
}

// route returns how a daemon reaches a network; nil: it does not.
func (d *testDaemon) route(n ipx.Network) *router.RouteInfo {
	for _, r := range d.ipx.router.Routes() {
		if r.Network == n && !r.Down {
			return &r
		}
	}
	return nil
}

func (d *testDaemon) knows(n ipx.Network) func() bool {
	return func() bool { return d.route(n) != nil }
}

func (d *testDaemon) serves(name string) func() bool {
	return func() bool {
		for _, s := range d.ipx.router.Services() {
			if s.Name == name {
				return true
			}
		}
		return false
	}
}

// joined starts two daemons whose sites have these tables, each with a wire and a
// server, and waits until they are up.
func joined(t *testing.T, w *world, atAlpha, atBeta config.IPX) (a, b *testDaemon) {
	t.Helper()
	a = w.startInside("alpha", 0xA, ipxSite("alpha", "beta", false, atAlpha))
	b = w.startInside("beta", 0xB, ipxSite("beta", "alpha", true, atBeta))
	a.wire(t, alphaWire, fileServer("ALPHA", 0xA1))
	b.wire(t, betaWire, fileServer("BETA", 0xB1))
	reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
	return a, b
}

func TestNetworksAndServersCross(t *testing.T) {
	for _, x := range []config.IPXExchange{config.ExchangeRIPSAP, config.ExchangeTriggered} {
		t.Run(string(x), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := joined(t, w, config.IPX{Exchange: x}, config.IPX{Exchange: x})
				for _, n := range []ipx.Network{betaWire, 0xB1, 0xB} {
					reaches(t, 10*time.Second, n.String()+" known at alpha", a.knows(n))
				}
				reaches(t, 10*time.Second, "the server known at alpha", a.serves("BETA"))
				reaches(t, 10*time.Second, "the server known at beta", b.serves("ALPHA"))
				if r := a.route(betaWire); r.Via != "beta" || r.Site != "beta" || r.Hops != 1 || r.Origin != "learned" {
					t.Errorf("%+v", r)
				}
				if got := a.allSites()[0].status().IPX.Exchange; got != string(x) {
					t.Errorf("status says %q", got)
				}
				time.Sleep(10 * time.Minute)
				if !a.knows(betaWire)() || !b.serves("ALPHA")() {
					t.Error("forgotten after ten minutes")
				}
			})
		})
	}
}

func TestLimitsOfASite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		only := policy.Limits{AcceptNetworks: policy.Networks{{First: betaWire, Last: betaWire}}}
		a, b := joined(t, w, config.IPX{Exchange: config.ExchangeRIPSAP, Limits: only}, config.IPX{Exchange: config.ExchangeRIPSAP})
		reaches(t, 10*time.Second, "what is accepted is known", a.knows(betaWire))
		reaches(t, 10*time.Second, "beta has no limits", b.serves("ALPHA"))
		time.Sleep(time.Minute)
		if a.knows(0xB1)() || a.serves("BETA")() {
			t.Error("alpha took what it does not accept")
		}
	})
}

func TestHeldWhileTheLinkIsLost(t *testing.T) {
	x := config.IPX{Exchange: config.ExchangeRIPSAP, Hold: time.Minute}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := joined(t, w, x, x)
		reaches(t, 10*time.Second, "the server known", a.serves("BETA"))
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		a.carrier.SetLine(gre.Line{Fault: gre.Lose(2, 1)})
		reaches(t, time.Minute, "the loss is noticed", func() bool { return !a.is(StateUp)() })
		if r := a.route(betaWire); r == nil || r.Held.IsZero() || !a.serves("BETA")() {
			t.Fatalf("not held: %+v", r)
		}
		if got := a.Status().IPX.Networks["held"]; got == 0 {
			t.Errorf("status counts %+v", a.Status().IPX)
		}
		a.carrier.SetLine(gre.Line{})
		b.carrier.SetLine(gre.Line{})
		reaches(t, 59*time.Second, "both up again", both(a, b, StateUp))
		if r := a.route(betaWire); r == nil || !r.Held.IsZero() {
			t.Errorf("after the flap: %+v", r)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := joined(t, w, x, x)
		reaches(t, 10*time.Second, "the server known", a.serves("BETA"))
		b.stop()
		reaches(t, 10*time.Second, "the link is down", func() bool { return !a.is(StateUp)() })
		time.Sleep(55 * time.Second)
		if !a.knows(betaWire)() {
			t.Error("forgotten before the time of hold was over")
		}
		reaches(t, 10*time.Second, "gone when it is over", func() bool { return !a.knows(betaWire)() && !a.serves("BETA")() })
	})
}

// An operator who stops a site means it.
func TestNotHeldWhenStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := config.IPX{Exchange: config.ExchangeRIPSAP, Hold: time.Hour}
		w := newWorld(t)
		a, b := joined(t, w, x, x)
		reaches(t, 10*time.Second, "known", a.knows(betaWire))
		reaches(t, 10*time.Second, "known there", b.knows(alphaWire))
		got := httptest.NewRecorder()
		a.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/sites/beta/down", nil))
		if got.Code != http.StatusOK {
			t.Fatal(got.Body)
		}
		reaches(t, 3*time.Second, "gone", func() bool { return !a.knows(betaWire)() })
		reaches(t, 3*time.Second, "gone there too", func() bool { return !b.knows(alphaWire)() })
	})
}

func TestTicksOfALinkAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := joined(t, w, config.IPX{Exchange: config.ExchangeRIPSAP}, config.IPX{Exchange: config.ExchangeRIPSAP})
		slow := gre.Line{Delay: 500 * time.Millisecond}
		a.carrier.SetLine(slow)
		b.carrier.SetLine(slow)
		reaches(t, 10*time.Minute, "a link of a second is not taken for a fast one", func() bool {
			v := a.allSites()[0].status().IPX
			return v != nil && v.Ticks >= 9 && v.Ticks <= 10
		})
		b.stop()
		reaches(t, 2*time.Minute, "down", func() bool { return !a.is(StateUp)() })
		b = w.start("beta", ipxSite("beta", "alpha", true, config.IPX{Exchange: config.ExchangeRIPSAP}))
		reaches(t, 2*time.Minute, "up again", both(a, b, StateUp))
		if v := a.allSites()[0].status().IPX; v == nil || v.Ticks < 9 {
			t.Errorf("a new call begins with %+v", v)
		}
	})
}

// A link that is never silent has no LCP Echo, and is measured nevertheless.
func TestTicksOfABusyLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := joined(t, w, config.IPX{Exchange: config.ExchangeTriggered}, config.IPX{Exchange: config.ExchangeTriggered})
		reaches(t, 10*time.Second, "known at alpha", a.knows(betaWire))
		reaches(t, 10*time.Second, "known at beta", b.knows(alphaWire))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for range 30 {
			if _, _, err := a.ipx.router.Ping(ctx, ping.Novell, 0xB, ipx.ServerNode, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		v := a.allSites()[0].status()
		if v.Tunnel.PPP.RoundTrip != 0 || v.IPX.Ticks != 1 {
			t.Errorf("LCP took %v, and the link is %d ticks long", v.Tunnel.PPP.RoundTrip, v.IPX.Ticks)
		}
	})
}

func TestIPXWANOnALink(t *testing.T) {
	const number = 0xFF01
	for _, tt := range []struct {
		name      string
		a, b      config.IPX
		byWAN     bool
		wantState State
	}{
		{"IPXCP says it all", config.IPX{IPXWAN: true, Network: number}, config.IPX{IPXWAN: true, Network: number}, false, StateUp},
		{"only one end has it", config.IPX{IPXWAN: true}, config.IPX{}, false, StateUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.a.Exchange, tt.b.Exchange = config.ExchangeRIPSAP, config.ExchangeRIPSAP
				a, b := joined(t, w, tt.a, tt.b)
				reaches(t, 3*time.Minute, "known at alpha", a.knows(betaWire))
				reaches(t, 3*time.Minute, "known at beta", b.knows(alphaWire))
				if got := a.allSites()[0].status().IPX.IPXWAN; got != tt.byWAN {
					t.Errorf("agreed by IPXWAN: %v", got)
				}
			})
		})
	}
}

func TestHeadersCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := config.IPX{Exchange: config.ExchangeRIPSAP, Compression: 16}
		w := newWorld(t)
		a, b := joined(t, w, x, x)
		reaches(t, 10*time.Second, "known at alpha", a.knows(betaWire))
		reaches(t, 10*time.Second, "known at beta", b.knows(alphaWire))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 20 {
			if _, _, err := a.ipx.router.Ping(ctx, ping.Novell, 0xB, ipx.ServerNode, 100); err != nil {
				t.Fatal(err)
			}
		}
		c := a.allSites()[0].status().IPX.Compression
		if c == nil || c.Out.Compressed < 10 || c.Out.After >= c.Out.Before || c.In.Compressed < 10 {
			t.Errorf("compression %+v", c)
		}
	})
}

// A flow of packets that just fit into the link passes with compression, too.
func TestFullPacketsCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := config.IPX{Exchange: config.ExchangeRIPSAP, Compression: 16}
		w := newWorld(t)
		a, _ := joined(t, w, x, x)
		reaches(t, 10*time.Second, "known at alpha", a.knows(betaWire))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 20 {
			if _, _, err := a.ipx.router.Ping(ctx, ping.Novell, 0xB, ipx.ServerNode, ipx.MaxLen-ipx.HeaderLen-ping.HeaderLen); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHeadersOfAPeerWithoutCompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _ := joined(t, w, config.IPX{Exchange: config.ExchangeRIPSAP, Compression: 16}, config.IPX{Exchange: config.ExchangeRIPSAP})
		reaches(t, 10*time.Second, "known at alpha", a.knows(betaWire))
		if c := a.allSites()[0].status().IPX.Compression; c != nil {
			t.Errorf("compression %+v", c)
		}
	})
}

// `sitebridge ipx update` in its two steps, and the next start.
func TestLearnedOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "beta.ipx.toml")
		x := config.IPX{Exchange: config.ExchangeAutoStatic, Learned: file}
		w := newWorld(t)
		a, _ := joined(t, w, x, config.IPX{Exchange: config.ExchangeStatic})
		time.Sleep(3 * time.Minute)
		if a.knows(betaWire)() {
			t.Fatal("learned before anybody asked")
		}
		var got IPXLearned
		call(t, a, "ask", &got)
		if got.File != file || len(got.Routes) != 3 || len(got.Services) != 1 || string(got.Services[0].Name) != "BETA" {
			t.Fatalf("told %+v", got)
		}
		if a.knows(betaWire)() {
			t.Error("in use before it was kept")
		}
		var routes []config.IPXRoute
		for _, r := range got.Routes {
			routes = append(routes, config.IPXRoute{Network: r.Network, Hops: r.Hops, Ticks: r.Ticks})
		}
		s := got.Services[0]
		if err := config.WriteLearned(file, routes, []config.IPXService{{Type: uint16(s.Type), Name: string(s.Name), Address: s.Address, Hops: s.Hops}}); err != nil {
			t.Fatal(err)
		}
		call(t, a, "load", new(struct{}))
		if !a.knows(betaWire)() || !a.serves("BETA")() {
			t.Error("not in use after it was read")
		}
	})
}

func TestLearnedOnDemandRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _ := joined(t, w, config.IPX{Exchange: config.ExchangeRIPSAP}, config.IPX{Exchange: config.ExchangeRIPSAP})
		got := httptest.NewRecorder()
		a.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/sites/beta/ipx/ask", nil))
		if got.Code != http.StatusConflict || !strings.Contains(got.Body.String(), `exchange = \"auto-static\"`) {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	})
}

// call posts to a site's IPX and decodes the answer.
func call(t *testing.T, d *testDaemon, what string, into any) {
	t.Helper()
	got := httptest.NewRecorder()
	d.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/sites/beta/ipx/"+what, nil))
	if got.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", what, got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}
