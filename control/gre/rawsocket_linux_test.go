package gre

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

func TestRawMarksItsSockets(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{Mark: 0x5b1d, ReceiveBuffer: 1 << 20})
		for _, s := range []*socket{r.receive, r.whole, r.fragment} {
			if got := s.option(unix.SO_MARK); got != 0x5b1d {
				t.Errorf("mark %#x, want 0x5b1d", got)
			}
		}
	})
}

// Whoever polls a socket is woken for every packet that has left it: twenty
// thousand times a second, for nothing; and for every packet that comes, while
// the receiver rests.
func TestRawIsNotPolled(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		polled := polledDescriptors(t)
		for _, c := range []struct {
			name   string
			socket *socket
		}{{"receive", r.receive}, {"whole", r.whole}, {"fragment", r.fragment}} {
			c.socket.conn.Control(func(fd uintptr) {
				if polled[int(fd)] {
					t.Errorf("%s is polled", c.name)
				}
			})
		}
	})
}

// What only sends must not take a copy of everything that arrives, even though
// its filter would throw it away.
func TestRawSendersTakeNothing(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		for _, s := range []*socket{r.whole, r.fragment} {
			s.conn.Control(func(fd uintptr) { // or the filter would
				if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
					t.Fatal(err)
				}
			})
		}
		in := read(t, r)
		for _, df := range []bool{true, false} {
			if err := r.Send(Path{Local: loopback(1), Remote: loopback(2)}, []*packet.Buffer{buffer(data(7, 1))}, df); err != nil {
				t.Fatal(err)
			}
			in.want(Path{Local: loopback(2), Remote: loopback(1)}, data(7, 1))
		}
		for _, s := range []*socket{r.whole, r.fragment} {
			s.conn.Control(func(fd uintptr) {
				if n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ); n != 0 || err != nil {
					t.Errorf("a packet of %d octets is queued at a socket that only sends, %v", n, err)
				}
			})
		}
	})
}

// polledDescriptors returns the descriptors that this process waits for
// (proc_pid_fdinfo(5), "tfd").
func polledDescriptors(t *testing.T) map[int]bool {
	t.Helper()
	polled := map[int]bool{}
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil || len(infos) == 0 {
		t.Fatal(infos, err)
	}
	for _, info := range infos {
		b, _ := os.ReadFile(info) // it may just have been closed
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
				fd, err := strconv.Atoi(f[1])
				if err != nil {
					t.Fatal(err)
				}
				polled[fd] = true
			}
		}
	}
	return polled
}
