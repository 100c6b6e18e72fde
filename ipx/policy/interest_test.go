package policy

import (
	"testing"

	"sitebridge/ipx"
)

func TestIsChatter(t *testing.T) {
	host := ipx.Node{2, 5: 1}
	for _, tt := range []struct {
		name string
		h    ipx.Header
		want bool
	}{
		{"RIP", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketRIP}}, true},
		{"SAP", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketSAP}}, true},
		{"an answer of SAP", ipx.Header{Dst: ipx.Addr{Node: host, Socket: 0x4001}, Src: ipx.Addr{Socket: ipx.SocketSAP}}, true},
		{"serial numbers", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketSerial}}, true},
		{"diagnostics", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketDiagnostics}}, true},
		{"its answer", ipx.Header{Dst: ipx.Addr{Node: host, Socket: 0x4000}, Src: ipx.Addr{Socket: ipx.SocketDiagnostics}}, true},
		{"a name is asked for", ipx.Header{Type: ipx.TypePropagated, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketNetBIOS}}, true},
		{"a datagram to all", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketNetBIOS}}, true},
		{"a session of NetBIOS", ipx.Header{Dst: ipx.Addr{Node: host, Socket: ipx.SocketNetBIOS}}, false},
		{"NCP", ipx.Header{Type: ipx.TypeNCP, Dst: ipx.Addr{Node: ipx.ServerNode, Socket: ipx.SocketNCP}}, false},
		{"a ping", ipx.Header{Dst: ipx.Addr{Node: host, Socket: ipx.SocketPing}}, false},
		{"a game", ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: 0x869C}}, false},
	} {
		if got := IsChatter(&tt.h); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
