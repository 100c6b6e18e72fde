package faults

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/internal/netlab/fault"
	"sitebridge/test/lab"
)

// TestLANRemoved: the card of the LAN is taken out, and put back.
func TestLANRemoved(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	drawer := tr.Namespace("drawer")
	keeper := drawer.Command("sleep", "1000")
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := []string{lab.LANB + "/24", lab.LAN6B + "/64"}
	tr.fault("LAN interface removed, and put back")
	tr.IP(tr.SiteB, "link", "set", "lan", "netns", strconv.Itoa(keeper.Process.Pid))
	tr.noticed("`status`: the LAN is down", func() bool {
		s, err := tr.b.Status()
		return err == nil && !s.LANs[0].Up
	})
	if s := tr.b.Site("a"); s.State != bridge.StateUp {
		t.Errorf("the tunnel went with the LAN: %s", s.Reason)
	}
	tr.heal(func() {
		tr.IP(drawer, "link", "set", "lan", "netns", strconv.Itoa(tr.b.Pid()))
		tr.SiteB.Up("lan")
		for _, a := range addresses {
			tr.SiteB.Addr("lan", a)
		}
	})
	tr.ipxFlows() // which the daemon carries; the kernel carries IP
	tr.row.recovered = took(time.Since(tr.healed))
	tr.recovered()
}

// TestTUNDeleted: the tunnel's interface is deleted under the daemon.
func TestTUNDeleted(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	old, err := tr.SiteB.Handle().LinkByName("sb-a")
	if err != nil {
		t.Fatal(err)
	}
	tr.fault("TUN interface deleted")
	tr.heal(func() { tr.IP(tr.SiteB, "link", "del", "sb-a") })
	tr.noticed("a warning in the log; the interface is made anew, the call goes on", func() bool {
		now, err := tr.SiteB.Handle().LinkByName("sb-a")
		return err == nil && now.Attrs().Index != old.Attrs().Index
	})
	tr.mended()
}

// TestRoutesDeleted: somebody deletes the daemon's routes.
func TestRoutesDeleted(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault("routes of the tunnel deleted by hand")
	tr.heal(func() {
		tr.IP(tr.SiteB, "route", "del", "10.1.0.0/16", "proto", "173")
		tr.IP(tr.SiteB, "route", "del", "unreachable", "10.1.0.0/16", "proto", "172")
	})
	tr.noticed("nothing: they are put back", func() bool {
		routes := tr.IP(tr.SiteB, "route", "show")
		return strings.Contains(routes, "10.1.0.0/16 dev sb-a") && strings.Contains(routes, "unreachable 10.1.0.0/16")
	})
	if gone := time.Since(tr.began); gone > 10*time.Second {
		t.Errorf("they were away for %v: that was the look of each minute, and not the kernel's word", gone)
	}
	tr.mended()
}

// TestDiskFull: the disk of the log, of the control socket and of the configuration is full.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	tr := lay(t, user())
	disk := filepath.Join(tr.Dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("a file system in memory, in our own mount namespace: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	for _, name := range []string{"ca.pem", "b.pem", "b.key"} {
		data, err := os.ReadFile(filepath.Join(tr.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(disk, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tr.a, tr.b = tr.Start(tr.SiteA, tr.conf.A()), lab.StartDaemon(t, disk, tr.SiteB, tr.conf.B())
	tr.traffic()
	tr.fault("disk full, and the call ends meanwhile")
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for err == nil {
		_, err = ballast.Write(make([]byte, 512))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	full := len(tr.b.Log())
	call := tr.b.Site("a").Tunnel.CallID
	if _, errs, code := tr.a.Run("down", "b"); code != 0 {
		t.Fatal(errs)
	}
	tr.told(tr.b, "a")
	tr.row.sees = "nothing is written to the log; all else goes on"
	tr.heal(func() { tr.a.Run("up", "b") })
	tr.row.recovered = took(tr.flows(tr.healed).Sub(tr.healed)) + ", on the full disk"
	if up := tr.b.WaitUp("a"); up.Tunnel.CallID == call {
		t.Error("the call did not end")
	}
	if n := len(tr.b.Log()) - full; n > 4096 {
		t.Errorf("%d octets were logged on a full disk", n)
	}
	if err := ballast.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := tr.b.Run("reload"); code != 0 {
		t.Errorf("reload: %s", errs)
	}
	tr.recovered()
}

// TestDescriptors: neither daemon can open another file or socket.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault("descriptors used up at both ends, and the call ends meanwhile")
	for _, d := range []*lab.Daemon{tr.a, tr.b} {
		limitDescriptors(t, d, 3) // those that are open stay
	}
	before := tr.probe.asked(tr.began)
	tr.wait("the call goes on", func() bool { return tr.probe.asked(tr.began) > before+20 })
	if _, missing := tr.probe.missing(tr.began); missing > 0 {
		t.Errorf("%d questions were not answered while the call was up", missing)
	}
	tr.line.Both(fault.Faults{Block: fault.All})
	const reason = "too many open files"
	tr.noticed("`"+reason+"` in the log", func() bool { return strings.Contains(tr.b.Log(), reason) })
	tr.line.Both(fault.Faults{})
	tr.wait("a call finds no descriptor", func() bool {
		return strings.Count(tr.b.Log(), reason) > 1 || strings.Contains(tr.a.Log(), reason)
	})
	tr.heal(func() {
		for _, d := range []*lab.Daemon{tr.a, tr.b} {
			limitDescriptors(t, d, 1024)
		}
	})
	tr.recovered()
}

func limitDescriptors(t *testing.T, d *lab.Daemon, n uint64) {
	t.Helper()
	var was unix.Rlimit
	err := unix.Prlimit(d.Pid(), unix.RLIMIT_NOFILE, nil, &was)
	if err == nil {
		err = unix.Prlimit(d.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: was.Max}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNameServerSilent: the peer has a name, which nobody can tell any more. The call goes
// on; one that ends comes back by the address of before.
func TestNameServerSilent(t *testing.T) {
	t.Parallel()
	tr := lay(t, user())
	names := startNames(tr)
	config := strings.Replace(tr.conf.B(), `dial = ["`+lab.WANA+`"]`, `dial = ["hq.example"]`, 1)
	tr.a, tr.b = tr.Start(tr.SiteA, tr.conf.A()), tr.Start(tr.SiteB, config)
	tr.traffic()
	tr.fault("name server silent, and the call ends meanwhile")
	names.silence(true)
	asked := tr.probe.asked(tr.began)
	tr.wait("the call goes on", func() bool { return tr.probe.asked(tr.began) > asked+20 })
	if _, missing := tr.probe.missing(tr.began); missing > 0 {
		t.Errorf("%d questions were not answered while the call was up", missing)
	}
	tr.began = time.Now()
	tr.a.Kill()
	tr.heal(func() { tr.a = tr.Start(tr.SiteA, tr.conf.A()) })
	tr.told(tr.b, "a")
	tr.row.recovered = took(tr.flows(tr.healed).Sub(tr.healed)) + " after the peer's start, by the address of before"
	tr.recovered()
}

// names is a name server that knows one address.
type names struct {
	conn  *net.UDPConn
	quiet chan bool
}

func startNames(tr *trial) *names {
	n := &names{conn: tr.ListenUDP(tr.SiteB, "127.0.0.1:53"), quiet: make(chan bool, 1)}
	n.silence(false)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.run()
	}()
	tr.t.Cleanup(func() { n.conn.Close(); <-ended })
	return n
}

func (n *names) silence(quiet bool) {
	select {
	case <-n.quiet:
	default:
	}
	n.quiet <- quiet
}

// run answers each question (RFC 1035, section 4) for an address with that of site a.
func (n *names) run() {
	for b := make([]byte, 512); ; {
		size, from, err := n.conn.ReadFromUDP(b)
		if err != nil {
			return
		}
		quiet := <-n.quiet
		n.silence(quiet)
		if quiet || size < 12 {
			continue
		}
		end := 12
		for end < size && b[end] != 0 {
			end += int(b[end]) + 1
		}
		if end+5 > size {
			continue
		}
		answer := append([]byte(nil), b[:end+5]...)
		copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		if binary.BigEndian.Uint16(b[end+1:]) == 1 { // A
			answer[7] = 1
			answer = append(answer, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 1)
		}
		n.conn.WriteToUDP(answer, from)
	}
}
