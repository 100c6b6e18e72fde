package segment

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
)

// What is due waits for the next packet. Status does not: it goes by the clock.

func TestStatusOfHoldingGoesByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := held(new(dog))
		time.Sleep(10 * time.Minute) // the very end
		for range 3 {                // they would age meanwhile
			l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "still here"))
		}
		if ports, networks, stations := l.Ports(), l.Networks(), l.Stations(); len(ports) != 4 || ports[3].Stations != 2 || len(networks) != 1 || len(stations) != 3 {
			t.Fatalf("at the end of the hold: %v %v %v", ports, networks, stations)
		}
		time.Sleep(time.Nanosecond)
		if ports, networks, stations := l.Ports(), l.Networks(), l.Stations(); len(ports) != 3 || len(networks) != 0 || len(stations) != 1 {
			t.Errorf("after it: %v %v %v", ports, networks, stations)
		}
	})
}

// TestHoldingIsLetGo: with the next packet, by whatever port, nothing is kept of a
// link that was away too long.
func TestHoldingIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := held(new(dog))
		p := (*l.absent.Load())[0]
		speak := func() {
			l.link2.receive(pkt(at(far2), at(ipx.Broadcast), time.Now().String()))
		}
		time.Sleep(10 * time.Minute)
		speak()
		if len(*l.absent.Load()) != 1 || len(p.networks.All()) != 1 {
			t.Fatal("let go before the time of hold is over")
		}
		time.Sleep(time.Nanosecond)
		speak()
		if kept := len(*l.absent.Load()); kept != 0 {
			t.Errorf("%d lost links are kept", kept)
		}
		for key, st := range l.stations.All() {
			if st.port == p {
				t.Errorf("station %v is kept", key)
			}
		}
		if kept := len(p.networks.All()); kept != 0 {
			t.Errorf("%d networks are kept", kept)
		}
		l.Forget("link1") // nothing is left to forget
		if got := len(l.Ports()); got != 3 {
			t.Errorf("%d ports", got)
		}
	})
}

func TestStatusOfABlockGoesByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		l := newLab(Config{Network: netA, StormBlock: 2 * time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for i := range 20 {
			b := pkt(at(host1), at(ipx.Broadcast), fmt.Sprint("word ", i))
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, b)
			l.link1.receive(b)
			time.Sleep(50 * time.Millisecond)
		}
		blocked := func() bool { return !l.Ports()[2].Blocked.IsZero() }
		until := l.Ports()[2].Until
		if !blocked() || len(l.Troubles()) != 1 || !strings.HasPrefix(l.Troubles()[0].Text, "blocked until") {
			t.Fatalf("not blocked: %+v, %+v", l.Ports(), l.Troubles())
		}
		time.Sleep(time.Until(until) - time.Nanosecond)
		if !blocked() || len(l.Troubles()) != 1 {
			t.Errorf("no more before its time: %+v, %+v", l.Ports(), l.Troubles())
		}
		time.Sleep(time.Nanosecond)
		if blocked() || !l.Ports()[2].Until.IsZero() || len(l.Troubles()) != 0 {
			t.Errorf("after its time: %+v, %+v", l.Ports(), l.Troubles())
		}
		l.forgetAll()
		b := pkt(at(host2), at(ipx.Broadcast), "the first packet opens it")
		l.lan2.hear(ipx.EthernetII, ipx.Broadcast, b)
		if got := len(l.pipe1.take()); got != 1 {
			t.Errorf("%d packets by the port that is tried again", got)
		}
		if !strings.Contains(log.String(), `"port that was blocked is tried again" port=link1`) {
			t.Errorf("logged %s", &log)
		}
	})
}
