package bridge

import (
	"testing"
	"time"
)

func wantCounts(t *testing.T, what string, ty *tally[string], now time.Time, want map[string]int) {
	t.Helper()
	for key, n := range want {
		if got := ty.of(now, key).count; got != n {
			t.Errorf("%s: %s counts %d, want %d", what, key, got, n)
		}
	}
}

func TestTally(t *testing.T) {
	now := time.Unix(1e9, 0)
	add := func(ty *tally[string], keys ...string) {
		for _, k := range keys {
			now = now.Add(time.Second)
			ty.add(now, k)
		}
	}
	t.Run("the lowest goes first, the stalest of those", func(t *testing.T) {
		ty := newTally[string](3, time.Hour, false)
		add(&ty, "heavy", "heavy", "stale", "light", "new")
		wantCounts(t, "full", &ty, now, map[string]int{"heavy": 2, "stale": 0, "light": 1, "new": 1})
	})
	t.Run("a newcomer inherits", func(t *testing.T) {
		ty := newTally[string](2, time.Hour, true)
		add(&ty, "a", "a", "b", "b", "b", "new")
		wantCounts(t, "full", &ty, now, map[string]int{"a": 0, "b": 3, "new": 3})
	})
	t.Run("the quiet are forgotten", func(t *testing.T) {
		ty := newTally[string](2, time.Hour, true)
		add(&ty, "a", "a", "b")
		now = now.Add(time.Hour)
		wantCounts(t, "quiet", &ty, now, map[string]int{"a": 0, "b": 0})
		add(&ty, "new", "a")
		wantCounts(t, "after", &ty, now, map[string]int{"a": 1, "b": 0, "new": 1})
		if len(ty.all) != 2 {
			t.Errorf("%d keys kept", len(ty.all))
		}
	})
	t.Run("what is taken back", func(t *testing.T) {
		ty := newTally[string](2, 0, false)
		add(&ty, "a", "a", "a", "b")
		ty.sub("a", 2)
		ty.sub("b", 1)
		ty.sub("nobody", 1)
		now = now.Add(1e6 * time.Hour)
		wantCounts(t, "after", &ty, now, map[string]int{"a": 1, "b": 0})
		if len(ty.all) != 1 {
			t.Errorf("%d keys kept", len(ty.all))
		}
	})
	t.Run("counts beyond the highest rank are exact", func(t *testing.T) {
		ty := newTally[string](2, time.Hour, false)
		for range 1000 {
			add(&ty, "a")
		}
		ty.sub("a", 998)
		wantCounts(t, "after", &ty, now, map[string]int{"a": 2})
	})
}
