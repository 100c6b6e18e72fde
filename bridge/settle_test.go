package bridge

import (
	"testing"
	"time"
)

func TestSettle(t *testing.T) {
	t0 := time.Unix(1000, 0)
	ours := func(at int) claim { return claim{t0.Add(time.Duration(at) * time.Second), true} }
	theirs := func(at int) claim { return claim{t0.Add(time.Duration(at) * time.Second), false} }
	for _, c := range []struct {
		name      string
		old, new  claim
		our, peer string
		want      verdict
	}{
		{"we are smaller and dialled the old one", ours(0), theirs(1), "a", "b", keepOld},
		{"we are smaller and dialled the new one", theirs(0), ours(9), "a", "b", takeNew},
		{"peer is smaller and dialled the new one", ours(0), theirs(9), "b", "a", takeNew},
		{"peer is smaller and dialled the old one", theirs(0), ours(3), "b", "a", keepOld},
		{"names compare by octets, not by letters", ours(0), theirs(1), "Zeta", "alpha", keepOld},
		{"the new one began before the old one", ours(5), theirs(1), "b", "a", takeNew},
		{"ten seconds apart is no collision", ours(0), theirs(10), "a", "b", askOld},
		{"the peer calls again", theirs(0), theirs(1), "a", "b", askOld},
	} {
		if got := settle(c.old, c.new, c.our, c.peer); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Both ends must keep the same one of two crossing calls, whatever the order in
// which each of them saw the two authenticate.
func TestBothEndsKeepTheSameCall(t *testing.T) {
	t0 := time.Unix(1000, 0)
	for _, names := range [][2]string{{"hq", "branch"}, {"branch", "hq"}} {
		us, them := names[0], names[1]
		kept := func(our, peer string, weDialedOld bool) (keptOurs bool) {
			old, new := claim{t0, weDialedOld}, claim{t0.Add(time.Second), !weDialedOld}
			return (settle(old, new, our, peer) == keepOld) == weDialedOld
		}
		for _, first := range []bool{true, false} {
			for _, second := range []bool{true, false} {
				if kept(us, them, first) == kept(them, us, second) {
					t.Errorf("%s and %s keep different calls", us, them)
				}
			}
		}
	}
}
