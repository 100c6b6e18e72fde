package diagnose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Verdict is what was found at one step.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning" // it works, and not as it should, or not for long
	Fault   Verdict = "fault"   // it does not work
	Unknown Verdict = "unknown" // not looked at, or nothing to be seen: Words say why
)

// A Finding is what one step found: a line of `sitebridge diagnose --json`.
type Finding struct {
	Step    string  `json:"step"`
	Looked  string  `json:"looked_at"` // what the step looks at
	Verdict Verdict `json:"verdict"`
	Words   string  `json:"words"`
	Do      string  `json:"do,omitempty"` // what to do about it
}

// A Conclusion is the last line: the first fault once more, in one sentence.
type Conclusion struct {
	Site    string  `json:"site"`
	Verdict Verdict `json:"verdict"`        // the worst of all
	Step    string  `json:"step,omitempty"` // where it was found first
	Words   string  `json:"conclusion"`
	Do      string  `json:"do,omitempty"`
}

// A Line is one line of the answer: a Finding, or at the end the Conclusion.
type Line struct {
	*Finding
	Conclusion *Conclusion `json:"result,omitempty"`
}

func ok(format string, args ...any) Finding {
	return Finding{Verdict: OK, Words: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Finding {
	return Finding{Verdict: Unknown, Words: fmt.Sprintf(format, args...)}
}

func fault(do, format string, args ...any) Finding {
	return Finding{Verdict: Fault, Words: fmt.Sprintf(format, args...), Do: do}
}

func warning(do, format string, args ...any) Finding {
	return Finding{Verdict: Warning, Words: fmt.Sprintf(format, args...), Do: do}
}

// worst returns the worst of several findings of one step with the words of all that
// are as bad; with none it is f.
func worst(f Finding, all ...Finding) Finding {
	for _, g := range append([]Finding{f}, all...) {
		switch {
		case rank(g.Verdict) > rank(f.Verdict):
			f = g
		case rank(g.Verdict) == rank(f.Verdict) && !strings.Contains(f.Words, g.Words):
			f.Words += "; " + g.Words
			if !strings.Contains(f.Do, g.Do) {
				f.Do = strings.TrimPrefix(f.Do+"; "+g.Do, "; ")
			}
		}
	}
	return f
}

func rank(v Verdict) int {
	switch v {
	case OK:
		return 1
	case Warning:
		return 2
	case Fault:
		return 3
	}
	return 0
}

// escape makes what is shown fit for a terminal, whoever chose a part of its words: a
// resolver, a certificate, a peer, a station on a LAN. What those escaped already stays.
func escape(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// escapeLines is escape for our own words in several lines.
func escapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = escape(l)
	}
	return strings.Join(lines, "\n")
}
