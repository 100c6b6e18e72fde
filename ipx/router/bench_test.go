package router

import (
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// BenchmarkForward is one packet's share of a batch from a LAN to a link.
func BenchmarkForward(b *testing.B) {
	r := New(Config{})
	quiet := sendFunc(func(ipx.Node, []*packet.Buffer) error { return nil })
	lan, err := r.Attach(Attachment{Name: "a", Network: netA, Node: nodeA, Send: quiet})
	if err != nil {
		b.Fatal(err)
	}
	link, err := r.Attach(Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: quiet})
	if err != nil {
		b.Fatal(err)
	}
	link.SetStatic([]Route{{Network: netFar, Hops: 1, Ticks: 7}}, nil)
	pkt := pk{from: hostA, to: hostFar, data: string(make([]byte, 1000))}.bytes()
	frames := make([]In, packet.BatchLen)
	for i := range frames {
		frames[i].Packet = buffer(pkt)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range frames {
			ipx.SetHops(frames[i].Packet.Bytes(), 0)
		}
		lan.Input(frames)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/packet")
}
