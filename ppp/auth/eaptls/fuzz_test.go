package eaptls

import (
	"bytes"
	"testing"
	"unicode"
)

// Whatever type data comes, to either end at any stage, it is not believed,
// except for the packet that the conversation waits for when TLS is over; and an
// end that failed stays failed, says why, and keeps nothing.
func FuzzConversation(f *testing.F) {
	addConversations(f)
	f.Fuzz(func(t *testing.T, stage uint8, packets []byte) {
		isServer, after, version := stage&1 != 0, int(stage>>1)%3, versions[int(stage>>1)/3%2].of
		e := advance(t, version, isServer, after)
		waits := isServer && after == 2 // for the answer to its last flight
		eachPacket(packets, func(pkt []byte) bool {
			before := e.end
			s := e.Receive(pkt)
			if s.State == Succeeded && !(waits && before.State == Going && acknowledges(pkt)) {
				t.Fatalf("% x was believed", pkt)
			}
			checkStep(t, e, before, s)
			waits = waits && s.State == Going && !e.in.open
			return s.State != Succeeded
		})
	})
}

// acknowledges tells whether pkt is an empty packet, whatever its reserved bits.
func acknowledges(pkt []byte) bool {
	f, err := parseFragment(pkt)
	return err == nil && f.empty()
}

func checkStep(t *testing.T, e *Conversation, before, s Step) {
	t.Helper()
	if (s.State == Failed) != (s.Reason != "") || len(s.Reason) > 500 || bytes.ContainsFunc([]byte(s.Reason), unicode.IsControl) {
		t.Errorf("%v, because %q", s.State, s.Reason)
	}
	if before.State == Failed && (s.State != Failed || s.Send != nil) {
		t.Errorf("what had failed went on: %+v", s)
	}
	if s.State != Succeeded && e.end.State != Going && e.Result() != (Result{}) {
		t.Error("what failed has keys")
	}
	if s.State == Going && s.Send == nil {
		t.Error("the end neither goes on nor ends")
	}
	if kept := len(e.in.flight); kept > maxFlight || e.taken > maxFlight {
		t.Errorf("%d octets kept, %d taken", kept, e.taken)
	}
	if s.State == Failed && (e.tls != nil || e.in.flight != nil) {
		t.Error("what failed is still kept")
	}
}

// addConversations seeds each stage with what it waits for, as another
// conversation said it, and with what nobody may say.
func addConversations(f *testing.F) {
	for i, v := range versions {
		_, _, packets := converse(f, open(f, whole(serverConfig(v.of))), open(f, whole(clientConfig(v.of))))
		for n, p := range packets {
			stage := uint8(2*(3*i+n/2%3)) | uint8(n&1)
			for _, size := range []int{30, 200, 250} {
				f.Add(stage, inFragments(p.data[1:], size))
			}
		}
	}
	for stage := range uint8(12) {
		for _, s := range []string{
			"00", "01 00", "01 20", "01 1f", "01 40", "05 80 00000000", "06 80 00000001 00", "05 80 80000000", "05 c0 ffffffff",
			"06 c0 00000002 16 02 00 03", "08 00 15 0303 0002 0100", "08 00 15 0303 0002 022d", "07 00 17 0303 0001 00", "07 00 14 0303 0001 01",
		} {
			f.Add(stage, unhex(f, s))
		}
	}
}

// inFragments is flight in packets, each behind an octet with its length.
func inFragments(flight []byte, size int) (b []byte) {
	out := cutter{size: size}
	for out.load(flight); out.pending(); {
		b = append(b, sized(1, out.next())...)
	}
	return b
}
