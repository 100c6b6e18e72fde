package bridge

import (
	"bytes"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// A ProcessStatus is what the daemon takes of its host. What grows with every call that
// comes and goes, and not with what there is to do, is a leak.
type ProcessStatus struct {
	Goroutines int `json:"goroutines"`
	// Descriptors is how many files and sockets are open, of DescriptorsLimit; 0: none was
	// left to look with.
	Descriptors      int    `json:"descriptors,omitempty"`
	DescriptorsLimit uint64 `json:"descriptors_limit,omitempty"`
	Resident         int64  `json:"resident_octets,omitempty"` // memory
}

// process looks at ourselves in /proc (proc(5)).
func process() (p ProcessStatus) {
	p.Goroutines = runtime.NumGoroutine()
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.Descriptors = len(open) - 1 // less the one to read the directory
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		p.DescriptorsLimit = limit.Cur
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		p.Resident = resident(statm)
	}
	return p
}

// resident reads the second number of statm, in pages.
func resident(statm []byte) int64 {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
