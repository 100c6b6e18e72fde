package port

import (
	"net/netip"
	"testing"
	"time"

	"sitebridge/ipx"
)

var (
	houseBegan = time.Date(1995, 12, 24, 20, 0, 0, 0, time.UTC)
	addrA      = netip.MustParseAddrPort("127.0.0.1:41466")
	addrB      = netip.MustParseAddrPort("127.0.0.1:41467")
)

// A clock is a house with a time of its own.
type clock struct {
	*house
	t   *testing.T
	now time.Time
}

func newClock(t *testing.T, limit int) *clock {
	return &clock{newHouse(macA, limit, 1000, houseBegan), t, houseBegan}
}

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// register registers as the port does it.
func (c *clock) register(from netip.AddrPort) (ipx.Node, ipx.DropReason) {
	node, why := c.house.register(from, &path{}, c.now)
	if why == 0 {
		c.expect(from, &path{}, c.now)
	}
	return node, why
}

func (c *clock) speak(from netip.AddrPort, src ipx.Node) ipx.DropReason {
	_, why := c.sender(from, src, func() *path { return &path{} }, c.now)
	return why
}

// move lets a client in.
func (c *clock) move(from netip.AddrPort) ipx.Node {
	c.t.Helper()
	node, why := c.register(from)
	if why == 0 {
		why = c.speak(from, node)
	}
	if why != 0 {
		c.t.Fatalf("%v does not get in: %d", from, why)
	}
	return node
}

// ticks lets seconds pass, and returns who left and how many pings were sent.
func (c *clock) ticks(d time.Duration) (left, pings int) {
	for range d / time.Second {
		c.pass(time.Second)
		l, p := c.tick(c.now)
		left, pings = left+len(l), pings+len(p)
	}
	return left, pings
}

func (c *clock) wantClients(want int) {
	c.t.Helper()
	if got := len(c.list()); got != want {
		c.t.Errorf("%d clients, want %d", got, want)
	}
}

func nth(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 2000)
}

// Two clients that a NAT or the loopback interface makes look alike, at two sites,
// have different nodes; one that registers again has the same.
func TestHouseNodes(t *testing.T) {
	here, there := newClock(t, 64), newClock(t, 64)
	first := here.move(addrA)
	if first[0]&3 != 2 {
		t.Errorf("%v is not of one station, locally administered", first)
	}
	if other := there.move(addrA); other == first {
		t.Errorf("%v at both sites", other)
	}
	if other := here.move(addrB); other == first {
		t.Errorf("%v twice at one site", other)
	}
	if again, why := here.register(addrA); again != first || why != 0 {
		t.Errorf("%v, then %v (%d)", first, again, why)
	}
	here.ticks(silence + time.Second)
	here.wantClients(0)
	if again, why := here.register(addrA); again != first || why != 0 {
		t.Errorf("%v, and after long silence %v (%d)", first, again, why)
	}
}

// A registration takes no room, so that forged ones push out nobody and keep
// nobody out.
func TestHouseForgedRegistrations(t *testing.T) {
	c := newClock(t, 2)
	live := c.move(addrA)
	waiting, _ := c.register(addrB)
	for n := range 100000 {
		c.register(nth(n))
	}
	c.wantClients(1)
	if n := len(c.newcomers); n > maxNewcomers {
		t.Errorf("%d newcomers remembered", n)
	}
	if why := c.speak(addrA, live); why != 0 {
		t.Errorf("the client that was here is dropped: %d", why)
	}
	if why := c.speak(addrB, waiting); why != 0 {
		t.Errorf("the one that registered before does not get in: %d", why)
	}
	c.wantClients(2)
}

func TestHouseFull(t *testing.T) {
	c := newClock(t, 1)
	late, _ := c.register(addrB)
	c.move(addrA)
	if _, why := c.register(nth(1)); why != dropHouseFull {
		t.Errorf("one too many: %d", why)
	}
	if why := c.speak(addrB, late); why != dropHouseFull {
		t.Errorf("one that was promised a place: %d", why)
	}
	if _, why := c.register(addrA); why != 0 {
		t.Errorf("the one that is here, again: %d", why)
	}
	c.ticks(silence)
	if why := c.speak(addrB, late); why != 0 {
		t.Errorf("after the silence of the other: %d", why)
	}
}

// A silent client is pinged and given up in the end. Its next packet brings it
// back, since no emulator registers a second time by itself.
func TestHouseSilence(t *testing.T) {
	c := newClock(t, 64)
	node := c.move(addrA)
	if left, pings := c.ticks(29 * time.Second); left != 0 || pings != 0 {
		t.Errorf("%d left, %d pings in the first 29 s", left, pings)
	}
	if left, pings := c.ticks(61 * time.Second); left != 0 || pings != 3 {
		t.Errorf("%d left, %d pings after 90 s, want 3", left, pings)
	}
	c.speak(addrA, node) // the answer
	if left, _ := c.ticks(silence - time.Second); left != 0 {
		t.Error("gone early")
	}
	if left, _ := c.ticks(time.Second); left != 1 {
		t.Error("still there")
	}
	if why := c.speak(addrA, node); why != 0 {
		t.Errorf("back again: %d", why)
	}
	c.wantClients(1)
}

// Who has not spoken gets two pings and no more, whoever sends them.
func TestHouseNewcomersPings(t *testing.T) {
	c := newClock(t, 64)
	c.register(addrA)
	if _, pings := c.ticks(5 * time.Second); pings != 0 {
		t.Errorf("%d pings while it may still wait for the reply", pings)
	}
	if _, pings := c.ticks(time.Second); pings != 1 {
		t.Errorf("%d pings at 6 s", pings)
	}
	if _, pings := c.ticks(9 * time.Second); pings != 1 {
		t.Errorf("%d pings at 15 s", pings)
	}
	if got := c.pingable(nil); len(got) != 0 {
		t.Errorf("%d more pings", len(got))
	}
	if _, pings := c.ticks(time.Hour); pings != 0 || len(c.newcomers) != 0 {
		t.Errorf("%d more pings, %d still expected", pings, len(c.newcomers))
	}

	c.register(addrB)
	for n, want := range []int{1, 1, 0, 0} {
		if got := c.pingable(nil); len(got) != want {
			t.Errorf("ping %d of another client goes to %d newcomers, want %d", n+1, len(got), want)
		}
	}
	if _, pings := c.ticks(time.Minute); pings != 0 {
		t.Errorf("%d pings of our own after that", pings)
	}
}

func TestHouseStrangers(t *testing.T) {
	c := newClock(t, 64)
	a, b := c.move(addrA), c.move(addrB)
	if why := c.speak(addrA, b); why != dropForeignNode {
		t.Errorf("under another's node: %d", why)
	}
	if why := c.speak(nth(1), a); why != dropNotRegistered {
		t.Errorf("under a client's node from elsewhere: %d", why)
	}
	if why := c.speak(nth(1), macB); why != dropNotRegistered {
		t.Errorf("under a node of its own making: %d", why)
	}
	c.wantClients(2)
}

func TestHouseClientRate(t *testing.T) {
	c := newClock(t, 64)
	a, b := c.move(addrA), c.move(addrB)
	c.pass(time.Minute)
	passed := 0
	for range 10000 {
		if c.speak(addrA, a) == 0 {
			passed++
		}
		c.pass(100 * time.Microsecond) // ten times too fast, for a second
	}
	if passed < 1240 || passed > 1260 {
		t.Errorf("%d packets passed in a second, want 1000 and a burst of 250", passed)
	}
	c.speak(addrA, a)
	if why := c.speak(addrA, a); why != dropClientRate {
		t.Errorf("one more: %d", why)
	}
	if why := c.speak(addrB, b); why != 0 {
		t.Errorf("another client's: %d", why)
	}
	c.pass(time.Second)
	if why := c.speak(addrA, a); why != 0 {
		t.Errorf("after a rest: %d", why)
	}
}

func TestHouseRegistrationRate(t *testing.T) {
	c := newClock(t, 64)
	port := uint16(1024)
	try := func() ipx.DropReason {
		port++
		_, why := c.register(netip.AddrPortFrom(addrA.Addr(), port))
		return why
	}
	for n := range registrationBurst {
		if why := try(); why != 0 {
			t.Fatalf("registration %d: %d", n+1, why)
		}
	}
	if why := try(); why != dropRegistrationRate {
		t.Errorf("one too many: %d", why)
	}
	c.pass(registrationEvery)
	if why := try(); why != 0 {
		t.Errorf("a second later: %d", why)
	}
	if why := try(); why != dropRegistrationRate {
		t.Errorf("two a second: %d", why)
	}
}

// "Nobody listens there" ends a client, but not one that has just spoken: the
// message may be forged.
func TestHouseRefused(t *testing.T) {
	c := newClock(t, 64)
	c.move(addrA)
	c.pass(refusedGrace - 1)
	if left := c.refused(addrA, c.now); len(left) != 0 {
		t.Error("believed at once")
	}
	c.pass(1)
	if left := c.refused(addrB, c.now); len(left) != 0 {
		t.Error("somebody else's")
	}
	if left := c.refused(addrA, c.now); len(left) != 1 || left[0].addr != addrA {
		t.Errorf("left: %v", left)
	}
	c.wantClients(0)
}

// An address of IPv6 counts by its network.
func TestHouseRegistrationRateIPv6(t *testing.T) {
	c := newClock(t, 64)
	refused := 0
	for n := range 2 * registrationBurst {
		ip := netip.MustParseAddr("2001:db8::1").As16()
		ip[15] = byte(n)
		if _, why := c.register(netip.AddrPortFrom(netip.AddrFrom16(ip), 2000)); why == dropRegistrationRate {
			refused++
		}
	}
	if refused != registrationBurst {
		t.Errorf("%d refused, want %d", refused, registrationBurst)
	}
}

func TestHouseSpeakingDoesNotAllocate(t *testing.T) {
	c := newClock(t, 64)
	node := c.move(addrA)
	if n := testing.AllocsPerRun(100, func() {
		c.pass(time.Millisecond)
		c.speak(addrA, node)
		c.speak(addrB, node)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
