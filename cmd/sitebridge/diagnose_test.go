package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge/diagnose"
)

// TestStepsAreDocumented: the table of docs/commands.md has each step, in its order.
func TestStepsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| step | what it looks at |")
	table, _, _ = strings.Cut(table, "\n## ")
	var documented []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.HasPrefix(cells[1], " ---") {
			continue
		}
		for _, name := range strings.Split(cells[1], ",") {
			documented = append(documented, strings.Trim(name, " `"))
		}
	}
	if want := diagnose.StepNames(); !slices.Equal(documented, want) {
		t.Errorf("docs/commands.md has the steps\n%v\nand the program\n%v", documented, want)
	}
}

func TestPrintFinding(t *testing.T) {
	var out strings.Builder
	printFinding(&out, diagnose.Finding{Step: "tcp", Verdict: diagnose.Fault, Words: "192.0.2.1:1723 refuses", Do: "look\nand see"})
	printConclusion(&out, diagnose.Conclusion{Site: "hq", Words: "tcp: 192.0.2.1:1723 refuses", Do: "look"})
	const want = "FAULT    tcp             192.0.2.1:1723 refuses\n" +
		"                         to do: look\n" +
		"                         and see\n" +
		"\nhq: tcp: 192.0.2.1:1723 refuses\nto do: look\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

// TestDiagnoseWithoutAnything: no daemon and no configuration is no diagnosis.
func TestDiagnoseWithoutAnything(t *testing.T) {
	var out, errs strings.Builder
	e := &env{ctx: t.Context(), stdout: &out, stderr: &errs}
	if code := runDiagnose(e, []string{"--socket", t.TempDir() + "/none", "--config", t.TempDir() + "/none.toml", "hq"}); code != exitFailed && code != exitConfig || errs.Len() == 0 {
		t.Errorf("exit status %d, %s", code, errs.String())
	}
	if code := runDiagnose(e, nil); code != exitUsage {
		t.Errorf("without a site: exit status %d", code)
	}
}
