package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	attackRow  = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \| (.*) \|$`)
	attackTest = regexp.MustCompile(`(?m)^func (TestAttack([A-Z]\d\w*))\(`)
	rowOf      = regexp.MustCompile(`[A-Z]\d+`)
)

// attacks are the rows of the list of attacks, whose copy of numbers is in testdata.
func attacks(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/attacks.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// docs/security.md has each row of the list, in its order, and each names tests of that
// number that there are.
func TestSecurityNamesATestOfEachAttack(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range attackRow.FindAllStringSubmatch(string(b), -1) {
		row, cells := m[1], strings.Split(m[2], " | ")
		rows = append(rows, row)
		if len(cells) != 3 {
			t.Errorf("%s has %d cells behind its number, want 3", row, len(cells))
			continue
		}
		named := shownBy.FindAllStringSubmatch(cells[2], -1)
		if len(named) == 0 {
			t.Errorf("%s names no test", row)
		}
		for _, test := range named {
			if !slices.Contains(rowsOf(test[1]), row) {
				t.Errorf("%s names %s, which is of another row", row, test[1])
			}
			if !hasTest(t, test[2], test[1]) {
				t.Errorf("%s names %s of %s, which is not there", row, test[1], test[2])
			}
		}
	}
	if want := attacks(t); !slices.Equal(rows, want) {
		t.Errorf("the rows are %v, want %v", rows, want)
	}
}

// Each row has a test that bears its number, and each number in the name of a test is one
// of the list.
func TestAttacksAndTestsAreTheSame(t *testing.T) {
	want := attacks(t)
	tested := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range attackTest.FindAllStringSubmatch(string(b), -1) {
			for _, row := range rowsOf(m[1]) {
				tested[row] = true
				if !slices.Contains(want, row) {
					t.Errorf("%s: %s is of no row of the list", path, m[1])
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range want {
		if !tested[row] {
			t.Errorf("row %s has no test", row)
		}
	}
}

// rowsOf is which rows a test is of: TestAttackX1X2Limits is of two.
func rowsOf(test string) (rows []string) {
	rest := strings.TrimPrefix(test, "TestAttack")
	for {
		at := rowOf.FindStringIndex(rest)
		if at == nil || at[0] != 0 {
			return rows
		}
		rows, rest = append(rows, rest[:at[1]]), rest[at[1]:]
	}
}
