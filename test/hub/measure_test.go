package hub

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// memory returns what a process holds that no other has, in KiB: its heap, stacks and
// tables, and not the program (proc_pid_status(5), RssAnon).
func memory(t *testing.T, pid int) int {
	t.Helper()
	return field(t, fmt.Sprintf("/proc/%d/status", pid), "RssAnon:")
}

// kernelMemory returns what the kernel holds for its own objects, in KiB: interfaces,
// sockets, routes (proc_meminfo(5)). It is that of the whole machine.
func kernelMemory(t *testing.T) int {
	t.Helper()
	const file = "/proc/meminfo"
	return field(t, file, "SUnreclaim:") + field(t, file, "Percpu:")
}

func field(t *testing.T, file, name string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"+name))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	n, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		t.Fatalf("%s has no %s", file, name)
	}
	return n
}
