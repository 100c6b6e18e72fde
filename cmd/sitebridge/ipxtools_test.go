package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/diag"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/station"
	"sitebridge/ipx/survey"
)

var (
	ourMAC    = ipx.Node{2, 0, 0, 0, 0, 0x77}
	serverMAC = ipx.Node{2, 0, 0, 0, 0x0A, 1}
	clientMAC = ipx.Node{2, 0, 0, 0, 0x0C, 1}
)

// A memoryWire is wires with one hub, whatever the interface is called.
type memoryWire struct{ hub *port.Hub }

func (w memoryWire) Port(name string) (port.Port, error) { return w.hub.Port(name, ourMAC, false), nil }

func (w memoryWire) Watch(string) (watcher, error) {
	eyes := make(memoryWatch, 100000)
	w.hub.Watch(func(frame []byte) {
		eyes <- port.Sighting{Time: time.Now(), Frame: frame, Own: bytes.Equal(frame[6:12], ourMAC[:])}
	})
	return eyes, nil
}

type memoryWatch chan port.Sighting

func (w memoryWatch) Run(ctx context.Context, see func(port.Sighting)) error {
	for {
		select {
		case s := <-w:
			see(s)
		case <-ctx.Done():
			return nil
		}
	}
}
func (memoryWatch) Lost() uint64 { return 0 }
func (memoryWatch) Close() error { return nil }

// A bench is a wire in virtual time, and what runs on it.
type toolBench struct {
	t    *testing.T
	ctx  context.Context
	wire memoryWire
}

// onMemoryWire runs a test on a wire, in virtual time.
func onMemoryWire(t *testing.T, test func(*toolBench)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		test(&toolBench{t, ctx, memoryWire{port.NewHub()}})
	})
}

// run runs a command on the wire.
func (b *toolBench) run(args ...string) (code int, stdout, stderr string) {
	return b.runFor(b.ctx, args...)
}

func (b *toolBench) runFor(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	var out, errs bytes.Buffer
	code = dispatch(&env{ctx: ctx, stdout: &out, stderr: &errs, wires: b.wire}, args)
	for _, r := range out.String() + errs.String() {
		if r != '\n' && (r > unicode.MaxASCII || !unicode.IsPrint(r)) {
			b.t.Errorf("%q: %q is in the output:\n%q", args, r, out.String()+errs.String())
			break
		}
	}
	return code, out.String(), errs.String()
}

// want runs a command that must end with code and say all the texts.
func (b *toolBench) want(code int, texts []string, args ...string) string {
	b.t.Helper()
	got, out, errs := b.run(args...)
	if got != code {
		b.t.Errorf("%q: exit %d, want %d:\n%s%s", args, got, code, out, errs)
	}
	for _, text := range texts {
		if !strings.Contains(out+errs, text) {
			b.t.Errorf("%q: no %q in\n%s%s", args, text, out, errs)
		}
	}
	return out
}

// station puts one that answers pings on the wire.
func (b *toolBench) station(mac ipx.Node, enc ipx.Encapsulation) *station.Station {
	s := station.New(b.wire.hub.Port("station", mac, false), enc)
	go s.Run(b.ctx)
	return s
}

// answering puts somebody on the wire who answers as told, with the packets that
// answer returns, from the socket asked.
func (b *toolBench) answering(mac ipx.Node, enc ipx.Encapsulation, network ipx.Network, answer func(h ipx.Header, payload []byte) [][]byte) {
	p := b.wire.hub.Port("peer", mac, false)
	go p.Run(b.ctx, func(frames []port.Frame) {
		for _, f := range frames {
			h, payload, err := ipx.Parse(f.Packet.Bytes())
			if err != nil || f.Encap != enc {
				continue
			}
			for _, data := range answer(h, slices.Clone(payload)) {
				dst := h.Src
				if dst.Network == ipx.ThisNetwork {
					dst.Network = network
				}
				src := ipx.Addr{Network: network, Node: mac, Socket: h.Dst.Socket}
				if h.Dst.Node != ipx.Broadcast && h.Dst.Network != ipx.ThisNetwork {
					src = h.Dst // the inside of the server
				}
				b.send(p, enc, f.Src, ipx.Header{Type: h.Type, Src: src, Dst: dst}, data)
			}
		}
	})
}

func (b *toolBench) send(p port.Port, enc ipx.Encapsulation, to ipx.Node, h ipx.Header, data []byte) {
	buf := packet.Get()
	defer packet.Put(buf)
	buf.Set(ipx.AppendPacket(nil, h, data))
	if err := p.Send(enc, to, p.MAC(), []*packet.Buffer{buf}); err != nil {
		b.t.Error(err)
	}
}

// marsServer is a file server with the internal network 5EA1, as mars_nwe answers:
// RIP for all and for one, SAP for its own type and not for all.
func (b *toolBench) marsServer(enc ipx.Encapsulation, network ipx.Network) {
	b.answering(serverMAC, enc, network, func(h ipx.Header, payload []byte) [][]byte {
		switch h.Dst.Socket {
		case ipx.SocketRIP:
			if m, err := rip.Parse(payload); err == nil && m.Operation == rip.OpRequest && (m.Entries[0].Network == 0x5EA1 || m.Entries[0].Network == ipx.AllNetworks) {
				return [][]byte{rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: 0x5EA1, Hops: 1, Ticks: 2}}}.Append(nil)}
			}
		case ipx.SocketSAP:
			m, err := sap.Parse(payload)
			if err == nil && m.Type == sap.FileServer && (m.Operation == sap.OpRequest || m.Operation == sap.OpNearestRequest) {
				return [][]byte{sap.Message{Operation: m.Operation + 1, Services: []sap.Service{mars}}.Append(nil)}
			}
		case ipx.SocketPing:
			if len(payload) > 9 && payload[5] == 0 {
				payload[5] = 1
				return [][]byte{payload}
			}
		case ipx.SocketCiscoPing:
			return [][]byte{payload}
		}
		return nil
	})
}

var mars = sap.Service{Type: sap.FileServer, Name: "MARSVR", Addr: ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: 1}

func TestIPXPingOnAWire(t *testing.T) {
	for _, c := range []struct {
		name string
		lay  func(*toolBench)
		args []string
		code int
		want []string
	}{
		{"the inside of a server", func(b *toolBench) { b.marsServer(ipx.Ethernet8023, 0xA3A3) }, []string{"5EA1"}, exitOK,
			[]string{"network 00005EA1 is 1 hop and 2 ticks away, by router 020000000A01 in ethernet_802_3", "00005EA1:000000000001: answer in ", "3 of 3 answered; least"}},
		{"by Cisco's ping", func(b *toolBench) { b.marsServer(ipx.EthernetSNAP, 0xA3A3) }, []string{"--cisco", "-c", "1", "5ea1:000000000001", "--size", "1000"}, exitOK, []string{"1 of 1 answered"}},
		{"the server's card, by network and node", func(b *toolBench) { b.marsServer(ipx.Ethernet8022, 0xA3A3) }, []string{"-c", "1", "A3A3:020000000A01"}, exitOK,
			[]string{"network 0000A3A3 is this wire, in ethernet_802_2", "0000A3A3:020000000A01: answer in", "1 of 1"}},
		{"a node on a wire without a number", func(b *toolBench) { b.station(clientMAC, ipx.EthernetII) }, []string{"02:00:00:00:0c:01"}, exitOK,
			[]string{"00000000:020000000C01: answer in ", "ethernet_ii", "3 of 3 answered"}},
		{"a node on a wire with a number", func(b *toolBench) { b.marsServer(ipx.EthernetII, 0xA3A3); b.station(clientMAC, ipx.EthernetII) }, []string{"020000000C01"}, exitOK,
			[]string{":020000000C01: answer in ", "3 of 3 answered"}},
		{"a network that nobody knows, but the node is here", func(b *toolBench) { b.station(clientMAC, ipx.Ethernet8022) }, []string{"77:020000000C01", "-c", "2"}, exitOK,
			[]string{"no router knows the way to network 00000077: asking for node 020000000C01 on this wire", "2 of 2 answered"}},
		{"nobody", func(*toolBench) {}, []string{"77", "-c", "2"}, exitDown,
			[]string{"77: no answer in 3s", "0 of 2 answered\n", "77 does not answer; many DOS clients", "asked on eth0 in any frame type", "--cisco", "sitebridge ipx listen -i eth0"}},
		{"the inside of a wire", func(b *toolBench) { b.marsServer(ipx.Ethernet8022, 0xA3A3) }, []string{"-c", "1", "A3A3", "--cisco"}, exitDown,
			[]string{"a wire has no node 000000000001", "without --cisco"}},
		{"another frame type", func(b *toolBench) { b.marsServer(ipx.Ethernet8023, 0xA3A3) }, []string{"5EA1", "--frame", "ETHERNET_802.2", "-c", "1"}, exitDown,
			[]string{"asked on eth0 in ETHERNET_802.2", "without --frame, all four"}},
		{"the right frame type", func(b *toolBench) { b.marsServer(ipx.Ethernet8023, 0xA3A3) }, []string{"5EA1", "--frame", "802.3", "-c", "1"}, exitOK, []string{"1 of 1"}},
		{"too long for the frame type", func(b *toolBench) { b.marsServer(ipx.EthernetSNAP, 0xA3A3) }, []string{"5EA1", "--size", "1460"}, exitFailed, []string{"packet of 1500 octets in ethernet_snap"}},
		{"as long as can be", func(b *toolBench) { b.marsServer(ipx.EthernetII, 0xA3A3) }, []string{"5EA1", "--size", "1460"}, exitOK, []string{"3 of 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onMemoryWire(t, func(b *toolBench) {
				c.lay(b)
				b.want(c.code, c.want, append([]string{"ipx", "ping", "-i", "eth0"}, c.args...)...)
			})
		})
	}
}

// The better of two routers is taken, though it answers later; what a liar says
// besides does no harm.
func TestIPXPingTakesTheBetterWay(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		lie := ipx.Node{2, 0, 0, 0, 0xEE, 1}
		b.answering(lie, ipx.Ethernet8022, 0x10, func(h ipx.Header, _ []byte) [][]byte {
			if h.Dst.Socket != ipx.SocketRIP {
				return nil
			}
			return [][]byte{
				nil, {0}, {0, 2}, {0, 2, 1},
				rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: 0x5EA1, Hops: 16, Ticks: 1}}}.Append(nil),
				rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: 0x5EA1, Hops: 15, Ticks: 500}}}.Append(nil),
				bytes.Repeat([]byte{0xFF}, 1400),
			}
		})
		b.marsServer(ipx.Ethernet8023, 0xA3A3)
		b.want(exitOK, []string{"2 ticks away, by router 020000000A01 in ethernet_802_3"}, "ipx", "ping", "-i", "eth0", "5EA1")
	})
}

func TestIPXSlistOnAWire(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		b.marsServer(ipx.Ethernet8023, 0xA3A3)
		for _, args := range [][]string{{}, {"4"}, {"0004", "--frame", "ethernet_802_3"}} {
			out := b.want(exitOK, []string{"WHAT", "0004  file server  MARSVR  00005EA1:000000000001:0451  1     020000000A01  ethernet_802_3\n"}, append([]string{"ipx", "slist", "-i", "eth0"}, args...)...)
			if strings.Count(out, "\n") != 2 {
				t.Errorf("%v: more than one server:\n%s", args, out)
			}
		}
		var servers []survey.Server
		if err := json.Unmarshal([]byte(b.want(exitOK, nil, "ipx", "slist", "-i", "eth0", "--json")), &servers); err != nil || len(servers) != 1 ||
			servers[0] != (survey.Server{Type: sap.FileServer, TypeName: "file server", Name: "MARSVR", Address: mars.Addr, Hops: 1, Frame: ipx.Ethernet8023, By: serverMAC}) {
			t.Errorf("%v: %+v", err, servers)
		}
		b.want(exitFailed, []string{"no server of type 0278 (directory tree) answers on eth0 in any frame type: is there", "a daemon of this machine is not asked with -i"}, "ipx", "slist", "-i", "eth0", "0278")
		b.want(exitFailed, []string{"no server answers on eth0 in snap: without --frame"}, "ipx", "slist", "-i", "eth0", "--frame", "snap")
		b.want(exitUsage, []string{"not a service type"}, "ipx", "slist", "-i", "eth0", "file")
	})
}

// A burst of thousands of services with evil names, faster than any router sends
// them, is listed without steering the terminal; what is heard by broadcast too.
func TestAttackX2SlistOfEvilNames(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		const packets = 700
		names := []string{"\x1b[2J\x1b]0;owned\x07", "NUL\x00garbage", strings.Repeat("X", 48), "\xff\xfe\x9b31m", "NEW\nLINE\r\tTAB", "\u202e"}
		p := b.wire.hub.Port("evil", serverMAC, false)
		asked := make(chan ipx.Header, 100)
		go p.Run(b.ctx, func(frames []port.Frame) {
			for _, f := range frames {
				if h, payload, err := ipx.Parse(f.Packet.Bytes()); err == nil && h.Dst.Socket == ipx.SocketSAP && f.Encap == ipx.EthernetII && payload[1] == 1 && len(asked) < 1 {
					asked <- h
				}
			}
		})
		go func() {
			h := <-asked
			for i := range packets {
				m := []byte{0, 2}
				for j := range 7 {
					entry := make([]byte, 64)
					entry[1] = 4
					copy(entry[2:50], names[(i+j)%len(names)]+"\x00")
					if (i+j)%len(names) == 2 {
						copy(entry[2:50], names[2]) // no NUL at all
					}
					binary.BigEndian.PutUint32(entry[50:], uint32(i*7+j+1))
					entry[59], entry[63] = 1, 1
					m = append(m, entry...)
				}
				b.send(p, ipx.EthernetII, ourMAC, ipx.Header{Type: ipx.TypePEP, Dst: h.Src, Src: ipx.Addr{Node: serverMAC, Socket: ipx.SocketSAP}}, append(m, "rest"...))
			}
			toAll := ipx.Header{Src: ipx.Addr{Network: 9, Node: serverMAC, Socket: ipx.SocketSAP}, Dst: ipx.Addr{Network: 9, Node: ipx.Broadcast, Socket: ipx.SocketSAP}}
			b.send(p, ipx.EthernetII, ipx.Broadcast, toAll, sap.Message{Operation: sap.OpResponse, Services: []sap.Service{{Type: 7, Name: "HEARD", Hops: 1}}}.Append(nil))
		}()
		out := b.want(exitOK, []string{"print server", "HEARD", `\x1b[2J\x1b]0;owned\a`, strings.Repeat("X", 47) + " "}, "ipx", "slist", "-i", "eth0")
		if n := strings.Count(out, "\n"); n != 1+packets*7+1 {
			t.Errorf("%d lines, want %d", n, packets*7+2)
		}
		if strings.Contains(out, "garbage") {
			t.Error("what is behind the NUL is part of a name")
		}
	})
}

func TestIPXRoutesOnAWire(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		b.marsServer(ipx.Ethernet8023, 0xA3A3)
		second := ipx.Node{2, 0, 0, 0, 0x0B, 1}
		b.answering(second, ipx.Ethernet8022, 0xA0A0, func(h ipx.Header, _ []byte) (all [][]byte) {
			if h.Dst.Socket != ipx.SocketRIP {
				return nil
			}
			for n := ipx.Network(1); n <= 5000; n += 50 { // as fast as it can
				m := rip.Message{Operation: rip.OpResponse}
				for i := range ipx.Network(50) {
					m.Entries = append(m.Entries, rip.Entry{Network: n + i, Hops: 2, Ticks: 3})
				}
				all = append(all, m.Append(nil))
			}
			m := rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: 0, Hops: 1}, {Network: ipx.AllNetworks, Hops: 1}, {Network: 7, Hops: 16}, {Network: ipx.DefaultRoute, Hops: 65535}}}
			return append(all, append(m.Append(nil), 1, 2, 3))
		})
		out := b.want(exitOK, []string{
			"ethernet_802_3 is network 0000A3A3 here\nethernet_802_2 is network 0000A0A0 here\n",
			"NETWORK   HOPS  TICKS  TOLD BY       FRAME TYPE\n",
			"00005EA1  1     2      020000000A01  ethernet_802_3\n",
			"00001388  2     3      020000000B01  ethernet_802_2\n",
		}, "ipx", "routes", "-i", "eth0")
		if n := strings.Count(out, "\n"); n != 3+1+4999 {
			t.Errorf("%d lines", n)
		}
		for _, no := range []string{"00000000 ", "FFFFFFF", "00000007 "} {
			if strings.Contains(out, no) {
				t.Errorf("%q is in the list", no)
			}
		}
		var routes []wireRoute
		if err := json.Unmarshal([]byte(b.want(exitOK, nil, "ipx", "routes", "-i", "eth0", "--json", "--frame", "802.3")), &routes); err != nil || len(routes) != 1 || routes[0] != (wireRoute{0x5EA1, 1, 2, ipx.Ethernet8023, serverMAC}) {
			t.Errorf("%v: %+v", err, routes)
		}
		b.want(exitFailed, []string{"[]", "no router answers on eth0 in ethernet_snap"}, "ipx", "routes", "-i", "eth0", "--json", "--frame", "ethernet_snap")
	})
}

func TestIPXDiag(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		for i, enc := range []ipx.Encapsulation{ipx.Ethernet8023, ipx.Ethernet8022, ipx.Ethernet8022} {
			mac := serverMAC
			mac[5] += byte(i)
			b.answering(mac, enc, ipx.Network(0x10+i), func(h ipx.Header, payload []byte) [][]byte {
				q, err := diag.ParseRequest(payload)
				if h.Dst.Socket != ipx.SocketDiagnostics || err != nil || slices.Contains(q.Exclude, mac) {
					return nil
				}
				lying := slices.Repeat([]byte{5, 255, 0}, 100)
				return [][]byte{
					diag.Response{Major: 1, SPX: 0x4008, Components: []diag.Component{{ID: diag.IPXSPX}, {ID: diag.Router, Networks: []diag.Network{{Number: 0x77, Node: mac}}}}}.Append(nil),
					append([]byte{9, 9, 0, 0, 255}, lying...), nil, {1},
				}
			})
		}
		out := b.want(exitOK, []string{"00000010  020000000A01  ethernet_802_3  version 1.0, IPX/SPX, router (00000077)\n", "020000000A02", "020000000A03"}, "ipx", "diag", "-i", "eth0")
		if strings.Count(out, "\n") != 4 {
			t.Errorf("want three stations:\n%s", out)
		}
		b.want(exitOK, []string{"020000000A02"}, "ipx", "diag", "-i", "eth0", "020000000A02")
		var all []diagnosis
		if err := json.Unmarshal([]byte(b.want(exitOK, nil, "ipx", "diag", "-i", "eth0", "--json", "--frame", "802.3")), &all); err != nil || len(all) != 1 || all[0].SPX != 0x4008 || len(all[0].Components) != 2 {
			t.Errorf("%v: %+v", err, all)
		}
		b.want(exitFailed, []string{"nobody answers diagnostics on eth0 in snap"}, "ipx", "diag", "-i", "eth0", "--frame", "snap")
	})
}

// captured returns the frames of a recorded session.
func captured(t *testing.T, name string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile("../../ipx/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) >= 16; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		frames = append(frames, b[16:n])
		b = b[n:]
	}
	return frames
}

// play sends frames, one each 10 ms, when the command has begun to listen.
func (b *toolBench) play(frames [][]byte) {
	go func() {
		for _, f := range frames {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-b.ctx.Done():
				return
			}
			b.wire.hub.Inject(f)
		}
	}()
}

func TestIPXSniff(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		frames := captured(t, "05-routed-ipxd-lanA-8022.pcap")
		b.play(frames)
		out := b.want(exitOK, []string{
			"ethernet_802_2 0000A0A0:02000000990A:0453 > 0000A0A0:FFFFFFFFFFFF:0453 type 1 hops 0: RIP request: all networks\n",
			`SAP response: 0004 (file server) "MARSVR" at 00005EA1:000000000001:0451 hops 1`,
			"0000B0B0:020000000C01:4001 by 02000000990A > 00005EA1:000000000001:0451 type 17 hops 1: NCP: open a connection\n",
			"00:00:00.010000 ",
		}, "ipx", "sniff", "-i", "eth0", "--for", "1m")
		if n := strings.Count(out, "\n"); n != len(frames) {
			t.Errorf("%d lines of %d frames", n, len(frames))
		}
	})
}

func TestIPXSniffOnlySome(t *testing.T) {
	for _, c := range []struct {
		args  []string
		lines int
	}{
		{[]string{"--socket", "453"}, 7},
		{[]string{"--socket", "0453", "-c", "2"}, 2},
		{[]string{"--network", "b0b0", "--socket", "452"}, 0},
		{[]string{"--node", "02:00:00:00:0a:01", "--socket", "452"}, 1},
		{[]string{"--frame", "802.2", "-c", "5"}, 5},
		{[]string{"--frame", "ethernet_ii"}, 0},
	} {
		onMemoryWire(t, func(b *toolBench) {
			frames := captured(t, "05-routed-ipxd-lanA-8022.pcap")
			lying := slices.Clone(frames[0])
			lying[19] = 0xFF
			b.play(append(frames, lying))
			code, out, errs := b.run(append([]string{"ipx", "sniff", "-i", "eth0", "--for", "1m"}, c.args...)...)
			if n := strings.Count(out, "\n"); n != c.lines || (code == exitOK) != (n > 0) || (n == 0) != strings.Contains(errs, "without --socket") {
				t.Errorf("%v: exit %d, %d lines, want %d:\n%s%s", c.args, code, n, c.lines, out, errs)
			}
		})
	}
}

// Frames that lie about their length have a line too.
func TestAttackX8SniffOfBrokenFrames(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		var frames [][]byte
		for _, length := range []uint16{0, 29, 61, 0xFFFF} {
			f := slices.Clone(captured(t, "05-routed-ipxd-lanA-8022.pcap")[0])
			binary.BigEndian.PutUint16(f[19:], length)
			frames = append(frames, f)
		}
		b.play(append(frames, frames[0][:20]))
		b.want(exitOK, []string{"BROKEN frame of ", "gives a length shorter than itself", "gives a length longer than the frame", "ends before the IPX header does"}, "ipx", "sniff", "-i", "eth0", "-c", "5")
	})
}

// Ctrl-C is the usual end.
func TestIPXSniffInterrupted(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		b.play(captured(t, "05-routed-ipxd-lanA-8022.pcap")[:3])
		ctx, cancel := context.WithTimeout(b.ctx, time.Hour)
		defer cancel()
		if code, out, errs := b.runFor(ctx, "ipx", "sniff", "-i", "eth0"); code != exitOK || strings.Count(out, "\n") != 3 {
			t.Errorf("exit %d:\n%s%s", code, out, errs)
		}
		ctx, cancel = context.WithTimeout(b.ctx, time.Hour)
		defer cancel()
		if code, _, errs := b.runFor(ctx, "ipx", "sniff", "-i", "eth0"); code != exitFailed || !strings.Contains(errs, "no IPX was heard on eth0") || !strings.Contains(errs, "All four frame types") {
			t.Errorf("silence: exit %d: %s", code, errs)
		}
	})
}

func TestIPXListen(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		var frames [][]byte
		for _, name := range []string{"05-routed-ipxd-lanA-8022.pcap", "02-samelan-8023raw.pcap", "13-dosbox-ipxbox-ethernet2.pcap"} {
			frames = append(frames, captured(t, name)...)
		}
		b.play(frames)
		b.want(exitOK, []string{
			"listening on eth0 for 1m0s",
			"eth0, 1m0s: 339 IPX packets",
			"ethernet_802_2  141      20462   0000A0A0 (2 stations)\n",
			"ethernet_802_3  196      29989   0000A3A3 (2 stations)\n",
			"ethernet_ii     2        60      no number heard\n",
			"020000000A01  ethernet_802_2  00005EA1\n",
			"0004  file server  MARSVR  00005EA1:000000000001:0451",
			"0000A0A0  020000000A01  ethernet_802_2  4        on this wire     router\n",
			"00005EA1  000000000001  ethernet_802_2  65       by 020000000A01  server MARSVR\n",
		}, "ipx", "listen", "-i", "eth0")
	})
}

// What this machine asks is not what is spoken on the wire.
func TestIPXListenTellsOurQuestionsApart(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		go func() {
			time.Sleep(time.Second)
			b.run("ipx", "slist", "-i", "eth0")
		}()
		out := b.want(exitOK, []string{"nobody but this machine was heard\n", "this machine"}, "ipx", "listen", "-i", "eth0", "--for", "9s")
		if strings.Contains(out, "on this wire") || strings.Contains(out, "OCTETS") {
			t.Errorf("our own questions are on the wire:\n%s", out)
		}
	})
}

// A time without a unit is answered with what to write.
func TestTimeFlag(t *testing.T) {
	for args, want := range map[string]string{
		"listen -i eth0 --for 60":  "a time has a unit: write 60s for seconds",
		"slist -i eth0 --for long": "want a time, as in 60s or 2m",
		"routes --help":            "wait this time for answers, and for what is told to all, at least (default 3s)",
	} {
		if _, _, errs := run(t, append([]string{"ipx"}, strings.Fields(args)...)...); !strings.Contains(errs, want) {
			t.Errorf("%s: no %q in %s", args, want, errs)
		}
	}
}

// Pain 33 and 34: two numbers in one frame type, one number in two.
func TestIPXListenNamesConflicts(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		toAll := func(mac ipx.Node, enc ipx.Encapsulation, n ipx.Network) {
			p := b.wire.hub.Port("x", mac, false)
			go func() {
				time.Sleep(time.Second)
				b.send(p, enc, ipx.Broadcast, ipx.Header{Src: ipx.Addr{Network: n, Node: mac, Socket: 0x5000}, Dst: ipx.Addr{Network: n, Node: ipx.Broadcast, Socket: 0x5000}}, nil)
			}()
		}
		toAll(serverMAC, ipx.Ethernet8022, 0x10)
		toAll(clientMAC, ipx.Ethernet8022, 0x20)
		toAll(clientMAC, ipx.EthernetII, 0x10)
		b.want(exitOK, []string{
			"TROUBLE: ethernet_802_2 has 2 network numbers: 00000010 (020000000A01); 00000020 (020000000C01)",
			"TROUBLE: network number 00000010 is used in ethernet_ii and ethernet_802_2",
			"only broadcasts were heard",
		}, "ipx", "listen", "-i", "eth0", "--for", "5s")
		var r survey.Report
		if err := json.Unmarshal([]byte(b.want(exitFailed, []string{"no IPX was heard"}, "ipx", "listen", "-i", "eth0", "--for", "5s", "--json")), &r); err != nil || r.Packets != 0 || r.Trouble == nil {
			t.Errorf("%v: %+v", err, r)
		}
	})
}

func TestIPXCapture(t *testing.T) {
	onMemoryWire(t, func(b *toolBench) {
		file := filepath.Join(t.TempDir(), "x.pcapng")
		frames := captured(t, "05-routed-ipxd-lanA-8022.pcap")
		b.play(frames)
		b.want(exitOK, []string{fmt.Sprintf("%d packets written to %s", len(frames), file)}, "ipx", "capture", "-i", "eth0", "--pcapng", file, "-c", fmt.Sprint(len(frames)))
		got, err := os.ReadFile(file)
		if err != nil || !slices.EqualFunc(packets(t, got), frames, bytes.Equal) {
			t.Errorf("%v: the file holds %d packets, want %d", err, len(packets(t, got)), len(frames))
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: mode %v", err, info.Mode())
		}

		b.play(frames)
		var out, errs bytes.Buffer
		code := dispatch(&env{ctx: b.ctx, stdout: &out, stderr: &errs, wires: b.wire}, []string{"ipx", "capture", "-i", "eth0", "--pcapng", "-", "--for", "1m", "--socket", "0453"})
		if n := len(packets(t, out.Bytes())); code != exitOK || n != 7 || errs.Len() > 0 || !strings.Contains(out.String(), "only socket 0453") {
			t.Errorf("exit %d, %d packets: %s", code, n, errs.String())
		}
		b.want(exitFailed, []string{"not a directory"}, "ipx", "capture", "-i", "eth0", "--pcapng", file+"/x")
		b.want(exitFailed, []string{"no space left"}, "ipx", "capture", "-i", "eth0", "--pcapng", "/dev/full")
	})
}

// packets returns those in a pcapng file.
func packets(t *testing.T, b []byte) (all [][]byte) {
	t.Helper()
	for len(b) >= 12 {
		kind, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if kind == 6 {
			all = append(all, b[28:28+binary.LittleEndian.Uint32(b[20:])])
		}
		b = b[n:]
	}
	if len(b) != 0 {
		t.Errorf("% x is left over", b)
	}
	return all
}

func TestIPXToolCommandLines(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ping", "-i", "eth0"}, "usage: sitebridge ipx ping"},
		{[]string{"ping", "-i", "eth0", "nonsense"}, `"nonsense" is no IPX address: want NETWORK ("BEEF")`},
		{[]string{"ping", "-i", "eth0", "10:nonsense"}, "not an IPX node"},
		{[]string{"ping", "-i", "eth0", "FFFFFFFFFFFF"}, "node FFFFFFFFFFFF is not one station"},
		{[]string{"ping", "-i", "eth0", "10:000000000000"}, "is not one station"},
		{[]string{"ping", "-i", "eth0", "10", "--size", "1461"}, "want 0 to 1460 octets"},
		{[]string{"ping", "-i", "eth0", "10", "-c", "0"}, "want 1 or more"},
		{[]string{"ping", "-i", "eth0", "10", "--frame", "token"}, `"token" is not an IPX frame type`},
		{[]string{"ping", "-i", "eth0", "10", "--socket", "/run/x"}, "-i asks the wire and --socket a daemon"},
		{[]string{"ping", "10", "--frame", "snap"}, "--frame is for -i INTERFACE"},
		{[]string{"routes", "--for", "3s"}, "--for is for -i INTERFACE"},
		{[]string{"slist", "-i", "eth0", "--config", "x"}, "-i asks the wire and --config a daemon"},
		{[]string{"slist", "1", "2"}, `unexpected argument "2"`},
		{[]string{"sniff"}, "usage: sitebridge ipx sniff"},
		{[]string{"sniff", "-i", "eth0", "--socket", "x"}, "not an IPX socket"},
		{[]string{"sniff", "-i", "eth0", "--node", "x"}, "not an IPX node"},
		{[]string{"sniff", "-i", "eth0", "--network", "x"}, "not an IPX network"},
		{[]string{"sniff", "-i", "eth0", "--frame", "x"}, "not an IPX frame type"},
		{[]string{"sniff", "-i", "eth0", "-c", "-1"}, "no negative number"},
		{[]string{"listen"}, "usage: sitebridge ipx listen"},
		{[]string{"listen", "-i", "eth0", "eth1"}, `unexpected argument "eth1"`},
		{[]string{"diag"}, "usage: sitebridge ipx diag"},
		{[]string{"diag", "-i", "eth0", "x"}, "is no IPX address"},
		{[]string{"capture", "-i", "eth0"}, "usage: sitebridge ipx capture"},
	} {
		code, out, errs := run(t, append([]string{"ipx"}, c.args...)...)
		if code != exitUsage || !strings.Contains(out+errs, c.want) {
			t.Errorf("%q: exit %d, want %d, and %q in:\n%s%s", c.args, code, exitUsage, c.want, out, errs)
		}
	}
}

func TestNoSuchInterface(t *testing.T) {
	for _, args := range [][]string{{"ping", "10"}, {"slist"}, {"routes"}, {"sniff"}, {"listen"}, {"capture", "--pcapng", os.DevNull}} {
		code, out, errs := run(t, append([]string{"ipx", args[0], "-i", "nothere"}, args[1:]...)...)
		if code != exitFailed || !strings.Contains(errs, "interface nothere: ") || !strings.Contains(errs, "`ip link` lists") {
			t.Errorf("%q: exit %d:\n%s%s", args, code, out, errs)
		}
	}
}

func TestMissingCapabilityInWords(t *testing.T) {
	err := inWords(fmt.Errorf("open packet socket on eth0: %w: CAP_NET_RAW", port.ErrPrivilege))
	if !errors.Is(err, port.ErrPrivilege) || !strings.Contains(err.Error(), "run it as root, or give the program that capability (setcap cap_net_raw+ep /") {
		t.Error(err)
	}
}

// Without -i the daemon is asked, and slist picks a type.
func TestSlistOfTheDaemon(t *testing.T) {
	_, socket := fakeDaemon(t)
	for _, args := range [][]string{{"ipx", "slist"}, {"ipx", "slist", "0004"}} {
		if code, out, errs := run(t, append(args, "--socket", socket)...); code != exitOK || !strings.Contains(out, "NAME") {
			t.Errorf("%q: exit %d:\n%s%s", args, code, out, errs)
		}
	}
}
