package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sitebridge/internal/manual"
)

var update = flag.Bool("update", false, "write the manual page anew")

const (
	manualPage   = "../../packaging/man/sitebridge.8"
	commandsPage = "../../docs/commands.md"
)

// The manual page is what the program's own table, its flags and docs/commands.md say.
func TestManualPageIsTheProgram(t *testing.T) {
	doc, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := manualOf(string(doc))
	if *update {
		if err := os.WriteFile(manualPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(manualPage)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the program and docs/commands.md say now (%v): go test ./cmd/sitebridge -run Manual -update", manualPage, err)
	}
}

func manualOf(commandsDoc string) string {
	p := manual.NewPage("sitebridge", "8", "join branch LANs over PPTP tunnels, for IP and for IPX")
	// The overview of the document is its first chapter, and here the synopsis.
	overview, chapters, _ := strings.Cut(commandsDoc, "\n## ")
	p.Chapter("synopsis")
	p.Markdown(overview)
	p.Chapter("commands")
	for _, c := range allCommands() {
		if c.name == "identity" {
			continue // its own commands follow
		}
		p.Section(strings.TrimSpace(c.name + " " + c.args))
		p.Text(strings.ToUpper(c.about[:1]) + c.about[1:] + ".")
		flagsOf(c).VisitAll(func(f *flag.Flag) {
			value, about := flag.UnquoteUsage(f)
			p.Item(strings.TrimSpace(dashed(f)+" "+value), about+defaultOf(f))
		})
	}
	p.Markdown("## " + chapters)
	p.Chapter("files")
	p.Item(defaultConfig, "The configuration: see **sites.toml**(5). Secrets, keys and certificates stand beside it.")
	p.Item(defaultSocket, "The control socket.")
	p.Item("/usr/share/doc/sitebridge/examples/sites.toml", "Every key with its unit and default.")
	p.Chapter("see also")
	p.Text("**sites.toml**(5), **pppd**(8), and the guides in /usr/share/doc/sitebridge/docs.")
	return p.String()
}

// defaultOf is the default of a flag that has one, as the help writes it.
func defaultOf(f *flag.Flag) string {
	if f.DefValue == "" || isBool(f) || strings.Contains(f.Usage, "(default") {
		return ""
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

// The table of exit codes has those that the program has, and no others.
func TestExitCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "## Exit codes\n")
	chapter, _, _ := strings.Cut(rest, "\n## ")
	documented := map[string]bool{}
	for line := range strings.Lines(chapter) {
		if cells := manual.Cells(line); len(cells) == 2 && cells[0] != "" && strings.Trim(cells[0], "0123456789") == "" {
			documented[cells[0]] = true
		}
	}
	codes := exitCodes(t)
	if got, want := slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Values(codes)); len(want) < 6 || !slices.Equal(got, want) {
		t.Errorf("documented are %q, and the program has %v", got, codes)
	}
}

// exitCodes finds the constants of the program whose names begin with exit.
func exitCodes(t *testing.T) map[string]string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, path := range sources {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				exitCodesOf(spec, codes)
			}
			return true
		})
	}
	return codes
}

func exitCodesOf(spec *ast.ValueSpec, codes map[string]string) {
	for i, name := range spec.Names {
		if strings.HasPrefix(name.Name, "exit") && i < len(spec.Values) {
			if v, ok := spec.Values[i].(*ast.BasicLit); ok {
				codes[name.Name] = v.Value
			}
		}
	}
}

// Every command is in the overview of docs/commands.md.
func TestEveryCommandIsDocumented(t *testing.T) {
	doc, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	overview, _, _ := strings.Cut(string(doc), "\n## ")
	for _, c := range allCommands() {
		words := strings.Fields(c.name)
		found := false
		for line := range strings.Lines(overview) {
			fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,|\n", r) })
			has := func(w string) bool { return slices.Contains(fields, w) }
			found = found || has("sitebridge") && !slices.ContainsFunc(words, func(w string) bool { return !has(w) })
		}
		if !found {
			t.Errorf("%s: the overview does not have it", c.name)
		}
	}
}
