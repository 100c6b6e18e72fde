package router

import (
	"encoding/json"
	"errors"
	"reflect"
	"sync"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

func TestStatusSurvivesJSON(t *testing.T) {
	lab := newLab(t)
	lab.attach(t, Attachment{Name: "w", Kind: Workstation, Network: 0xFE, Send: new(wire)})
	input(lab.a, pk{from: hostA, to: hostB}.bytes(), ToUs)
	input(lab.a, pk{from: hostA, to: "00000099:020000000A01:0001"}.bytes(), ToUs)
	text, err := json.Marshal(lab.Wires())
	if err != nil {
		t.Fatal(err)
	}
	var back []WireInfo
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, lab.Wires()) {
		t.Errorf("%s came back as %+v, %v", text, back, err)
	}
	if s := lab.Stats(); s.PacketsIn != 2 || s.PacketsOut != 1 || s.Drops != (Drops{NoRoute: 1}) {
		t.Errorf("all together: %+v", s)
	}
	if lab.a.Name() != "a" || lab.a.Network() != netA {
		t.Errorf("attachment %s, network %v", lab.a.Name(), lab.a.Network())
	}
}

func TestAddressee(t *testing.T) {
	for dst, want := range map[ipx.Node]LinkDst{nodeA: ToUs, ipx.Broadcast: ToAll, node("030000000001"): ToAll, nodeB: ToSomebody} {
		if got := Addressee(dst, nodeA); got != want {
			t.Errorf("frame to %v is %d, want %d", dst, got, want)
		}
	}
}

// TestWorkstationFindsItsServer: a dial-in client knows neither network nor
// server.
func TestWorkstationFindsItsServer(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var w wire
		ws := lab.attach(t, Attachment{Name: "w", Kind: Workstation, Network: 0xFE, Node: nodeL, Peer: peer, Send: &w})
		lab.addServices(lab.l, server("FS1", netFar, 1))
		ask(ws, sapAsk("00000000:020000000F01:4001", sap.OpNearestRequest, sap.FileServer))
		ask(ws, ripAsk("00000000:020000000F01:4001", netFar))
		if got, want := told(w.answers()), "0004 FS1 2, 00000020 2/13"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestFailedSendIsCounted(t *testing.T) {
	lab := newLab(t)
	down := lab.attach(t, Attachment{Name: "down", Network: 0x40, Node: nodeB,
		Send: sendFunc(func(ipx.Node, []*packet.Buffer) error { return errors.New("interface is down") })})
	input(lab.a, pk{from: hostA, to: "00000040:020000000D01:0001"}.bytes(), ToUs)
	if s := down.Stats(); s.PacketsOut != 0 || s.Drops.SendFailed != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestChangesWhileForwarding is for the race detector: packets flow while wires
// and routes come and go.
func TestChangesWhileForwarding(t *testing.T) {
	lab := newLab(t)
	go lab.Run(t.Context())
	stop := make(chan struct{})
	var flows sync.WaitGroup
	for _, at := range []*Attached{lab.a, lab.b, lab.l} {
		flows.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, p := range []pk{{from: hostA, to: hostB}, {from: hostB, to: hostFar}, {from: hostFar, to: hostA}, ripAsk(hostA, ipx.AllNetworks), type20(hostA)} {
					input(at, p.bytes(), ToUs)
				}
			}
		})
	}
	for range 50 {
		extra := lab.attach(t, Attachment{Name: "extra", Kind: Link, Network: 0x50, Send: new(wire)})
		extra.SetStatic([]Route{{Network: netFar, Hops: 1, Ticks: 1}}, []Service{server("FS", netFar, 1)})
		lab.Routes()
		lab.Services()
		lab.Nodes()
		lab.Wires()
		extra.Detach()
	}
	close(stop)
	flows.Wait()
}
