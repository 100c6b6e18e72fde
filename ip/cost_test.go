package ip

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// TestIdleInterfaceHoldsNoMemory looks at the reader while it waits.
func TestIdleInterfaceHoldsNoMemory(t *testing.T) {
	ns := netlab.New(t, cloneDevice).Namespace("a")
	var dev *Interface
	must(t, ns.Do(func() (err error) { dev, err = Open(Config{Name: "sb-a"}); return err }))
	defer dev.Close()
	tr := transmitter{i: dev, reader: newTUNReader(dev.tun.conn)}
	for { // what the kernel says by itself when an interface comes up
		if _, err := tr.reader.read(false); errors.Is(err, unix.EAGAIN) {
			break
		} else {
			must(t, err)
		}
	}
	if tr.reader.mem != nil || tr.batch != nil {
		t.Error("memory is held with nothing to read")
	}
}

func TestDataPathDoesNotAllocate(t *testing.T) {
	s := newTwoSites(t, 1400, 1400)
	in := tcpSegment{src: "10.2.0.2", dst: "10.1.0.2", flags: tcpACK, payload: make([]byte, 1000)}
	var pkts [][]byte
	for n := range 8 {
		in.seq = uint32(1000 * n)
		pkts = append(pkts, in.packet())
	}
	bufs := batch(pkts...)
	if n := testing.AllocsPerRun(200, func() {
		for k, b := range bufs {
			b.Set(pkts[k])
		}
		s.west.dev.Deliver(ProtocolIPv4, bufs)
	}); n != 0 && !race.Enabled {
		t.Errorf("Deliver: %v allocations", n)
	}

	tr := transmitter{i: offline(discard{}, 1400), batch: packet.GetBatch()}
	frame := frames(stream("10.1.0.2", "10.2.0.2", 1, slices.Repeat([]int{1300}, 40)...))[0]
	syn := append(make([]byte, virtioHeaderLen), syn4(mss(1460)...)...)
	if n := testing.AllocsPerRun(200, func() {
		tr.take(frame)
		tr.take(syn)
		tr.flush()
	}); n != 0 && !race.Enabled {
		t.Errorf("take and flush: %v allocations", n)
	}
}

type discard struct{}

func (discard) Send(uint16, []*packet.Buffer, bool) error { return nil }

func BenchmarkOutgoing(b *testing.B) {
	tr := transmitter{i: offline(discard{}, 1400), batch: packet.GetBatch()}
	frame := frames(stream("10.1.0.2", "10.2.0.2", 1, slices.Repeat([]int{1348}, 40)...))[0]
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		tr.take(frame)
		tr.flush()
	}
	perPacket(b, 40)
}

// perPacket reports the time of one packet of a frame.
func perPacket(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
}

// BenchmarkIncoming leaves out the system call.
func BenchmarkIncoming(b *testing.B) {
	i := offline(discard{}, 1400)
	l := i.live.Load()
	pkts := stream("10.2.0.2", "10.1.0.2", 1, slices.Repeat([]int{1348}, 40)...)
	bufs := batch(pkts...)
	w := tunWriters.Get().(*tunWriter)
	b.SetBytes(int64(40 * len(pkts[0])))
	b.ReportAllocs()
	for b.Loop() {
		for k, buf := range bufs {
			buf.Set(pkts[k])
			v, _ := i.admit(l, 4, buf, nil)
			w.add(buf, v)
		}
		for n := range w.nruns {
			w.frame(&w.runs[n])
		}
		w.npkts, w.nruns = 0, 0
	}
	perPacket(b, 40)
}
