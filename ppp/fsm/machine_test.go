package fsm_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

// TestTwoMachinesAgree on lines good and bad. An end that gives up, as ten lost
// answers in a row make it do, is opened again by its owner.
func TestTwoMachinesAgree(t *testing.T) {
	for _, wire := range []fsmtest.Wire{
		{},
		{Delay: 30 * time.Millisecond},
		{Delay: 1500 * time.Millisecond}, // slower than the restart timer
		{Delay: 30 * time.Millisecond, Loss: 0.2},
		{Delay: 30 * time.Millisecond, Loss: 0.3},
		{Delay: 30 * time.Millisecond, Loss: 0.2, Twice: 0.3},
	} {
		for seed := range uint64(20) {
			wire.Seed = seed
			t.Run(fmt.Sprintf("delay %v loss %v twice %v seed %d", wire.Delay, wire.Loss, wire.Twice, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					low, high := newFake(3), newFake(7)
					a, b := fsmtest.Connect(t, wire, low, high)
					fsmtest.Await(t, 10*time.Minute, "opened", func() bool {
						reopen(a)
						reopen(b)
						return a.Opened() && b.Opened()
					})
					a.Do(func(*fsm.Machine) {
						if low.number != 7 {
							t.Errorf("the lower end has %d, want 7", low.number)
						}
					})
				})
			})
		}
	}
}

func reopen(e *fsmtest.End) {
	e.Do(func(m *fsm.Machine) {
		if m.State() == fsm.Stopped {
			m.Open()
		}
	})
}

func TestTwoInsistentMachinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newFake(3), newFake(7)
		one.stubborn, two.stubborn = true, true
		packets := 0
		a, b := fsmtest.Connect(t, fsmtest.Wire{
			Delay: 10 * time.Millisecond,
			Tap:   func(*fsmtest.End, []byte) { packets++ },
		}, one, two)
		fsmtest.Await(t, 2*time.Minute, "both finished", func() bool {
			return len(a.Finished()) > 0 && len(b.Finished()) > 0
		})
		synctest.Wait()
		if packets > 100 {
			t.Errorf("the end took %d packets", packets)
		}
	})
}

func TestMachineClosesBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond}, newFake(1), newFake(1))
		fsmtest.AwaitOpened(t, time.Second, a, b)
		a.Do(func(m *fsm.Machine) { m.Close("not needed") })
		fsmtest.Await(t, 10*time.Second, "finished", func() bool {
			return len(a.Finished()) == 1 && len(b.Finished()) == 1
		})
		if got, want := b.Finished()[0].Error(), `peer terminated it: "not needed"`; got != want {
			t.Errorf("the far end's reason is %s, want %s", got, want)
		}
		if as, bs := a.State(), b.State(); as != fsm.Closed || bs != fsm.Stopped {
			t.Errorf("states %v and %v, want Closed and Stopped", as, bs)
		}
		a.Do(func(m *fsm.Machine) { m.Open() })
		fsmtest.AwaitOpened(t, 5*time.Second, a, b)
		a.Do(func(m *fsm.Machine) {
			if m.Reason() != nil {
				t.Errorf("open, and down because of %v", m.Reason())
			}
		})
	})
}

func TestRestartTimerDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent []time.Duration
		a, _ := fsmtest.Connect(t, fsmtest.Wire{Loss: 1, Tap: func(from *fsmtest.End, _ []byte) {
			if from.Name == "a" {
				sent = append(sent, time.Since(start)/time.Second)
			}
		}}, newFake(1), newFake(2))
		fsmtest.Await(t, time.Minute, "finished", func() bool { return len(a.Finished()) > 0 })
		if want := []time.Duration{0, 1, 3, 6, 9, 12, 15, 18, 21, 24}; !slices.Equal(sent, want) {
			t.Errorf("Configure-Requests at %d s, want %d", sent, want)
		}
		if took := time.Since(start).Round(time.Second); took != 27*time.Second {
			t.Errorf("gave up after %v, want 27s", took)
		}
		if got := a.Finished()[0].Error(); got != "no answer to 10 Configure-Requests" {
			t.Errorf("reason %q", got)
		}
	})
}

func TestTerminateIsRepeatedTwice(t *testing.T) {
	b := opened(t, newFake(1))
	b.Close("bye")
	b.WantSent("05020007 627965")
	b.Pass(time.Second)
	b.WantSent("05030007 627965")
	b.Pass(10 * time.Second)
	b.WantSent()
	if b.State() != fsm.Closed || len(b.Finished) != 1 || b.Finished[0].Error() != "bye" {
		t.Errorf("%v, finished %v", b.State(), b.Finished)
	}
}

// opened returns a bench whose machine agreed with its peer.
func opened(t *testing.T, p fsm.Protocol) *fsmtest.Bench {
	t.Helper()
	b := fsmtest.NewBench(t, p)
	req := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, req.ID, req.Data)
	b.GiveData(fsm.ConfigureRequest, 1, req.Data)
	if b.State() != fsm.Opened {
		t.Fatalf("state %v", b.State())
	}
	return b
}

func TestIdentifiers(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.WantSent("01010009 010301 0202")
	b.Pass(time.Second)
	b.WantSent("01010009 010301 0202") // only repeated: the same identifier
	b.Want("03010007 010305", "01020009 010305 0202")
	b.Want("04020006 0202", "01030007 010305") // changed: another one
	b.Want("02030007 010305")
	b.Pass(time.Second)
	b.WantSent("01040007 010305") // the Ack of 3 was taken: another one
}

func TestAnswersAreChecked(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		count     func(fsm.Drops) uint64
	}{
		{"short packet", "020100", func(d fsm.Drops) uint64 { return d.Malformed }},
		{"length beyond the end", "0201000a 010301 0202", func(d fsm.Drops) uint64 { return d.Malformed }},
		{"Ack of another identifier", "02020009 010301 0202", func(d fsm.Drops) uint64 { return d.WrongIdentifier }},
		{"Ack without an option", "02010007 010301", func(d fsm.Drops) uint64 { return d.AckDiffers }},
		{"Ack of another value", "02010009 010302 0202", func(d fsm.Drops) uint64 { return d.AckDiffers }},
		{"Ack in another order", "02010009 0202 010301", func(d fsm.Drops) uint64 { return d.AckDiffers }},
		{"Nak of another identifier", "03000007 010305", func(d fsm.Drops) uint64 { return d.WrongIdentifier }},
		{"Nak of malformed options", "03010007 010405", func(d fsm.Drops) uint64 { return d.Malformed }},
		{"empty Nak", "03010004", func(d fsm.Drops) uint64 { return d.Malformed }},
		{"Reject of another value", "04010007 010302", func(d fsm.Drops) uint64 { return d.RejectDiffers }},
		{"Reject of what was not asked", "04010006 0302", func(d fsm.Drops) uint64 { return d.RejectDiffers }},
		{"Reject in another order", "04010009 0202 010301", func(d fsm.Drops) uint64 { return d.RejectDiffers }},
		{"Configure-Request of malformed options", "01010006 0101", func(d fsm.Drops) uint64 { return d.Malformed }},
		{"empty Code-Reject", "07010004", func(d fsm.Drops) uint64 { return d.Malformed }},
	} {
		b := fsmtest.NewBench(t, newFake(1))
		b.Raw()
		b.Want(c.hex)
		if b.State() != fsm.ReqSent || c.count(b.Stats().Drops) != 1 {
			t.Errorf("%s: state %v, drops %+v", c.name, b.State(), b.Stats().Drops)
		}
	}
}

// TestRepeatedAck: on a line slower than the restart timer both copies of a
// request are answered. The second answer brings nothing down.
func TestRepeatedAck(t *testing.T) {
	b := opened(t, newFake(1))
	b.Want("02010009 010301 0202")
	if !b.Opened() || b.Stats().Drops.RepeatedReply != 1 {
		t.Errorf("state %v, drops %+v", b.State(), b.Stats().Drops)
	}
}

func TestRequestInOpenedNegotiatesAnew(t *testing.T) {
	p := newFake(1)
	b := opened(t, p)
	b.Want("01020009 010309 0202", "01020009 010309 0202", "02020009 010309 0202")
	if b.State() != fsm.AckSent {
		t.Errorf("state %v", b.State())
	}
	b.Want("02020009 010309 0202")
	if want := []string{"reset", "up", "reset", "down", "up"}; !slices.Equal(p.log, want) {
		t.Errorf("calls %v, want %v", p.log, want)
	}
}

func TestNakListsOneValueEach(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.Raw()
	b.Want("0301000a 010303 010309", "01020009 010303 0202")
}

func TestMaxFailureTurnsNaksIntoRejects(t *testing.T) {
	p := newFake(9)
	p.stubborn = true
	b := fsmtest.NewBench(t, p)
	b.Raw()
	for range 5 {
		b.Want("01050009 010301 0202", "03050007 010309")
	}
	if p.final {
		t.Error("final before Max-Failure")
	}
	b.Want("01060009 010301 0202", "04060007 010301")
	if !p.final {
		t.Error("not final after Max-Failure")
	}
}

func TestProtocolErrors(t *testing.T) {
	t.Run("rejected", func(t *testing.T) {
		b := fsmtest.NewBench(t, newFake(1))
		b.Raw()
		b.Want("04010007 010301", "05020017 70656572 20686173 206e6f20 6e756d62 657273")
		if b.State() != fsm.Closing || b.Reason().Error() != "peer has no numbers" {
			t.Errorf("%v, %v", b.State(), b.Reason())
		}
	})
	t.Run("up", func(t *testing.T) {
		p := newFake(1)
		p.upError = errors.New("number in use")
		b := fsmtest.NewBench(t, p)
		req := b.Sent()[0]
		b.GiveData(fsm.ConfigureAck, req.ID, req.Data)
		b.GiveData(fsm.ConfigureRequest, 1, req.Data)
		if b.State() != fsm.Closing || b.Opened() || b.Reason() != p.upError {
			t.Errorf("%v, %v", b.State(), b.Reason())
		}
		if slices.Contains(p.log, "down") {
			t.Error("down without up")
		}
	})
	t.Run("renegotiate", func(t *testing.T) {
		p := newFake(1)
		p.upError = fmt.Errorf("low: %w", fsm.ErrRenegotiate)
		b := fsmtest.NewBench(t, p)
		b.Want("01010004", "02010004")
		p.number = 4 // learned, and kept
		b.Want("02010009 010301 0202", "01020009 010304 0202")
		p.upError = nil
		b.Want("02020009 010304 0202")
		b.Want("01020004", "02020004")
		if !b.Opened() || p.number != 4 {
			t.Errorf("%v with %d", b.State(), p.number)
		}
	})
}

func TestLateEventsAreCounted(t *testing.T) {
	b := opened(t, newFake(1))
	b.LowerUp()
	if !b.Opened() || b.Stats().LateEvent != 1 {
		t.Errorf("%v, %+v", b.State(), b.Stats())
	}
	b.LowerDown()
	b.LowerDown()
	if b.State() != fsm.Starting || b.Stats().LateEvent != 2 || b.Reason() != fsm.ErrLowerDown {
		t.Errorf("%v, %+v, %v", b.State(), b.Stats(), b.Reason())
	}
	b.Want("01010004")
	if b.Stats().Drops.LowerDown != 1 {
		t.Errorf("%+v", b.Stats().Drops)
	}
	if !b.Deadline().IsZero() {
		t.Error("a timer runs with the lower layer down")
	}
}

func TestTimerStopsWhenOpened(t *testing.T) {
	b := opened(t, newFake(1))
	if !b.Deadline().IsZero() {
		t.Errorf("the restart timer runs until %v", b.Deadline())
	}
	b.Expire()
	b.Pass(time.Hour)
	b.WantSent()
}

func TestProtocolRejected(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.ProtocolRejected()
	if b.State() != fsm.Stopped || len(b.Finished) != 1 || b.Finished[0] != fsm.ErrProtocolRejected {
		t.Errorf("%v, finished %v", b.State(), b.Finished)
	}
}

// TestRefusedWhileNegotiating: a peer that terminates instead of agreeing, as
// pppd does for want of a network number, is named with its words.
func TestRefusedWhileNegotiating(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.Raw()
	b.Want("05090007 6e6f21", "06090004")
	b.Pass(time.Minute)
	if want := `peer terminated it: "no!"`; b.State() != fsm.Stopped || b.Reason().Error() != want {
		t.Errorf("%v because of %v, want %s", b.State(), b.Reason(), want)
	}
}

// TestVerdictError: what no answer would mend closes the layer.
func TestVerdictError(t *testing.T) {
	p := newFake(1)
	b := fsmtest.NewBench(t, p)
	p.judgeError = errors.New("number 5 is a LAN of ours")
	if got := b.GiveData(fsm.ConfigureRequest, 1, []byte{optNumber, 3, 5}); len(got) != 1 || got[0].Code != fsm.TerminateRequest {
		t.Errorf("sent %v", got)
	}
	if b.State() != fsm.Closing || b.Reason() != p.judgeError {
		t.Errorf("%v because of %v", b.State(), b.Reason())
	}
}

func TestOpenInStoppedBeginsAnew(t *testing.T) {
	b := fsmtest.NewBench(t, newFake(1))
	b.Pass(time.Minute)
	if b.State() != fsm.Stopped {
		t.Fatal(b.State())
	}
	b.Raw()
	b.Open()
	b.WantSent("01020009 010301 0202")
}

// TestReentrantCalls: what a callback asks for happens after the step.
func TestReentrantCalls(t *testing.T) {
	var m *fsm.Machine
	var sent []fsm.Code
	m = fsm.NewMachine(newFake(1), fsm.Config{
		Send:     func(pkt []byte) { sent = append(sent, fsm.Code(pkt[0])) },
		Finished: func(error) { m.Open() },
	})
	m.Open()
	m.LowerUp()
	m.ProtocolRejected() // finished, and opened again from within
	if m.State() != fsm.ReqSent || !slices.Equal(sent, []fsm.Code{fsm.ConfigureRequest, fsm.ConfigureRequest}) {
		t.Errorf("%v, sent %v", m.State(), sent)
	}
}
