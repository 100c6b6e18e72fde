package gre

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
)

const udpPort = 4754

// A wire is two hosts with both carriers each, and a call between them: west calls east.
type wire struct {
	Network
	west, east         *end
	westUDP, eastUDP   *Memory
	westMine, eastMine Token
}

func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{westMine: NewToken(), eastMine: NewToken()}
	w.west, w.westUDP = w.host(t, host(1))
	w.east, w.eastUDP = w.host(t, host(2))
	w.west.open(t, host(2), ChannelConfig{})
	w.east.open(t, host(1), ChannelConfig{})
	return w
}

func (w *wire) host(t *testing.T, addr netip.Addr) (*end, *Memory) {
	t.Helper()
	raw, udp := w.Attach(addr), w.AttachUDP(udpPort, addr)
	return &end{carrier: raw, mux: runMuxes(t, raw, udp), inbox: &inbox{t: t}}, udp
}

func (w *wire) expect() { w.east.Expect(w.eastMine, w.westMine) }

// probe is the dialler's part, with the second and a half that the daemon gives it.
func (w *wire) probe(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	return w.west.Probe(ctx, Path{Remote: host(2), Port: udpPort}, w.westMine, w.eastMine)
}

func (w *wire) connectWest() { w.west.Connect(bare, w.east.ID(), 64, w.west.inbox.receive) }
func (w *wire) connectEast() { w.east.Connect(bare, w.west.ID(), 64, w.east.inbox.receive) }

func chosen(c *Channel) bool {
	select {
	case <-c.Chosen():
		return true
	default:
		return false
	}
}

func wantPort(t *testing.T, c *Channel, port uint16) {
	t.Helper()
	if got := c.Path().Port; got != port || !chosen(c) {
		t.Errorf("path by port %d, chosen %t, want port %d", got, chosen(c), port)
	}
}

// udpPath is the path of a datagram from the west, as the east sees it.
func udpPath(port uint16) Path { return Path{Local: host(2), Remote: host(1), Port: port} }

// injectUDP has the east receive octets by UDP, from the west's address and any port.
func (w *wire) injectUDP(port uint16, p []byte) {
	b := packet.Get()
	b.Set(p)
	w.eastUDP.arrive(Datagram{udpPath(port), b})
}

func TestCallsByUDP(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		if chosen(w.east.Channel) {
			t.Error("chosen before anything came")
		}
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		w.connectWest()
		synctest.Wait()
		if chosen(w.east.Channel) {
			t.Error("a probe has chosen: only a packet may")
		}
		mustSend(t, w.west, numbered(0, 3)) // kept until Connect
		synctest.Wait()
		wantPort(t, w.east.Channel, udpPort)
		w.connectEast()
		wantFrames(t, w.east, numbers(0, 3))
		mustSend(t, w.east, numbered(0, 3))
		wantFrames(t, w.west, numbers(0, 3))
		wantPort(t, w.west.Channel, udpPort)
		if raw := w.west.carrier.Stats().Sent + w.east.carrier.Stats().Sent; raw != 0 {
			t.Errorf("%d packets went by raw GRE", raw)
		}
	})
}

// Behind a NAT the peer's port is not the one that it sends from.
func TestCallsByUDPThroughNAT(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.Translate(netip.AddrPortFrom(host(1), udpPort), netip.AddrPortFrom(host(1), 33333))
		w.expect()
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		w.connectWest()
		mustSend(t, w.west, numbered(0, 3))
		synctest.Wait()
		wantPort(t, w.east.Channel, 33333)
		w.connectEast()
		mustSend(t, w.east, numbered(0, 3))
		wantFrames(t, w.west, numbers(0, 3))
	})
}

// Two sites behind one address have one port each.
func TestNATForTwoSites(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		outside := host(99)
		w.Translate(netip.AddrPortFrom(host(1), udpPort), netip.AddrPortFrom(outside, 1001))
		other := &wire{westMine: NewToken(), eastMine: w.eastMine, east: &end{mux: w.east.mux, inbox: &inbox{t: t}}}
		other.west, other.westUDP = w.host(t, host(3))
		w.Translate(netip.AddrPortFrom(host(3), udpPort), netip.AddrPortFrom(outside, 1002))
		other.west.open(t, host(2), ChannelConfig{})
		other.east.open(t, outside, ChannelConfig{})
		w.east.open(t, outside, ChannelConfig{})
		for i, x := range []*wire{w, other} {
			x.expect()
			if err := x.probe(t); err != nil {
				t.Fatal(err)
			}
			x.connectWest()
			mustSend(t, x.west, numbered(10*i, 3))
			synctest.Wait()
			wantPort(t, x.east.Channel, uint16(1001+i))
			x.connectEast()
			wantFrames(t, x.east, numbers(10*i, 3))
			mustSend(t, x.east, numbered(20*i, 3))
			wantFrames(t, x.west, numbers(20*i, 3))
		}
	})
}

func TestProbeAsksAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		start := time.Now()
		if err := w.probe(t); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Probe = %v, want no answer", err)
		}
		if took := time.Since(start); took != 1500*time.Millisecond || w.westUDP.Stats().Sent != 4 {
			t.Errorf("%d probes in %v, want 4 in 1.5 s", w.westUDP.Stats().Sent, took)
		}
		synctest.Wait()
		if got := w.east.mux.Stats().Drops.StrayProbe; got != 4 {
			t.Errorf("counted %d stray probes, want 4", got)
		}
		if w.eastUDP.Stats().Sent != 0 {
			t.Error("a probe that nobody expects was answered")
		}
		w.connectWest() // and so by raw GRE
		wantPort(t, w.west.Channel, 0)

		w = newWire(t)
		w.expect()
		n := 0
		w.westUDP.SetLine(Line{Fault: func(pkt []byte) [][]byte {
			if n++; n < 3 {
				return nil
			}
			return [][]byte{pkt}
		}})
		start = time.Now()
		if err := w.probe(t); err != nil || time.Since(start) != 400*time.Millisecond {
			t.Errorf("Probe = %v after %v, want nil with the third", err, time.Since(start))
		}
	})
}

// The port is the first's whose probe is right, and a reply that was lost is sent again.
func TestFirstProbeFixesThePort(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		ask := probe{probeAsks, w.west.ID(), w.eastMine, w.westMine}
		for _, port := range []uint16{1000, 1001, 1000} {
			w.injectUDP(port, ask.append(nil))
		}
		synctest.Wait()
		if got := w.eastUDP.Stats().Sent; got != 2 {
			t.Errorf("%d replies, want 2", got)
		}
		w.injectUDP(1001, w.east.peerPacket(0))
		synctest.Wait()
		if chosen(w.east.Channel) {
			t.Error("a packet from a port that no probe came from has chosen")
		}
		w.injectUDP(1000, w.east.peerPacket(0))
		synctest.Wait()
		w.connectEast()
		wantFrames(t, w.east, numbers(0, 1))
		wantPort(t, w.east.Channel, 1000)
		w.injectUDP(1000, ask.append(nil)) // too late
		synctest.Wait()
		if s := w.east.mux.Stats(); s.Drops.StrayProbe != 2 || w.east.Stats().Drops.WrongPort != 1 {
			t.Errorf("counted %+v and %+v", s, w.east.Stats())
		}
	})
}

func TestCarrierIsOnesForGood(t *testing.T) {
	for _, byUDP := range []bool{false, true} {
		virtual(t, func(t *testing.T) {
			w := newWire(t)
			w.expect()
			w.injectUDP(1000, (&probe{probeAsks, 1, w.eastMine, w.westMine}).append(nil))
			send := []func(seq uint32){
				func(seq uint32) { w.east.inject(t, host(1), w.east.peerPacket(seq)) },
				func(seq uint32) { w.injectUDP(1000, w.east.peerPacket(seq)) },
			}
			if byUDP {
				slices.Reverse(send)
			}
			synctest.Wait()
			send[0](0)
			synctest.Wait()
			w.connectEast()
			send[1](1)
			send[0](1)
			synctest.Wait()
			wantFrames(t, w.east, numbers(0, 2))
			if got := w.east.Stats().Drops; got != (Drops{WrongCarrier: 1}) {
				t.Errorf("by UDP %t: dropped %+v, want one of the wrong carrier", byUDP, got)
			}
		})
	}
}

// Whoever connects without having waited for a packet gets raw GRE.
func TestConnectChoosesRaw(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		w.connectEast()
		wantPort(t, w.east.Channel, 0)
	})
}

func TestProbeNeedsUDP(t *testing.T) {
	m := NewMux(&sink{}, nil, nil)
	c, err := m.Open(host(1), ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Probe(t.Context(), Path{Remote: host(1), Port: 1}, Token{}, Token{}); !errors.Is(err, ErrNoUDP) {
		t.Errorf("Probe = %v, want ErrNoUDP", err)
	}
	m = NewMux(&sink{}, &sink{}, nil)
	c, err = m.Open(host(1), ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Probe(t.Context(), Path{Remote: host(1)}, Token{}, Token{}); err == nil {
		t.Error("Probe took port 0")
	}
	if err := c.Probe(t.Context(), Path{Remote: host(2), Port: 1}, Token{}, Token{}); err == nil {
		t.Error("Probe took another host's address")
	}
	c.Expect(NewToken(), NewToken())
	c.Close()
	if len(m.expected) != 0 {
		t.Error("a closed call still waits for its probe")
	}
}
