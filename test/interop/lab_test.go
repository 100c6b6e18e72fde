package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/test/judge"
)

const (
	ourAddr   = "192.0.2.254" // where the daemon is called
	guestPPTP = "192.0.2.1"   // a guest that is called
	guestPPP  = "192.0.2.2"   // a guest that calls
	farHost   = "10.1.0.2"    // an IP host on our LAN
)

// netnsDir is where iproute2 and the guests' tool look for namespaces by name.
const netnsDir = "/run/netns"

// ownNamespaceNames puts an empty directory there, in our own mount namespace.
func ownNamespaceNames() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", netnsDir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount on %s: %w", netnsDir, err)
	}
	return nil
}

// A lab is our end: the namespace of the daemon with the bridge that the guests
// hang on, and a LAN with one host.
type lab struct {
	t        *testing.T
	dir      string
	name     string // of the namespace, for the guests' tool
	hq, host *netlab.Namespace
}

var labs atomic.Int64

// busy holds a token for each lab: each has one guest, which mostly waits; three are
// enough for two cores.
var busy = make(chan struct{}, 3)

func newLab(t *testing.T) *lab {
	t.Helper()
	needPeers(t)
	t.Parallel()
	busy <- struct{}{}
	t.Cleanup(func() { <-busy })
	nl := netlab.New(t)
	l := &lab{t: t, name: fmt.Sprintf("interop-%d-%d", os.Getpid(), labs.Add(1))}
	l.dir = filepath.Join(os.Getenv(workDir), l.name)
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.hq, l.host = nl.Namespace("hq"), nl.Namespace("host")
	l.hq.Sysctl("net.ipv6.conf.default.disable_ipv6", "1")
	l.host.Sysctl("net.ipv6.conf.default.disable_ipv6", "1")
	l.hq.Bridge("br0")
	l.hq.MAC("br0", "02:00:00:00:00:fe") // else it takes a guest's
	l.hq.Addr("br0", ourAddr+"/24")
	nl.Veth(l.hq, "lan0", l.host, "lan1")
	l.hq.Addr("lan0", "10.1.0.1/24")
	l.host.Addr("lan1", farHost+"/24")
	l.host.Route("default", "10.1.0.1")
	l.hq.Sysctl("net.ipv4.ip_forward", "1")

	at := filepath.Join(netnsDir, l.name)
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := l.hq.Do(func() error { return unix.Mount("/proc/thread-self/ns/net", at, "", unix.MS_BIND, "") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(at, unix.MNT_DETACH)
		os.Remove(at)
	})
	return l
}

var notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

// capture catches what our end of the bridge and our LAN send and receive until
// the test ends, and then has it judged. The returned function ends that sooner, for
// a look at what was on the bridge, and may be called again.
func (l *lab) capture(t *testing.T) (stop func() (pcap string)) {
	lan, bridge := l.captureOf(t, "lan0"), l.captureOf(t, "br0")
	return func() string {
		lan()
		return bridge()
	}
}

func (l *lab) captureOf(t *testing.T, device string) (stop func() (pcap string)) {
	pcap := filepath.Join(l.dir, notWord.ReplaceAllString(t.Name(), "-")+"-"+device+".pcap")
	c := l.hq.Capture(device, pcap)
	stopped := false
	stop = func() string {
		if !stopped {
			stopped = true
			if _, err := c.Stop(); err != nil {
				t.Errorf("capture: %v", err)
			}
		}
		return pcap
	}
	t.Cleanup(func() {
		judge.Malformed(t, stop(), allowed(t)...)
		if t.Failed() {
			t.Logf("the end of the capture of %s:\n%s", device, lastFrames(t, pcap))
		}
	})
	return stop
}

// lastFrames prints the end of a capture, a line for each frame.
func lastFrames(t *testing.T, pcap string) string {
	var lines []string
	for _, f := range judge.Fields(t, pcap, "frame", "frame.number", "frame.time_relative", "ip.src", "_ws.col.Protocol", "_ws.col.Info") {
		lines = append(lines, strings.Join(f, " "))
	}
	return strings.Join(lines[max(0, len(lines)-80):], "\n")
}

// allowed is what the judge may say about us: what it also says about the real
// peers among themselves, what their kernel's TCP does when one end has closed
// already or is slow, and what it thinks of EAP with MD5, which pppd asks for first.
func allowed(t *testing.T) []string {
	t.Helper()
	said.once.Do(func() {
		peers, err := filepath.Glob("testdata/*.pcap")
		if err != nil || len(peers) == 0 {
			t.Fatalf("captures of the real peers in testdata: %d, %v", len(peers), err)
		}
		said.messages = append(judge.Messages(t, peers...), "Connection reset (RST)",
			"Previous segment(s) not captured (common at capture start)", // lost, or by who captures
			"TCP window specified by the receiver is now completely full", "Vulnerable to MITM attacks. If possible, change EAP type.")
	})
	return said.messages
}

var said struct {
	once     sync.Once
	messages []string
}

// ping sends echo requests from a namespace until two of them are answered.
func ping(t *testing.T, from *netlab.Namespace, to ...string) {
	t.Helper()
	args := append([]string{"-n", "-c", "2", "-i", "0.2", "-w", "10"}, to...)
	out, err := from.Command("ping", args...).CombinedOutput()
	if err != nil {
		t.Errorf("ping %s from %s: %v\n%s", to, from.Name(), err, out)
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}
