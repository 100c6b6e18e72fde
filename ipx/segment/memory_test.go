package segment

import (
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	const one, two = 3, portMask
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	wrap := (start/timeUnit | timeMask) * timeUnit // the last unit before the time in a word begins anew
	hash := uint64(0xFEDC_BA98_7654_3210)
	for _, tt := range []struct {
		name  string
		do    func(m *memory)
		hash  uint64
		after time.Duration
		want  sighting
		found bool
	}{
		{"nothing", func(*memory) {}, hash, 0, sighting{}, false},
		{"nothing, of hash 0", func(*memory) {}, 0, 0, sighting{}, false},
		{"just now", func(m *memory) { m.note(hash, one, wrap) }, hash, 0, sighting{port: one}, true},
		{"a second ago", func(m *memory) { m.note(hash, two, wrap) }, hash, time.Second, sighting{port: two}, true},
		{"longer ago", func(m *memory) { m.note(hash, one, wrap) }, hash, 1200 * time.Millisecond, sighting{}, false},
		{"another in the same place", func(m *memory) { m.note(hash, one, wrap) }, hash ^ 1<<40, 0, sighting{}, false},
		{"marked", func(m *memory) { m.note(hash, two, wrap); m.mark(hash) }, hash, 0, sighting{port: two, looped: true}, true},
		{"unmarked", func(m *memory) { m.note(hash, two, wrap); m.mark(hash); m.unmark(hash) }, hash, 0, sighting{port: two}, true},
		{"by a second port", func(m *memory) { m.note(hash, one, wrap); m.note(hash, two, wrap) }, hash, 0, sighting{port: one}, true},
		{"refused", func(m *memory) { m.refuse(hash, two, wrap) }, hash, 0, sighting{port: two, refused: true}, true},
		{"refused after it came", func(m *memory) { m.note(hash, one, wrap); m.refuse(hash, two, wrap) }, hash, 0, sighting{port: one}, true},
		{"refused before it came", func(m *memory) { m.refuse(hash, two, wrap); m.note(hash, one, wrap) }, hash, 0, sighting{port: one, looped: true}, true},
		{"refused, then taken by the same port", func(m *memory) { m.refuse(hash, one, wrap); m.note(hash, one, wrap) }, hash, 0, sighting{port: one}, true},
		{"repeated", func(m *memory) { m.note(hash, one, wrap-int64(time.Second)); m.note(hash, one, wrap) }, hash, time.Second, sighting{port: one}, true},
		{"a loop's time is not prolonged", func(m *memory) {
			m.note(hash, one, wrap-int64(time.Second))
			m.mark(hash)
			m.note(hash, one, wrap)
		}, hash, time.Second, sighting{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := new(memory)
			tt.do(m)
			if got, found := m.find(tt.hash, wrap+int64(tt.after)); got != tt.want || found != tt.found {
				t.Errorf("found %v %+v, want %v %+v", found, got, tt.found, tt.want)
			}
		})
	}
}
