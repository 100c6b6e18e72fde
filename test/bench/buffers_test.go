package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// buffers notes the largest socket buffers that each way's program has: they need
// privilege in the initial namespace, and without it a figure means little.
func (b *bench) buffers() {
	b.T.Helper()
	var all []string
	for _, w := range b.tunnels() {
		name := w.name
		if w.ours() {
			name = "ours" // one daemon has all
		}
		size, err := buffersOf(w.pids[0])
		text := fmt.Sprintf("%s %d, %d", name, size[0]>>10, size[1]>>10)
		if err != nil {
			text = fmt.Sprintf("%s: %v", name, err)
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	b.printf("Socket buffers, KiB to receive, to send: %s\n", strings.Join(all, "; "))
}

// buffersOf returns the size of the largest buffers to receive and to send of a process's
// sockets for datagrams.
func buffersOf(pid int) (largest [2]int, err error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return largest, err
	}
	defer unix.Close(process)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return largest, err
	}
	for _, entry := range open {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fd, err := unix.PidfdGetfd(process, number, 0)
		if err != nil {
			return largest, fmt.Errorf("look at its sockets: %w", err)
		}
		domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN) // 0: no socket
		kind, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if domain == unix.AF_INET && (kind == unix.SOCK_DGRAM || kind == unix.SOCK_RAW) {
			for i, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
				n, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
				largest[i] = max(largest[i], n/2) // the kernel counts double
			}
		}
		unix.Close(fd)
	}
	return largest, nil
}
