package station

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// wire is a router's side of a hub.
type wire struct {
	port.Port
	enc ipx.Encapsulation
}

func (w wire) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	return w.Port.Send(w.enc, dst, w.MAC(), pkts)
}

// routed joins two hubs by a router, and returns a station on each.
func routed(t *testing.T) (near, far *Station) {
	ctx, cancel := context.WithCancel(t.Context())
	var done []chan struct{}
	run := func(fn func(context.Context) error) {
		ended := make(chan struct{})
		done = append(done, ended)
		go func() { fn(ctx); close(ended) }()
	}
	t.Cleanup(func() {
		cancel()
		for _, d := range done {
			<-d
		}
	})
	r := router.New(router.Config{})
	run(r.Run)
	var farLAN *router.Attached
	station := func(network ipx.Network, enc ipx.Encapsulation, n byte) *Station {
		hub := port.NewHub()
		own := hub.Port("router", ipx.Node{2, 0, 0, 0, n, 1}, false)
		at, err := r.Attach(router.Attachment{Name: enc.String(), Network: network, Node: own.MAC(), Send: wire{own, enc}})
		if err != nil {
			t.Fatal(err)
		}
		farLAN = at
		run(func(ctx context.Context) error {
			return own.Run(ctx, func(frames []port.Frame) {
				for _, f := range frames {
					at.Input([]router.In{{Packet: f.Packet, Dst: router.Addressee(f.Dst, own.MAC())}})
				}
			})
		})
		s := New(hub.Port("station", ipx.Node{2, 0, 0, 0, n, 2}, false), enc)
		run(s.Run)
		return s
	}
	near, far = station(0x10, ipx.Ethernet8022, 1), station(0x20, ipx.EthernetII, 2)
	fs1 := sap.Service{Type: sap.FileServer, Name: "FS1", Addr: ipx.Addr{Network: 0x20, Node: far.port.MAC(), Socket: ipx.SocketNCP}, Hops: 1}
	farLAN.SetStatic(nil, []sap.Service{fs1})
	return near, far
}

func TestStationFindsItsWayAndPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := routed(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if n := near.Addr().Network; n != ipx.ThisNetwork {
			t.Errorf("knows network %v before anybody said so", n)
		}
		way, err := near.FindRoute(ctx, 0x20)
		if err != nil || way.Hops != 1 {
			t.Fatalf("FindRoute = %+v, %v", way, err)
		}
		if n := near.Addr().Network; n != 0x10 {
			t.Errorf("network %v, want the one the router used", n)
		}
		to := ipx.Addr{Network: 0x20, Node: far.Addr().Node}
		for _, size := range []int{0, 1, 501, 1400} {
			if _, err := near.Ping(ctx, to, way.Router, size); err != nil {
				t.Errorf("ping of %d octets: %v", size, err)
			}
		}
		if s, err := near.FindServer(ctx, sap.FileServer); err != nil || s.Name != "FS1" {
			t.Errorf("FindServer = %+v, %v", s, err)
		}
	})
}

func TestStationGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := routed(t)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if way, err := near.FindRoute(ctx, 0x77); err == nil {
			t.Errorf("a way to nowhere: %+v", way)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}
