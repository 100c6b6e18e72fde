package segment

import (
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// BenchmarkCarry is one packet's share of a batch from a LAN to a link.
func BenchmarkCarry(b *testing.B) {
	s := New(Config{Network: netA})
	lan := s.lanPort("lan", &cable{mac: mac1}, ipx.EthernetII)
	link := s.linkPort("link", senderFunc(func([]*packet.Buffer) error { return nil }), 0)
	link.receive(pkt(at(far1), at(host1), "here I am"))
	frames := make([]port.Frame, packet.BatchLen)
	for i := range frames {
		frames[i] = port.Frame{Packet: buffer(pkt(at(host1), at(far1), string(make([]byte, 1000)))), Encap: ipx.EthernetII, Dst: far1, Src: host1}
	}
	b.ReportAllocs()
	for b.Loop() {
		lan.InputFrames(frames)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/packet")
}
