package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A row is what was measured of one fault. It stands in the table only when nothing
// was left behind: else the test has failed.
type row struct {
	fault     string
	sees      string // what the user sees
	noticed   string
	recovered string
}

var (
	rowsMu sync.Mutex // guards rows
	rows   []row
)

func keep(r row) {
	rowsMu.Lock()
	defer rowsMu.Unlock()
	rows = append(rows, r)
}

// order is that of the table: what begins with one of these stands there.
var order = []string{
	"peer's daemon killed", "peer's machine loses power", "peer's daemon frozen", "daemon killed",
	"WAN cut for 1 s", "WAN cut for 30 s", "WAN cut for 5 min", "WAN silent one way", "GRE blocked", "TCP blocked", "NAT", "WAN loses",
	"LAN interface", "TUN", "routes", "disk", "descriptors", "memory", "name server", "certificate", "100 reloads",
}

func rank(fault string) int {
	i := slices.IndexFunc(order, func(o string) bool { return strings.HasPrefix(fault, o) })
	if i < 0 {
		return len(order)
	}
	return i
}

func table() string {
	rowsMu.Lock()
	defer rowsMu.Unlock()
	slices.SortStableFunc(rows, func(a, b row) int { return rank(a.fault) - rank(b.fault) })
	var b strings.Builder
	b.WriteString("| fault | what the user sees | noticed within | traffic flows again within |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.fault, strings.ReplaceAll(r.sees, "|", `\|`), r.noticed, r.recovered)
	}
	return b.String()
}

// took is a duration for the table, rounded up.
func took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return "10 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", (d + 9*time.Millisecond).Truncate(10*time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%.1f s", (d + 49*time.Millisecond).Seconds())
}

func TestTable(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "10 ms", 101 * time.Millisecond: "110 ms", 1010 * time.Millisecond: "1.1 s", 31 * time.Second: "31.0 s"} {
		if got := took(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if rank("WAN cut for 1 s") >= rank("100 reloads under traffic") || rank("something else") != len(order) {
		t.Error("the order of the table is lost")
	}
}
