package port

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
)

// A batch crosses a real wire, from a port to a port, without an allocation.
func TestLANAllocatesNothing(t *testing.T) {
	w := newWire(t)
	p := openLAN(t, w.us, LANConfig{Interface: "lan"}).(*kernelPort)
	q := openLAN(t, w.them, LANConfig{Interface: "eth0"}).(*kernelPort)
	defer p.Close()
	defer q.Close()
	pkts := buffersOf(packetOf(60, macA, macB), packetOf(1400, macA, macB))
	in, d := newIncoming(), p.device.Load()
	handled := 0
	h := Handler(func(frames []Frame) { handled += len(frames) })
	if n := testing.AllocsPerRun(200, func() {
		if err := q.Send(ipx.Ethernet8022, macA, macB, pkts); err != nil {
			t.Fatal(err)
		}
		if err := d.raw.Read(in.mmsg); err != nil || in.errno != 0 {
			t.Fatal(err, in.errno)
		}
		p.deliver(in.frames(), h)
	}); n != 0 && !race.Enabled || handled == 0 {
		t.Errorf("%v allocations for each batch, %d handled", n, handled)
	}
}

// Offloads corrupt frames whose checksums or cutting are left to the hardware.
// IPX has neither, so they may stay on: packets of the full size pass between
// interfaces that have them.
func TestLANOffloadsMayStayOn(t *testing.T) {
	w := newWire(t)
	for name, ns := range map[string]interface{ Do(func() error) error }{"lan": w.us, "eth0": w.them} {
		for _, feature := range []uint32{unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_GTSO, unix.ETHTOOL_GGSO, unix.ETHTOOL_GSG} {
			var on uint32
			if err := ns.Do(func() (err error) { on, err = ethtool(name, feature); return err }); err != nil || on == 0 {
				t.Fatalf("%s: offload %#x is %d, %v", name, feature, on, err)
			}
		}
	}
	p := openLAN(t, w.us, LANConfig{Interface: "lan"})
	arrivals := run(t, p, w.us.Do)
	q := openLAN(t, w.them, LANConfig{Interface: "eth0"})
	run(t, q, w.them.Do)
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		for range 100 {
			pkt := packetOf(e.MaxPacket(), macA, macB)
			if err := q.Send(e, macA, macB, buffersOf(pkt)); err != nil {
				t.Fatal(err)
			}
			if got := next(t, arrivals); !equal(got, arrival{pkt, e, macA, macB}) {
				t.Fatalf("%v arrived as %v, %d octets", e, got.encap, len(got.packet))
			}
		}
	}
}

// ethtool asks for one value of an interface (linux/ethtool.h).
func ethtool(name string, command uint32) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command: command}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0, errno
	}
	return value.data, nil
}

// BenchmarkFraming is a port's own work: a batch out and the same batch in,
// without the kernel.
func BenchmarkFraming(b *testing.B) {
	p := &kernelPort{put: func(*outgoing) error { return nil }}
	p.mac.Store(&macA)
	var pkts, frames [][]byte
	for range packet.BatchLen {
		pkts = append(pkts, packetOf(1000, macB, macA))
		frames = append(frames, frameOf(b, ipx.Ethernet8022, macA, macB, packetOf(1000, macA, macB)))
	}
	out, in := buffersOf(pkts...), buffersOf(frames...)
	h := Handler(func([]Frame) {})
	b.SetBytes(packet.BatchLen * 2 * 1000)
	for b.Loop() {
		if err := p.Send(ipx.Ethernet8022, macB, macA, out); err != nil {
			b.Fatal(err)
		}
		p.deliver(in, h)
		for _, f := range in {
			f.Prepend(ipx.Ethernet8022.HeaderLen()) // still there
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packet.BatchLen/2, "ns/packet")
}

// BenchmarkLAN sends batches over a veth pair from one port to another.
func BenchmarkLAN(b *testing.B) {
	w := newWire(b)
	p := openLAN(b, w.us, LANConfig{Interface: "lan"}).(*kernelPort)
	q := openLAN(b, w.them, LANConfig{Interface: "eth0"}).(*kernelPort)
	defer p.Close()
	defer q.Close()
	var pkts [][]byte
	for range packet.BatchLen {
		pkts = append(pkts, packetOf(1000, macA, macB))
	}
	out := buffersOf(pkts...)
	in, d := newIncoming(), p.device.Load()
	arrived := 0
	h := Handler(func(frames []Frame) { arrived += len(frames) })
	b.SetBytes(packet.BatchLen * 1000)
	for b.Loop() {
		arrived = 0
		if err := q.Send(ipx.Ethernet8022, macA, macB, out); err != nil {
			b.Fatal(err)
		}
		for arrived < len(out) {
			if err := d.raw.Read(in.mmsg); err != nil || in.errno != 0 {
				b.Fatal(err, in.errno)
			}
			p.deliver(in.frames(), h)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packet.BatchLen, "ns/packet")
}
