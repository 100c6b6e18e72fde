package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// eachFile calls fn with every Go file of the tree that is not a test.
func eachFile(t *testing.T, fn func(path string, set *token.FileSet, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && len(e.Name()) > 2):
			return filepath.SkipDir
		case !strings.HasSuffix(p, ".go"), strings.HasSuffix(p, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err == nil {
			fn(p, set, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A parser that panics on a peer's octets must be mended: recover would hide it,
// as it did in programs that were here before this one.
func TestNothingRecovers(t *testing.T) {
	files := 0
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		files++
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "recover" {
					t.Errorf("%v calls recover", set.Position(call.Pos()))
				}
			}
			return true
		})
	})
	if files < 100 {
		t.Errorf("only %d files looked at", files)
	}
}

// Each package says in one comment what it does and what it leaves to others.
func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string]int{}
	eachFile(t, func(path string, _ *token.FileSet, f *ast.File) {
		dir := filepath.Dir(path)
		if f.Doc != nil {
			comments[dir]++
		} else {
			comments[dir] += 0
		}
	})
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments, want one", dir, n)
		}
	}
}
