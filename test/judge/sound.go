package judge

import (
	"slices"
	"testing"
)

// sequence is the group of complaints about what was lost, repeated or not
// answered, in TCP and in ping: `tshark -G values` lists the groups. They tell
// of the wire, and of the kernels at both ends, and not of the packets.
const sequence = "33554432"

// Sound fails the test when anything in the capture is malformed, or has a
// warning or an error that is not about what became of it on the way. The
// recorded captures of real peers have none of that.
func Sound(t testing.TB, pcap string, allowed ...string) {
	t.Helper()
	all, err := Unsound(pcap)
	if err != nil {
		t.Errorf("judge: %v", err)
		return
	}
	for _, c := range all {
		if !slices.Contains(allowed, c.Message) {
			t.Errorf("tshark on %s: %v", pcap, c)
		}
	}
}

// Unsound returns the complaints for which Sound fails.
func Unsound(pcap string) (unsound []Complaint, err error) {
	all, err := Complaints(pcap)
	for _, c := range all {
		if c.Group != sequence {
			unsound = append(unsound, c)
		}
	}
	return unsound, err
}
