package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/test/lab"
)

// bridged is a site whose LAN and link are one network.
func bridged(site string) lab.Config {
	return lab.Config{
		LAN: "# every frame type is bridged", IPX: "none", IP: "none",
		Site: `required = ["ipx"]`,
		More: "[segment.games]\nnetwork = \"00000000\"\nlans = [\"lan\"]\nsites = [\"" + site + "\"]\n",
	}
}

// A tap listens to everything on a wire and can speak there as anybody.
type tap struct {
	port port.Port
	mu   sync.Mutex // guards what follows
	got  []heardPacket
	// onPacket is given each packet, before it is kept.
	onPacket func(port.Frame)
}

type heardPacket struct {
	enc ipx.Encapsulation
	pkt []byte
	dst ipx.Node
	at  time.Time
}

func newTap(w *lab.World, ns *netlab.Namespace) *tap {
	w.T.Helper()
	return tapOn(w, w.Port(ns, "lan"))
}

// tapOn is newTap on a port that is open.
func tapOn(w *lab.World, p port.Port) *tap {
	x := &tap{port: p}
	w.Background(func(ctx context.Context) error {
		if err := p.Run(ctx, x.take); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return x
}

func (x *tap) take(frames []port.Frame) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range frames {
		x.got = append(x.got, heardPacket{f.Encap, bytes.Clone(f.Packet.Bytes()), f.Dst, time.Now()})
		if x.onPacket != nil {
			x.onPacket(f)
		}
	}
}

func (x *tap) send(t *testing.T, enc ipx.Encapsulation, dst ipx.Node, pkt []byte) {
	t.Helper()
	b := packet.Get()
	defer packet.Put(b)
	b.Set(pkt)
	if err := x.port.Send(enc, dst, x.port.MAC(), []*packet.Buffer{b}); err != nil {
		t.Fatal(err)
	}
}

// heard returns the packets from a node on which f was heard.
func (x *tap) heard(from ipx.Node) (all []heardPacket) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.got {
		if h, _, err := ipx.Parse(p.pkt); err == nil && h.Src.Node == from {
			all = append(all, p)
		}
	}
	return all
}

// announce is a broadcast of a game's, with a payload of its own.
func announce(from ipx.Node, n, payload int) []byte {
	h := ipx.Header{
		Checksum: ipx.NoChecksum, Type: ipx.TypePEP, Hops: uint8(n % 3), // a game may write anything there
		Src: ipx.Addr{Node: from, Socket: 0x869C}, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: 0x869C},
	}
	return ipx.AppendPacket(nil, h, bytes.Repeat([]byte{byte(n)}, payload))
}

// TestOneSegmentTwoFrameTypes: stations of network 0 at both sites, in different
// frame types, are on one cable. Each broadcast crosses once, nothing comes back
// to who sent it, and each packet arrives as it was, octet for octet.
func TestOneSegmentTwoFrameTypes(t *testing.T) {
	for _, types := range [][2]ipx.Encapsulation{
		{ipx.Ethernet8023, ipx.Ethernet8022},
		{ipx.EthernetII, ipx.EthernetSNAP},
		{ipx.Ethernet8023, ipx.Ethernet8023},
	} {
		t.Run(fmt.Sprintf("%v to %v", types[0], types[1]), func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a, b := w.Start(w.SiteA, bridged("b").A()), w.Start(w.SiteB, bridged("a").B())
			a.WaitUp("b")
			b.WaitUp("a")
			near, far := w.Station(w.HostA, "lan", types[0]), w.Station(w.HostB, "lan", types[1])
			tapA, tapB := newTap(w, w.HostA), newTap(w, w.HostB)
			mac, farMAC := tapA.port.MAC(), tapB.port.MAC()
			ctx := w.Patiently()

			// b's station is heard, so that its frame type is known.
			tapB.send(t, types[1], ipx.Broadcast, announce(farMAC, 0, 1))
			lab.Wait(t, "the first broadcast has crossed", func() bool { return len(tapA.heard(farMAC)) == 1 })

			longest := min(types[0].MaxPacket(), types[1].MaxPacket()) - ipx.HeaderLen
			var sent [][]byte
			for i, payload := range []int{0, 1, 2, 15, 16, 17, 511, 512, longest - 1, longest} {
				pkt := announce(mac, i, payload)
				sent = append(sent, pkt)
				tapA.send(t, types[0], ipx.Broadcast, pkt)
			}
			// A ping of the stations comes after all of them, both ways.
			for _, size := range []int{0, 1, longest - 10} {
				if _, err := near.Ping(ctx, far.Addr(), farMAC, size); err != nil {
					t.Fatal(err)
				}
				if _, err := far.Ping(ctx, near.Addr(), mac, size); err != nil {
					t.Fatal(err)
				}
			}
			var crossed [][]byte
			for _, p := range tapB.heard(mac) {
				if p.enc != types[1] {
					t.Errorf("a packet crossed into %v, want %v", p.enc, types[1])
				}
				if h, _, _ := ipx.Parse(p.pkt); h.Dst.Node == ipx.Broadcast {
					crossed = append(crossed, p.pkt)
				}
			}
			if len(crossed) != len(sent) {
				t.Errorf("%d broadcasts arrived, want each of %d once", len(crossed), len(sent))
			}
			for i := range min(len(crossed), len(sent)) {
				if !bytes.Equal(crossed[i], sent[i]) {
					t.Errorf("packet %d: got % x, want % x", i, crossed[i], sent[i])
				}
			}
			if back := tapA.heard(mac); len(back) != 0 {
				t.Errorf("%d of our own packets came back", len(back))
			}
			if n := len(tapA.heard(farMAC)); n < 2 {
				t.Errorf("%d packets came from b's station, want 2 or more: does the tap hear?", n)
			}
			s, err := a.Status()
			if err != nil || len(s.Segments) != 1 || len(s.Segments[0].Stations) != 2 {
				t.Errorf("status: segments %+v, %v; want two stations", s.Segments, err)
			}
			if out, _, _ := a.Run("ipx", "nodes"); !bytes.Contains([]byte(out), []byte(farMAC.String())) {
				t.Errorf("ipx nodes does not show %v:\n%s", farMAC, out)
			}
		})
	}
}
