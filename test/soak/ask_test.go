package soak

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"
)

// An asker asks a host behind another site again and again, and knows what became of
// each question. A question names who asked it and its number, and the rest follows from
// these, so that nothing else passes for its answer.
type asker struct {
	name string
	id   uint64
	send func(b []byte) error

	mu    sync.Mutex  // guards what follows
	sent  []time.Time // by number
	got   []bool      // answered
	round []time.Duration
	first time.Time // when the newest question that was answered was asked
	since int       // what take has judged
	twice int       // answered once more
	wrong int       // damaged, or nobody's
}

// lostAfter is when an answer is not waited for any more.
const lostAfter = 2 * time.Second

// questionLen is the length of a question, by its number: short ones and long ones.
func questionLen(n uint64) int { return 24 + int(n*37%1000) }

// question writes a question, or what its answer must be, to b, which has room.
func question(b []byte, id, n uint64) []byte {
	b = b[:questionLen(n)]
	binary.BigEndian.PutUint64(b, id)
	binary.BigEndian.PutUint64(b[8:], n)
	for i := 16; i < len(b); i++ {
		b[i] = byte(n) + byte(id)*17 + byte(i)*31
	}
	return b
}

// ask sends n questions, one behind the other.
func (a *asker) ask(n int) {
	for buf := make([]byte, 1500); n > 0; n-- {
		a.mu.Lock()
		b := question(buf, a.id, uint64(len(a.sent)))
		a.sent, a.got = append(a.sent, time.Now()), append(a.got, false)
		a.mu.Unlock()
		a.send(b) // there may be no way at the moment
	}
}

// heard takes what came from the wire.
func (a *asker) heard(b []byte) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(b) < 24 || binary.BigEndian.Uint64(b) != a.id {
		a.wrong++
		return
	}
	n := binary.BigEndian.Uint64(b[8:])
	switch {
	case n >= uint64(len(a.sent)) || string(question(make([]byte, 1500), a.id, n)) != string(b):
		a.wrong++
	case a.got[n]:
		a.twice++
	default:
		a.got[n] = true
		a.round = append(a.round, now.Sub(a.sent[n]))
		if a.sent[n].After(a.first) {
			a.first = a.sent[n]
		}
	}
}

// take returns the times of the answers that came since it was called last, and how many
// questions were given up since, of how many.
func (a *asker) take(now time.Time) (round []time.Duration, missing, of int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ; a.since < len(a.sent) && now.Sub(a.sent[a.since]) > lostAfter; a.since++ {
		of++
		if !a.got[a.since] {
			missing++
		}
	}
	round, a.round = a.round, nil
	return round, missing, of
}

// flowsSince reports whether a question that was asked at a time or later was answered.
func (a *asker) flowsSince(at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.first.Before(at)
}

// answered reports whether question n was.
func (a *asker) answered(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got[n]
}

// faults is how many answers came twice, and how many were none.
func (a *asker) faults() (twice, wrong, of int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.twice, a.wrong, len(a.sent)
}

func TestAsker(t *testing.T) {
	var sent [][]byte
	a := &asker{id: 5, send: func(b []byte) error { sent = append(sent, append([]byte(nil), b...)); return nil }}
	began := time.Now()
	a.ask(4)
	for _, i := range []int{0, 2, 2} {
		a.heard(sent[i])
	}
	sent[3][20]++
	a.heard(sent[3])
	if twice, wrong, of := a.faults(); twice != 1 || wrong != 1 || of != 4 {
		t.Errorf("%d twice, %d wrong of %d", twice, wrong, of)
	}
	if round, missing, of := a.take(began.Add(lostAfter / 2)); len(round) != 2 || missing != 0 || of != 0 {
		t.Errorf("at once: %v, %d missing of %d", round, missing, of)
	}
	if _, missing, of := a.take(time.Now().Add(2 * lostAfter)); missing != 2 || of != 4 {
		t.Errorf("later: %d missing of %d", missing, of)
	}
	if !a.flowsSince(began) || a.flowsSince(time.Now()) {
		t.Error("since when it flows is wrong")
	}
}
