package lab

import (
	"flag"
	"fmt"
	"os"
)

// Quick limits a run to the tests whose names match pattern, unless FULL is set
// or -run names others: `go test ./...` is for every few minutes, and what takes
// longer is run by `make test`, which sets FULL. Call it first in TestMain; it
// reports whether it did limit.
func Quick(pattern string) bool {
	flag.Parse()
	run, bench := flag.Lookup("test.run").Value, flag.Lookup("test.bench").Value
	if os.Getenv("FULL") != "" || run.String() != "" || bench.String() != "" {
		return false
	}
	fmt.Printf("only %s here; FULL=1, as make test sets it, runs all\n", pattern)
	if err := run.Set(pattern); err != nil {
		panic(err)
	}
	return true
}
