package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
)

// Ping pings an address, IPv4 or IPv6, once, and returns what ping says.
func Ping(ns *netlab.Namespace, addr string, args ...string) (out string, ok bool) {
	b, err := ns.Command("ping", append([]string{"-n", "-c", "1", "-W", "2"}, append(args, addr)...)...).CombinedOutput()
	return string(b), err == nil
}

// WantPing pings until an answer comes.
func (w *World) WantPing(ns *netlab.Namespace, addr string, args ...string) {
	w.T.Helper()
	Wait(w.T, fmt.Sprintf("%s pings %s %v", ns.Name(), addr, args), func() bool {
		_, ok := Ping(ns, addr, args...)
		return ok
	})
}

// Listen opens a TCP listener on a host of the world. Its connections outlive a long
// silence, as those of most programs do: Go's own keepalive would end them after 150 s.
func (w *World) Listen(ns *netlab.Namespace, addr string) (l net.Listener) {
	w.T.Helper()
	err := ns.Do(func() (err error) {
		l, err = (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", addr)
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { l.Close() })
	return l
}

// Dial opens a TCP connection from a host of the world.
func (w *World) Dial(ns *netlab.Namespace, addr string) net.Conn {
	w.T.Helper()
	c, err := Dial(ns, addr, Patience)
	if err != nil {
		w.T.Fatalf("%s to %s: %v", ns.Name(), addr, err)
	}
	w.T.Cleanup(func() { c.Close() })
	return c
}

// Dial opens a TCP connection from inside ns.
func Dial(ns *netlab.Namespace, addr string, patience time.Duration) (c net.Conn, err error) {
	err = ns.Do(func() (err error) {
		c, err = (&net.Dialer{Timeout: patience, KeepAlive: -1}).Dial("tcp", addr)
		return err
	})
	return c, err
}

// ListenUDP opens a UDP socket on a host of the world.
func (w *World) ListenUDP(ns *netlab.Namespace, addr string) (c *net.UDPConn) {
	w.T.Helper()
	err := ns.Do(func() error {
		at, err := net.ResolveUDPAddr("udp", addr)
		if err == nil {
			c, err = net.ListenUDP("udp", at)
		}
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { c.Close() })
	return c
}

// An Echo is a TCP connection to a server that says every line again: the
// session that must survive.
type Echo struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	n    int
}

// Echo opens a session between two hosts of the world.
func (w *World) Echo(from, to *netlab.Namespace, addr string) *Echo {
	w.T.Helper()
	l := w.Listen(to, net.JoinHostPort(addr, "7"))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c) // ends with the session
			}()
		}
	}()
	c := w.Dial(from, net.JoinHostPort(addr, "7"))
	return &Echo{t: w.T, conn: c, in: bufio.NewReader(c)}
}

// Say sends a line, which may take its time.
func (e *Echo) Say() {
	e.t.Helper()
	e.n++
	if _, err := fmt.Fprintf(e.conn, "line %d\n", e.n); err != nil {
		e.t.Fatalf("the session did not survive: %v", err)
	}
}

// Hear waits for the last line to come back.
func (e *Echo) Hear() {
	e.t.Helper()
	e.conn.SetReadDeadline(time.Now().Add(Patience))
	for {
		line, err := e.in.ReadString('\n')
		if err != nil {
			e.t.Fatalf("the session did not survive: %v", err)
		}
		if strings.TrimSpace(line) == fmt.Sprintf("line %d", e.n) {
			return
		}
	}
}

// Capture writes the frames of an interface to a file until the returned
// function is called, which gives the file's name. It fails the test when a
// frame was lost.
func (w *World) Capture(ns *netlab.Namespace, ifname string) (stop func() string) {
	w.T.Helper()
	f, err := os.CreateTemp(w.Dir, ns.Name()+"-"+ifname+"-*.pcap")
	if err != nil {
		w.T.Fatal(err)
	}
	f.Close()
	c := ns.Capture(ifname, f.Name())
	return func() string {
		w.T.Helper()
		if _, err := c.Stop(); err != nil {
			w.T.Error(err)
		}
		return f.Name()
	}
}

// Frames returns the frames of a capture.
func Frames(t *testing.T, pcap string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile(pcap)
	if err != nil {
		t.Fatal(err)
	}
	const head, record = 24, 16
	for b = b[min(head, len(b)):]; len(b) >= record; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		frames = append(frames, b[record:record+n])
		b = b[record+n:]
	}
	return frames
}

// Station puts an IPX host on an interface. It runs until the test ends.
func (w *World) Station(ns *netlab.Namespace, ifname string, enc ipx.Encapsulation) *station.Station {
	w.T.Helper()
	p := w.Port(ns, ifname)
	s := station.New(p, enc)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	w.T.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// Port opens an interface for IPX frames.
func (w *World) Port(ns *netlab.Namespace, ifname string) (p port.Port) {
	w.T.Helper()
	err := ns.Do(func() (err error) {
		p, err = port.OpenLAN(port.LANConfig{Interface: ifname})
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { p.Close() })
	return p
}

// Patiently is a context for a question that must be answered.
func (w *World) Patiently() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	w.T.Cleanup(cancel)
	return ctx
}

// IP runs the ip command on a host of the world and returns what it prints.
func (w *World) IP(ns *netlab.Namespace, args ...string) string {
	w.T.Helper()
	cmd := ns.Command("ip", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.T.Fatalf("%s: ip %s: %v\n%s", ns.Name(), strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// Command runs a command of the program that needs no daemon, such as check.
func (w *World) Command(ns *netlab.Namespace, args ...string) (out string, code int) {
	w.T.Helper()
	cmd := ns.Command(os.Getenv("LAB_BINARY"), args...)
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		w.T.Fatal(err)
	}
	return string(b), cmd.ProcessState.Sys().(syscall.WaitStatus).ExitStatus()
}
