package port

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/privilege"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
)

// handOver makes the test binary a daemon that systemd has started: it drops its
// privileges, for which it executes itself again, and opens a port at the address
// that the variable holds.
const handOver = "PORT_TEST_HAND_OVER"

func TestMain(m *testing.M) {
	if listen := os.Getenv(handOver); listen != "" {
		fmt.Println(serve(netip.MustParseAddrPort(listen)))
		os.Exit(1)
	}
	netlab.Main(m)
}

func serve(listen netip.AddrPort) error {
	if _, err := privilege.Drop(nil); err != nil {
		return err
	}
	for range 2 { // a socket can be used again after a port was closed
		first, err := OpenDOSBox(context.Background(), DOSBoxConfig{Listen: listen})
		if err != nil {
			return err
		}
		if err := first.Close(); err != nil {
			return err
		}
	}
	p, err := OpenDOSBox(context.Background(), DOSBoxConfig{Listen: listen})
	if err != nil {
		return err
	}
	return p.Run(context.Background(), func([]Frame) {})
}

// A port below 1024 is not ours to open once privileges are dropped, so that the
// socket can only be the one that was handed over. It waits behind one that is
// somebody else's.
func TestDOSBoxPortUsesTheSocketOfSystemd(t *testing.T) {
	for _, c := range []struct{ name, bound, listen string }{
		{"ListenDatagram=0.0.0.0:213", "0.0.0.0:213", "0.0.0.0:213"},
		{"ListenDatagram=213", "[::]:213", "0.0.0.0:213"},
		{"ListenDatagram=127.0.0.1:213", "127.0.0.1:213", "127.0.0.1:213"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := netlab.New(t).Namespace("host")
			var files []*os.File
			inside(t, ns.Do, func() {
				tcp, err := net.Listen("tcp4", "127.0.0.1:213")
				if err != nil {
					t.Fatal(err)
				}
				family := "udp4"
				if c.bound[0] == '[' {
					family = "udp"
				}
				udp, err := net.ListenPacket(family, c.bound)
				if err != nil {
					t.Fatal(err)
				}
				for _, socket := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), udp.(*net.UDPConn)} {
					f, err := socket.File()
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { f.Close() })
					files = append(files, f)
				}
				tcp.Close()
				udp.Close()
			})
			// Only a shell knows the number of its process before that is us.
			cmd := ns.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:dosbox exec "$0"`, "/proc/"+fmt.Sprint(os.Getpid())+"/exe")
			cmd.Env = append(os.Environ(), handOver+"="+c.listen, "GORACE=atexit_sleep_ms=20")
			cmd.ExtraFiles = files
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				cmd.Wait() // killed
				close(ended)
			}()
			inside(t, ns.Do, func() {
				conn, err := net.Dial("udp4", "127.0.0.1:213")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.Write(ipxnet.AppendRegistration(nil)); err != nil { // it waits in the socket
					t.Fatal(err)
				}
				conn.SetReadDeadline(time.Now().Add(time.Minute))
				b := make([]byte, 100)
				n, err := conn.Read(b)
				if h, _, bad := ipx.Parse(b[:n]); err != nil || bad != nil || h.Dst.Node[0]&3 != 2 {
					t.Errorf("answered with % x, %v", b[:n], err)
				}
			})
			cmd.Process.Kill()
			<-ended
			if t.Failed() {
				t.Logf("it said: %s", &out)
			}
		})
	}
}

// Without systemd a low port is refused in words.
func TestDOSBoxPortBelow1024NeedsSystemd(t *testing.T) {
	ns := netlab.New(t).Namespace("host")
	cmd := ns.Command("/proc/self/exe")
	cmd.Path = "/proc/" + fmt.Sprint(os.Getpid()) + "/exe"
	cmd.Env = append(os.Environ(), handOver+"=0.0.0.0:213", "GORACE=atexit_sleep_ms=20")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("packaging/sitebridge-dosbox.socket")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestBoundTo(t *testing.T) {
	for _, c := range []struct {
		bound, want string
		same        bool
	}{
		{"0.0.0.0:213", "0.0.0.0:213", true},
		{"[::]:213", "0.0.0.0:213", true},
		{"[::]:213", "[::]:213", true},
		{"[::ffff:10.0.0.1]:213", "10.0.0.1:213", true},
		{"10.0.0.1:213", "10.0.0.1:213", true},
		{"0.0.0.0:214", "0.0.0.0:213", false},
		{"10.0.0.2:213", "10.0.0.1:213", false},
		{"0.0.0.0:213", "10.0.0.1:213", false},
		{"10.0.0.1:213", "0.0.0.0:213", false},
	} {
		if got := boundTo(netip.MustParseAddrPort(c.bound), netip.MustParseAddrPort(c.want)); got != c.same {
			t.Errorf("a socket at %s for %s: %v", c.bound, c.want, got)
		}
	}
}
