package bridge

import (
	"net/netip"
	"testing"

	"sitebridge/control/gre"
)

func strangerFrom(addr netip.Addr) *session {
	return &session{path: gre.Path{Remote: addr}}
}

// Whoever calls and calls, and never says who he is, keeps nobody else out, and
// has a small share of the places.
func TestAttackC11CallsOfStrangers(t *testing.T) {
	var l strangers
	branch := strangerFrom(homeAddr)
	l.enter(branch)
	var flood []*session
	for i := range 10_000 {
		s := strangerFrom(sourceAddr(1))
		flood = append(flood, s)
		out := l.enter(s)
		switch first := i - maxFromSource; {
		case first < 0 && out != nil, first >= 0 && out != flood[first]:
			t.Fatalf("call %d pushed out %p", i, out)
		}
	}
	if n := l.waiting(); n != 1+maxFromSource {
		t.Errorf("%d calls", n)
	}
	if out := l.enter(strangerFrom(homeAddr)); out != nil {
		t.Errorf("the branch's second call pushed out %p", out)
	}
	for range 2 {
		l.leave(branch)
	}
	if n := l.waiting(); n != 1+maxFromSource {
		t.Errorf("%d calls after one left", n)
	}
}

// Many addresses fill all the places: those with the most calls lose theirs.
func TestAttackC11CallsFromManyAddresses(t *testing.T) {
	var l strangers
	branch := strangerFrom(homeAddr)
	l.enter(branch)
	for n := range 20 {
		for range maxFromSource {
			if out := l.enter(strangerFrom(sourceAddr(n))); out == branch {
				t.Fatalf("address %d pushed out the branch", n)
			}
		}
	}
	if n := l.waiting(); n != maxStrangers {
		t.Errorf("%d calls", n)
	}
	if out := l.enter(strangerFrom(homeAddr)); out == nil || out == branch {
		t.Errorf("the branch's second call pushed out %p", out)
	}
}

// With one call from each of ten thousand addresses there is no crowd: then an
// address from which a peer has proved itself before is spared.
func TestAttackC11CallsFromAsManyAddressesAsCalls(t *testing.T) {
	g := newGuard()
	g.met(homeAddr)
	l := strangers{knows: g.knows}
	branch := strangerFrom(homeAddr)
	l.enter(branch)
	for n := range 10_000 {
		if out := l.enter(strangerFrom(sourceAddr(n))); out == branch {
			t.Fatalf("address %d pushed out the branch", n)
		}
	}
	if n := l.waiting(); n != maxStrangers {
		t.Errorf("%d calls", n)
	}
	if out := l.enter(strangerFrom(homeAddr)); out == nil || out == branch {
		t.Errorf("the branch's second call pushed out %p", out)
	}
}
