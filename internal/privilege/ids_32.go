//go:build 386 || arm

package privilege

import "golang.org/x/sys/unix"

// The calls of the plain names take user IDs of 16 bits there (setuid(2)).
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresgid = unix.SYS_SETRESGID32
	sysSetresuid = unix.SYS_SETRESUID32
)
