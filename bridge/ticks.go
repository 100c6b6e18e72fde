package bridge

import (
	"sync"
	"time"
)

// tick is the unit of distance in IPX: 1/18.21 s, about 55 ms.
const tick = time.Second * 100 / 1821

// ticks follows the distance of a site, from call to call. News is only what differs by more than a
// tick, and by more than a quarter: routes that change with every measurement
// would keep all routers busy.
type ticks struct {
	mu     sync.Mutex    // guards what follows
	smooth time.Duration // of the round trips, zero before the first
	beside bool          // smooth is that of the control connection, which may take another way
	told   uint16        // zero before the first
}

// measured takes one round trip, through the link or beside it by the control
// connection. It returns how many ticks one way takes, at least 1, and whether that
// is news.
func (t *ticks) measured(roundTrip time.Duration, beside bool) (n uint16, news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if roundTrip <= 0 {
		return t.told, false
	}
	if t.smooth == 0 || t.beside && !beside {
		t.smooth = roundTrip
	}
	t.beside = beside
	t.smooth += (roundTrip - t.smooth) / 4
	oneWay, told := t.smooth/2, time.Duration(t.told)*tick
	if t.told != 0 && (oneWay-told).Abs() <= max(tick, told/4) {
		return t.told, false
	}
	t.told = uint16(min(max((oneWay+tick-1)/tick, 1), 0xFFFE))
	return t.told, true
}

// last returns what was told last, zero for nothing.
func (t *ticks) last() uint16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told
}
