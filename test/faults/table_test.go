package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// The marks between which the table stands in a document.
const (
	tableBegins = "<!-- test/faults writes this table -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// publish writes the table, and on what it was measured, to a file.
func publish(file string) error {
	text := measuredOn() + "\n\n" + table()
	old, err := os.ReadFile(file)
	if before, rest, ok := strings.Cut(string(old), tableBegins); err == nil && ok {
		_, after, _ := strings.Cut(rest, tableEnds)
		text = before + tableBegins + "\n" + text + "\n" + tableEnds + after
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func measuredOn() string {
	echo := "`echo` of 1 s and 3 failures"
	if *long {
		echo = "`echo` of 10 s and 3 failures, which is the default"
	}
	race := "with the race detector"
	if os.Getenv("LAB_NO_RACE") != "" {
		race = "without the race detector"
	}
	release := "Linux"
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		release += " " + unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("Measured on %d cores (%s) with %s, %s, daemons built by %s %s; both in network namespaces of one machine; seed %d.",
		runtime.NumCPU(), runtime.GOARCH, release, echo, runtime.Version(), race, *seed)
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

func TestTableStandsBetweenItsMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("above\n"+tableBegins+"old\n"+tableEnds+"below\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := publish(file); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	text := string(b)
	if err != nil || !strings.HasPrefix(text, "above\n"+tableBegins) || !strings.HasSuffix(text, tableEnds+"below\n") ||
		strings.Contains(text, "old\n") || strings.Count(text, "| fault |") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}
