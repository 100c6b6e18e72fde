package segment

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/watchdog"
)

// A dog answers every packet that says "?".
type dog struct {
	seen []string // what crossed
	lost time.Time
}

func (d *dog) Observe(pkt []byte, out bool, _ time.Time) {
	words := "in "
	if out {
		words = "out "
	}
	d.seen = append(d.seen, words+string(pkt[ipx.HeaderLen:]))
}

func (d *dog) Lost(now time.Time) { d.lost = now }
func (d *dog) Found()             { d.lost = time.Time{} }

func (d *dog) Answer(b []byte, reply *packet.Buffer, _ time.Time) bool {
	h, data, _ := ipx.Parse(b)
	if string(data) != "?" || d.lost.IsZero() {
		return false
	}
	return reply.Set(pkt(h.Dst, h.Src, "Y"))
}

// held is a lab whose first link is lost: far1 and the network 5EA1 were behind
// it.
func held(dog Watchdog) (l *lab, again func() *Port) {
	l = newLab(Config{Network: netA})
	l.link1.Detach()
	again = func() *Port {
		return l.AttachLink(LinkConfig{Name: "link1", Link: &l.pipe1, Hold: 10 * time.Minute, Watchdog: dog})
	}
	l.link1 = again()
	l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
	l.link1.receive(ripResponse(far1, 0x5EA1, 1))
	l.link1.receive(pkt(in(0x5EA1, ipx.ServerNode), at(ipx.Broadcast), "inside"))
	l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "me too"))
	l.link2.receive(pkt(at(far2), at(ipx.Broadcast), "and I"))
	l.link1.Detach()
	l.forgetAll()
	return l, again
}

// forgetAll forgets what was sent.
func (l *lab) forgetAll() {
	l.cable1.take()
	l.cable2.take()
	l.pipe1.take()
	l.pipe2.take()
}

func TestHeldStations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(dog)
		l, _ := held(d)
		if d.lost.IsZero() {
			t.Fatal("the watchdog was not told that the link is lost")
		}
		time.Sleep(DefaultAgeing + 2*time.Minute) // a held station does not age
		l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "still here"))
		l.link2.receive(pkt(at(far2), at(ipx.Broadcast), "I too"))
		l.forgetAll()

		l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), at(far1), "words"))
		l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), in(0x5EA1, ipx.ServerNode), "words"))
		l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), in(0x5EA1, far2), "words"))
		wantFrames(t, "for held stations", &l.cable1, "")
		wantFrames(t, "elsewhere", &l.cable2, "")
		wantPackets(t, "another link", &l.pipe2)
		if got := dropped(l.lan1); got != "held=3" {
			t.Errorf("dropped %q", got)
		}
		l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), at(far1), "?"))
		if out := l.cable1.take(); len(out) != 1 || out[0].enc != ipx.Ethernet8023 || out[0].dst != host1 || out[0].src != far1 ||
			string(out[0].pkt) != string(pkt(at(far1), at(host1), "Y")) {
			t.Errorf("answer %+v", out)
		}
		l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), in(0x5EA1, ipx.ServerNode), "?"))
		wantFrames(t, "for one beyond a router", &l.cable1, "ethernet_802_3 0200000001FF > 020000000101")
		l.link2.receive(pkt(at(far2), at(far1), "?"))
		wantPackets(t, "to another link", &l.pipe2, pkt(at(far1), at(far2), "Y"))
		if n := l.Stats().Answered; n != 3 {
			t.Errorf("%d answers counted, want 3", n)
		}
		everybody := pkt(at(host1), at(ipx.Broadcast), "everybody")
		l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, everybody)
		wantPackets(t, "the rest goes on", &l.pipe2, everybody)
		if out := l.cable2.take(); len(out) != 1 {
			t.Errorf("%d frames for everybody", len(out))
		}
	})
}

// TestAttackX6HoldEnds: attack row X6, the part of bridge mode: holding ends by
// itself, by Forget, by the link's coming back, and by a station that speaks
// elsewhere. After it nothing is answered.
func TestAttackX6HoldEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(l *lab, again func() *Port)
	}{
		{"its time is over", func(l *lab, _ func() *Port) {
			time.Sleep(10*time.Minute + time.Second)
		}},
		{"forgotten", func(l *lab, _ func() *Port) { l.Forget("link1") }},
		{"the station is elsewhere", func(l *lab, _ func() *Port) {
			time.Sleep(5 * time.Second)
			l.lan2.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(far1), at(ipx.Broadcast), "I am here now"))
		}},
		{"the link is back", func(l *lab, again func() *Port) { again() }},
		{"the link is back without holding", func(l *lab, _ func() *Port) { l.linkPort("link1", &l.pipe1, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, again := held(new(dog))
				tt.end(l, again)
				l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "here I am"))
				l.forgetAll()
				l.lan1.hear(ipx.Ethernet8023, far1, pkt(at(host1), at(far1), "?"))
				if n := l.Stats().Answered; n != 0 {
					t.Errorf("%d answers", n)
				}
				if got := dropped(l.lan1); got != "" {
					t.Errorf("dropped %q", got)
				}
				if sent := len(l.pipe1.take()) + len(l.cable2.take()); sent != 1 {
					t.Errorf("sent %d times", sent)
				}
			})
		})
	}
}

// TestLinkComesBack: what was behind it is known at once, stations and networks.
func TestLinkComesBack(t *testing.T) {
	for _, early := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := new(dog)
			var l *lab
			if early { // the next call is up before the last one is known to be down
				l = newLab(Config{Network: netA})
				l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
				l.link1.receive(ripResponse(far1, 0x5EA1, 1))
				l.AttachLink(LinkConfig{Name: "link1", Link: &l.pipe1, Watchdog: d})
				l.link1.Detach()
			} else {
				var again func() *Port
				l, again = held(d)
				time.Sleep(9 * time.Minute)
				again()
			}
			l.forgetAll()
			if !d.lost.IsZero() {
				t.Error("the watchdog was not told that the link is back")
			}
			one, two := pkt(at(host1), at(far1), "1"), pkt(at(host1), in(0x5EA1, ipx.ServerNode), "2")
			l.lan1.hear(ipx.Ethernet8022, far1, one)
			l.lan1.hear(ipx.Ethernet8022, far1, two)
			wantPackets(t, "the link", &l.pipe1, one, two)
			wantPackets(t, "another", &l.pipe2)
			if got := len(l.Ports()); got != 4 {
				t.Errorf("%d ports", got)
			}
			if !slices.Equal(d.seen[len(d.seen)-2:], []string{"out 1", "out 2"}) {
				t.Errorf("the watchdog saw %q", d.seen)
			}
		})
	}
}

// TestStationsOfANewCall: many stations of a site at once by its next call are no
// loop, although the last call is not known to be down.
func TestStationsOfANewCall(t *testing.T) {
	l := newLab(Config{Network: netA})
	for i := range 20 {
		l.link1.receive(pkt(at(ipx.Node{2, 5: byte(i)}), at(ipx.Broadcast), "here I am"))
	}
	again := l.linkPort("link1", &l.pipe1, 0)
	for i := range 20 {
		again.receive(pkt(at(ipx.Node{2, 5: byte(i)}), at(ipx.Broadcast), "still here"))
	}
	if got := dropped(again); got != "" || len(l.Troubles()) != 0 {
		t.Errorf("dropped %q, troubles %v", got, l.Troubles())
	}
}

func TestHeldStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := held(nil)
		until := time.Now().Add(10 * time.Minute)
		ports := l.Ports()
		if p := ports[len(ports)-1]; len(ports) != 4 || p.Name != "link1" || !p.Held.Equal(until) || !p.Lost.Equal(time.Now()) || p.Stations != 2 {
			t.Errorf("ports %+v", ports)
		}
		if n := l.Networks(); len(n) != 1 || !n[0].Held.Equal(until) {
			t.Errorf("networks %+v", n)
		}
		for _, st := range l.Stations() {
			if (st.Port == "link1") != st.Held.Equal(until) {
				t.Errorf("station %+v", st)
			}
		}
		time.Sleep(11 * time.Minute)
		if len(l.Ports()) != 3 || len(l.Networks()) != 0 || len(l.Stations()) != 0 {
			t.Errorf("afterwards: %v %v %v", l.Ports(), l.Networks(), l.Stations())
		}
	})
}

// TestRealWatchdog: a NetWare server's question for a client whose link is down,
// with the table of package watchdog.
func TestRealWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA})
		table := watchdog.New(watchdog.Config{Limit: time.Hour})
		link := l.AttachLink(LinkConfig{Name: "site", Link: new(pipe), Hold: time.Hour, Watchdog: table})
		client := ipx.Addr{Network: netA, Node: node("020000003301"), Socket: 0x4003}
		server := ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: ipx.SocketNCP}
		ncp := func(from, to ipx.Addr, data ...byte) []byte {
			return ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypeNCP, Src: from, Dst: to}, data)
		}
		fromServer := func(to ipx.Addr, data ...byte) {
			l.lan1.hearFrom(ipx.Ethernet8022, to.Node, host1, ncp(server, to, data...))
		}
		link.receive(ncp(client, server, 0x11, 0x11, 0, 0xFF, 0, 0xFF, 0)) // create a connection
		fromServer(client, 0x33, 0x33, 0, 7, 0, 0, 0, 0)
		link.receive(ncp(client, server, 0x22, 0x22, 1, 7, 1, 0, 0x61, 4, 8))
		fromServer(client, 0x33, 0x33, 1, 7, 1, 0, 0, 0)
		link.Detach()
		time.Sleep(5 * time.Minute)
		l.cable1.take()
		asks := client
		asks.Socket++
		fromServer(asks, 7, '?')
		out := l.cable1.take()
		if len(out) != 1 || out[0].dst != host1 || out[0].enc != ipx.Ethernet8022 || out[0].src != client.Node ||
			string(out[0].pkt) != string(ncp(asks, server, 7, 'Y')) {
			t.Errorf("answer %+v, dropped %q, table %+v", out, dropped(l.lan1), table.Stats())
		}
		time.Sleep(time.Hour)
		fromServer(asks, 7, '?')
		if got := l.cable1.take(); len(got) != 0 {
			t.Errorf("after the hold: %+v", got)
		}
	})
}
