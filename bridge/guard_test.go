package bridge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/auth"
)

// sourceAddr is the n-th address of an attacker who has many.
func sourceAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{203, byte(n >> 16), byte(n >> 8), byte(n)})
}

var homeAddr = netip.MustParseAddr("198.51.100.7")

// try makes one proof as an authenticator does, and returns how long it took.
func try(g auth.Guard, name string, right bool) time.Duration {
	d := g.Delay(name)
	time.Sleep(d)
	g.Judged(name, right)
	return d
}

// guessFor guesses, in a goroutine, for so long.
func guessFor(running *sync.WaitGroup, g auth.Guard, long time.Duration) {
	end := time.Now().Add(long)
	running.Go(func() {
		for time.Now().Before(end) {
			try(g, "branch", false)
		}
	})
}

// Row A16, from one address: each guess waits longer than the one before, and
// all of them together wait an hour for sixty.
func TestAttackA16OneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		attacker := g.source(sourceAddr(1))
		var took []time.Duration
		for range 12 {
			took = append(took, try(attacker, "branch", false))
		}
		s := time.Second
		want := []time.Duration{0, 0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s}
		if !slices.Equal(took, want) {
			t.Errorf("delays %v, want %v", took, want)
		}
		began := time.Now()
		for i := range 1000 {
			try(attacker, fmt.Sprint("name ", i), false) // other names are no way around
		}
		if took := time.Since(began); took < 1000*time.Minute {
			t.Errorf("1000 guesses took %v", took)
		}
		if d := try(g.source(homeAddr), "branch", true); d > mostForName {
			t.Errorf("the good peer waited %v", d)
		}
	})
}

// As many calls as one address may have waiting make as many guesses a minute.
func TestAttackA16ManyCallsFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		var calls sync.WaitGroup
		for range maxFromSource {
			guessFor(&calls, g.source(sourceAddr(1)), time.Hour)
		}
		calls.Wait()
		if n, most := g.snapshot(time.Now()).Wrong, uint64(63*maxFromSource); n > most {
			t.Errorf("%d guesses in an hour, want at most %d", n, most)
		}
	})
}

// Row A16, from a thousand addresses at once: the name's own peer gets in, from
// wherever it calls.
func TestAttackA16AThousandAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(g.source(homeAddr), "branch", true)
		var calls sync.WaitGroup
		defer calls.Wait()
		for n := range 1000 {
			guessFor(&calls, g.source(sourceAddr(n)), 2*time.Minute)
		}
		time.Sleep(time.Minute)
		if d := try(g.source(homeAddr), "branch", true); d != 0 {
			t.Errorf("the good peer waited %v at its usual address", d)
		}
		if d := try(g.source(netip.MustParseAddr("198.51.100.99")), "branch", true); d > mostForName {
			t.Errorf("the good peer waited %v at another address", d)
		}
		if d := try(g.source(sourceAddr(5)), "branch", true); d == 0 {
			t.Error("a guesser did not wait")
		}
		if d := try(g.source(homeAddr), "other", true); d != 0 {
			t.Errorf("another peer waited %v", d)
		}
		if s := g.snapshot(time.Now()); s.Sources < 999 || s.Names != 1 || s.WorstNames[0].Who != "branch" {
			t.Errorf("%d sources and %d names slowed: %+v", s.Sources, s.Names, s.WorstNames)
		}
	})
}

func TestGuardForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		c := g.source(homeAddr)
		for range 20 {
			try(c, "branch", false)
		}
		// Who is set up wrong, and tries every five minutes, never waits: the delay
		// runs from the last wrong proof.
		time.Sleep(45 * time.Second)
		if d := c.Delay("branch"); d != 15*time.Second {
			t.Errorf("Delay = %v after 45 s, want the other 15 s", d)
		}
		time.Sleep(15 * time.Second)
		if d := c.Delay("branch"); d != 0 {
			t.Errorf("Delay = %v after a minute", d)
		}
		c.Judged("branch", false)
		if d := c.Delay("branch"); d != time.Minute {
			t.Errorf("Delay = %v after one more", d)
		}
		time.Sleep(guardMemory)
		c.Judged("branch", false)
		if d := c.Delay("branch"); d != 0 {
			t.Errorf("Delay = %v after an hour of quiet and one more", d)
		}
		if s := g.snapshot(time.Now()); s.Sources != 0 || s.Names != 0 || s.Wrong != 22 {
			t.Errorf("%+v", s)
		}
	})
}

// A right proof takes back the wrong ones of its pair, and no others: who has an
// account of his own may not guess at another in between.
func TestAttackA16RightProofsBetweenGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		c := g.source(sourceAddr(1))
		for range 10 {
			c.Judged("other", false)
			c.Judged("mine", false)
			c.Judged("mine", true)
		}
		if d := c.Delay("other"); d != time.Minute {
			t.Errorf("Delay = %v for a guess", d)
		}
		if n := g.sources.of(time.Now(), sourceAddr(1)).count; n != 10 {
			t.Errorf("%d wrong proofs remembered, want 10", n)
		}
		if d := c.Delay("mine"); d != 0 {
			t.Errorf("Delay = %v for who is known here", d)
		}
	})
}

// Behind one NAT with a guesser, a peer that was there before waits only for what
// was wrong of its own name.
func TestAttackA16BehindOneNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		c := g.source(homeAddr)
		try(c, "branch", true)
		for i := range 100 {
			c.Judged(fmt.Sprint("name ", i), false)
		}
		if d := c.Delay("branch"); d != 0 {
			t.Errorf("Delay = %v after guesses at other names", d)
		}
		for range 5 {
			c.Judged("branch", false)
		}
		if d := c.Delay("branch"); d != 4*time.Second {
			t.Errorf("Delay = %v after guesses at its name, want 4 s", d)
		}
	})
}

// More addresses and names than there is room for: the tables are bounded, the
// record of a heavy offender stays, and a fresh address is not a fresh start.
func TestAttackA16MoreAddressesThanRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		heavy := g.source(sourceAddr(0))
		for range 20 {
			heavy.Judged("branch", false)
		}
		for n := range 8 * maxSources {
			g.source(sourceAddr(1+n)).Judged(fmt.Sprint("name ", n), false)
		}
		if d := heavy.Delay("x"); d != time.Minute {
			t.Errorf("Delay = %v for the heavy offender", d)
		}
		if d := g.source(homeAddr).Delay("branch"); d != mostForName {
			t.Errorf("Delay = %v for the name, want %v", d, mostForName)
		}
		if s, n, p := len(g.sources.all), len(g.names.all), len(g.pairs.all); s != maxSources || n != maxNames || p != maxPairs {
			t.Errorf("%d sources, %d names, %d pairs", s, n, p)
		}
		fresh := g.source(sourceAddr(20 * maxSources))
		fresh.Judged("branch", false)
		if d := fresh.Delay("x"); d < 30*time.Second {
			t.Errorf("Delay = %v for a fresh address after its first", d)
		}
		time.Sleep(guardMemory)
		fresh.Judged("branch", false)
		if s, n, p := len(g.sources.all), len(g.names.all), len(g.pairs.all); s != 1 || n != 1 || p != 1 {
			t.Errorf("%d sources, %d names, %d pairs after an hour of quiet", s, n, p)
		}
	})
}

// Row A17: names are shown so that they cannot steer a terminal.
func TestAttackA17NamesInGuardStatus(t *testing.T) {
	g := newGuard()
	names := []string{"$(reboot)", "a\nb", "\x1b[2J", strings.Repeat("n", 253), "\xff\xfe"}
	for i, name := range names {
		for range 20 - i {
			g.source(homeAddr).Judged(name, false)
		}
	}
	want := []string{"$(reboot)", `a\nb`, `\x1b[2J`, strings.Repeat("n", 64) + "...", `\xff\xfe`}
	var got []string
	for _, w := range g.snapshot(time.Now()).WorstNames {
		got = append(got, w.Who)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
