// Package netlab builds small networks out of Linux network namespaces, for the
// tests and for the demo: hosts, cables, bad lines, switches, routers and captures, all
// inside one process and its children.
//
// It needs no root, no `ip netns` and leaves nothing behind. Enter (Main in a
// test binary) runs the program again in user, network, mount and pid
// namespaces of its own, where it has every capability over what it makes. Each
// Namespace is held by a file descriptor and a thread and not by a name in
// /run, so that the kernel takes the whole lab down with the process, also when
// that is killed.
//
// A lab is built by a script of calls that return no error. The first failure
// ends the test that the lab belongs to; a lab without a test keeps it for Err
// and turns the calls that follow into nothing.
//
//	lab := netlab.New(t)
//	west, east := lab.Namespace("west"), lab.Namespace("east")
//	lab.Veth(west, "wan", east, "wan")
//	west.Addr("wan", "192.0.2.1/30")
//	east.Addr("wan", "192.0.2.2/30")
package netlab

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// A TB is the part of testing.TB that a lab needs; the demo links no testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// A Lab is a set of namespaces that live and die together.
type Lab struct {
	tb TB // nil: failures are kept in err

	mu         sync.Mutex // guards what follows
	namespaces []*Namespace
	relays     []*Relay
	err        error
}

// Start returns an empty lab, or says why this process cannot have one. devices
// are files such as "/dev/net/tun" that will be opened in it: a user namespace
// gives no right to those.
func Start(devices ...string) (*Lab, error) {
	for _, path := range devices {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	probe, err := newNamespace(nil, "probe")
	if err != nil {
		return nil, err
	}
	probe.close()
	return &Lab{}, nil
}

// New returns a lab that is closed when the test ends. Where the process cannot
// have one the test is skipped, or fails if REQUIRE_NETNS is set.
func New(tb TB, devices ...string) *Lab {
	tb.Helper()
	lab, err := Start(devices...)
	if err = errors.Join(enterError, err); err != nil {
		if required() {
			tb.Fatalf("network namespaces are required (REQUIRE_NETNS): %v", err)
		} else {
			tb.Skipf("no network namespaces: %v", err)
		}
		return nil
	}
	lab.tb = tb
	tb.Cleanup(lab.Close)
	return lab
}

// required reports whether a lab that cannot be had is a failure.
func required() bool {
	v := os.Getenv("REQUIRE_NETNS")
	return v != "" && v != "0"
}

// Err returns the first failure of a lab that belongs to no test.
func (l *Lab) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close kills every process started in the lab and lets its namespaces go.
func (l *Lab) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ns := range l.namespaces {
		ns.close()
	}
	l.namespaces = nil
	for _, r := range l.relays {
		r.close()
	}
	l.relays = nil
}

// Namespace adds a host to the lab. Its loopback interface is up, and IPv6
// addresses are usable at once, without duplicate address detection.
func (l *Lab) Namespace(name string) *Namespace {
	l.helper()
	ns := &Namespace{lab: l, name: name}
	l.step("make namespace "+name, func() (err error) {
		if ns, err = newNamespace(l, name); err != nil {
			return err
		}
		l.mu.Lock()
		l.namespaces = append(l.namespaces, ns)
		l.mu.Unlock()
		return nil
	})
	return ns
}

// step does one step of the script, unless an earlier one failed.
func (l *Lab) step(what string, do func() error) {
	l.helper()
	if l.Err() != nil {
		return
	}
	err := do()
	if err == nil {
		return
	}
	err = fmt.Errorf("netlab: %s: %w", what, err)
	if l.tb != nil {
		l.tb.Fatalf("%v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *Lab) helper() {
	if l.tb != nil {
		l.tb.Helper()
	}
}
