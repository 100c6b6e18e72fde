package lab

import (
	"flag"
	"fmt"
	"os"
)

// Quick limits a run to the tests whose names match pattern, unless FULL is set
// or -run names others: `go test ./...` is for every few minutes, and what takes
// longer is run by `make test`, which sets FULL. Call it first in TestMain.
func Quick(pattern string) {
	flag.Parse()
	run := flag.Lookup("test.run").Value
	if os.Getenv("FULL") != "" || run.String() != "" {
		return
	}
	fmt.Printf("only %s here; FULL=1, as make test sets it, runs all\n", pattern)
	if err := run.Set(pattern); err != nil {
		panic(err)
	}
}
