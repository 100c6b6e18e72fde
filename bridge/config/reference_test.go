package config

import (
	"errors"
	commandline "flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sitebridge/internal/manual"
)

var update = commandline.Bool("update", false, "write the pages that are made of the example and the code")

// unbuilt are keys that the parser knows and this version refuses.
var unbuilt = []string{"idle"}

// The reference and the manual page say what the example says, and what the parser
// takes: it is asked by values that it refuses, and it names what to write instead.
func TestReferenceIsTheCode(t *testing.T) {
	b, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	e := manual.ParseExample(string(b))
	dir := newDir(t, string(b))
	dir.ofExample()
	taken := map[string]string{}
	for _, table := range e.Tables {
		for _, k := range table.Keys {
			taken[table.Name+"."+k.Name] = dir.whatIsTaken(string(b), k)
		}
	}
	values := func(table manual.Table, k manual.Key) string { return taken[table.Name+"."+k.Name] }
	if len(taken) < 80 {
		t.Errorf("only %d keys", len(taken))
	}
	committed(t, "../../docs/reference.md", e.Reference(values))
	committed(t, "../../packaging/man/sites.toml.5", e.Page5(values))
}

// committed compares a page with what it must be, or writes it.
func committed(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the example and the code say now (%v): go test ./bridge/config -run Reference -update", path, err)
	}
}

// whatIsTaken provokes a fault at a key of the example, and returns what it says to
// write there.
func (d dir) whatIsTaken(example string, k manual.Key) string {
	d.t.Helper()
	const nonsense = "1979-05-27" // a date: no key takes one
	fix, ok := d.fixOf(example, k, nonsense)
	if !ok {
		d.t.Errorf("%s.%s: the parser finds no fault with a date: does it read the key?", k.In, k.Name)
		return ""
	}
	if !strings.Contains(fix, "square brackets") {
		return whatToWrite(fix)
	}
	fix, ok = d.fixOf(example, k, "["+nonsense+"]")
	if !ok {
		d.t.Errorf("%s.%s: the parser finds no fault with a list of dates", k.In, k.Name)
	}
	return "a list; each: " + whatToWrite(fix)
}

// whatToWrite is a fix without the words that address who made the fault.
func whatToWrite(fix string) string {
	if strings.Contains(fix, "with its keys below") {
		return "a table"
	}
	for _, words := range []string{"write it ", "write ", "name "} {
		fix = strings.TrimPrefix(fix, words)
	}
	return strings.ReplaceAll(fix, ", without quotes", "")
}

// fixOf writes raw at a key of the example, and returns the fix of the fault there.
func (d dir) fixOf(example string, k manual.Key, raw string) (string, bool) {
	d.t.Helper()
	path := k.Name
	if k.In != "" {
		path = k.In + "." + k.Name
	}
	d.file("sites.toml", withKey(d.t, example, k.In, k.Name, raw), 0o644)
	_, err := Load(d.path())
	if faults, ok := errors.AsType[*Faults](err); ok {
		for _, f := range *faults {
			if f.Key == path {
				return f.Fix, true
			}
		}
	}
	return "", false
}

// withKey replaces a key of a table of the example, or puts it in. The table may be
// one that the example only hints at.
func withKey(t testing.TB, example, in, key, raw string) string {
	t.Helper()
	head, body, tail := "", example, ""
	if in != "" {
		header := regexp.MustCompile(`(?m)^#?\[` + regexp.QuoteMeta(in) + `\]$`).FindStringIndex(example)
		if header == nil {
			t.Fatalf("the example has no [%s]", in)
		}
		head, body = example[:header[0]]+"["+in+"]", example[header[1]:]
	}
	if next := regexp.MustCompile(`(?m)^#?\[`).FindStringIndex(body); next != nil {
		body, tail = body[:next[0]], body[next[0]:]
	}
	line := fmt.Sprintf("%s = %s", key, raw)
	stands := regexp.MustCompile(`(?m)^#?` + key + ` = .*$`)
	if at := stands.FindStringIndex(body); at != nil {
		body = body[:at[0]] + line + body[at[1]:]
	} else {
		body = "\n" + line + body
	}
	return head + body + tail
}

// The reference has every key that the parser asks for: where a key is unknown, the
// fault names all that are known.
func TestReferenceIsComplete(t *testing.T) {
	b, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"defaults": true}
	kinds := map[string][]string{} // tables of the example by their kind
	e := manual.ParseExample(string(b))
	for _, table := range e.Tables {
		shown[table.Name] = true
		for _, k := range table.Keys {
			shown[strings.TrimPrefix(table.Name+"."+k.Name, ".")] = true
			if !slices.Contains(kinds[table.Name], k.In) && !strings.HasPrefix(k.In, "defaults") {
				kinds[table.Name] = append(kinds[table.Name], k.In)
			}
		}
	}
	const unknown = "zzzzzzzzzzzz"
	dir := newDir(t, string(b))
	dir.ofExample()
	asked := 0
	for kind, tables := range kinds {
		for _, in := range tables {
			fix, ok := dir.fixOf(string(b), manual.Key{Name: unknown, In: in}, "1")
			list, named := strings.CutPrefix(fix, "known here are ")
			if !ok || !named {
				t.Errorf("[%s]: an unknown key is not refused with those that are known: %q", in, fix)
			}
			for key := range strings.SplitSeq(list, ", ") {
				full := strings.TrimPrefix(kind+"."+key, ".")
				asked++
				if !shown[full] && !isTableOf(shown, full) && key != unknown && !slices.Contains(unbuilt, key) {
					t.Errorf("the example, and so the reference, does not show %s", full)
				}
			}
		}
	}
	if asked < 80 {
		t.Errorf("only %d keys are known", asked)
	}
}

// isTableOf reports whether there are keys below name.
func isTableOf(shown map[string]bool, name string) bool {
	for full := range shown {
		if strings.HasPrefix(full, name+".") {
			return true
		}
	}
	return false
}
