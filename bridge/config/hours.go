package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are when something may be done, by the clock on the wall of this machine.
// None: always.
type Hours []Span

// A Span is a time of day on some days of the week. One that ends before it begins
// goes on past midnight, and belongs to the day on which it began.
type Span struct {
	Days     [7]bool       // by time.Weekday
	From, To time.Duration // since midnight, by the clock; To is not in it
}

const day = 24 * time.Hour

// Open reports whether now is within the hours.
func (h Hours) Open(now time.Time) bool {
	clock := sinceMidnight(now)
	today := now.Weekday()
	yesterday := (today + 6) % 7
	return len(h) == 0 || slices.ContainsFunc(h, func(s Span) bool {
		if s.From < s.To {
			return s.Days[today] && s.From <= clock && clock < s.To
		}
		return s.Days[today] && s.From <= clock || s.Days[yesterday] && clock < s.To
	})
}

// sinceMidnight is what the clock shows, whatever was done to it in the night.
func sinceMidnight(t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// Next is when the hours, which are over or not begun, begin after now.
func (h Hours) Next(now time.Time) time.Time {
	var next time.Time
	for _, s := range h {
		for ahead := range 8 {
			y, m, d := now.Date()
			at := time.Date(y, m, d+ahead, 0, int(s.From/time.Minute), 0, 0, now.Location())
			if s.Days[at.Weekday()] && at.After(now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
				break
			}
		}
	}
	return next
}

// weekdays are the words of the configuration, by time.Weekday.
var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// span parses "mon-fri 07:30-18:00", "sat,sun 22:00-06:00", "07:00-19:00" or "sun".
func span(raw any) (Span, *mistake) {
	s, _ := raw.(string)
	parsed, ok := parseSpan(strings.Fields(strings.ToLower(s)))
	if !ok {
		return Span{}, notA(raw, "a time of the week", `write days, hours or both, as in "mon-fri 07:30-18:00", "sat,sun", or "22:00-06:00" for each night`)
	}
	return parsed, nil
}

func parseSpan(words []string) (s Span, ok bool) {
	s.To = day
	for i := range s.Days {
		s.Days[i] = true
	}
	if len(words) == 0 || len(words) > 2 {
		return s, false
	}
	if !strings.Contains(words[0], ":") {
		if s.Days, ok = parseDays(words[0]); !ok {
			return s, false
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return s, true
	}
	from, to, both := strings.Cut(words[0], "-")
	var okFrom, okTo bool
	s.From, okFrom = parseClock(from)
	s.To, okTo = parseClock(to)
	return s, both && okFrom && okTo && len(words) == 1 && s.From != s.To && s.From < day
}

// parseDays reads "mon-fri" or "sat,mon"; a range may go over the end of the week.
func parseDays(text string) (days [7]bool, ok bool) {
	for one := range strings.SplitSeq(text, ",") {
		a, b, isRange := strings.Cut(one, "-")
		if !isRange {
			b = a
		}
		from, to := slices.Index(weekdays[:], a), slices.Index(weekdays[:], b)
		if from < 0 || to < 0 {
			return days, false
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, true
}

// parseClock reads "07:30"; "24:00" is the end of a day.
func parseClock(text string) (time.Duration, bool) {
	var hour, minute int
	if len(text) != len("00:00") {
		return 0, false
	}
	if n, err := fmt.Sscanf(text, "%02d:%02d", &hour, &minute); err != nil || n != 2 || strings.ContainsAny(text, "+-") {
		return 0, false
	}
	if hour > 24 || minute > 59 || hour == 24 && minute > 0 {
		return 0, false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute, true
}
