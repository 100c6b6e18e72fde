package netware

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/watchdog"
)

// A line joins two hubs, as a bridge would, until it is cut. A table at each end
// answers for the other one meanwhile.
type line struct {
	ends   [2]port.Port
	tables [2]*watchdog.Table

	mu   sync.Mutex // guards what follows
	cut  bool
	lose *rand.Rand // nil: no frame is lost; else one of four
}

func (b *bed) line(hubs [2]*port.Hub, limit time.Duration) *line {
	l := new(line)
	for i, hub := range hubs {
		l.ends[i] = hub.Port("line", ipx.Node{2, 0, 0, 0, 0x99, byte(i)}, true)
		l.tables[i] = watchdog.New(watchdog.Config{Limit: limit})
	}
	for i := range hubs {
		b.run(func(ctx context.Context) error {
			return l.ends[i].Run(ctx, func(frames []port.Frame) {
				for _, f := range frames {
					l.carry(i, f)
				}
			})
		})
	}
	return l
}

func (l *line) carry(from int, f port.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pkt, now := f.Packet.Bytes(), time.Now()
	if l.cut {
		reply := packet.Get()
		defer packet.Put(reply)
		if l.tables[from].Answer(pkt, reply, now) {
			l.ends[from].Send(f.Encap, f.Src, f.Dst, []*packet.Buffer{reply})
		}
		return
	}
	if l.lose != nil && l.lose.IntN(4) == 0 {
		return
	}
	l.tables[from].Observe(pkt, true, now)
	l.tables[1-from].Observe(pkt, false, now)
	l.ends[1-from].Send(f.Encap, f.Dst, f.Src, []*packet.Buffer{f.Packet})
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, t := range l.tables {
		if cut {
			t.Alive(time.Now()) // as the link tells
			t.Lost(time.Now())
		} else {
			t.Found()
		}
	}
}

// A login lives through an outage that is longer than the server's patience.
func TestLoginLivesThroughAnOutage(t *testing.T) {
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, time.Hour)
		s, _ := b.server(hubs[0], b.recording("04").Login())
		c, _ := b.client(hubs[1])
		b.login(c, "04")
		l.set(true)
		time.Sleep(40 * time.Minute)
		if c.Watchdogs() != 0 || len(s.Connections()) != 1 {
			b.Fatalf("client asked %d times, connections %+v, %+v", c.Watchdogs(), s.Connections(), l.tables[0].Stats())
		}
		l.set(false)
		b.must("copy after the outage", c.CopyFile(b.ctx, 10_000))
		if n := l.tables[0].Stats().Answered; n != 8 {
			b.Errorf("%d answered in 40 minutes", n)
		}
	})
}

// Requests and replies that are lost come again, as a shell and a server do it.
func TestLossIsMadeGood(t *testing.T) {
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, 0)
		l.lose = rand.New(rand.NewPCG(1, 2))
		s, _ := b.server(hubs[0], b.recording("02").Login())
		c, _ := b.client(hubs[1])
		b.login(c, "02")
		b.must("copy", c.CopyFile(b.ctx, 50_000))
		time.Sleep(2 * time.Hour)
		if all := s.Connections(); len(all) != 1 || all[0].Unknown != 0 {
			b.Errorf("connections: %+v", all)
		}
		b.must("log out", c.Logout(b.ctx))
	})
}

// Without a table it does not: that is what the outage above would come to.
func TestLoginDiesWithoutWatchdogs(t *testing.T) {
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, 0)
		s, _ := b.server(hubs[0], b.recording("04").Login())
		c, _ := b.client(hubs[1])
		b.login(c, "04")
		l.set(true)
		began := time.Now()
		<-s.Dropped()
		if took := time.Since(began); took.Round(time.Second) != NetWare.Patience().Round(time.Second) {
			b.Errorf("cleared after %v", took)
		}
		l.set(false)
		if err := c.CopyFile(b.ctx, 10); err == nil {
			b.Error("a connection that was cleared")
		}
	})
}

// A client that dies while the line is cut is cleared when the limit is over,
// and the server's own patience after it.
func TestAttackX6ServerClearsADeadClient(t *testing.T) {
	const limit = 20 * time.Minute
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, limit)
		s, _ := b.server(hubs[0], b.recording("04").Login())
		c, switchOff := b.client(hubs[1])
		b.login(c, "04")
		l.set(true)
		switchOff()
		began := time.Now()
		<-s.Dropped()
		if took := time.Since(began); took < limit || took > limit+NetWare.Patience() {
			b.Errorf("cleared after %v", took)
		}
	})
}

// One that was dead before is not kept at all.
func TestAttackX6ClientDeadBeforeTheCutIsNotKept(t *testing.T) {
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, 24*time.Hour)
		s, _ := b.server(hubs[0], b.recording("04").Login())
		c, switchOff := b.client(hubs[1])
		b.login(c, "04")
		began := time.Now()
		switchOff()
		time.Sleep(NetWare.First + 10*time.Second) // it was asked once
		l.set(true)
		<-s.Dropped()
		if took := time.Since(began).Round(time.Second); took != NetWare.Patience().Round(time.Second) {
			b.Errorf("cleared after %v: %+v", took, l.tables[0].Stats())
		}
	})
}

// A client that logged out, and one that dies while the line comes and goes,
// are not kept either.
func TestAttackX6FlappingLineKeepsNobodyForEver(t *testing.T) {
	inBed(t, func(b *bed) {
		hubs := [2]*port.Hub{port.NewHub(), port.NewHub()}
		l := b.line(hubs, time.Hour)
		s, _ := b.server(hubs[0], b.recording("04").Login())
		c, switchOff := b.client(hubs[1])
		b.login(c, "04")
		switchOff()
		began := time.Now()
		for len(s.Connections()) != 0 && time.Since(began) < 24*time.Hour {
			l.set(true)
			time.Sleep(10 * time.Minute)
			l.set(false)
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 2*time.Hour {
			b.Errorf("cleared after %v: %+v", took, l.tables[0].Stats())
		}
	})
}
