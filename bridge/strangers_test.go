package bridge

import (
	"net/netip"
	"testing"

	"sitebridge/control/gre"
)

// Whoever calls and calls, and never says who he is, keeps nobody else out.
func TestAttackC11CallsOfStrangers(t *testing.T) {
	var l strangers
	call := func(from string) *session {
		return &session{path: gre.Path{Remote: netip.MustParseAddr(from)}}
	}
	branch, second := call("198.51.100.1"), call("198.51.100.1")
	l.enter(branch)
	var flood []*session
	for i := range 10 * maxStrangers {
		s := call("203.0.113.66")
		flood = append(flood, s)
		out := l.enter(s)
		switch first := i - (maxStrangers - 1); {
		case first < 0 && out != nil, first >= 0 && out != flood[first]:
			t.Fatalf("call %d pushed out %p", i, out)
		}
	}
	if out := l.enter(second); out == nil || out == branch {
		t.Errorf("the branch's second call pushed out %p", out)
	}
	if n := len(l.calls); n != maxStrangers {
		t.Errorf("%d calls", n)
	}
	for range 2 {
		l.leave(branch)
	}
	if n := len(l.calls); n != maxStrangers-1 {
		t.Errorf("%d calls after one left", n)
	}
}
