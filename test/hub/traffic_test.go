package hub

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/test/lab"
)

// port is that of the server behind the hub.
const port = "5001"

// serve has the host behind the hub take streams: it reads them, but fills
// one that begins with a 'd', and sends back one that begins with an 'e'.
func (f *fleet) serve() {
	f.t.Helper()
	var l net.Listener
	lc := net.ListenConfig{Control: congestion}
	if err := f.host.Do(func() (err error) { l, err = lc.Listen(f.t.Context(), "tcp4", ":"+port); return err }); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.answer(c)
		}
	}()
}

// congestion gives a socket the congestion control that is asked for.
func congestion(_, _ string, c syscall.RawConn) (err error) {
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, *tcp)
	}); failed != nil {
		return failed
	}
	return err
}

func (f *fleet) answer(c net.Conn) {
	defer c.Close()
	var what [1]byte
	if _, err := io.ReadFull(c, what[:]); err != nil {
		return
	}
	switch what[0] {
	case 'd':
		fill(c)
	case 'e':
		io.Copy(c, c)
	default:
		count(c, &f.received)
	}
}

func fill(c net.Conn) {
	block := make([]byte, 64<<10)
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

func count(c net.Conn, n *atomic.Uint64) {
	block := make([]byte, 64<<10)
	for {
		got, err := c.Read(block)
		n.Add(uint64(got))
		if err != nil {
			return
		}
	}
}

// connect opens TCP through a branch's tunnel to the server behind the hub.
func (f *fleet) connect(ctx context.Context, b *branch) (c net.Conn, err error) {
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: b.host().AsSlice()}, Control: congestion}
	err = f.field.Do(func() error {
		c, err = d.DialContext(ctx, "tcp4", net.JoinHostPort(b.server().String(), port))
		return err
	})
	return c, err
}

// stream sends, or with down receives, over one branch's tunnel until ctx ends.
func (f *fleet) stream(ctx context.Context, b *branch, down bool) error {
	c, err := f.connect(ctx, b)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if down {
		c.Write([]byte("d"))
		count(c, &f.received)
	} else {
		c.Write([]byte("u"))
		fill(c)
	}
	return nil
}

// wantEcho sends a text through a branch's tunnel and wants it back.
func (f *fleet) wantEcho(b *branch) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), lab.Patience)
	defer cancel()
	c, err := f.connect(ctx, b)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(lab.Patience))
	text := bytes.Repeat([]byte(b.name()), 3000)
	go c.Write(append([]byte("e"), text...))
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(back, text) {
		f.t.Errorf("%s: the text does not come back: %v", b.name(), err)
	}
}

// rate measures streams over the branches given, in Mbit/s and hub's CPU seconds per
// GiB, for so long after they had their time to begin.
func (f *fleet) rate(branches []*branch, down bool, slice time.Duration) (mbit, cpu float64) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	var all sync.WaitGroup
	var failed atomic.Int64
	for _, b := range branches {
		all.Go(func() {
			if err := f.stream(ctx, b, down); err != nil && ctx.Err() == nil && failed.Add(1) == 1 {
				f.t.Errorf("%s: %v", b.name(), err)
			}
		})
	}
	time.Sleep(*warm)
	began, was, used := time.Now(), f.received.Load(), cpuTime(f.t, f.daemon.Pid())
	time.Sleep(slice)
	octets := float64(f.received.Load() - was)
	mbit = octets * 8 / time.Since(began).Seconds() / 1e6
	cpu = (cpuTime(f.t, f.daemon.Pid()) - used).Seconds() / (octets / (1 << 30))
	cancel()
	all.Wait()
	return mbit, cpu
}
