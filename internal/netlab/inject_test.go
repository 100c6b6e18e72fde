package netlab

import (
	"net"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/netlab/fault"
)

// TestInject: what is stopped on a line can be let out later.
func TestInject(t *testing.T) {
	_, west, east, r := line(t)
	exchange(t, west, east, "192.0.2.2:7000") // both know each other's cards
	var in, out net.PacketConn
	for ns, open := range map[*Namespace]func() error{
		east: func() (err error) { in, err = net.ListenPacket("udp4", "192.0.2.2:7001"); return err },
		west: func() (err error) { out, err = net.ListenPacket("udp4", "192.0.2.1:0"); return err },
	} {
		if err := ns.Do(open); err != nil {
			t.Fatal(err)
		}
	}
	defer in.Close()
	defer out.Close()
	var mu sync.Mutex
	var held []byte
	seen := make(chan bool)
	r.Watch(func(d Direction, frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		if d == AToB && fault.KindOf(frame) == fault.UDP && held == nil {
			held = append([]byte(nil), frame...)
			close(seen)
		}
	})
	r.Both(fault.Faults{Block: fault.All})
	if _, err := out.WriteTo([]byte("once"), in.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	<-seen
	r.Inject(AToB, held)
	in.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 100)
	if n, _, err := in.ReadFrom(b); err != nil || string(b[:n]) != "once" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
