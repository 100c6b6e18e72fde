package bridge

import (
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge/config"
	"sitebridge/ipx/router"
)

// A clash is told when it begins and when it is over, whatever its words count.
func TestClashesAreTold(t *testing.T) {
	var told []string
	emit := func(e Event) { told = append(told, string(e.Kind)+" "+e.Reason) }
	var k known
	clash := router.Clash{Kind: "two_servers", Network: 0x10, Text: "give one another number"}
	again := clash
	again.Text, again.Count = "give one another number, seen 7 times", 7
	for _, now := range [][]router.Clash{nil, {clash}, {again}, {again}, nil, nil, {clash}} {
		k.compare(emit, EventClash, EventClashOver, clashEvents(now))
	}
	want := []string{
		"clash network 00000010, two servers: give one another number",
		"clash-over network 00000010, two servers: give one another number, seen 7 times",
		"clash network 00000010, two servers: give one another number",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("told\n%s", strings.Join(told, "\n"))
	}
}

func TestWithoutNumbers(t *testing.T) {
	if a, b := withoutNumbers("100 frames on eth0"), withoutNumbers("207 frames on eth0"); a != b {
		t.Errorf("%q and %q are two troubles", a, b)
	}
}

func TestExpiryIsTold(t *testing.T) {
	d := configured(&config.Config{})
	d.tellExpiry([]config.Warning{{Site: "b", Text: "the certificate expires in 3 days"}})
	if got := d.events.recent; len(got) != 1 || got[0].Kind != EventExpiry || got[0].Site != "b" || got[0].Reason != "the certificate expires in 3 days" {
		t.Errorf("told %+v", got)
	}
}

// A site tells each change once.
func TestTeller(t *testing.T) {
	var told []EventKind
	l := teller{site: "b", emit: func(e Event) { told = append(told, e.Kind) }}
	for _, up := range []bool{false, false, true, true, false, false, true} {
		if up {
			l.up(nil)
		} else {
			l.down("no answer")
		}
	}
	l.idle("nobody needs it")
	l.idle("nobody needs it")
	l.up(nil)
	if want := []EventKind{EventDown, EventUp, EventDown, EventUp, EventIdle, EventUp}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
