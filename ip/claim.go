package ip

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// claimName is a socket in the abstract namespace: there is one of each name in a
// network namespace, as there is one routing, and the kernel frees it when its
// holder ends, however it ends.
const claimName = "@sitebridge"

// Claim makes sure that no other daemon changes the routing of the calling
// thread's network namespace until release is called. Without it CleanStale would
// take the routes of one that runs for what a crashed one left.
//
// A person who is neither root nor we ourselves cannot keep us from starting: a
// claim of his does not count. One of a system's user does: a daemon may run as one.
func Claim() (release func() error, err error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: claimName, Net: "unix"})
	if err == nil {
		return l.Close, nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("claim the routing: %w", err)
	}
	who, err := claimant()
	if err == nil && who.Uid >= firstPerson && int(who.Uid) != os.Geteuid() {
		return func() error { return nil }, nil
	}
	process := ""
	if err == nil {
		process = fmt.Sprintf(" (process %d)", who.Pid)
	}
	return nil, fmt.Errorf("another sitebridge%s runs here already: stop it first, or put its sites into one configuration", process)
}

// firstPerson is the least number of a user who is no system's (systemd, and
// UID_MIN of login.defs).
const firstPerson = 1000

// claimant returns who holds the claim.
func claimant() (*unix.Ucred, error) {
	c, err := net.DialTimeout("unix", claimName, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var who *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		who, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return who, errors.Join(err, credErr)
}
