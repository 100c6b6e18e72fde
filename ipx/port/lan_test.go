package port

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// What leaves a port is on the wire as the rules want it, in all frame types
// and at all odd lengths; what a station sends arrives, also when it does not
// pad, as taps do not.
func TestLANFrameTypesAndLengths(t *testing.T) {
	w := newWire(t)
	p := openLAN(t, w.us, LANConfig{Interface: "lan"})
	arrivals := run(t, p, w.us.Do)
	them := newStation(t, w.them, "eth0")
	if p.MAC() != macA || p.Name() != "lan" || !p.Up() {
		t.Errorf("port %s has %v", p.Name(), p.MAC())
	}
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		for _, n := range []int{30, 31, 37, 43, 44, 45, 46, 47, 63, 576, 1491, 1492, 1496, 1497, 1499, 1500} {
			if n > e.MaxPacket() {
				continue
			}
			pkt := packetOf(n, macB, macA)
			if err := p.Send(e, macB, macA, buffersOf(pkt)); err != nil {
				t.Fatal(err)
			}
			want := frameOf(t, e, macB, macA, pkt)
			if got := them.receive(t, macA); !bytes.Equal(got, want) {
				t.Errorf("%v of %d octets left as % x, want % x", e, n, got, want)
			}
			pkt = packetOf(n, macA, macB)
			padded := frameOf(t, e, macA, macB, pkt)
			short := padded[:e.HeaderLen()+n]
			if e != ipx.EthernetII && len(pkt)%2 == 1 && n < e.MaxPacket() {
				short[13]-- // they do not make it even either
			}
			for _, frame := range [][]byte{padded, short} {
				them.send(t, frame)
				if got := next(t, arrivals); !equal(got, arrival{pkt, e, macA, macB}) {
					t.Errorf("%v of %d octets in %d arrived as %v, % x", e, n, len(frame), got.encap, got.packet)
				}
			}
		}
	}
	if d := p.Stats().Drops; d != (Drops{}) {
		t.Errorf("drops %+v", d)
	}
}

func TestLANReplaysCaptures(t *testing.T) {
	w := newWire(t)
	p := openLAN(t, w.us, LANConfig{Interface: "lan", Promiscuous: true})
	arrivals := run(t, p, w.us.Do)
	them := newStation(t, w.them, "eth0")
	for name, frames := range ipxtest.Captures(t, "../testdata") {
		for i, frame := range frames {
			e, dst, src, pkt, err := ipx.Decapsulate(frame)
			if err != nil {
				t.Fatal(err)
			}
			them.send(t, frame)
			if got := next(t, arrivals); !equal(got, arrival{pkt, e, dst, src}) {
				t.Fatalf("%s frame %d arrived as %+v", name, i+1, got)
			}
		}
	}
}

// A batch is longer than one system call takes, and stays in order.
func TestLANBatches(t *testing.T) {
	w := newWire(t)
	p := openLAN(t, w.us, LANConfig{Interface: "lan"})
	arrivals := run(t, p, w.us.Do)
	q := openLAN(t, w.them, LANConfig{Interface: "eth0"})
	run(t, q, w.them.Do)
	var pkts [][]byte
	for i := range 3*packet.BatchLen + 7 {
		pkts = append(pkts, packetOf(60+i, macA, macB))
	}
	if err := q.Send(ipx.Ethernet8022, macA, macB, buffersOf(pkts...)); err != nil {
		t.Fatal(err)
	}
	for i, want := range pkts {
		if got := next(t, arrivals); !bytes.Equal(got.packet, want) {
			t.Fatalf("packet %d arrived as % x", i, got.packet)
		}
	}
	if s, r := q.Stats(), p.Stats(); s.Out.Ethernet8022 != uint64(len(pkts)) || r.In.Ethernet8022 != uint64(len(pkts)) || r.UnicastIn != uint64(len(pkts)) {
		t.Errorf("sent %+v, received %+v", s, r)
	}
}

// vlanFrame puts a tag into a frame.
func vlanFrame(frame []byte, id byte) []byte {
	return append(append(bytes.Clone(frame[:12]), 0x81, 0x00, 0x00, id), frame[12:]...)
}

// Frames of a VLAN are not frames of the wire: the kernel has taken their tag
// out before the port sees them, and nothing else tells them apart.
func TestLANDropsVLANs(t *testing.T) {
	w := newWire(t)
	p := openLAN(t, w.us, LANConfig{Interface: "lan", Promiscuous: true})
	arrivals := run(t, p, w.us.Do)
	them := newStation(t, w.them, "eth0")
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		frame := frameOf(t, e, macA, macB, packetOf(60, macA, macB))
		them.send(t, vlanFrame(frame, 5))
		them.send(t, vlanFrame(frame, 0)) // priority only
		them.send(t, vlanFrame(vlanFrame(frame, 5), 6))
	}
	them.sendSentinel(t)
	wantSentinel(t, arrivals)
	if s := p.Stats(); s.In != (ByEncapsulation{EthernetII: 1}) || s.Drops != (Drops{}) {
		t.Errorf("%+v", s)
	}
}

// On the interface of one VLAN its frames are the wire's.
func TestLANOnAVLAN(t *testing.T) {
	w := newWire(t)
	link, err := w.us.Handle().LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "lan.5", link.Attrs().Index
	if err := w.us.Handle().LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 5}); errors.Is(err, unix.EOPNOTSUPP) {
		t.Log("this kernel makes no VLAN interfaces (module 8021q)")
		return
	} else if err != nil {
		t.Fatal(err)
	}
	w.us.Up("lan.5")
	arrivals := run(t, openLAN(t, w.us, LANConfig{Interface: "lan.5"}), w.us.Do)
	them := newStation(t, w.them, "eth0")
	frame := frameOf(t, ipx.EthernetII, macA, macB, sentinel)
	them.send(t, vlanFrame(frame, 6))
	them.send(t, vlanFrame(frame, 5))
	wantSentinel(t, arrivals)
}

// The port hears neither what its own host sends nor its own frames that come
// back, and what is for others only when it is promiscuous.
func TestLANHearsOnlyOthers(t *testing.T) {
	for _, promiscuous := range []bool{false, true} {
		t.Run(fmt.Sprintf("promiscuous=%v", promiscuous), func(t *testing.T) {
			w := newWire(t)
			p := openLAN(t, w.us, LANConfig{Interface: "lan", Promiscuous: promiscuous})
			arrivals := run(t, p, w.us.Do)
			them, ourHost := newStation(t, w.them, "eth0"), newStation(t, w.us, "lan")
			ourHost.send(t, frameOf(t, ipx.EthernetII, ipx.Broadcast, macC, packetOf(60, ipx.Broadcast, macC)))
			them.send(t, frameOf(t, ipx.EthernetII, ipx.Broadcast, macA, packetOf(60, ipx.Broadcast, macA)))
			forC := packetOf(61, macC, macB)
			them.send(t, frameOf(t, ipx.EthernetII, macC, macB, forC))
			if promiscuous {
				if got := next(t, arrivals); !equal(got, arrival{forC, ipx.EthernetII, macC, macB}) {
					t.Errorf("arrived %+v", got)
				}
			}
			toAll := packetOf(62, ipx.Broadcast, macB)
			them.send(t, frameOf(t, ipx.EthernetII, ipx.Broadcast, macB, toAll))
			if got := next(t, arrivals); !equal(got, arrival{toAll, ipx.EthernetII, ipx.Broadcast, macB}) {
				t.Errorf("arrived %+v", got)
			}
			them.sendSentinel(t)
			wantSentinel(t, arrivals)
		})
	}
}

// The interface goes, and comes back with another address; and goes down and up.
func TestLANSurvivesItsInterface(t *testing.T) {
	w := newWire(t)
	changed := make(chan ipx.Node, 8)
	p := openLAN(t, w.us, LANConfig{Interface: "lan", Promiscuous: true, Changed: func(mac ipx.Node) { changed <- mac }})
	arrivals := run(t, p, w.us.Do)
	newStation(t, w.them, "eth0").sendSentinel(t)
	wantSentinel(t, arrivals)

	w.us.Delete("lan")
	eventually(t, "the port is down", func() bool { return !p.Up() })
	if err := p.Send(ipx.EthernetII, macB, macA, buffersOf(sentinel, sentinel)); err != ErrDown {
		t.Errorf("Send = %v", err)
	}
	if got := p.Stats().Drops.InterfaceDown; got != 2 {
		t.Errorf("%d drops", got)
	}

	w.lab.Veth(w.us, "lan", w.them, "eth0") // whatever address the kernel gives it
	eventually(t, "the port is up", p.Up)
	mac := <-changed
	if mac == macA || mac != p.MAC() {
		t.Errorf("the new address is %v, MAC says %v", mac, p.MAC())
	}
	them := newStation(t, w.them, "eth0")
	them.sendSentinel(t)
	wantSentinel(t, arrivals)
	if err := p.Send(ipx.EthernetII, macB, mac, buffersOf(sentinel)); err != nil {
		t.Fatal(err)
	}
	them.receive(t, mac)

	w.us.Down("lan")
	eventually(t, "the port is down again", func() bool { return !p.Up() })
	w.us.Up("lan")
	eventually(t, "the port is up again", p.Up)
	them.sendSentinel(t)
	wantSentinel(t, arrivals)
	if got := p.Stats().Reopened; got != 2 || len(changed) != 0 {
		t.Errorf("reopened %d times, %d more changes", got, len(changed))
	}
}

// A daemon may start before a USB adapter is plugged in.
func TestLANWaitsForAnInterfaceThatIsNotThere(t *testing.T) {
	w := newWire(t)
	w.us.Delete("lan")
	if err := w.us.Do(func() error { _, err := OpenLAN(LANConfig{Interface: "lan"}); return err }); err == nil ||
		err.Error() != "interface lan: no such network interface: `ip link` lists those that are there" {
		t.Errorf("without Wait: %v", err)
	}
	changed := make(chan ipx.Node, 8)
	p := openLAN(t, w.us, LANConfig{Interface: "lan", Promiscuous: true, Wait: true, Changed: func(mac ipx.Node) { changed <- mac }})
	if p.Up() || !p.MAC().IsZero() {
		t.Errorf("up %v, with MAC %v", p.Up(), p.MAC())
	}
	if err := p.Send(ipx.EthernetII, macB, macA, buffersOf(sentinel)); err != ErrDown {
		t.Errorf("Send = %v", err)
	}
	arrivals := run(t, p, w.us.Do)
	w.lab.Veth(w.us, "lan", w.them, "eth0")
	eventually(t, "the port is up", p.Up)
	if mac := <-changed; mac != p.MAC() || mac.IsZero() {
		t.Errorf("the address is %v, MAC says %v", mac, p.MAC())
	}
	newStation(t, w.them, "eth0").sendSentinel(t)
	wantSentinel(t, arrivals)
}

// One that nobody waits for any more, since the daemon ended first.
func TestLANThatNeverCame(t *testing.T) {
	w := newWire(t)
	w.us.Delete("lan")
	p := openLAN(t, w.us, LANConfig{Interface: "lan", Wait: true})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Run(t.Context(), func([]Frame) {}); err != net.ErrClosed {
		t.Errorf("Run = %v", err)
	}
}

func TestLANWaitsForAnInterfaceThatIsDown(t *testing.T) {
	w := newWire(t)
	w.us.Down("lan")
	p := openLAN(t, w.us, LANConfig{Interface: "lan"})
	arrivals := run(t, p, w.us.Do)
	eventually(t, "the port noticed", func() bool { return !p.Up() })
	w.us.Up("lan")
	eventually(t, "the port is up", p.Up)
	newStation(t, w.them, "eth0").sendSentinel(t)
	wantSentinel(t, arrivals)
}

func TestLANCloseEndsRun(t *testing.T) {
	w := newWire(t)
	for name, prepare := range map[string]func(Port){
		"while it reads": func(Port) {},
		"while it waits for the interface": func(p Port) {
			w.us.Down("lan")
			eventually(t, "the port is down", func() bool { return !p.Up() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.us.Up("lan")
			p := openLAN(t, w.us, LANConfig{Interface: "lan"})
			ended := make(chan error, 1)
			go func() { ended <- w.us.Do(func() error { return p.Run(t.Context(), func([]Frame) {}) }) }()
			prepare(p)
			for range 2 {
				if err := p.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
			if err := <-ended; err != net.ErrClosed {
				t.Errorf("Run = %v", err)
			}
			if err := p.Send(ipx.EthernetII, macB, macA, buffersOf(sentinel)); err != ErrDown {
				t.Errorf("Send = %v", err)
			}
		})
	}
}

// A packet that does not fit the wire does not take others with it.
func TestLANSendsPastTooLongPackets(t *testing.T) {
	w := newWire(t)
	w.us.MTU("lan", 1000)
	p := openLAN(t, w.us, LANConfig{Interface: "lan"})
	them := newStation(t, w.them, "eth0")
	fits := packetOf(1000, macB, macA)
	if err := p.Send(ipx.EthernetII, macB, macA, buffersOf(packetOf(1200, macB, macA), fits, packetOf(1500, macB, macA), fits)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := them.receive(t, macA); !bytes.Equal(got, frameOf(t, ipx.EthernetII, macB, macA, fits)) {
			t.Errorf("left: % x", got)
		}
	}
	if s := p.Stats(); s.Out.EthernetII != 2 || s.Drops != (Drops{TooLong: 2}) {
		t.Errorf("%+v", s)
	}
	p.Close()
}

// The errors of OpenLAN say what is wrong.
func TestOpenLANErrors(t *testing.T) {
	w := newWire(t)
	for _, tt := range []struct {
		name, ifi string
		enter     func() error // on a thread that ends with the function
		want      string
	}{
		{"no interface", "none", nil, "interface none: no such network interface: `ip link` lists those that are there"},
		{"no Ethernet", "lo", nil, "interface lo is no Ethernet: it has no MAC address of 6 octets"},
		{"no privilege", "lan", dropCapabilities, "open packet socket on lan: missing capability: CAP_NET_RAW"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := w.us.Do(func() error {
				if tt.enter != nil {
					if err := tt.enter(); err != nil {
						return err
					}
				}
				_, err := OpenLAN(LANConfig{Interface: tt.ifi})
				return err
			})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %v", err, tt.want)
			}
		})
	}
}

func dropCapabilities() error {
	var none [2]unix.CapUserData
	return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
}
