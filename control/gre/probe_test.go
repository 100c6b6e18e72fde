package gre

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// The octets of a probe, field by field.
func TestProbeOnTheWire(t *testing.T) {
	p := probe{kind: probeAsks, callID: 0x1234}
	for i := range p.to {
		p.to[i], p.from[i] = 0xa0|byte(i), 0xb0|byte(i)
	}
	want := unhex("ff07 5b1d  01 01 1234" +
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" + "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf")
	if got := p.append(nil); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	r := p.reply()
	if got := r.append(nil); len(got) != len(want) || r.to != p.from || r.from != p.to || r.callID != p.callID {
		t.Errorf("the reply is % x", got)
	}
	if _, _, err := Parse(want); err == nil {
		t.Error("a probe is a packet, too")
	}
}

func FuzzParseProbe(f *testing.F) {
	p := probe{kind: probeAsks, callID: 7, to: NewToken(), from: NewToken()}
	r := p.reply()
	f.Add(p.append(nil))
	f.Add(r.append(nil))
	f.Add(p.append(nil)[:probeLen-1])
	f.Add(append(p.append(nil), 0))
	f.Add(data(7, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProbe(b)
		if err != nil {
			if p != (probe{}) {
				t.Errorf("%+v with %v", p, err)
			}
			return
		}
		if got := p.append(nil); !bytes.Equal(got, b) {
			t.Errorf("% x came back as % x", b, got)
		}
		if r := p.reply(); len(r.append(nil)) > len(b) || r.reply() != (probe{probeReplies, p.callID, p.to, p.from}) {
			t.Errorf("%+v is answered with %+v", p, r)
		}
		if _, _, err := Parse(b); err == nil {
			t.Errorf("% x is a packet, too", b)
		}
	})
}

// Of all that is not the one right probe, nothing is answered.
func TestAttackG9Probes(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		right := probe{probeAsks, w.west.ID(), w.eastMine, w.westMine}
		wrong := func(change func(*probe)) []byte {
			p := right
			change(&p)
			return p.append(nil)
		}
		attacks := [][]byte{
			wrong(func(p *probe) { p.to[15]++ }),
			wrong(func(p *probe) { p.from[0]++ }),
			wrong(func(p *probe) { p.to, p.from = p.from, p.to }), // reflected
			wrong(func(p *probe) { p.to, p.from = Token{}, Token{} }),
			wrong(func(p *probe) { p.kind = probeReplies }),
			wrong(func(p *probe) { p.kind = 3 }),
			wrong(func(*probe) {})[:probeLen-1],
			append(wrong(func(*probe) {}), 0),
		}
		for _, p := range attacks {
			w.injectUDP(1000, p)
		}
		other := buffer(right.append(nil)) // from another address
		w.eastUDP.arrive(Datagram{Path{Local: host(2), Remote: host(9), Port: 1000}, other})
		w.east.inject(t, host(1), right.append(nil)) // by raw GRE
		synctest.Wait()
		if got := w.eastUDP.Stats().Sent + w.east.carrier.Stats().Sent; got != 0 {
			t.Errorf("%d answers", got)
		}
		want := MuxDrops{BadProbe: 3, StrayProbe: 6, NotEnhanced: 1}
		if got := w.east.mux.Stats().Drops; got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if err := w.probe(t); err != nil {
			t.Errorf("the right probe: %v", err)
		}
	})
}

// A probe that was overheard, sent again and again, is answered so often only, never to
// another port, and not any more when the call has begun.
func TestAttackG10ProbeReplay(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		p := (&probe{probeAsks, w.west.ID(), w.eastMine, w.westMine}).append(nil)
		for i := range 1000 {
			w.injectUDP(udpPort, p)
			w.injectUDP(uint16(20000+i), p)
		}
		synctest.Wait()
		if got := w.eastUDP.Stats().Sent; got != maxReplies {
			t.Errorf("%d answers, want %d", got, maxReplies)
		}
		w.connectWest()
		mustSend(t, w.west, numbered(0, 1))
		synctest.Wait()
		w.connectEast()
		w.injectUDP(udpPort, p)
		wantFrames(t, w.east, numbers(0, 1))
		if got := w.eastUDP.Stats().Sent; got != maxReplies {
			t.Error("a probe was answered after the call had begun")
		}
	})
}

// A reply counts only from the port that was asked, with both tokens, for the right call
// and while it is asked for.
func TestAttackG9ProbeReplies(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t) // the east does not answer
		right := probe{probeReplies, w.west.ID(), w.westMine, w.eastMine}
		inject := func(port uint16, change func(*probe)) {
			p := right
			change(&p)
			w.westUDP.arrive(Datagram{Path{Local: host(1), Remote: host(2), Port: port}, buffer(p.append(nil))})
		}
		same := func(*probe) {}
		inject(udpPort, same) // before it is asked
		synctest.Wait()
		go func() {
			time.Sleep(100 * time.Millisecond)
			inject(udpPort+1, same)
			inject(udpPort, func(p *probe) { p.callID++ })
			inject(udpPort, func(p *probe) { p.to[3] ^= 1 })
			inject(udpPort, func(p *probe) { p.from[3] ^= 1 })
			inject(udpPort, func(p *probe) { p.kind = probeAsks; p.to, p.from = p.from, p.to }) // our own, reflected
		}()
		if err := w.probe(t); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Probe = %v", err)
		}
		inject(udpPort, same) // too late
		synctest.Wait()
		if got := w.west.mux.Stats().Drops.StrayProbe; got != 7 {
			t.Errorf("counted %d stray probes, want 7", got)
		}
		w.connectWest()
		wantPort(t, w.west.Channel, 0)
	})
}

// What came before the peer's reply is forgotten: the numbers of the call begin by UDP.
func TestProbeForgetsWhatCameBefore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.west.inject(t, host(2), w.west.peerPacket(4000000))
		w.west.inject(t, host(2), w.west.peerPacket(4000002))
		w.expect()
		if err := w.probe(t); err != nil {
			t.Fatal(err)
		}
		if n := w.west.Stats().Drops.WrongCarrier; n != 2 {
			t.Errorf("%d packets counted as of the wrong carrier, want both", n)
		}
		w.connectWest()
		mustSend(t, w.west, numbered(0, 1))
		synctest.Wait()
		w.connectEast()
		mustSend(t, w.east, numbered(0, 3))
		wantFrames(t, w.west, numbers(0, 3))
		if n := w.west.Stats().Lost; n != 0 {
			t.Errorf("%d lost", n)
		}
	})
}

// A flood from strangers costs a counter for each datagram: no memory, and no answer.
func TestAttackG9FloodDoesNotAllocate(t *testing.T) {
	out := &sink{}
	m := NewMux(&sink{}, out, nil)
	c, err := m.Open(host(1), ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mine, theirs := NewToken(), NewToken()
	c.Expect(mine, theirs)
	floods := map[string][]byte{
		"empty":                   nil,
		"text":                    []byte("hello, is anybody there?"),
		"unknown call":            data(c.ID()+1, 1),
		"call, port not known":    data(c.ID(), 1),
		"probe of nobody's":       (&probe{probeAsks, 1, NewToken(), NewToken()}).append(nil),
		"probe with one token":    (&probe{probeAsks, 1, mine, NewToken()}).append(nil),
		"reply to nothing":        (&probe{probeReplies, c.ID(), mine, theirs}).append(nil),
		"probe cut short":         (&probe{probeAsks, 1, mine, theirs}).append(nil)[:30],
		"plain GRE (RFC 8086)":    unhex("2000 0800 00000001 4500"),
		"GRE with a wrong length": unhex("3001 880b 0400 0001 00000000 ff"),
	}
	for name, p := range floods {
		for _, from := range []netip.Addr{host(1), host(77)} {
			in := make([]Datagram, packet.BatchLen)
			for i := range in {
				in[i] = Datagram{Path{Remote: from, Port: uint16(i + 1)}, new(packet.Buffer)}
			}
			if n := testing.AllocsPerRun(20, func() {
				for i := range in {
					in[i].Buffer.Set(p)
				}
				m.udp.dispatch(in, time.Now())
			}); n != 0 && !race.Enabled {
				t.Errorf("%s from %v: %v allocations for a batch", name, from, n)
			}
		}
	}
	if chosen(c) || out.sent.Load() != 0 {
		t.Errorf("chosen %t, %d answers", chosen(c), out.sent.Load())
	}
	s, n := m.Stats(), c.Stats().Drops
	d := s.Drops
	if sum := d.ShortHeader + d.NotEnhanced + d.PayloadShort + d.PayloadLong + d.UnknownCall + d.WrongSource + d.BadProbe + d.StrayProbe + n.WrongPort; sum != s.Received {
		t.Errorf("of %d datagrams %d are counted with a reason: %+v, %+v", s.Received, sum, d, n)
	}
}

// Two calls of one control connection share our token, and have one of the peer's each.
func TestExpectationsAreOnesOwn(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWire(t)
		w.expect()
		second, err := w.east.mux.Open(host(1), ChannelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		theirs := NewToken()
		second.Expect(w.eastMine, theirs) // a second call of the same connection
		second.Close()
		w.injectUDP(1, (&probe{probeAsks, 1, w.eastMine, theirs}).append(nil))
		synctest.Wait()
		if w.eastUDP.Stats().Sent != 0 {
			t.Error("a closed call's probe was answered")
		}
		if err := w.probe(t); err != nil {
			t.Errorf("the other call: %v", err)
		}
	})
}

func BenchmarkStrangers(b *testing.B) {
	for name, p := range map[string][]byte{
		"probe": (&probe{probeAsks, 1, NewToken(), NewToken()}).append(nil), "call": data(7, 1),
	} {
		b.Run(name, func(b *testing.B) {
			m := NewMux(&sink{}, &sink{}, nil)
			in := []Datagram{{Path{Remote: host(1), Port: 1}, buffer(p)}}
			for b.Loop() {
				m.udp.dispatch(in, time.Time{})
			}
		})
	}
}
