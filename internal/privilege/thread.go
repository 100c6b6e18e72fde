package privilege

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Everything here changes the calling thread alone, so it goes to the kernel
// itself: the Go functions of these names change all threads or none.

// change makes the calling thread what Drop wants. What it begins with is now.
func (now State) change(who *User) error {
	// What was had by file capabilities may not be effective yet.
	if err := setCapabilities(now.Permitted, now.Inheritable); err != nil {
		return err
	}
	if err := now.dropBounding(); err != nil {
		return err
	}
	if who != nil {
		if err := now.become(who); err != nil {
			return fmt.Errorf("become user %s: %w", who.Name, err)
		}
	}
	if err := setCapabilities(Needed, Needed); err != nil {
		return err
	}
	if err := setAmbient(); err != nil {
		return err
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

func setCapabilities(permitted, inheritable Set) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		shift := 32 * i
		data[i].Permitted, data[i].Inheritable = uint32(permitted>>shift), uint32(inheritable>>shift)
		data[i].Effective = data[i].Permitted
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set the capabilities: %w", err)
	}
	return nil
}

// dropBounding makes the bounding set as small as we may.
func (now State) dropBounding() error {
	if now.Permitted&(1<<unix.CAP_SETPCAP) == 0 {
		return nil
	}
	for c := range known() {
		if Needed&(1<<c) != 0 {
			continue
		}
		if err := prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0); err != nil {
			return fmt.Errorf("drop %v from the bounding set: %w", Set(1<<c), err)
		}
	}
	return nil
}

// setAmbient is for those who are not root: exec leaves them these alone.
func setAmbient() error {
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	for c := range known() {
		if Needed&(1<<c) == 0 {
			continue
		}
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c)); err != nil {
			return fmt.Errorf("make %v ambient: %w", Set(1<<c), err)
		}
	}
	return nil
}

// become changes the user and its groups. The permitted capabilities survive it,
// and so does the death signal, which the kernel forgets then.
func (now State) become(who *User) error {
	if now.UID == all(who.UID) && now.GID == all(who.GID) {
		return nil // with the groups that whoever started us has chosen
	}
	var signal int32
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0); errno != 0 {
		return fmt.Errorf("ask for the death signal: %w", errno)
	}
	if err := prctl(unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
		return fmt.Errorf("keep the capabilities: %w", err)
	}
	if err := setIDs(who); err != nil {
		return err
	}
	return prctl(unix.PR_SET_PDEATHSIG, uintptr(signal), 0)
}

func setIDs(who *User) error {
	first := unsafe.Pointer(unsafe.SliceData(who.Groups))
	if _, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(who.Groups)), uintptr(first), 0); errno != 0 {
		return fmt.Errorf("set the groups: %w", errno)
	}
	gid, uid := uintptr(who.GID), uintptr(who.UID)
	if _, _, errno := unix.RawSyscall(sysSetresgid, gid, gid, gid); errno != 0 {
		return fmt.Errorf("set the group: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(sysSetresuid, uid, uid, uid); errno != 0 {
		return fmt.Errorf("set the user: %w", errno)
	}
	return nil
}

func prctl(option int, a, b uintptr) error { return unix.Prctl(option, a, b, 0, 0) }

// ask returns what a prctl answers; -1: it refuses.
func ask(option int, a, b uintptr) int {
	answer, err := unix.PrctlRetInt(option, a, b, 0, 0)
	if err != nil {
		return -1
	}
	return answer
}

// setName names the calling thread; on the main thread, the process.
func setName(name string) {
	var comm [16]byte // with the zero at its end (prctl(2), PR_SET_NAME)
	copy(comm[:15], name)
	unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&comm)), 0)
}
