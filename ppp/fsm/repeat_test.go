package fsm_test

import (
	"testing"

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
