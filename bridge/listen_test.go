package bridge

import (
	"net"
	"strings"
	"testing"
)

// TestListenHint: the message says what to do, not only what the kernel said.
func TestListenHint(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for at, want := range map[string]string{
		taken.Addr().String(): "another program, such as pptpd, answers there",
		"192.0.2.77:1723":     "no interface has this address",
	} {
		l, err := net.Listen("tcp4", at)
		if err == nil {
			l.Close()
			t.Fatalf("%s: could be listened on", at)
		}
		if got := listenHint(err); !strings.Contains(got, want) {
			t.Errorf("%s: %v: hint %q, want %q", at, err, got, want)
		}
	}
}
