package control

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A lobbyTest lets named guests in and notes who had to go.
type lobbyTest struct {
	*lobby
	guests map[string]*guest
	gone   []string
}

func newLobbyTest(connections, vacant, perSource int) *lobbyTest {
	limits := Limits{Connections: connections, Vacant: vacant, VacantPerSource: perSource}
	return &lobbyTest{lobby: newLobby(limits), guests: map[string]*guest{}}
}

// in lets a guest in whose name is source/number.
func (l *lobbyTest) in(source byte, number int) bool {
	name := fmt.Sprintf("%d/%d", source, number)
	g := &guest{source: netip.AddrFrom4([4]byte{192, 0, 2, source})}
	g.evict = func() { l.gone = append(l.gone, name) }
	l.guests[name] = g
	return l.enter(g)
}

func (l *lobbyTest) wantGone(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(l.gone, want) {
		t.Errorf("gone: %q, want %q", l.gone, want)
	}
}

func (l *lobbyTest) wantCounts(t *testing.T, total, waiting int) {
	t.Helper()
	vacant := 0
	for _, guests := range l.vacant {
		vacant += len(guests)
	}
	if l.total != total || l.waiting != waiting || vacant != waiting {
		t.Errorf("%d guests, %d waiting, %d vacant; want %d and %d", l.total, l.waiting, vacant, total, waiting)
	}
}

func TestLobbyPerSource(t *testing.T) {
	l := newLobbyTest(10, 10, 2)
	for i := range 4 {
		l.in(1, i)
	}
	l.in(2, 0)
	l.wantGone(t, "1/0", "1/1") // the oldest of the crowded source, not the newcomer
	l.wantCounts(t, 3, 3)
}

func TestLobbyFull(t *testing.T) {
	l := newLobbyTest(10, 4, 4)
	l.in(1, 0)
	l.in(2, 0)
	l.in(3, 0)
	l.in(3, 1)
	l.in(4, 0) // the crowd is at 3
	l.in(5, 0) // nobody is a crowd: the oldest
	l.wantGone(t, "3/0", "1/0")
	l.wantCounts(t, 4, 4)
}

func TestLobbyPrefersThoseWhoSpoke(t *testing.T) {
	l := newLobbyTest(10, 10, 2)
	l.in(1, 0)
	l.update(l.guests["1/0"], 0) // started
	l.in(1, 1)
	l.in(1, 2)
	l.wantGone(t, "1/1")
}

// A peer that dials anew while its old connection is being closed keeps the new
// one, even in a crowd.
func TestLobbyPrefersNewcomersToGoodbyes(t *testing.T) {
	l := newLobbyTest(10, 3, 3)
	l.in(1, 0)
	l.in(2, 0)
	l.update(l.guests["2/0"], 1)
	l.update(l.guests["2/0"], 0)
	l.finish(l.guests["2/0"])
	l.in(2, 1)
	l.in(1, 1)
	l.wantGone(t, "2/0")
}

// Who makes calls that are ended for him, one after the other, does not push out a
// newcomer behind the same NAT with the connections that he leaves.
func TestLobbyPrefersNewcomersToThoseAfterTheirCall(t *testing.T) {
	l := newLobbyTest(10, 10, 2)
	for i := range 3 {
		l.in(1, i)
		l.update(l.guests[fmt.Sprintf("1/%d", i)], 1)
	}
	l.in(1, 3) // has not spoken yet
	for i := range 3 {
		l.update(l.guests[fmt.Sprintf("1/%d", i)], 0)
	}
	l.wantGone(t, "1/0", "1/1")
	l.wantCounts(t, 2, 2)
}

func TestLobbyKeepsCalls(t *testing.T) {
	l := newLobbyTest(3, 2, 2)
	for i := range 3 {
		l.in(1, i)
		l.update(l.guests[fmt.Sprintf("1/%d", i)], 1)
	}
	l.wantCounts(t, 3, 0)
	if l.in(2, 0) {
		t.Error("a newcomer came in although all places have calls")
	}
	l.update(l.guests["1/1"], 0)
	if !l.in(2, 1) {
		t.Error("a newcomer did not get the place of a vacant connection")
	}
	l.wantGone(t, "1/1")
	l.wantCounts(t, 3, 1)
	if l.refused != 1 || l.evicted != 1 {
		t.Errorf("%d refused, %d evicted", l.refused, l.evicted)
	}
}

// What a guest does after it was evicted, on its way out, counts for nothing.
func TestLobbyForgetsTheEvicted(t *testing.T) {
	l := newLobbyTest(10, 10, 1)
	l.in(1, 0)
	l.in(1, 1)
	gone := l.guests["1/0"]
	l.update(gone, 1)
	l.update(gone, 0)
	l.leave(gone)
	l.wantCounts(t, 1, 1)
	l.leave(l.guests["1/1"])
	l.wantCounts(t, 0, 0)
	if len(l.vacant) != 0 {
		t.Errorf("sources kept: %v", l.vacant)
	}
}

func TestRation(t *testing.T) {
	r := ration{every: time.Second}
	now := time.Now()
	var got []string
	for _, ms := range []int{0, 1, 999, 1000, 1001, 5000} {
		held, ok := r.take(now.Add(time.Duration(ms) * time.Millisecond))
		got = append(got, fmt.Sprintf("%d %v %d", ms, ok, held))
	}
	want := []string{"0 true 0", "1 false 0", "999 false 0", "1000 true 2", "1001 false 0", "5000 true 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
