package segment

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
)

// A port beyond which are as many networks as fit costs nothing for each further one
// that somebody makes up, and takes new ones again once old ones fell silent.
func TestAttackX1FullPortIsNotCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(Config{Network: netA})
		l := lab.link1
		now := func() int64 { return clock.Now() }
		for i := range maxNetworks {
			l.take(ipx.Network(0x1000+i), 0, 1, now())
		}
		full := l.networks.All()
		l.take(0x9000, 0, 1, now()) // looks, once
		if n := testing.AllocsPerRun(100, func() { l.take(0x9001, 0, 1, now()) }); n != 0 {
			t.Errorf("%v allocations for a network that finds no room", n)
		}
		if got := l.networks.All(); len(got) != len(full) {
			t.Errorf("%d networks, want %d", len(got), len(full))
		}
		time.Sleep(DefaultAgeing + time.Second)
		l.take(0x9002, 0, 1, now())
		if got := l.networks.All(); len(got) != 1 {
			t.Errorf("%d networks, want the new one alone", len(got))
		}
	})
}
