package fsm_test

import (
	"testing"
	"time"

	"sitebridge/ppp/fsm"
)

// TestRepeatedRequestInOpened: a peer whose Ack was lost says its request again.
// With AckRepeats it hears the Ack again, and the layer stays up; any other request
// begins anew.
func TestRepeatedRequestInOpened(t *testing.T) {
	request := []byte{1, 7, 0, 7, optNumber, 3, 3}
	other := []byte{1, 8, 0, 7, optNumber, 3, 3}
	for _, test := range []struct {
		name    string
		repeats bool
		second  []byte
		opened  bool
	}{
		{"the same, AckRepeats", true, request, true},
		{"another identifier, AckRepeats", true, other, false},
		{"the same, as RFC 1661 has it", false, request, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var sent [][]byte
			f := newFake(3)
			m := fsm.NewMachine(f, fsm.Config{
				Send:       func(pkt []byte) { sent = append(sent, append([]byte{}, pkt...)) },
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
