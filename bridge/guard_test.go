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

// As many calls as one address may have waiting make no more guesses than one.
func TestAttackA16ManyCallsFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		var calls sync.WaitGroup
		for range maxFromSource {
			guessFor(&calls, g.source(sourceAddr(1)), time.Hour)
		}
		time.Sleep(time.Hour)
		// Three at once, six while the delay grows, and then one a minute.
		if n := g.snapshot(time.Now()).Wrong; n > 69 {
			t.Errorf("%d guesses in an hour, want at most 69", n)
		}
		calls.Wait()
	})
}

// Proofs that come before any of the others is judged wait as if each before them
// were wrong.
func TestAttackA16AtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		var took []time.Duration
		for i := range 12 {
			took = append(took, g.source(sourceAddr(1)).Delay(fmt.Sprint("name ", i)))
		}
		s := time.Second
		want := []time.Duration{0, 0, 0, s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 123 * s, 183 * s, 243 * s}
		if !slices.Equal(took, want) {
			t.Errorf("delays %v, want %v", took, want)
		}
	})
}

// As many addresses as there may be calls guess at one name. What none of them can
// be kept from are its first guesses; after these they share one a second.
func TestAttackA16OneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		var calls sync.WaitGroup
		for n := range maxStrangers {
			guessFor(&calls, g.source(sourceAddr(n)), 10*time.Minute)
		}
		time.Sleep(time.Minute)
		first := g.snapshot(time.Now()).Wrong
		if most := uint64(freeProofs*maxStrangers + 60); first > most {
			t.Errorf("%d guesses in a minute, want at most %d", first, most)
		}
		time.Sleep(9 * time.Minute)
		if n := g.snapshot(time.Now()).Wrong - first; n > 9*60+2 {
			t.Errorf("%d guesses in nine minutes more, want at most one a second", n)
		}
		if d := g.source(homeAddr).Delay("branch"); d > mostForName {
			t.Errorf("the good peer, from a fresh address, waited %v", d)
		}
		calls.Wait()
	})
}

// A proof that waits stops counting when it is judged, when another one takes its
// place, when its call is over and, should nobody tell, soon after its delay.
func TestGuardHeldProofs(t *testing.T) {
	const due = time.Second
	for _, c := range []struct {
		name string
		then func(*caller)
		want time.Duration
	}{
		{"it waits", func(*caller) {}, due + 2*time.Second},
		{"found right", func(c *caller) { c.Judged("branch", true) }, due},
		{"another one takes its place", func(c *caller) { c.Delay("branch") }, due + 2*time.Second},
		{"the call is over", (*caller).gone, due},
		{"the call was over before", func(c *caller) { c.gone(); c.Delay("branch") }, due},
		{"nobody tells", func(*caller) { time.Sleep(due + heldGrace + 1) }, 0},
		{"nobody tells, a moment before", func(*caller) { time.Sleep(due + heldGrace) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard()
				for i := range freeProofs {
					g.source(homeAddr).Judged(fmt.Sprint("name ", i), false)
				}
				call := g.source(homeAddr)
				if d := call.Delay("branch"); d != due {
					t.Fatalf("Delay = %v for the first, want %v", d, due)
				}
				c.then(call)
				if d := g.source(homeAddr).Delay("other"); d != c.want {
					t.Errorf("Delay = %v for the next, want %v", d, c.want)
				}
			})
		})
	}
}

// Who waits long for his address's sake does not keep others waiting at the name.
func TestGuardTurnsAtAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		for n := range 2 {
			for range 12 >> n {
				g.source(sourceAddr(n)).Judged("branch", false)
			}
		}
		time.Sleep(50 * time.Second)
		var took []time.Duration
		for _, n := range []int{0, 0, 1, 1} {
			took = append(took, g.source(sourceAddr(n)).Delay("branch"))
		}
		s := time.Second
		if want := []time.Duration{10 * s, 70 * s, 2 * s, 18 * s}; !slices.Equal(took, want) {
			t.Errorf("delays %v, want %v", took, want)
		}
	})
}

// Where a peer was right before, proofs that wait count too: no four of them are
// judged at once.
func TestGuardHeldProofsOfAKnownPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(g.source(homeAddr), "branch", true)
		for range freeProofs {
			g.source(homeAddr).Judged("branch", false)
		}
		var took []time.Duration
		for range 4 {
			took = append(took, g.source(homeAddr).Delay("branch"))
		}
		s := time.Second
		if want := []time.Duration{s, 2 * s, 4 * s, 8 * s}; !slices.Equal(took, want) {
			t.Errorf("delays %v, want %v", took, want)
		}
	})
}

// Somebody behind the NAT of a peer that was there before claims its name in as many
// calls as he can: the peer waits for what was wrong, and not for all that waits, so
// that one of its calls soon lives long enough.
func TestAttackA16QueueBehindOneNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard()
		try(g.source(homeAddr), "branch", true)
		var calls sync.WaitGroup
		for range maxFromSource - 1 {
			guessFor(&calls, g.source(homeAddr), 30*time.Minute)
		}
		for range 10 {
			time.Sleep(61 * time.Second)
			began := time.Now()
			for d := time.Hour; d > 50*time.Second && time.Since(began) < time.Hour; time.Sleep(5 * time.Second) {
				call := g.source(homeAddr)
				d = call.Delay("branch")
				call.gone()
			}
			if took := time.Since(began); took > mostForSource {
				t.Errorf("the good peer has tried for %v", took)
			}
		}
		calls.Wait()
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
