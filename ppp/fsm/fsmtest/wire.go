// Package fsmtest tests a protocol on its Machine: two of them on a wire of
// virtual time, or one with the test as its peer. It also has the attacks that
// every protocol must stand.
package fsmtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/fsm"
)

// A Wire is what lies between two Ends.
type Wire struct {
	Delay time.Duration               // each way
	Loss  float64                     // of each packet
	Twice float64                     // the chance that a packet arrives a second time
	Seed  uint64                      // of the dice
	Tap   func(from *End, pkt []byte) // sees every packet sent, one at a time
}

// An End is one Machine with the goroutine that owns it.
type End struct {
	Name string

	inbox chan []byte
	calls chan func(*fsm.Machine)

	mu       sync.Mutex // guards what follows
	finished []error
}

// Connect puts two protocols on a wire, opens both and brings the wire up. It
// must be called within a synctest bubble; all is gone when the test ends.
func Connect(t *testing.T, w Wire, a, b fsm.Protocol) (*End, *End) {
	t.Helper()
	ends := [2]*End{newEnd("a"), newEnd("b")}
	var tap sync.Mutex
	done := make(chan struct{})
	var running sync.WaitGroup
	for i, p := range []fsm.Protocol{a, b} {
		self, peer := ends[i], ends[1-i]
		// Dice for each direction, so that the order of the goroutines is none
		// of their business.
		dice := rand.New(rand.NewPCG(w.Seed, uint64(i)))
		m := fsm.NewMachine(p, fsm.Config{
			Send: func(pkt []byte) {
				if w.Tap != nil {
					tap.Lock()
					w.Tap(self, pkt)
					tap.Unlock()
				}
				w.carry(dice, peer, pkt)
			},
			Finished: self.finish,
		})
		m.Open()
		m.LowerUp()
		running.Go(func() { self.own(m, done) })
	}
	t.Cleanup(func() {
		close(done)
		running.Wait()
	})
	return ends[0], ends[1]
}

func newEnd(name string) *End {
	return &End{Name: name, inbox: make(chan []byte, 1024), calls: make(chan func(*fsm.Machine))}
}

// own is the loop that a link has for its machines.
func (e *End) own(m *fsm.Machine, done <-chan struct{}) {
	for {
		var due <-chan time.Time
		if d := m.Deadline(); !d.IsZero() {
			due = time.After(time.Until(d))
		}
		select {
		case <-done:
			return
		case pkt := <-e.inbox:
			m.Receive(pkt)
		case call := <-e.calls:
			call(m)
		case <-due:
			m.Expire()
		}
	}
}

// carry sends pkt on its way, as the dice fall.
func (w Wire) carry(dice *rand.Rand, to *End, pkt []byte) {
	if dice.Float64() < w.Loss {
		return
	}
	copies := 1
	if dice.Float64() < w.Twice {
		copies = 2
	}
	for i := range copies {
		pkt := bytes.Clone(pkt)
		time.AfterFunc(w.Delay*time.Duration(1+i), func() {
			select {
			case to.inbox <- pkt:
			default: // a full inbox loses, as a line does
			}
		})
	}
}

func (e *End) finish(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finished = append(e.finished, reason)
}

// Finished returns the reasons of this-layer-finished so far.
func (e *End) Finished() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]error(nil), e.finished...)
}

// Do runs f on the goroutine that owns the Machine, and waits for it.
func (e *End) Do(f func(*fsm.Machine)) {
	done := make(chan struct{})
	e.calls <- func(m *fsm.Machine) {
		f(m)
		close(done)
	}
	<-done
}

// State returns the Machine's state.
func (e *End) State() (s fsm.State) {
	e.Do(func(m *fsm.Machine) { s = m.State() })
	return s
}

// Opened reports whether the Machine is open and its Protocol content.
func (e *End) Opened() (open bool) {
	e.Do(func(m *fsm.Machine) { open = m.Opened() })
	return open
}

// Await fails the test when cond does not come true within the virtual time.
func Await(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for limit := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if cond() {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// AwaitOpened waits until all ends are open.
func AwaitOpened(t *testing.T, within time.Duration, ends ...*End) {
	t.Helper()
	states := func() (s string, open bool) {
		open = true
		for _, e := range ends {
			e.Do(func(m *fsm.Machine) {
				s += fmt.Sprintf("%s %v because of %v; ", e.Name, m.State(), m.Reason())
				open = open && m.Opened()
			})
		}
		return s, open
	}
	for limit := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		s, open := states()
		if open {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("not opened within %v: %s", within, s)
		}
	}
}
