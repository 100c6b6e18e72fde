package stamp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTimeOfADatagram(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := Ask(uintptr(pair[1])); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := unix.Send(pair[0], []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	oob := make([]byte, 128)
	_, n, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), oob, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatal("the kernel told no time")
	}
	if got := Of(oob[:n]); got.Before(before.Add(-time.Millisecond)) || got.After(after.Add(time.Millisecond)) {
		t.Errorf("%v, want between %v and %v", got, before, after)
	}
}

func TestNoTime(t *testing.T) {
	for name, oob := range map[string][]byte{"nothing": nil, "cut short": {1, 2, 3}, "another message": make([]byte, unix.CmsgSpace(8))} {
		if got := Of(oob); time.Since(got) > time.Minute {
			t.Errorf("%s: %v", name, got)
		}
	}
}
