package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A mistake is what is wrong with one value, and what to write instead.
type mistake struct{ reason, fix string }

// notA is the mistake of most values.
func notA(raw any, what, fix string) *mistake {
	return &mistake{show(raw) + " is not " + what, fix}
}

// maxShown is how much of a wrong value stands in a fault.
const maxShown = 60

// show makes a value of the file fit for a message.
func show(raw any) string {
	switch v := raw.(type) {
	case string:
		if len(v) > maxShown {
			return strconv.Quote(v[:maxShown]) + "..."
		}
		return strconv.Quote(v)
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	case time.Time:
		return "a date"
	}
	return fmt.Sprint(raw)
}

// printable makes the decoder's words fit for a message: it repeats characters of
// the file as they are.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

func flag(raw any) (bool, *mistake) {
	b, ok := raw.(bool)
	if !ok {
		return false, notA(raw, "a yes or no", "write true or false, without quotes")
	}
	return b, nil
}

// number parses whole numbers from low to high.
func number(low, high int64) func(any) (int, *mistake) {
	return func(raw any) (int, *mistake) {
		n, ok := raw.(int64)
		if !ok || n < low || n > high {
			return 0, notA(raw, "a number that fits", fmt.Sprintf("write %d to %d, without quotes", low, high))
		}
		return int(n), nil
	}
}

// duration parses times from low to high.
func duration(low, high time.Duration) func(any) (time.Duration, *mistake) {
	return func(raw any) (time.Duration, *mistake) {
		text, _ := raw.(string)
		d, err := time.ParseDuration(text)
		if err != nil || d < low || d > high {
			if meant, ok := seconds(raw); ok && meant >= low && meant <= high {
				return 0, &mistake{show(raw) + " has no unit", fmt.Sprintf("write \"%ds\", or another time from %q to %q", meant/time.Second, brief(low), brief(high))}
			}
			return 0, notA(raw, "a time that fits", fmt.Sprintf("write %q to %q", brief(low), brief(high)))
		}
		return d, nil
	}
}

// seconds is what a number without a unit most likely means.
func seconds(raw any) (time.Duration, bool) {
	n, err := strconv.ParseUint(fmt.Sprint(raw), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

// brief is a time as a person writes it: "5m" for "5m0s".
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// text parses any text that is not empty.
func text(raw any) (string, *mistake) {
	s, ok := raw.(string)
	if !ok || s == "" {
		return "", notA(raw, "a text", "write it in quotes")
	}
	return s, nil
}

// Names are told to peers; limits are those of PAP and of a PPTP host name.
const (
	maxName     = 64
	maxAuthName = 255
)

// name parses what we and our sites are called: it stands in device names, in
// keys and in messages.
func name(raw any) (string, *mistake) {
	s, _ := raw.(string)
	if !isName(s) {
		return "", notA(raw, "a name", fmt.Sprintf("write up to %d letters, digits, dots, hyphens and underscores, the first a letter or digit", maxName))
	}
	return s, nil
}

func isName(s string) bool {
	for i, r := range []byte(s) {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", rune(r))) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= maxName
}

// authName parses a name to be proved, which may be "DOMAIN\user".
func authName(raw any) (string, *mistake) {
	s, _ := raw.(string)
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if s == "" || len(s) > maxAuthName || !utf8.ValidString(s) || strings.ContainsFunc(s, odd) {
		return "", notA(raw, "a name to be proved", fmt.Sprintf("write up to %d printable characters", maxAuthName))
	}
	return s, nil
}

// maxDevice is IFNAMSIZ without its zero.
const maxDevice = 15

// device parses the name of a network interface by the kernel's rules.
func device(raw any) (string, *mistake) {
	s, _ := raw.(string)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:%", r) }
	if s == "" || len(s) > maxDevice || s == "." || s == ".." || strings.ContainsFunc(s, odd) {
		return "", notA(raw, "the name of an interface", fmt.Sprintf("write up to %d letters, digits, hyphens and dots", maxDevice))
	}
	return s, nil
}

// ipv4 parses an address of a host.
func ipv4(raw any) (netip.Addr, *mistake) {
	text, _ := raw.(string)
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, notA(raw, "the IPv4 address of a host", `write it in quotes, as in "10.255.0.1"`)
	}
	return a, nil
}

// prefix parses a network, of IPv4 or IPv6.
func prefix(raw any) (netip.Prefix, *mistake) {
	const fix = `write it in quotes, as in "10.2.0.0/16" or "2001:db8:2::/48"`
	text, _ := raw.(string)
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, notA(raw, "a network", fix)
	case p != p.Masked():
		return netip.Prefix{}, &mistake{show(raw) + " has bits set behind its length", fmt.Sprintf("write %q", p.Masked())}
	}
	return p, nil
}

// word parses one of a few words.
func word[T ~string](words ...T) func(any) (T, *mistake) {
	return func(raw any) (T, *mistake) {
		s, _ := raw.(string)
		for _, w := range words {
			if string(w) == s {
				return w, nil
			}
		}
		return "", notA(raw, "known here", "write "+oneOf(words))
	}
}

// wordBut is word, with words that no version will ever take and why.
func wordBut[T ~string](never map[string]string, words ...T) func(any) (T, *mistake) {
	return func(raw any) (T, *mistake) {
		s, _ := raw.(string)
		if why := never[strings.ToLower(s)]; why != "" {
			return "", &mistake{show(raw) + " is never accepted: " + why, "write " + oneOf(words)}
		}
		return word(words...)(raw)
	}
}

// oneOf lists words for a message: "a", "b" or "c".
func oneOf[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(string(w)))
	}
	return b.String()
}
