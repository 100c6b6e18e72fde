package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mdpacket "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/survey"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// recorded is a real server and router on an 802.2 wire.
const recorded = "../../ipx/testdata/05-routed-ipxd-lanA-8022.pcap"

// replay plays a recorded wire on an interface, over and over, until the test is
// over or stop is called.
func replay(t *testing.T, ns *netlab.Namespace, ifname, pcap string) (frames [][]byte, stop func()) {
	t.Helper()
	var conn *mdpacket.Conn
	var to *mdpacket.Addr
	err := ns.Do(func() error {
		ifi, err := net.InterfaceByName(ifname)
		if err == nil {
			to = &mdpacket.Addr{HardwareAddr: ifi.HardwareAddr}
			conn, err = mdpacket.Listen(ifi, mdpacket.Raw, unix.ETH_P_IPX, nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	frames = lab.Frames(t, pcap)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
				conn.WriteTo(frames[i%len(frames)], to) // the interface may be down by now
			}
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			close(over)
			<-ended
			conn.Close()
		}
	}
	t.Cleanup(stop)
	return frames, stop
}

// tool runs a command of the program in a site that has no daemon, with
// CAP_NET_RAW and nothing else.
func tool(t *testing.T, ns *netlab.Namespace, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	only := []string{"--bounding-set", "-all,+net_raw", "--inh-caps", "-all,+net_raw", os.Getenv("LAB_BINARY"), "ipx"}
	cmd := ns.Command("setpriv", append(only, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func wantTool(t *testing.T, ns *netlab.Namespace, code int, want []string, args ...string) string {
	t.Helper()
	out, errs, got := tool(t, ns, args...)
	if got != code {
		t.Errorf("%v: exit status %d, want %d:\n%s%s", args, got, code, out, errs)
	}
	for _, text := range want {
		if !strings.Contains(out+errs, text) {
			t.Errorf("%v: no %q in\n%s%s", args, text, out, errs)
		}
	}
	return out
}

// TestToolsShowARecordedWire: the tools on a wire with a real server, a router and
// its clients, without any daemon of ours.
func TestToolsShowARecordedWire(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	replay(t, w.HostA, "lan", recorded)
	wantTool(t, w.SiteA, 0, []string{"MARSVR", "file server", "00005EA1:000000000001:0451", "020000000A01"}, "slist", "-i", "lan")
	wantTool(t, w.SiteA, 0, []string{"ethernet_802_2 is network 0000A0A0 here", "00005EA1  1     2      020000000A01", "0000B0B0  1     1      02000000990A"}, "routes", "-i", "lan")
	wantTool(t, w.SiteA, 0, []string{"ethernet_802_2", "0000A0A0 (2 stations)", "server MARSVR", "on this wire     router"}, "listen", "-i", "lan", "--for", "2s")
	if out := wantTool(t, w.SiteA, 0, []string{"NCP request ", "SAP response: 0004 (file server)"}, "sniff", "-i", "lan", "-c", "200"); strings.Count(out, "\n") != 200 {
		t.Errorf("%d lines, want 200", strings.Count(out, "\n"))
	}
	wantTool(t, w.SiteA, 1, []string{"no such packet was heard on lan"}, "sniff", "-i", "lan", "--for", "200ms", "--frame", "snap")
	var r survey.Report
	if err := json.Unmarshal([]byte(wantTool(t, w.SiteA, 0, nil, "listen", "-i", "lan", "--for", "1s", "--json")), &r); err != nil || len(r.Routers) != 2 || len(r.Trouble) != 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestToolsPingAStation: in each frame type a station on a wire whose number
// nobody knows, and nobody's daemon there.
func TestToolsPingAStation(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		if e != ipx.Ethernet8022 { // each answers in its own
			w.Station(w.HostB, "lan", e)
		}
	}
	s := w.Station(w.HostA, "lan", ipx.Ethernet8022)
	node := s.Addr().Node.String()
	wantTool(t, w.SiteA, 0, []string{"00000000:" + node + ": answer in ", "ethernet_802_2", "2 of 2 answered"}, "ping", "-i", "lan", "-c", "2", node)
	wantTool(t, w.SiteA, 0, []string{"no router knows the way to network 00000077", "1 of 1 answered"}, "ping", "-i", "lan", "-c", "1", "--size", "1000", "77:"+node)
	wantTool(t, w.SiteA, 4, []string{"0 of 1 answered", "ipx listen -i lan"}, "ping", "-i", "lan", "-c", "1", "--frame", "ethernet_ii", node)
	wantTool(t, w.SiteA, 1, []string{"no router answers on lan in any frame type"}, "routes", "-i", "lan", "--for", "500ms")
	wantTool(t, w.SiteA, 1, []string{"no server answers"}, "slist", "-i", "lan", "--for", "500ms")
}

// TestToolsAskOurRouter: from a host, with a daemon at the other end of the wire.
func TestToolsAskOurRouter(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none", IPX: "routes = [\"00000020 hops 1 ticks 7\", \"00005EA1 hops 2 ticks 8\"]\nservices = [\"0004 FS1 00005EA1:000000000001:0451 hops 2\"]"}.A())
	b := w.Start(w.SiteB, lab.Config{IP: "none"}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	far := w.Station(w.HostB, "lan", ipx.Ethernet8022)
	if _, err := far.FindRoute(w.Patiently(), 0x20); err != nil {
		t.Fatal(err)
	}
	wantTool(t, w.HostA, 0, []string{"ethernet_802_2 is network 00000010 here", "00000020  ", "00005EA1  3"}, "routes", "-i", "lan")
	wantTool(t, w.HostA, 0, []string{"0004  file server  FS1   00005EA1:000000000001:0451  3"}, "slist", "-i", "lan", "4")
	wantTool(t, w.HostA, 0, []string{"00000010  ", "ethernet_802_2  version 1.0, IPX/SPX, router (00000010"}, "diag", "-i", "lan", "--for", "2s")
	wantTool(t, w.HostA, 0, []string{"network 00000020 is ", "in ethernet_802_2", "3 of 3 answered"}, "ping", "-i", "lan", "20:"+far.Addr().Node.String())
}

// TestToolsCaptureForWireshark: to a file and into a pipe; tshark finds the same
// frames in them as were played.
func TestToolsCaptureForWireshark(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	file := filepath.Join(w.Dir, "tool.pcapng")
	frames, _ := replay(t, w.HostA, "lan", recorded)
	n := fmt.Sprint(3 * len(frames))
	wantTool(t, w.SiteA, 0, []string{n + " packets written to " + file}, "capture", "-i", "lan", "--pcapng", file, "-c", n)
	judge.Sound(t, file)
	for _, filter := range []string{"ipxrip", "ipxsap", "ncp", "ipx"} {
		if got, want := judge.Count(t, file, filter), 3*judge.Count(t, recorded, filter); got != want {
			t.Errorf("%s: %d frames, want %d", filter, got, want)
		}
	}
	for _, f := range judge.Fields(t, file, "frame.number == 1", "frame.interface_name", "frame.packet_flags_direction") {
		if f[0] != "lan" || f[1] != "0x00000001" {
			t.Errorf("interface, direction: %v", f)
		}
	}
	out, err := w.SiteA.Command("sh", "-c", `"$LAB_BINARY" ipx capture -i lan --pcapng - -c 50 --socket 0453 | tshark -n -r - -T fields -e ipx.socket`).Output()
	if lines := strings.Count(string(out), "0x0453"); err != nil || strings.Count(string(out), "\n") != 50 || lines < 50 {
		t.Errorf("through a pipe: %v\n%s", err, out)
	}
	if out, err := exec.Command("capinfos", "-M", file).Output(); err != nil || !strings.Contains(string(out), "sitebridge") || !strings.Contains(string(out), "nanoseconds") {
		t.Errorf("capinfos: %v\n%s", err, out)
	}
}

// TestToolsEndInOrder: Ctrl-C ends with the summary; a missing capability and an
// interface that is down are said in words.
func TestToolsEndInOrder(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	_, stop := replay(t, w.HostA, "lan", recorded)
	for _, args := range [][]string{{"listen", "-i", "lan", "--for", "0"}, {"sniff", "-i", "lan"}} {
		lab.Wait(t, fmt.Sprintf("%v hears something before Ctrl-C", args), func() bool {
			cmd := w.SiteA.Command(os.Getenv("LAB_BINARY"), append([]string{"ipx"}, args...)...)
			out := new(bytes.Buffer)
			cmd.Stdout = out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // listen tells only at its end
			cmd.Process.Signal(syscall.SIGINT)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v after Ctrl-C: %v\n%s", args, err, out.String())
			}
			return strings.Contains(out.String(), "ethernet_802_2")
		})
	}
	stop()
	wantTool(t, w.SiteA, 1, []string{"no IPX was heard on lan", "switch or Wi-Fi"}, "listen", "-i", "lan", "--for", "300ms")
	for _, args := range [][]string{{"sniff"}, {"slist"}} {
		out, err := w.SiteA.Command("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw",
			os.Getenv("LAB_BINARY"), "ipx", args[0], "-i", "lan").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "missing capability: CAP_NET_RAW: run it as root, or give the program that capability (setcap") {
			t.Errorf("%v without CAP_NET_RAW: %v\n%s", args, err, out)
		}
	}
	w.IP(w.SiteA, "link", "set", "lan", "down")
	wantTool(t, w.SiteA, 1, []string{"interface lan is down: `ip link set lan up`"}, "routes", "-i", "lan")
	wantTool(t, w.SiteA, 1, []string{"interface lan is down"}, "sniff", "-i", "lan")
}
