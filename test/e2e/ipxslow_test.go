package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// lateBy holds what is in the tunnel back for so long, in both directions.
func lateBy(w *lab.World, d time.Duration) {
	var relay atomic.Pointer[lab.Relay]
	relay.Store(w.Relay(func(f lab.Frame) []lab.Frame {
		r := relay.Load()
		if r == nil || !inTunnel(f.Octets) {
			return []lab.Frame{f}
		}
		late := lab.Frame{From: f.From, Octets: bytes.Clone(f.Octets)}
		time.AfterFunc(d, func() { r.Inject(late) })
		return nil
	}))
}

// inTunnel reports whether a frame holds IPv4 with GRE in it, or UDP.
func inTunnel(frame []byte) bool {
	return len(frame) > 34 && binary.BigEndian.Uint16(frame[12:]) == 0x0800 && (frame[23] == 47 || frame[23] == 17)
}

// TestTicksAreMeasured: a line on which a packet takes 200 ms is four ticks long,
// and hosts are told so.
func TestTicksAreMeasured(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	lateBy(w, 200*time.Millisecond)
	a, b := w.Start(w.SiteA, ipxOnly("# all by default").A()), w.Start(w.SiteB, ipxOnly("# all by default").B())
	a.WaitSite("b", "four ticks away", asSlow(400*time.Millisecond))
	b.WaitSite("a", "four ticks away", asSlow(400*time.Millisecond))
	host := w.Station(w.HostA, "lan", nwFrame)
	lab.Wait(t, "hosts are told", func() bool {
		r, err := host.FindRoute(w.Patiently(), lanB)
		return err == nil && r.Ticks >= 5
	})
}

// asSlow reports whether a site is as many ticks away as half its round trip lasts, or
// one more. On a busy machine that is longer than the line's own, and measured as well.
func asSlow(roundTrip time.Duration) func(bridge.SiteStatus) bool {
	const tick = time.Second / 18
	longest := roundTrip
	return func(s bridge.SiteStatus) bool {
		if s.IPX == nil || s.Tunnel == nil {
			return false
		}
		longest = max(longest, s.Tunnel.PPP.RoundTrip)
		return s.IPX.Ticks >= uint16(roundTrip/2/tick)+1 && s.IPX.Ticks <= uint16(longest/2/tick)+2
	}
}

// Numbers of the packets that cross a line with loss.
const (
	conversations = 5
	lossyPackets  = 60 // of each
)

// TestCompressedHeaders: with CIPX on a line that loses every fifth packet, what
// arrives is what was sent; the line carries fewer octets, and status says so.
func TestCompressedHeaders(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Allow("Malformed Packet (Exception occurred)") // tshark takes compressed headers for whole ones
	var losing atomic.Bool
	n := 0
	w.Relay(func(f lab.Frame) []lab.Frame {
		if losing.Load() && inTunnel(f.Octets) {
			if n++; n%5 == 0 {
				return nil
			}
		}
		return []lab.Frame{f}
	})
	config := ipxOnly("compression = \"cipx\"\nslots = 4") // fewer than conversations
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	b.WaitRoute(lanA, "by the site", func(r routeInfo) bool { return r.Via == "a" })
	far := newTap(w, w.HostB)
	near := w.Port(w.HostA, "lan")
	to, from, router := far.port.MAC(), near.MAC(), macOf(w, w.SiteA)

	losing.Store(true)
	sent := map[string]bool{} // payloads, with the socket that they came from
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for i := range lossyPackets {
		for c := range conversations {
			h := ipx.Header{
				Type: ipx.TypePEP,
				Src:  ipx.Addr{Network: lanA, Node: from, Socket: ipx.Socket(0x5000 + c)},
				Dst:  ipx.Addr{Network: lanB, Node: to, Socket: 0x5001},
			}
			payload := strings.Repeat(fmt.Sprintf("%d of %d;", i, c), 1+i%7)
			sent[fmt.Sprintf("%04X %s", uint16(h.Src.Socket), payload)] = true
			forge(t, near, from, router, ipx.AppendPacket(nil, h, []byte(payload)))
		}
		<-pace.C // else confirmations come after all was sent
	}
	losing.Store(false)
	last := ipx.Header{Type: ipx.TypePEP, Src: ipx.Addr{Network: lanA, Node: from, Socket: 0x5FFF}, Dst: ipx.Addr{Network: lanB, Node: to, Socket: 0x5001}}
	lab.Wait(t, "the last one has crossed", func() bool {
		forge(t, near, from, router, ipx.AppendPacket(nil, last, []byte("last")))
		got := far.heard(from)
		return len(got) > 0 && bytes.HasSuffix(got[len(got)-1].pkt, []byte("last"))
	})
	arrived := 0
	for _, p := range far.heard(from) {
		h, data, err := ipx.Parse(p.pkt)
		if string(data) == "last" {
			continue
		}
		if arrived++; err != nil || !sent[fmt.Sprintf("%04X %s", uint16(h.Src.Socket), data)] || h.Hops != 2 || h.Type != ipx.TypePEP ||
			h.Src.Network != lanA || h.Dst.Network != lanB || h.Dst.Node != to || h.Dst.Socket != 0x5001 {
			t.Errorf("nobody sent this: %+v %q, %v", h, data, err)
		}
	}
	if arrived < len(sent)/3 {
		t.Errorf("%d of %d packets arrived", arrived, len(sent))
	}
	c := a.Site("b").IPX.Compression
	if c == nil || c.Out.Compressed < 20 || c.Out.Before <= c.Out.After {
		t.Fatalf("compression: %+v", c)
	}
	if text, _, _ := a.Run("status"); !strings.Contains(text, "CIPX        out ") {
		t.Errorf("status does not show it:\n%s", text)
	}
}
