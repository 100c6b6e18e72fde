package e2e

import (
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/ipxcp"
	"sitebridge/test/lab"
)

// A workstation is one computer that dials in: IPXCP and nothing behind it.
type workstation struct {
	*ipxcp.Protocol
	up  chan ipxcp.Result
	got chan []byte
}

func (*workstation) Data() []uint16 { return []uint16{protocolIPX} }

func (s *workstation) Deliver(_ uint16, pkts []*packet.Buffer) {
	for _, p := range pkts {
		select {
		case s.got <- append([]byte(nil), p.Bytes()...):
		default: // nobody looks any more
		}
	}
}

// TestWorkstationPeer: the peer is one host. It gets its network and is
// reached from the LAN; what it sends in another's name is dropped.
func TestWorkstationPeer(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{
		IP:  "none",
		IPX: "network = \"0000FF03\"\nworkstation = true",
	}.A())
	a.WaitSite("b", "listening", anyState)
	host := w.Station(w.HostA, "lan", ipx.Ethernet8022)

	ws := &workstation{up: make(chan ipxcp.Result, 1), got: make(chan []byte, 64)}
	ws.Protocol = ipxcp.New(ipxcp.Config{Up: func(r ipxcp.Result) error { ws.up <- r; return nil }})
	link := newPeer(t, w.SiteB).call(w, w.SiteB, lab.WANA, ppp.Config{
		MRU: 1500, Prove: []auth.Method{auth.MSCHAPv2}, Peer: auth.PeerConfig{Name: "b", Secret: lab.Secret},
		Admit: func(ppp.Admission) (ppp.Network, error) {
			return ppp.Network{NCPs: []ppp.NCP{ws}, Required: []string{"IPXCP"}}, nil
		},
	})
	ctx := w.Patiently()
	var r ipxcp.Result
	select {
	case r = <-ws.up:
	case <-ctx.Done():
		t.Fatal("in vain: IPXCP is up")
	}
	if r.Network != 0xFF03 {
		t.Errorf("the workstation got network %v, want 0000FF03", r.Network)
	}
	if s := a.WaitUp("b"); s.IPX.Network != r.Network || s.IPX.Peer != r.Local {
		t.Errorf("the daemon agreed to %+v, the workstation to %+v", s.IPX, r)
	}
	me := ipx.Addr{Network: r.Network, Node: r.Local, Socket: 0x5001}
	send := func(h ipx.Header, payload []byte) {
		t.Helper()
		b := packet.Get()
		defer packet.Put(b)
		b.Set(ipx.AppendPacket(nil, h, payload))
		if err := link.Send(protocolIPX, []*packet.Buffer{b}, false); err != nil {
			t.Error(err)
		}
	}
	// It answers pings, as the station does that stands on the LAN.
	go func() {
		for {
			select {
			case pkt := <-ws.got:
				h, data, err := ipx.Parse(pkt)
				if err == nil && h.Dst.Socket == ipx.SocketPing && len(data) >= 10 {
					answer := append([]byte(nil), data...)
					answer[5], answer[8] = 1, 1
					send(ipx.Header{Type: h.Type, Src: h.Dst, Dst: h.Src}, answer)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	route, err := host.FindRoute(ctx, r.Network)
	if err != nil {
		t.Fatal(err)
	}
	// A forged source first, so that the ping comes after it.
	forged := me
	forged.Node[5]++
	send(ipx.Header{Type: ipx.TypePEP, Src: forged, Dst: host.Addr()}, nil)
	if _, err := host.Ping(ctx, me, route.Router, 33); err != nil {
		t.Error(err)
	}
	a.WaitSite("b", "the forged packet is counted", func(s bridge.SiteStatus) bool {
		return s.IPX.Stats.Drops.NotBehindPeer == 1
	})
}
