package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pains is how many troubles docs/troubleshooting.md tells of.
const pains = 41

var (
	painHeading = regexp.MustCompile(`(?m)^### (\d+)\. `)
	shownBy     = regexp.MustCompile("`(Test\\w+)` \\(([\\w/]+)\\)")
)

// The troubleshooting page tells of every pain, and each names tests that there are.
func TestTroubleshootingNamesItsTests(t *testing.T) {
	b, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	headings := painHeading.FindAllStringSubmatchIndex(text, -1)
	if len(headings) != pains {
		t.Errorf("%d troubles, want %d", len(headings), pains)
	}
	for i, h := range headings {
		number, end := text[h[2]:h[3]], len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		if number != strconv.Itoa(i+1) {
			t.Errorf("number %s stands at place %d", number, i+1)
		}
		named := shownBy.FindAllStringSubmatch(text[h[0]:end], -1)
		if len(named) == 0 {
			t.Errorf("%s names no test", number)
		}
		for _, m := range named {
			if !hasTest(t, m[2], m[1]) {
				t.Errorf("%s names %s of %s, which is not there", number, m[1], m[2])
			}
		}
	}
}

// hasTest reports whether a folder of the tree has a test of that name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
