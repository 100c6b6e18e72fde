package fsm_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

// TestRepeatedRequestInOpened: a peer whose Ack was lost, or is still on its way,
// says its request again. It hears the Ack again, and the layer stays up; any other
// request begins anew, and so does a copy later than any line makes it, but with
// AckRepeats.
func TestRepeatedRequestInOpened(t *testing.T) {
	request := []byte{1, 7, 0, 7, optNumber, 3, 3}
	otherID := []byte{1, 8, 0, 7, optNumber, 3, 3}
	otherNumber := []byte{1, 7, 0, 7, optNumber, 3, 4}
	for _, test := range []struct {
		name    string
		repeats bool
		after   time.Duration
		second  []byte
		opened  bool
	}{
		{"the same at once, AckRepeats", true, 0, request, true},
		{"the same an hour later, AckRepeats", true, time.Hour, request, true},
		{"another identifier, AckRepeats", true, 0, otherID, false},
		{"another option, AckRepeats", true, 0, otherNumber, false},
		{"the same at once", false, 0, request, true},
		{"the same after 10 s", false, 10 * time.Second, request, true},
		{"the same after 11 s", false, 11 * time.Second, request, false},
		{"another identifier", false, 0, otherID, false},
		{"another option", false, 0, otherNumber, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var sent [][]byte
			now := time.Unix(1e9, 0)
			f := newFake(3)
			m := fsm.NewMachine(f, fsm.Config{
				Send:       func(pkt []byte) { sent = append(sent, append([]byte{}, pkt...)) },
				Now:        func() time.Time { return now },
				AckRepeats: test.repeats,
			})
			m.Open()
			m.LowerUp()
			ack := append([]byte{2}, sent[0][1:]...)
			m.Receive(request)
			m.Receive(ack)
			if !m.Opened() {
				t.Fatalf("state %v after both requests were acknowledged", m.State())
			}
			before := len(sent)
			now = now.Add(test.after)
			m.Receive(test.second)
			if m.Opened() != test.opened {
				t.Errorf("opened %t after the second request, want %t", m.Opened(), test.opened)
			}
			last := sent[len(sent)-1]
			if len(sent) == before || last[0] != byte(fsm.ConfigureAck) || last[1] != test.second[1] {
				t.Errorf("the answer is % x, want an Ack", last)
			}
			if test.opened && (len(sent) != before+1 || m.Stats().RepeatedRequest != 1) {
				t.Errorf("%d packets were sent, %d repeats counted", len(sent)-before, m.Stats().RepeatedRequest)
			}
		})
	}
}

// TestAnswersComeAgain: on a line slower than the restart timer each copy of our
// request is answered, in whatever state that finds us: the later answers are
// dropped and counted, and change nothing.
func TestAnswersComeAgain(t *testing.T) {
	const number = "010301 0202"
	ack, request, bad := "02010009 "+number, "01010009 "+number, "01010006 0302"
	for _, test := range []struct {
		state fsm.State
		given []string
	}{
		{fsm.AckReceived, []string{ack}},
		{fsm.AckReceived, []string{ack, bad}},
		{fsm.Opened, []string{ack, request}},
		{fsm.Opened, []string{request, ack}},
	} {
		b := fsmtest.NewBench(t, newFake(1))
		b.Raw()
		for _, hex := range test.given {
			b.Receive(fsmtest.Unhex(hex))
		}
		b.Sent()
		for range 3 {
			b.Want(ack)
			b.Want("03010007 010305")
			b.Want("04010006 0202")
		}
		if b.State() != test.state || b.Stats().Drops.RepeatedReply != 9 {
			t.Errorf("after %q: %v, %d answers dropped, want %v and 9", test.given, b.State(), b.Stats().Drops.RepeatedReply, test.state)
		}
	}
}

// TestSlowLine: a line slower than the restart timer opens a layer once.
func TestSlowLine(t *testing.T) {
	for _, delay := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second} {
		t.Run(fmt.Sprint(delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, two := newFake(7), newFake(7)
				a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: delay}, one, two)
				fsmtest.AwaitOpened(t, 5*2*delay, a, b)
				time.Sleep(time.Minute)
				for _, e := range []*fsmtest.End{a, b} {
					e.Do(func(m *fsm.Machine) {
						if s := m.Stats(); !m.Opened() || s.RepeatedRequest+s.Drops.RepeatedReply+s.Drops.WrongIdentifier == 0 {
							t.Errorf("%v, %+v", m.State(), s)
						}
					})
				}
				if strings.Count(strings.Join(append(one.log, two.log...), " "), "up") != 2 {
					t.Errorf("calls %v and %v, want one up each", one.log, two.log)
				}
			})
		})
	}
}

// TestIdentifierOfARepeat: with AckRepeats a request that is only said again keeps
// its identifier, and gets a new one after a Nak or Reject (RFC 1661, section 5.1):
// otherwise a second copy of that refusal would count as one more.
func TestIdentifierOfARepeat(t *testing.T) {
	nak := []byte{3, 1, 0, 7, optNumber, 3, 4}
	reject := []byte{4, 1, 0, 6, optFlag, 2}
	for _, test := range []struct {
		name    string
		answers [][]byte
		want    []byte // the identifiers of our requests
	}{
		{"no answer", nil, []byte{1, 1, 1}},
		{"an Ack", [][]byte{{2, 1, 0, 9, optNumber, 3, 3, optFlag, 2}}, []byte{1, 1, 1}},
		{"a Nak", [][]byte{nak}, []byte{1, 2, 2, 2}},
		{"a Nak twice", [][]byte{nak, nak}, []byte{1, 2, 2, 2}},
		{"a Reject", [][]byte{reject}, []byte{1, 2, 2, 2}},
		{"a Reject twice", [][]byte{reject, reject}, []byte{1, 2, 2, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ids []byte
			now := time.Unix(1e9, 0)
			f := &stuck{newFake(3)}
			m := fsm.NewMachine(f, fsm.Config{
				Send:       func(pkt []byte) { ids = append(ids, pkt[1]) },
				Now:        func() time.Time { return now },
				AckRepeats: true,
			})
			m.Open()
			m.LowerUp()
			for _, answer := range test.answers {
				m.Receive(answer)
			}
			for range 2 {
				now = m.Deadline()
				m.Expire()
			}
			if string(ids) != string(test.want) {
				t.Errorf("identifiers %v, want %v", ids, test.want)
			}
			if n, want := m.Stats().Drops.WrongIdentifier, uint64(max(0, len(test.answers)-1)); n != want {
				t.Errorf("%d answers dropped, want %d", n, want)
			}
		})
	}
}

// A stuck asks for the same again, whatever the peer thinks of it.
type stuck struct{ *fake }

func (*stuck) Naked([]fsm.Option) error    { return nil }
func (*stuck) Rejected([]fsm.Option) error { return nil }
