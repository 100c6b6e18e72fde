package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/sap"
	"sitebridge/test/lab"
)

// idle is that nobody needs a demand site.
func idle(s bridge.SiteStatus) bool { return s.State == bridge.StateIdle }

// TestDemand: two sites that are joined only while somebody needs them. The first
// packet of a host, IP or IPX, dials and arrives; what hosts and servers say to nobody
// in particular does not dial; and a TCP session lives on while the line is idle.
func TestDemand(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	c := lab.Config{Site: "connect = \"demand\"\nidle = \"2s\""}
	a, b := w.Start(w.SiteA, c.A()), w.Start(w.SiteB, c.B())
	b.WaitSite("a", "idle", idle)
	a.WaitSite("b", "idle", idle)
	if out := w.IP(w.SiteB, "route", "get", lab.AddrA); !strings.Contains(out, "dev sb-a") {
		t.Errorf("while idle the way is %s", out)
	}
	near, far := w.Station(w.HostB, "lan", ipx.Ethernet8022), w.Station(w.HostA, "lan", ipx.Ethernet8022)

	session := w.Echo(w.HostB, w.HostA, lab.AddrA)
	session.Say()
	session.Hear()
	wantWoken(t, b, 1, "tcp", lab.AddrA+":7")
	b.WaitSite("a", "idle again, whatever echoes it sends", idle)
	a.WaitSite("b", "idle again", idle)

	pingIPX(t, w, near, far, 0x10, 60)
	wantWoken(t, b, 2, "IPX", far.Addr().Node.String())
	b.WaitSite("a", "idle after the ping", idle)

	if _, err := near.FindRoute(w.Patiently(), 0x10); err != nil {
		t.Errorf("the way while idle: %v", err)
	}
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	near.FindServers(brief, sap.AnyType) // there are none
	if out, errs, code := b.Run("status"); code != 0 || !strings.Contains(out, "site a: IDLE") {
		t.Errorf("status: exit status %d: %s%s", code, out, errs)
	}
	session.Say()
	session.Hear()

	a.Stop()
	b.WaitSite("a", "idle without its peer", idle)
	if _, err := lab.Dial(w.HostB, lab.AddrA+":7", lab.Patience); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("nobody answers there, and the host is told %v", err)
	}
	b.WaitSite("a", "the dial has failed", func(s bridge.SiteStatus) bool { return s.Demand.Drops.DialFailed > 0 && s.Reason != "" })
}

// wantWoken checks what has woken a site, and that nothing was lost by that.
func wantWoken(t *testing.T, d *lab.Daemon, dials uint64, protocol, to string) {
	t.Helper()
	s := d.Site("a")
	if s.Demand == nil || s.Demand.Woken == nil {
		t.Fatalf("not woken: %+v", s.Demand)
	}
	lost := s.Demand.Drops
	lost.Ignored = 0
	if by := s.Demand.Woken; s.Dials != dials || !strings.Contains(by.Protocol, protocol) || !strings.Contains(by.Destination, to) || lost != (bridge.DemandDrops{}) {
		t.Errorf("dialled %d times, woken by %+v; want %d, by %s to %s; lost %+v", s.Dials, by, dials, protocol, to, lost)
	}
	if !strings.Contains(d.Log(), "dials on demand") {
		t.Error("the log does not say what dialled")
	}
}
