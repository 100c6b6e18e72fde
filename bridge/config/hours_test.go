package config

import (
	"testing"
	"time"
)

// hoursOf parses spans.
func hoursOf(t *testing.T, texts ...string) (h Hours) {
	t.Helper()
	for _, text := range texts {
		s, wrong := span(text)
		if wrong != nil {
			t.Fatalf("%s: %v", text, wrong)
		}
		h = append(h, s)
	}
	return h
}

func TestHours(t *testing.T) {
	const layout = "Mon 2006-01-02 15:04:05 MST"
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		spans []string
		now   string // 2026, in Berlin
		open  bool
		next  string
	}{
		{"none", nil, "03-02 03:00:00", true, ""},
		{"before work", []string{"mon-fri 07:30-18:00"}, "03-02 07:29:59", false, "Mon 2026-03-02 07:30:00 CET"},
		{"at work", []string{"mon-fri 07:30-18:00"}, "03-02 07:30:00", true, "Tue 2026-03-03 07:30:00 CET"},
		{"the last second", []string{"mon-fri 07:30-18:00"}, "03-02 17:59:59", true, "Tue 2026-03-03 07:30:00 CET"},
		{"after work", []string{"mon-fri 07:30-18:00"}, "03-06 18:00:00", false, "Mon 2026-03-09 07:30:00 CET"},
		{"the nearest of two", []string{"mon-fri 07:30-18:00", "sat 09:00-12:00"}, "03-06 18:00:00", false, "Sat 2026-03-07 09:00:00 CET"},
		{"over midnight, before it", []string{"fri 22:00-06:00"}, "03-06 23:00:00", true, "Fri 2026-03-13 22:00:00 CET"},
		{"over midnight, after it", []string{"fri 22:00-06:00"}, "03-07 05:59:00", true, "Fri 2026-03-13 22:00:00 CET"},
		{"over midnight, another night", []string{"fri 22:00-06:00"}, "03-06 05:59:00", false, "Fri 2026-03-06 22:00:00 CET"},
		{"a whole day", []string{"sun"}, "03-08 00:00:00", true, "Sun 2026-03-15 00:00:00 CET"},
		{"over the end of the week", []string{"sat-mon 10:00-24:00"}, "03-02 23:59:59", true, "Sat 2026-03-07 10:00:00 CET"},
		{"each day", []string{"07:00-19:00"}, "03-01 19:00:00", false, "Mon 2026-03-02 07:00:00 CET"},
		{"summer begins: the clock counts", []string{"sun 07:30-18:00"}, "03-29 07:30:00", true, "Sun 2026-04-05 07:30:00 CEST"},
		{"and what was planned before", []string{"sun 07:30-18:00"}, "03-28 12:00:00", false, "Sun 2026-03-29 07:30:00 CEST"},
		{"an hour that there is not", []string{"sun 02:30-04:00"}, "03-29 00:00:00", false, "Sun 2026-03-29 03:30:00 CEST"},
		{"an hour that there is twice", []string{"sun 02:30-02:45"}, "10-25 02:35:00", true, "Sun 2026-11-01 02:30:00 CET"},
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04:05", "2026-"+tt.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		h := hoursOf(t, tt.spans...)
		if got := h.Open(now); got != tt.open {
			t.Errorf("%s: open %v, want %v", tt.name, got, tt.open)
		}
		next := ""
		if at := h.Next(now); !at.IsZero() {
			next = at.Format(layout)
		}
		if next != tt.next {
			t.Errorf("%s: next %q, want %q", tt.name, next, tt.next)
		}
	}
}

func TestNoHours(t *testing.T) {
	for _, raw := range []any{"", "monday", "mon 7:30-18:00", "mon 07:30", "mon 25:00-26:00", "mon 07:60-08:00", "mon 08:00-08:00", "mon-fri 07:30-18:00 x", "mon 24:00-06:00", "mon,,tue", "-1:00-02:00", "+1:00-02:00", int64(7)} {
		if s, wrong := span(raw); wrong == nil {
			t.Errorf("%v is taken as %+v", raw, s)
		}
	}
}
