package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// fileLen is how much crosses in each direction.
const fileLen = 200 << 20

// TestFileBothWays sends a file each way at the same time by TCP, between hosts
// of the LANs. What arrives has the SHA-256 of what was sent.
func TestFileBothWays(t *testing.T) {
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	began := time.Now()
	var group errgroup.Group
	group.Go(func() error { return transfer(w, w.HostA, w.HostB, lab.AddrB+":9", fileLen) })
	group.Go(func() error { return transfer(w, w.HostB, w.HostA, lab.AddrA+":9", fileLen) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("2 x %d octets in %v: %.0f Mbit/s", fileLen, took.Round(time.Millisecond), 2*8*fileLen/took.Seconds()/1e6)
}

// transfer sends a file of so many octets to a host and compares.
func transfer(w *lab.World, from, to *netlab.Namespace, addr string, size int) error {
	l := w.Listen(to, addr)
	received, got := make(chan error, 1), sha256.New()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(got, c)
			c.Close()
		}
		received <- err
	}()
	c, err := lab.Dial(from, addr, lab.Patience)
	if err != nil {
		return err
	}
	sent := sha256.New()
	if err := errors.Join(writeFile(c, size, sent), c.Close(), <-received); err != nil {
		return err
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		return errors.New("what arrived at " + addr + " is not what was sent")
	}
	return nil
}

// writeFile writes octets that no part of the file shares with another. They are
// letters, because dissectors find protocols in noise.
func writeFile(c net.Conn, size int, sum hash.Hash) error {
	block := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(block)
	for i, b := range block {
		block[i] = 'a' + b&15
	}
	for i := range size / len(block) {
		for off := 0; off < len(block); off += 1 << 10 {
			copy(block[off:], fmt.Sprintf("%012d", i*len(block)+off))
		}
		sum.Write(block)
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// The datagrams of TestDatagramsAtAFixedRate: 20 Mbit/s for 5 s.
const (
	datagramLen  = 1200
	datagramRate = 2084 // a second
	datagrams    = 5 * datagramRate
	underWay     = 200 // at most
)

func TestDatagramsAtAFixedRate(t *testing.T) {
	w := lab.New(t)
	config := lab.Config{Site: patient}
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	a.WaitUp("b")
	b.WaitUp("a")
	in := w.ListenUDP(w.HostB, lab.AddrB+":9")
	out := w.ListenUDP(w.HostA, lab.AddrA+":9")
	to := &net.UDPAddr{IP: net.ParseIP(lab.AddrB), Port: 9}
	receiveQueue(t, in)
	got, arrived := make(chan int), atomic.Int64{}
	go func() {
		seen := make(map[uint64]bool, datagrams)
		buf := make([]byte, 2*datagramLen)
		for {
			n, err := in.Read(buf)
			if err != nil {
				break
			}
			if n < datagramLen {
				break
			}
			seen[binary.LittleEndian.Uint64(buf)] = true
			arrived.Store(int64(len(seen)))
		}
		got <- len(seen)
	}()
	// At the stated rate, in groups of 10; never faster, to make good for a time
	// in which this process did not run, nor faster than the machine can carry them.
	datagram := make([]byte, datagramLen)
	next := time.Now()
	for i := range datagrams {
		if i%10 == 0 {
			next = next.Add(10 * time.Second / datagramRate)
			time.Sleep(time.Until(next))
			lab.Wait(t, "what was sent arrives", func() bool { return int64(i)-arrived.Load() < underWay })
			if late := time.Since(next); late > 0 {
				next = next.Add(late)
			}
		}
		binary.LittleEndian.PutUint64(datagram, uint64(i))
		if _, err := out.WriteTo(datagram, to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.WriteTo(make([]byte, 1), to); err != nil { // the last one
		t.Fatal(err)
	}
	in.SetReadDeadline(time.Now().Add(lab.Patience))
	n := <-got
	if missed := droppedByQueue(t, w.HostB); n+missed != datagrams {
		t.Errorf("%d datagrams arrived, %d found no room at their receiver; want %d", n, missed, datagrams)
		t.Logf("a sent %+v", a.Site("b").IP.Stats)
		t.Logf("b received %+v, %+v", b.Site("a").Tunnel.GRE, b.Site("a").IP.Stats)
	}
}

// receiveQueue makes the queue of the test's own socket long: what is measured
// is the tunnel and not this process.
func receiveQueue(t *testing.T, c *net.UDPConn) {
	t.Helper()
	c.SetReadBuffer(4 << 20)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) // as root
	})
}

// droppedByQueue returns how many datagrams for port 9 found the queue full: the
// last column of /proc/net/udp.
func droppedByQueue(t *testing.T, ns *netlab.Namespace) int {
	t.Helper()
	out, err := ns.Command("cat", "/proc/net/udp").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasSuffix(f[1], ":0009") {
			n, err := strconv.Atoi(f[len(f)-1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no socket in\n%s", out)
	return 0
}
