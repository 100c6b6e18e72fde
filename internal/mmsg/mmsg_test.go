package mmsg

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// pair returns two datagram sockets that are joined.
func pair(t *testing.T) (a, b uintptr) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return uintptr(fds[0]), uintptr(fds[1])
}

func TestManyPacketsInOneCall(t *testing.T) {
	a, b := pair(t)
	var out, in [4]Message
	var outv, inv [4]unix.Iovec
	sent := [][]byte{[]byte("one"), []byte("two and more"), {}, []byte("longer than its buffer")}
	var got [4][12]byte
	for i := range sent {
		out[i].Point(&outv[i], sent[i])
		in[i].Point(&inv[i], got[i][:])
	}
	if _, errno := Receive(b, in[:]); errno != unix.EAGAIN {
		t.Errorf("Receive with nothing there: %v, want EAGAIN", errno)
	}
	if n, errno := Send(a, out[:]); n != 4 || errno != 0 {
		t.Fatalf("Send = %d, %v", n, errno)
	}
	if n, errno := Receive(b, in[:]); n != 4 || errno != 0 {
		t.Fatalf("Receive = %d, %v", n, errno)
	}
	for i := range sent {
		want := sent[i][:min(len(sent[i]), 12)]
		if !bytes.Equal(got[i][:in[i].Len], want) || in[i].Truncated() != (len(sent[i]) > 12) {
			t.Errorf("packet %d: %q, truncated %v, want %q", i, got[i][:in[i].Len], in[i].Truncated(), want)
		}
	}
}

func TestWaitTakesWhatIsThereAndWaitsForTheFirst(t *testing.T) {
	a, b := pair(t)
	var out, in [4]Message
	var outv, inv [4]unix.Iovec
	var got [4][8]byte
	for i := range in {
		out[i].Point(&outv[i], []byte("packet"))
		in[i].Point(&inv[i], got[i][:])
	}
	Send(a, out[:3])
	if n, errno := Wait(b, in[:]); n != 3 || errno != 0 {
		t.Fatalf("Wait with three there = %d, %v", n, errno)
	}
	done := make(chan int)
	go func() {
		n, _ := Wait(b, in[:])
		done <- n
	}()
	Send(a, out[:1])
	if n := <-done; n != 1 || in[0].Len != 6 {
		t.Errorf("Wait for one = %d of %d octets", n, in[0].Len)
	}
	go func() {
		n, _ := Wait(b, in[:])
		done <- n
	}()
	unix.Shutdown(int(b), unix.SHUT_RD)
	if n := <-done; n > 1 || in[0].Len != 0 {
		t.Errorf("Wait after shutdown = %d, the first of %d octets", n, in[0].Len)
	}
}

func TestNothingAllocates(t *testing.T) {
	a, b := pair(t)
	var m [2]Message
	var v [2]unix.Iovec
	buf := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		for i := range m {
			m[i].Point(&v[i], buf)
		}
		Send(a, m[:])
		Receive(b, m[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
