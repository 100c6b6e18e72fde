package probe

import (
	"io"
	"net"
	"testing"
	"time"

	"sitebridge/control"
)

// A server that talks on and never answers stalls, and does not keep us for ever.
func TestEndlessTalkerStalls(t *testing.T) {
	us, server := net.Pipe()
	defer us.Close()
	defer server.Close()
	go io.Copy(io.Discard, server)
	go func() {
		for {
			if _, err := server.Write(message(control.EchoRequest{})); err != nil {
				return
			}
		}
	}()
	got := make(chan reaction, 1)
	go func() { got <- newWire(us, time.Minute).reaction() }()
	select {
	case r := <-got:
		if r != stalls {
			t.Errorf("reaction %d, want that it stalls", r)
		}
	case <-time.After(time.Minute):
		t.Error("still listening")
	}
}
