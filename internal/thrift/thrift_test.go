package thrift

import (
	"runtime"
	"testing"
)

const mib = 1 << 20

func TestMemoryIsGivenBackWhenItIsCalm(t *testing.T) {
	var k keeper
	for _, c := range []struct {
		what string
		use
		want bool
	}{
		{"it has just begun", use{live: 60 * mib, held: 150 * mib, allocated: 500 * mib}, false},
		{"nothing is asked for", use{live: 60 * mib, held: 150 * mib, allocated: 501 * mib}, true},
		{"little is spare", use{live: 60 * mib, held: 72 * mib, allocated: 502 * mib}, false},
		{"it works", use{live: 60 * mib, held: 150 * mib, allocated: 520 * mib}, false},
		{"it is small", use{live: 2 * mib, held: 5 * mib, allocated: 520 * mib}, false},
		{"it is so large that the spare is a trifle", use{live: 900 * mib, held: 1000 * mib, allocated: 520 * mib}, false},
		{"it holds less than it has counted", use{live: 60 * mib, held: 50 * mib, allocated: 520 * mib}, false},
	} {
		if got := k.idle(c.use); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

// The names of the runtime's metrics are right.
func TestTheRuntimeAnswers(t *testing.T) {
	before := look()
	b := make([]byte, 3*mib)
	runtime.GC()
	after := look()
	if after.live < 3*mib || after.held < after.live || after.allocated-before.allocated < 3*mib {
		t.Errorf("with 3 MiB more: %+v after %+v", after, before)
	}
	runtime.KeepAlive(b)
}
