package gre

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"sitebridge/internal/packet"

	"golang.org/x/sys/unix"
)

func loopback(n byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, n}) }

func openRaw(t *testing.T, cfg RawConfig) *Raw {
	t.Helper()
	r, err := OpenRaw(cfg)
	if err != nil {
		t.Fatalf("OpenRaw: %v", err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// A rawReader receives from a Raw without ever waiting for ever.
type rawReader struct {
	t    *testing.T
	got  chan Datagram
	done chan struct{}
}

func read(t *testing.T, r Carrier) *rawReader {
	rr := &rawReader{t: t, got: make(chan Datagram, 1000), done: make(chan struct{})}
	go func() {
		defer close(rr.done)
		in := make([]Datagram, packet.BatchLen)
		for i := range in {
			in[i].Buffer = new(packet.Buffer)
		}
		for {
			n, err := r.Receive(in)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Receive: %v", err)
				}
				close(rr.got)
				return
			}
			for _, d := range in[:n] {
				rr.got <- Datagram{d.Path, buffer(d.Buffer.Bytes())}
			}
		}
	}()
	t.Cleanup(func() { r.Close(); <-rr.done })
	return rr
}

func (rr *rawReader) want(path Path, frame []byte) {
	rr.t.Helper()
	d, ok := <-rr.got
	if !ok {
		rr.t.Fatal("carrier closed while waiting for a packet")
	}
	if d.Path != path {
		rr.t.Errorf("packet of path %v, want %v", d.Path, path)
	}
	if string(d.Buffer.Bytes()) != string(frame) {
		rr.t.Errorf("packet of %d octets % x, want %d octets % x", d.Buffer.Len(), head(d.Buffer.Bytes()), len(frame), head(frame))
	}
}

func head(b []byte) []byte { return b[:min(len(b), 24)] }

func TestRawSendsAndReceivesBatches(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		in := read(t, r)
		var pkts []*packet.Buffer
		for i := range 150 {
			pkts = append(pkts, buffer(data(7, uint32(i))))
		}
		for _, df := range []bool{true, false} {
			if err := r.Send(Path{Local: loopback(5), Remote: loopback(2)}, pkts, df); err != nil {
				t.Fatalf("Send: %v", err)
			}
			for i := range pkts {
				in.want(Path{Local: loopback(2), Remote: loopback(5)}, data(7, uint32(i)))
			}
		}
		if s := r.Stats(); s.Sent != 300 || s.Received != 300 || s.Drops != (RawDrops{}) {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestRawLetsTheKernelChooseTheSource(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		in := read(t, r)
		// the same batch object first with, then without a source
		for _, local := range []netip.Addr{loopback(9), {}} {
			if err := r.Send(Path{Local: local, Remote: loopback(2)}, []*packet.Buffer{buffer(data(7, 1))}, true); err != nil {
				t.Fatalf("Send: %v", err)
			}
		}
		in.want(Path{Local: loopback(2), Remote: loopback(9)}, data(7, 1))
		in.want(Path{Local: loopback(2), Remote: loopback(1)}, data(7, 1)) // the address of lo
	})
}

func TestRawDropsWhatDoesNotFit(t *testing.T) {
	inNamespace(t, func() {
		setLoopbackMTU(t, 1400)
		r := openRaw(t, RawConfig{Mark: 0x5b1d})
		in := read(t, r)
		fits, tooBig := data(7, 1), encode(Header{PayloadLen: 1800, CallID: 7, HasSeq: true}, make([]byte, 1800))
		path := Path{Local: loopback(1), Remote: loopback(2)}
		err := r.Send(path, []*packet.Buffer{buffer(fits), buffer(tooBig), buffer(tooBig), buffer(fits)}, true)
		var e *TooBigError
		if !errors.Is(err, ErrTooBig) || !errors.As(err, &e) || e.MTU != 1400 || e.Packets != 2 {
			t.Errorf("Send = %v (%+v), want 2 packets too big for 1400", err, e)
		}
		back := Path{Local: loopback(2), Remote: loopback(1)}
		in.want(back, fits)
		in.want(back, fits)

		before := fragmentsCreated(t)
		if err := r.Send(path, []*packet.Buffer{buffer(tooBig), buffer(fits)}, false); err != nil {
			t.Errorf("Send without df: %v", err)
		}
		in.want(back, tooBig)
		in.want(back, fits)
		if n := fragmentsCreated(t) - before; n != 2 {
			t.Errorf("the kernel made %d fragments, want 2", n)
		}
	})
}

func TestRawSendErrorsAreTheKernels(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		pkts := []*packet.Buffer{buffer(data(7, 1))}
		if err := r.Send(Path{Remote: netip.MustParseAddr("192.0.2.1")}, pkts, true); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("Send without a route = %v, want ENETUNREACH", err)
		}
		if err := r.Send(Path{Remote: netip.MustParseAddr("2001:db8::1")}, pkts, true); err == nil {
			t.Error("Send to IPv6 did not fail")
		}
		r.Close()
		r.Close()
		if err := r.Send(Path{Remote: loopback(2)}, pkts, true); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close = %v, want net.ErrClosed", err)
		}
		if _, err := r.Receive([]Datagram{{Buffer: new(packet.Buffer)}}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive after Close = %v, want net.ErrClosed", err)
		}
	})
}

func TestRawKeepsPlainGREOut(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		in := read(t, r)
		plain := append(unhex("2000 0800 00000001"), make([]byte, 20)...)
		path := Path{Local: loopback(1), Remote: loopback(2)}
		if err := r.Send(path, []*packet.Buffer{buffer(plain), buffer(data(7, 1))}, true); err != nil {
			t.Fatalf("Send: %v", err)
		}
		in.want(Path{Local: loopback(2), Remote: loopback(1)}, data(7, 1))
		if s := r.Stats(); s.Received != 1 {
			t.Errorf("received %d packets, want 1", s.Received)
		}
	})
}

func TestRawCountsOverflow(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{ReceiveBuffer: 1}) // the kernel's least
		for range 100 {
			if err := r.Send(Path{Local: loopback(1), Remote: loopback(2)}, []*packet.Buffer{buffer(data(7, 1))}, true); err != nil {
				t.Fatalf("Send: %v", err)
			}
		}
		if s := r.Stats(); s.Drops.ReceiveQueueFull == 0 {
			t.Errorf("100 packets, nobody reads, counted %+v", s)
		}
	})
}

func TestRawDropsOverlongPackets(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		s := openIP(t)
		overlong := encode(Header{PayloadLen: 3000, CallID: 7, HasSeq: true}, make([]byte, 3000))
		for seq := range uint32(3) { // all queued before anything is read: one batch
			s.send(forged{ttl: 64, payload: overlong})
			s.send(forged{ttl: 64, payload: data(7, seq)})
		}
		in := read(t, r)
		for seq := range uint32(3) {
			in.want(Path{Local: loopback(2), Remote: loopback(1)}, data(7, seq))
		}
		if got := r.Stats().Drops; got.Overlong != 3 || got.BadIPHeader != 0 {
			t.Errorf("counted %+v, want 3 overlong", got)
		}
	})
}

// A mux and its channels over the real thing.
func TestRawCarriesACall(t *testing.T) {
	inNamespace(t, func() {
		west, east := openRaw(t, RawConfig{}), openRaw(t, RawConfig{})
		a := &end{mux: runMux(t, west)}
		b := &end{mux: runMux(t, east)}
		a.open(t, loopback(2), ChannelConfig{})
		b.open(t, loopback(1), ChannelConfig{})
		got := make(chan uint32, 200)
		a.Connect(loopback(1), b.ID(), 64, func(frames []*packet.Buffer) {
			for _, p := range frames {
				got <- binary.BigEndian.Uint32(p.Bytes())
			}
		})
		b.Connect(loopback(2), a.ID(), 64, func(frames []*packet.Buffer) {
			if err := b.Send(frames, true); err != nil { // and back again
				t.Errorf("Send: %v", err)
			}
		})
		mustSend(t, a, numbered(0, 150))
		for i := range uint32(150) {
			if n := <-got; n != i {
				t.Fatalf("frame %d came back as %d", i, n)
			}
		}
	})
}

func TestRawNeedsPrivilege(t *testing.T) {
	inNamespace(t, func() {
		dropCapabilities(t)
		_, err := OpenRaw(RawConfig{})
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("OpenRaw without capabilities = %v, want one that names CAP_NET_RAW", err)
		}
	})
}

func TestRawDoesNotAllocate(t *testing.T) {
	inNamespace(t, func() {
		r := openRaw(t, RawConfig{})
		pkts := []*packet.Buffer{buffer(data(7, 1)), buffer(data(7, 2))}
		wantNoAllocation(t, r, Path{Local: loopback(1), Remote: loopback(2)}, pkts, true)
	})
}

// fragmentsCreated reads the namespace's IPv4 counter.
func fragmentsCreated(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names, values []string
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Ip: "); ok {
			names, values = values, strings.Fields(rest)
		}
	}
	for i, name := range names {
		if name == "FragCreates" {
			n, err := strconv.Atoi(values[i])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no FragCreates in %q", b)
	return 0
}

// The time of one packet out through the kernel and in again. It runs where it
// is, over lo, and so needs CAP_NET_RAW.
func BenchmarkRawLoopback(b *testing.B) {
	r, err := OpenRaw(RawConfig{})
	if errors.Is(err, unix.EPERM) {
		b.Skip(err)
	} else if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	frames, rewind := fullFrames()
	in := make([]Datagram, packet.BatchLen)
	for i := range in {
		in[i].Buffer = new(packet.Buffer)
	}
	h := Header{PayloadLen: benchFrame, CallID: 7, HasSeq: true}
	b.SetBytes(benchFrame)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(frames) {
		rewind()
		for _, p := range frames {
			h.Put(p.Prepend(h.Len()))
		}
		if err := r.Send(Path{Local: loopback(1), Remote: loopback(2)}, frames, true); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < len(frames); {
			n, err := r.Receive(in)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}
