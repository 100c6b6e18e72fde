package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
)

func TestStatusOfADemandSite(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	woken := &bridge.Woken{Time: now.Add(-time.Minute), Protocol: "tcp", Source: "10.1.0.2:40000", Destination: "10.2.0.2:445\x1b"}
	for _, tt := range []struct {
		site bridge.SiteStatus
		want string
	}{
		{bridge.SiteStatus{Name: "b", State: bridge.StateIdle, Since: now, Demand: &bridge.DemandStatus{Idle: time.Hour}},
			"site b: IDLE for 0s\n"},
		{bridge.SiteStatus{State: bridge.StateIdle, Demand: &bridge.DemandStatus{Idle: time.Hour}},
			"  on demand   0 packets had to wait so far\n"},
		{bridge.SiteStatus{State: bridge.StateUp, Demand: &bridge.DemandStatus{Idle: time.Hour, Woken: woken, Traffic: now.Add(-time.Minute), Kept: 3, Drops: bridge.DemandDrops{Ignored: 2}}},
			"  on demand   asked for 1m0s ago by tcp from 10.1.0.2:40000 to 10.2.0.2:445\\x1b; hangs up in 59m0s without traffic; 3 packets had to wait so far; dropped: ignored 2\n"},
		{bridge.SiteStatus{State: bridge.StateDialing, Demand: &bridge.DemandStatus{Waiting: 1, Kept: 1}},
			"  on demand   1 packet waiting; 1 packet had to wait so far\n"},
	} {
		var out bytes.Buffer
		printSite(&out, &tt.site, now)
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("no %q in:\n%s", tt.want, &out)
		}
	}
}
