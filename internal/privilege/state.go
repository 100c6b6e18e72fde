package privilege

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A State is what the kernel lets a thread do (capabilities(7)).
type State struct {
	UID, GID    IDs
	Effective   Set
	Permitted   Set
	Inheritable Set
	Ambient     Set
	Bounding    Set
	NoNewPrivs  bool
}

// IDs are the real, the effective and the saved one.
type IDs [3]int

func all(id int) IDs { return IDs{id, id, id} }

// current returns the state of the calling thread.
func current() (s State, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return s, fmt.Errorf("ask for our capabilities: %w", err)
	}
	s.Effective = join(data[0].Effective, data[1].Effective)
	s.Permitted = join(data[0].Permitted, data[1].Permitted)
	s.Inheritable = join(data[0].Inheritable, data[1].Inheritable)
	s.UID[0], s.UID[1], s.UID[2] = unix.Getresuid()
	s.GID[0], s.GID[1], s.GID[2] = unix.Getresgid()
	for c := range known() {
		if ask(unix.PR_CAPBSET_READ, uintptr(c), 0) == 1 {
			s.Bounding |= 1 << c
		}
		if ask(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c)) == 1 {
			s.Ambient |= 1 << c
		}
	}
	s.NoNewPrivs = ask(unix.PR_GET_NO_NEW_PRIVS, 0, 0) == 1
	return s, nil
}

func join(low, high uint32) Set { return Set(low) | Set(high)<<32 }

// known returns how many capabilities the kernel has.
func known() (n int) {
	for n < 64 && ask(unix.PR_CAPBSET_READ, uintptr(n), 0) >= 0 {
		n++
	}
	return n
}

// amiss says what about s is not as Drop wants it; "": nothing. The bounding set
// is no part of it: without CAP_SETPCAP it cannot be made smaller, and with
// no_new_privs nothing can be had from it.
func (s State) amiss(who *User) string {
	switch {
	case s.Permitted != Needed:
		return "the permitted capabilities are " + s.Permitted.String()
	case s.Effective != Needed:
		return "the effective capabilities are " + s.Effective.String()
	case s.Inheritable&^Needed != 0:
		return "the inheritable capabilities are " + s.Inheritable.String()
	case !s.NoNewPrivs:
		return "no_new_privs is not set"
	case who != nil && s.UID != all(who.UID):
		return fmt.Sprintf("the user is %d", s.UID)
	case who != nil && s.GID != all(who.GID):
		return fmt.Sprintf("the group is %d", s.GID)
	}
	return ""
}

// enough says what is missing to get there.
func (s State) enough(who *User) error {
	if missing := Needed &^ s.Permitted; missing != 0 {
		return fmt.Errorf("missing capabilities: %v: run the daemon as root, or by systemd with AmbientCapabilities=%v, or let its file have them: %s",
			missing, Needed, setcap())
	}
	const become Set = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	if who != nil && (s.UID != all(who.UID) || s.GID != all(who.GID)) && become&^s.Permitted != 0 {
		return fmt.Errorf("cannot become user %s: missing capabilities: %v: run the daemon as root, or as that user from the start", who.Name, become&^s.Permitted)
	}
	return nil
}

// A Set is a set of capabilities, a bit for each.
type Set uint64

// String returns the names, as "CAP_NET_ADMIN CAP_NET_RAW".
func (s Set) String() string {
	var list []string
	for c := range 64 {
		switch {
		case s&(1<<c) == 0:
		case c < len(names):
			list = append(list, "CAP_"+names[c])
		default:
			list = append(list, fmt.Sprintf("CAP_%d", c))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, " ")
}

// names is in the order of <linux/capability.h>.
var names = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}
