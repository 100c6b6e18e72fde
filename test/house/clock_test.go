package house

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"testing"
)

// wallClock is who may take the wall clock's number out of a time, and why. All others
// keep a time.Time or a word of internal/clock: what is reckoned with must not jump when
// somebody sets the clock.
var wallClock = map[string]string{
	"bridge/metrics.go":             "Prometheus wants seconds since 1970",
	"internal/radius/accounting.go": "RADIUS wants seconds since 1970 (RFC 2869, section 5.3)",
	"internal/pcapng/pcapng.go":     "a capture has the time of day",
	"internal/netlab/pcap.go":       "a capture has the time of day",
	"internal/stamp/stamp.go":       "the kernel tells the time of day",
	"ipx/station/find.go":           "a number that nobody else has",
	"ipx/station/ping.go":           "a number that nobody else has",
	"ipx/triggered/machine.go":      "a number to begin with",
}

func TestTimersDoNotReadTheWallClock(t *testing.T) {
	used := map[string]bool{}
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		path, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, isCall := n.(*ast.CallExpr)
			if !isCall {
				return true
			}
			sel, isSel := call.Fun.(*ast.SelectorExpr)
			if !isSel || len(call.Args) != 0 {
				return true
			}
			switch sel.Sel.Name {
			case "Unix", "UnixNano", "UnixMilli", "UnixMicro":
				if _, may := wallClock[path]; !may {
					t.Errorf("%v reads the wall clock: see internal/clock", set.Position(call.Pos()))
				}
				used[path] = true
			}
			return true
		})
	})
	for path := range wallClock {
		if !used[path] {
			t.Errorf("%s does not read the wall clock any more", path)
		}
	}
}
