package house

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	decoderName = regexp.MustCompile(`^(?i:parse|decode|unmarshal)`)
	fuzzTest    = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
)

// takesOctets reports whether a function takes octets, as a decoder does.
func takesOctets(f *ast.FuncDecl) bool {
	for _, p := range f.Type.Params.List {
		if list, ok := p.Type.(*ast.ArrayType); ok && list.Len == nil {
			if id, ok := list.Elt.(*ast.Ident); ok && id.Name == "byte" {
				return true
			}
		}
	}
	return false
}

// A package that takes octets apart has a fuzz test.
func TestDecodersAreFuzzed(t *testing.T) {
	decoders := map[string]string{} // by directory, where one is
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(dir, "test"+string(filepath.Separator)) {
			return
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && decoderName.MatchString(fn.Name.Name) && takesOctets(fn) {
				decoders[dir] = set.Position(fn.Pos()).String()
			}
		}
	})
	for dir, at := range decoders {
		tests, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		fuzzed := false
		for _, file := range tests {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			fuzzed = fuzzed || fuzzTest.Match(b)
		}
		if !fuzzed {
			t.Errorf("%s: %s decodes octets, and has no fuzz test", at, dir)
		}
	}
	if len(decoders) < 15 {
		t.Errorf("only %d packages with decoders found", len(decoders))
	}
}

// docs/reliability.md tells of each fuzz test how long it was run, and of none that is
// not there.
func TestFuzzingIsWrittenDown(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\S+)` \\| (Fuzz.*) \\|$").FindAllStringSubmatch(string(doc), -1) {
		for _, name := range regexp.MustCompile(`Fuzz\w+`).FindAllString(row[2], -1) {
			told[row[1]+" "+name] = true
		}
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range fuzzTest.FindAllSubmatch(b, -1) {
			key := dir + " " + string(m[1])
			if !told[key] {
				t.Errorf("docs/reliability.md, section Fuzzing, does not tell of %s", key)
			}
			delete(told, key)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range told {
		t.Errorf("docs/reliability.md, section Fuzzing, tells of %s, which is not there", key)
	}
}
