// Package faults does to two real daemons under traffic what happens to daemons, and
// measures when they notice, when traffic flows again, and what is left behind.
//
//	go test ./test/faults                      the short ones, with a quick echo
//	go test ./test/faults -long -out FILE      all, with the echo that sites.toml has by default
//
// FILE gets the table: between its two marks, if it has them, as docs/reliability.md.
package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/test/lab"
)

var (
	long = flag.Bool("long", false, "run the faults that take minutes too, and all with the default echo")
	out  = flag.String("out", "", "the file that the table goes to")
	seed = flag.Uint64("seed", 7, "of every chance that is taken")
)

func TestMain(m *testing.M) {
	lab.Quick("^(TestCut|TestTable)$")
	lab.Main(tabled{m})
}

// tabled writes the table after the tests, inside the namespaces.
type tabled struct{ m *testing.M }

func (t tabled) Run() int {
	if err := nameServerAtHome(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	code := t.m.Run()
	if *out != "" && code == 0 {
		if err := publish(*out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// nameServerAtHome has whoever runs in our mount namespace ask the name server of its
// own network namespace.
func nameServerAtHome() error {
	f, err := os.CreateTemp("", "resolv.conf-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"); err != nil {
		return err
	}
	return os.NewSyscallError("mount resolv.conf", unix.Mount(f.Name(), "/etc/resolv.conf", "", unix.MS_BIND, ""))
}
