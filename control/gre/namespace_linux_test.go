package gre

import (
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// inNamespace runs f in a network namespace where we are root and only lo is
// there.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	lab := netlab.New(t)
	err := lab.Namespace("host").Do(func() error {
		f()
		return nil
	})
	if err != nil && !t.Failed() && !t.Skipped() {
		t.Fatal(err)
	}
}

func setLoopbackMTU(t *testing.T, mtu uint32) {
	t.Helper()
	if err := onLoopback(func(fd int, lo *unix.Ifreq) error {
		lo.SetUint32(mtu)
		return unix.IoctlIfreq(fd, unix.SIOCSIFMTU, lo)
	}); err != nil {
		t.Fatalf("set MTU of lo: %v", err)
	}
}

func onLoopback(f func(fd int, lo *unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	return f(fd, lo)
}

// dropCapabilities takes all capabilities from the calling thread, which is
// locked to the test's goroutine and ends with it.
func dropCapabilities(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		t.Fatal(fmt.Errorf("drop capabilities: %w", err))
	}
}

// wantNoAllocation sends packets from a carrier to itself, and wants nothing to be
// allocated for any.
func wantNoAllocation(t *testing.T, c Carrier, path Path, pkts []*packet.Buffer, df bool) {
	t.Helper()
	in := make([]Datagram, len(pkts))
	for i := range in {
		in[i].Buffer = new(packet.Buffer)
	}
	if n := testing.AllocsPerRun(200, func() {
		if err := c.Send(path, pkts, df); err != nil {
			t.Fatalf("Send: %v", err)
		}
		for got := 0; got < len(in); {
			n, err := c.Receive(in[got:])
			if err != nil {
				t.Fatalf("Receive: %v", err)
			}
			got += n
		}
	}); n != 0 && !race.Enabled {
		t.Errorf("df %t: %v allocations for packets sent and received", df, n)
	}
}
