package router

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// A fakeDog answers everything, while it is told that the far end is lost.
type fakeDog struct {
	log      string
	seen     []bool // out or in
	answered int
}

func (d *fakeDog) Observe(_ []byte, out bool, _ time.Time) { d.seen = append(d.seen, out) }
func (d *fakeDog) Lost(time.Time)                          { d.log += "lost " }
func (d *fakeDog) Found()                                  { d.log += "found " }
func (d *fakeDog) Answer(pkt []byte, reply *packet.Buffer, _ time.Time) bool {
	h, payload, _ := ipx.Parse(pkt)
	if string(payload) != "?" {
		return false
	}
	d.answered++
	build(reply, ipx.Header{Src: h.Dst, Dst: h.Src, Type: h.Type}, []byte("Y"))
	return true
}

const holdTime = 2 * time.Minute

// held is the lab with a link to site far, which is held; it learned network 51
// and service FS.
func held(t *testing.T, test func(t *testing.T, lab *lab, dog *fakeDog, far Attachment)) {
	run(t, func(t *testing.T, lab *lab) {
		dog := new(fakeDog)
		far := Attachment{
			Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL,
			Exchange: ExchangeRIPSAP, Hold: holdTime, Watchdog: dog, Routes: []Route{{Network: netFar, Hops: 1, Ticks: 7}},
		}
		lab.l.Detach()
		lab.l = lab.attach(t, far)
		ask(lab.l, ripTell(routerL, rip.Entry{Network: 0x51, Hops: 2, Ticks: 9}))
		ask(lab.l, sapTell(serverL, server("FS", 0x51, 2)))
		quiet(lab)
		test(t, lab, dog, far)
	})
}

// TestHold: what is behind a link that went stays as it was, without a word, until
// the time is over; then it is down.
func TestHold(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, _ *fakeDog, _ Attachment) {
		gone := time.Now()
		lab.l.Detach()
		wantEqual(t, "only the link's own number is down", timeline(&lab.wireA, time.Second), "0 R 0000000F 16/7")
		ask(lab.a, ripAsk(hostA, 0x51, netFar))
		ask(lab.a, sapAsk(hostA, 1, 4))
		wantEqual(t, "asked", told(lab.wireA.answers()), "00000051 3/10, 00000020 2/8, 0004 FS 3")
		routes := lab.Routes()
		for _, i := range routes {
			if i.Network == 0x51 && (i.Site != "far" || !i.Held.Equal(gone.Add(holdTime)) || i.Via != "l" || i.From != peer || i.Origin != "learned") {
				t.Errorf("status %+v", i)
			}
		}
		if s := lab.Services(); len(s) != 1 || !s[0].Held.Equal(gone.Add(holdTime)) {
			t.Errorf("status %+v", s)
		}
		time.Sleep(time.Until(gone.Add(holdTime - time.Second)))
		lab.wireA.take()
		wantEqual(t, "when the time is over", timeline(&lab.wireA, 1500*time.Millisecond), "1000 R 00000020 16/8, 00000051 16/10; 1000 S 0004 FS 16")
		wantEqual(t, "way", via(lab.Router, 0x51), "")
	})
}

// TestHoldYieldsToAnotherWay: it is used while the first is held.
func TestHoldYieldsToAnotherWay(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, _ *fakeDog, far Attachment) {
		ask(lab.b, ripTell("0000000B:020000000B01:0453", rip.Entry{Network: 0x51, Hops: 5, Ticks: 30}))
		wantEqual(t, "way", via(lab.Router, 0x51), "l 000000000000 2/9")
		lab.l.Detach()
		wantEqual(t, "way while held", via(lab.Router, 0x51), "b 020000000B01 5/30")
		ask(lab.b, ripTell("0000000B:020000000B01:0453", rip.Entry{Network: 0x51, Hops: 16, Ticks: 30}))
		wantEqual(t, "way when the other went too", via(lab.Router, 0x51), "l 000000000000 2/9")
		ask(lab.b, ripTell("0000000B:020000000B01:0453", rip.Entry{Network: 0x51, Hops: 2, Ticks: 3}))
		time.Sleep(doubtful + sweep)
		lab.l = lab.attach(t, far)
		wantEqual(t, "way when both are there", via(lab.Router, 0x51), "b 020000000B01 2/3")
	})
}

// TestNearestWhileHeld: a server that is held is named only while no other is known.
func TestNearestWhileHeld(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, _ *fakeDog, far Attachment) {
		nearest := func() string {
			ask(lab.a, sapAsk(hostA, 3, 4))
			return told(lab.wireA.answers())
		}
		lab.l.Detach()
		quiet(lab)
		wantEqual(t, "no other", nearest(), "0004 FS 3")
		for _, name := range []string{"ALIVE", "ZLIVE"} { // before and behind FS in the table
			ask(lab.b, ripTell("0000000B:020000000B01:0453", rip.Entry{Network: 0x61, Hops: 3, Ticks: 30}))
			ask(lab.b, sapTell("0000000B:020000000B01:0452", server(name, 0x61, 3)))
			quiet(lab)
			wantEqual(t, "another", nearest(), "0004 "+name+" 4")
			ask(lab.b, sapTell("0000000B:020000000B01:0452", server(name, 0x61, 16)))
			quiet(lab)
			wantEqual(t, "none again", nearest(), "0004 FS 3")
		}
	})
}

// TestTakeOver: the site's next link has what the last one had, at once; what its
// peer does not confirm ages.
func TestTakeOver(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, _ *fakeDog, far Attachment) {
		ask(lab.l, ripTell(routerL, rip.Entry{Network: 0x52, Hops: 2, Ticks: 9}))
		quiet(lab)
		lab.l.Detach()
		time.Sleep(10 * time.Second)
		lab.wireA.take()
		far.Network = 0 // this time without a number
		lab.l = lab.attach(t, far)
		wantEqual(t, "way", via(lab.Router, 0x51), "l 000000000000 2/9")
		wantEqual(t, "nothing changed for others", timeline(&lab.wireA, 3*time.Second), "")
		lab.wireL.take()
		input(lab.a, pk{from: hostA, to: "00000051:000000000001:0451"}.bytes(), ToUs)
		if len(lab.wireL.take()) != 1 {
			t.Error("not forwarded")
		}
		input(lab.l, pk{from: "00000052:000000000001:0451", to: hostA}.bytes(), ToUs)
		if len(lab.wireA.take()) != 1 {
			t.Error("not taken from behind the link")
		}
		ask(lab.l, ripTell("00000000:020000000F01:0453", rip.Entry{Network: 0x51, Hops: 2, Ticks: 9}))
		wantEqual(t, "what the peer is told", told(lab.wireL.take()), "")
		time.Sleep(100 * time.Second)
		ask(lab.l, ripTell("00000000:020000000F01:0453", rip.Entry{Network: 0x51, Hops: 2, Ticks: 9}))
		time.Sleep(100 * time.Second)
		if a, b := via(lab.Router, 0x51), via(lab.Router, 0x52); a == "" || b != "" {
			t.Errorf("confirmed %q, not confirmed %q", a, b)
		}
	})
}

// TestReplacedLink: the site's new link comes before the old one goes.
func TestReplacedLink(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, dog *fakeDog, far Attachment) {
		far.Network = 0xFF
		far.Name = "m"
		m := lab.attach(t, far)
		dog.log = ""
		lab.l.Detach()
		wantEqual(t, "way", via(lab.Router, 0x51), "m 000000000000 2/9")
		wantEqual(t, "watchdog", dog.log, "found ")
		m.Detach()
		lab.Forget("far")
		wantEqual(t, "way after Forget", via(lab.Router, 0x51)+via(lab.Router, netFar), "")
		if len(lab.Services()) != 0 {
			t.Error("the service is still there")
		}
	})
}

// TestReplacedLinkTellsItself: what the peer of the new link told counts, and not
// what the old one had from it.
func TestReplacedLinkTellsItself(t *testing.T) {
	const peerM = "000000FF:020000000F01:"
	for _, last := range []uint16{16, 5} {
		held(t, func(t *testing.T, lab *lab, _ *fakeDog, far Attachment) {
			far.Network, far.Name = 0xFF, "m"
			m := lab.attach(t, far)
			ask(m, ripTell(peerM+"0453", rip.Entry{Network: 0x51, Hops: 2, Ticks: 9}))
			ask(m, sapTell(peerM+"0452", server("FS", 0x51, 2)))
			if last == 16 {
				lab.l.Detach()
			}
			ask(m, ripTell(peerM+"0453", rip.Entry{Network: 0x51, Hops: last, Ticks: 20}))
			ask(m, sapTell(peerM+"0452", server("FS", 0x51, last)))
			want := ""
			if last == 5 {
				lab.l.Detach()
				want = "m 000000000000 5/20"
			}
			wantEqual(t, "way", via(lab.Router, 0x51), want)
			wantEqual(t, "services", len(lab.Services()), map[uint16]int{5: 1}[last])
			for _, e := range lab.routes.sorted {
				if e.key == 0x51 && len(e.ways) != 1 {
					t.Errorf("%d ways", len(e.ways))
				}
			}
		})
	}
}

// TestWatchdogWhileHeld: only watchdogs are answered, back to where they came
// from, and the table saw what crossed the link.
func TestWatchdogWhileHeld(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, dog *fakeDog, far Attachment) {
		const inside = "00000051:000000000001:4001"
		input(lab.a, pk{from: hostA, to: inside}.bytes(), ToUs)
		input(lab.l, pk{from: inside, to: hostA}.bytes(), ToUs)
		input(lab.a, pk{from: hostA, to: hostB}.bytes(), ToUs)
		wantEqual(t, "observed", dog.seen, []bool{true, false})
		lab.l.Detach()
		lab.wireA.take()
		input(lab.a, pk{from: hostA, to: inside, data: "?"}.bytes(), ToUs)
		wantEqual(t, "answer", show(lab.wireA.take()), "to 020000000A01: "+inside+" > "+hostA+" hops 0 type 0")
		input(lab.a, pk{from: hostA, to: inside, data: "!"}.bytes(), ToUs)
		wantEqual(t, "dropped", dropped(lab.a), "held=1")
		if n := lab.a.Stats().Answered; n != 1 {
			t.Errorf("%d counted", n)
		}
		lab.l = lab.attach(t, far)
		synctest.Wait()
		wantEqual(t, "told", dog.log, "found lost found ")
	})
}

// TestNoHold: without it the watchdog's table is left alone.
func TestHeldPacketsWithoutWatchdog(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, dog *fakeDog, far Attachment) {
		far.Watchdog = nil
		lab.l.Detach()
		lab.l = lab.attach(t, far)
		lab.l.Detach()
		input(lab.a, pk{from: hostA, to: hostFar, data: "?"}.bytes(), ToUs)
		wantEqual(t, "dropped", dropped(lab.a), "held=1")
	})
}
