package ipxnet

import (
	"bytes"
	"encoding/hex"
	"testing"

	"sitebridge/ipx"
)

var (
	client = ipx.Node{0x02, 0xAB, 0xCD, 0xEF, 0x01, 0x02}
	server = ipx.Node{0x02, 0, 0, 0, 0, 0x01}
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// What DOSBox 0.74-3 sends: `ipxnet connect`, then `ipxnet ping` under the address
// 02ABCDEF0102, then its answer to the ping of 020000000001.
const (
	sentRegistration = "ffff001e0000" + "00000000" + "000000000000" + "0002" + "00000000" + "000000000000" + "0002"
	sentPing         = "ffff001e0000" + "00000000" + "ffffffffffff" + "0002" + "00000000" + "02abcdef0102" + "0002"
	sentPong         = "ffff001e0000" + "00000000" + "020000000001" + "0002" + "00000000" + "02abcdef0102" + "0002"
)

func TestWhatDOSBoxSends(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		kind      Kind
		built     []byte
	}{
		{"registration", sentRegistration, Registration, AppendRegistration(nil)},
		{"ping", sentPing, Ping, AppendPing(nil, client)},
		{"pong", sentPong, Pong, AppendPong(nil, server, client)},
	} {
		b := unhex(t, c.hex)
		if _, kind, err := Read(b); kind != c.kind || err != nil {
			t.Errorf("%s: read as kind %d, %v", c.name, kind, err)
		}
		if !bytes.Equal(b, c.built) {
			t.Errorf("%s: built as % x, sent as % x", c.name, c.built, b)
		}
	}
}

func TestReplyNamesTheClient(t *testing.T) {
	reply := AppendReply(nil, client, server)
	h, _, err := ipx.Parse(reply)
	if err != nil || h.Dst.Node != client || h.Dst.Network != 0 || len(reply) > len(AppendRegistration(nil)) {
		t.Errorf("reply % x: %+v, %v", reply, h, err)
	}
}

func TestKinds(t *testing.T) {
	packet := func(dst ipx.Node, dstSocket, srcSocket ipx.Socket, payload string) []byte {
		return ipx.AppendPacket(nil, ipx.Header{
			Dst: ipx.Addr{Node: dst, Socket: dstSocket}, Src: ipx.Addr{Node: client, Socket: srcSocket},
		}, []byte(payload))
	}
	for _, c := range []struct {
		name string
		b    []byte
		want Kind
	}{
		{"registration with anything in it", packet(ipx.Node{}, 2, 5, "hello"), Registration},
		{"node zero, another socket", packet(ipx.Node{}, 3, 2, ""), Data},
		{"broadcast to another socket", packet(ipx.Broadcast, 0x452, 2, ""), Data},
		{"Cisco's ping to all", packet(ipx.Broadcast, 2, 2, "request"), Data},
		{"Cisco's ping to one", packet(server, 2, 2, "request"), Data},
		{"from another socket", packet(server, 2, 3, ""), Data},
		{"a pong with padding", append(packet(server, 2, 2, ""), 0, 0), Pong},
	} {
		if _, kind, err := Read(c.b); kind != c.want || err != nil {
			t.Errorf("%s: kind %d, %v, want %d", c.name, kind, err, c.want)
		}
	}
}

// Whatever arrives, the packet that is read lies within the datagram, is one that
// an Ethernet carries, and is the same when written again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{sentRegistration, sentPing, sentPong, "", "ffff", "0000001d", "ffff05dd0000"} {
		f.Add(unhex(f, s))
	}
	f.Add(append(unhex(f, sentPing), 1, 2, 3))
	f.Add(ipx.AppendPacket(nil, ipx.Header{Hops: 127, Dst: ipx.Addr{Node: server, Socket: 0x451}}, make([]byte, 1394)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, kind, err := Read(b)
		if err != nil {
			if _, named := err.(ipx.DropReason); !named || h != (ipx.Header{}) || kind != Data {
				t.Fatalf("%+v, %d, %v", h, kind, err)
			}
			return
		}
		if int(h.Length) > len(b) || h.Length < ipx.HeaderLen || h.Length > ipx.MaxLen {
			t.Fatalf("%d octets in a datagram of %d", h.Length, len(b))
		}
		again := bytes.Clone(b)
		h.Put(again)
		if !bytes.Equal(again, b) {
			t.Fatalf("% x came back as % x", b, again)
		}
		if kind != Data && h.Dst.Socket != Socket || kind == Registration && !h.Dst.Node.IsZero() {
			t.Fatalf("%+v is of kind %d", h, kind)
		}
	})
}
