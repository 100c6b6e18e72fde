package netlab

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

// pair is two hosts on one cable.
func pair(t *testing.T) (lab *Lab, west, east *Namespace) {
	lab = New(t)
	west, east = lab.Namespace("west"), lab.Namespace("east")
	lab.Veth(west, "wan", east, "wan")
	west.Addr("wan", "192.0.2.1/30")
	east.Addr("wan", "192.0.2.2/30")
	west.Addr("wan", "2001:db8::1/64")
	east.Addr("wan", "2001:db8::2/64")
	return lab, west, east
}

// exchange sends one datagram from west to east.
func exchange(t *testing.T, west, east *Namespace, addr string) {
	t.Helper()
	var in net.PacketConn
	var out net.Conn
	if err := east.Do(func() (err error) { in, err = net.ListenPacket("udp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := west.Do(func() (err error) { out, err = net.Dial("udp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	n, _, err := in.ReadFrom(b)
	if err != nil || string(b[:n]) != "hello" {
		t.Fatalf("read %q, %v", b[:n], err)
	}
}

func TestTwoHostsTalk(t *testing.T) {
	_, west, east := pair(t)
	exchange(t, west, east, "192.0.2.2:7000")
	exchange(t, west, east, "[2001:db8::2]:7000")
}

func TestHostsAreApart(t *testing.T) {
	lab := New(t)
	a, b := lab.Namespace("a"), lab.Namespace("b")
	lab.Veth(a, "only-a", a, "other-end")
	a.Sysctl("net.ipv4.ip_forward", "1")
	if err := b.Do(func() error { _, err := net.InterfaceByName("only-a"); return err }); err == nil {
		t.Error("b sees the interface of a")
	}
	var forward []byte
	b.Do(func() (err error) { forward, err = os.ReadFile("/proc/sys/net/ipv4/ip_forward"); return err })
	if strings.TrimSpace(string(forward)) != "0" {
		t.Errorf("b's ip_forward = %q after a's was set", forward)
	}
	if err := a.Do(func() error { _, err := net.InterfaceByName("only-a"); return err }); err != nil {
		t.Errorf("a does not see its own interface: %v", err)
	}
}

func TestRouterBetweenHosts(t *testing.T) {
	lab := New(t)
	left, router, right := lab.Namespace("left"), lab.Namespace("router"), lab.Namespace("right")
	lab.Veth(left, "eth0", router, "left")
	lab.Veth(router, "right", right, "eth0")
	left.Addr("eth0", "10.1.0.2/24")
	router.Addr("left", "10.1.0.1/24")
	router.Addr("right", "10.2.0.1/24")
	right.Addr("eth0", "10.2.0.2/24")
	left.Route("default", "10.1.0.1")
	right.Route("10.1.0.0/24", "10.2.0.1")
	router.Forward()
	exchange(t, left, right, "10.2.0.2:7000")
}

func TestBridgeJoinsCables(t *testing.T) {
	lab := New(t)
	a, b, sw := lab.Namespace("a"), lab.Namespace("b"), lab.Namespace("switch")
	lab.Veth(a, "eth0", sw, "p1")
	lab.Veth(b, "eth0", sw, "p2")
	sw.Bridge("br0", "p1", "p2")
	a.Addr("eth0", "10.0.0.1/24")
	b.Addr("eth0", "10.0.0.2/24")
	exchange(t, a, b, "10.0.0.2:7000")
}

func TestCommandRunsInside(t *testing.T) {
	lab, west, _ := pair(t)
	out, err := west.Command("/proc/self/exe", "-test.run=^TestHelperListsInterfaces$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "interface wan") {
		t.Fatalf("%v\n%s", err, out)
	}
	sleep := west.Command("/bin/sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	lab.Close()
	sleep.Wait()
	if s := sleep.ProcessState.String(); s != "signal: killed" {
		t.Errorf("the process ended by %q, want it killed with the lab", s)
	}
	if err := west.Command("/bin/true").Run(); err == nil {
		t.Error("a closed lab started a process")
	}
}

// TestHelperListsInterfaces is what TestCommandRunsInside runs in a namespace.
func TestHelperListsInterfaces(t *testing.T) {
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		t.Log("interface", i.Name)
	}
}

func TestCaptureSeesBothDirections(t *testing.T) {
	_, west, east := pair(t)
	path := filepath.Join(t.TempDir(), "wan.pcap")
	c := west.Capture("wan", path)
	exchange(t, west, east, "192.0.2.2:7000")
	exchange(t, east, west, "192.0.2.1:7001")
	frames, err := c.Stop()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sent, received := bytes.Count(b, []byte{7000 >> 8, 7000 & 0xff}), bytes.Count(b, []byte{7001 >> 8, 7001 & 0xff})
	if frames < 4 || sent != 1 || received != 1 { // two of them are ARP
		t.Errorf("%d frames, ports seen %d and %d times", frames, sent, received)
	}
}

func TestCaptureEndsAtItsLimit(t *testing.T) {
	_, west, east := pair(t)
	path := filepath.Join(t.TempDir(), "wan.pcap")
	c := west.CaptureFirst("wan", path, 3)
	for range 5 {
		exchange(t, west, east, "192.0.2.2:7000")
	}
	frames, err := c.Stop()
	if err != nil || frames != 3 {
		t.Errorf("%d frames, %v; want 3", frames, err)
	}
}

func TestLinkGoesAndComes(t *testing.T) {
	_, west, east := pair(t)
	west.Down("wan")
	var out net.Conn
	err := west.Do(func() (err error) { out, err = net.Dial("udp", "192.0.2.2:7000"); return err })
	if err == nil {
		out.Close()
		t.Error("a route is there while the cable is cut")
	}
	west.Up("wan")
	exchange(t, west, east, "192.0.2.2:7000")
	west.MTU("wan", 1400)
	west.Delete("wan")
	if err := east.Do(func() error { _, err := net.InterfaceByName("wan"); return err }); err == nil {
		t.Error("the other end of a deleted cable is still there")
	}
}

func TestFailureIsKept(t *testing.T) {
	New(t) // skips where there is no lab
	lab, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	ns := lab.Namespace("a")
	ns.Up("nothing")
	first := lab.Err()
	if first == nil || !strings.Contains(first.Error(), "a: nothing: up") {
		t.Fatalf("Err = %v", first)
	}
	ns.Up("lo")
	if c := ns.Capture("lo", "unused"); c.err == nil {
		t.Error("a capture began in a failed lab")
	}
	if lab.Err() != first {
		t.Errorf("Err = %v, want the first failure kept", lab.Err())
	}
}

func TestDoLeavesTheMainThreadAlone(t *testing.T) {
	lab := New(t)
	ns := lab.Namespace("a")
	for range 20 {
		if err := ns.Do(func() error {
			if unix.Gettid() == unix.Getpid() {
				t.Error("Do ran on the main thread")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// A failer is a test that a lab ends.
type failer struct {
	TB
	skipped, failed string
}

func (f *failer) Helper()                        {}
func (f *failer) Skipf(format string, a ...any)  { f.skipped = fmt.Sprintf(format, a...) }
func (f *failer) Fatalf(format string, a ...any) { f.failed = fmt.Sprintf(format, a...) }

func TestMissingDevice(t *testing.T) {
	New(t)
	for _, c := range []struct{ require, skipped, failed string }{
		{"", "no network namespaces: open /dev/nothing: no such file or directory", ""},
		{"1", "", "network namespaces are required (REQUIRE_NETNS): open /dev/nothing: no such file or directory"},
	} {
		t.Setenv("REQUIRE_NETNS", c.require)
		f := &failer{}
		New(f, "/dev/nothing")
		if f.skipped != c.skipped || f.failed != c.failed {
			t.Errorf("REQUIRE_NETNS=%s: skipped %q, failed %q", c.require, f.skipped, f.failed)
		}
	}
}
