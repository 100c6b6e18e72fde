package mppe

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/packet"
)

// TestAttackE3BitFlipping states the limit of MPPE: whoever changes a bit on the
// way changes that bit of the packet, and it is accepted. Only a protocol field
// that is none any more shows.
func TestAttackE3BitFlipping(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		from, _ := oneWay(key{1}, stateful)
		plain := ipPacket(1, 60)
		wire := seal(t, from, plain)
		for bit := (headerLen + 2) * 8; bit < len(wire)*8; bit++ {
			_, to := oneWay(key{1}, stateful)
			forged, want := bytes.Clone(wire), bytes.Clone(plain)
			forged[bit/8] ^= 0x80 >> (bit % 8)
			want[bit/8-headerLen] ^= 0x80 >> (bit % 8)
			if got := open(t, to, forged); !bytes.Equal(got, want) {
				t.Errorf("stateful %v, bit %d: opened as % x: MPPE cannot tell, so this is no longer MPPE", stateful, bit, got)
			}
		}
	}
}

// TestAttackE4CountJumps: a count that is behind is dropped; one that is ahead by
// less than half of the counts there are is followed.
func TestAttackE4CountJumps(t *testing.T) {
	const at = 4096
	from, there := oneWay(key{1}, false)
	wires := sealed(t, from, at+4097)
	for _, w := range wires[:at] {
		open(t, there, w)
	}
	for _, c := range []struct {
		ahead int
		opens bool
	}{
		{-1, false}, {-2, false}, {-2047, false}, {-2048, false},
		{0, true}, {1, true}, {64, true}, {65, true}, {2046, true}, {2047, true},
		{2048, false}, {2049, false}, {4095, false},
	} {
		t.Run(fmt.Sprint(c.ahead), func(t *testing.T) {
			_, to := oneWay(key{1}, false)
			to.receive.jump(there.receive.n, there.receive.session)
			if got := open(t, to, wires[at+c.ahead]); (got != nil) != c.opens {
				t.Fatalf("opened: %v, want %v", got != nil, c.opens)
			} else if c.opens && !bytes.Equal(got, ipPacket(uint32(at+c.ahead), 60)) {
				t.Errorf("opened as % x", got)
			}
			next := at
			if c.opens {
				next += c.ahead + 1
			} else {
				wantCounter(t, to, "late", 1)
				wantEvents(t, to, "key_changes_ahead", 0)
			}
			if open(t, to, wires[next]) == nil {
				t.Errorf("the next packet was dropped: %v", to.Counters())
			}
			if n := to.Events()["key_changes_ahead"]; n > 2048 {
				t.Errorf("%d key changes for one packet", n)
			}
		})
	}
}

// TestAttackE4ForgedLeaps: counts far ahead that somebody makes up cost no true
// packet, and the long way to their keys is gone only once.
func TestAttackE4ForgedLeaps(t *testing.T) {
	from, to := oneWay(key{1}, false)
	forged := 0
	for i := range 3000 {
		if got := open(t, to, seal(t, from, ipPacket(uint32(i), 60))); got == nil {
			t.Fatalf("packet %d was dropped: %v", i, to.Counters())
		}
		if i%4 == 3 { // more of them end the link
			wire := pattern(60 + i%100)
			count := (uint64(i) + 2047 - uint64(i%3)) & 0xfff
			wire[0], wire[1] = 0x90|byte(count>>8), byte(count)
			wire[2] = byte(i >> 2)
			if got := open(t, to, wire); got != nil {
				t.Fatalf("a forged packet was opened as % x", got)
			}
			forged++
		}
	}
	if n := to.Events()["key_changes_ahead"]; n > uint64(2048+3000+forged*rungEvery) {
		t.Errorf("%d key changes for %d forged packets", n, forged)
	}
	if got := dropped(to); got != uint64(forged) {
		t.Errorf("%d dropped of %d forged ones: %v", got, forged, to.Counters())
	}
}

// TestAttackE5ResetStorm: however many Reset-Requests come, few are answered,
// and each packet begins anew once at most.
func TestAttackE5ResetStorm(t *testing.T) {
	from, to := oneWay(key{1}, true)
	now, answered := time.Unix(1e9, 0), 0
	for i := range 10000 {
		if from.MayFlush(now) {
			from.Flush()
			answered++
		}
		now = now.Add(100 * time.Microsecond) // 1 s in all
		if i%10 == 0 && open(t, to, seal(t, from, ipPacket(uint32(i), 60))) == nil {
			t.Fatalf("packet after %d Reset-Requests was dropped: %v", i, to.Counters())
		}
	}
	if most := resetBurst + int(time.Second/resetEvery); answered > most || answered < most-1 {
		t.Errorf("%d answered, want %d", answered, most)
	}
	wantEvents(t, from, "reset_requests", 10000)
	wantEvents(t, from, "reset_requests_limited", uint64(10000-answered))
	before := from.send.n
	for from.MayFlush(now) {
		from.Flush()
	}
	wires := sealed(t, from, 3)
	if isFlag(before+1) || isFlag(before+2) {
		t.Fatal("the test is at a flag packet")
	}
	if wires[0][0]&0x80 == 0 || wires[1][0]&0x80 != 0 || wires[2][0]&0x80 != 0 {
		t.Errorf("after a burst, packets begin with %02x, %02x, %02x: want one with A", wires[0][0], wires[1][0], wires[2][0])
	}
}

// Stateless mode has nothing to reset.
func TestResetRequestInStatelessMode(t *testing.T) {
	from, to := oneWay(key{1}, false)
	from.MayFlush(time.Unix(1, 0))
	from.Flush()
	if open(t, to, seal(t, from, ipPacket(0, 60))) == nil {
		t.Error("the packet after a Reset-Request was dropped")
	}
	wantEvents(t, from, "reset_requests", 1)
}

// TestAttackE6KeystreamRepeats states the limit of stateful mode: after two
// Reset-Requests two packets are encrypted with the same keystream, so that one
// XOR of them takes the cipher away. That is why a site must ask for it.
func TestAttackE6KeystreamRepeats(t *testing.T) {
	keystreams := func(stateful bool) (first, second []byte) {
		from, _ := oneWay(key{1}, stateful)
		var ks [2][]byte
		for i := range ks {
			from.Flush()
			plain := ipPacket(uint32(i), 60)
			wire := seal(t, from, plain)
			ks[i] = make([]byte, len(plain))
			subtle.XORBytes(ks[i], wire[headerLen:], plain)
			seal(t, from, ipPacket(9, 40)) // and one between them
		}
		return ks[0], ks[1]
	}
	if a, b := keystreams(true); !bytes.Equal(a, b) {
		t.Error("stateful: the keystream is not repeated, so it is not RFC 3078")
	}
	if a, b := keystreams(false); bytes.Equal(a, b) {
		t.Error("stateless: the keystream is repeated")
	}
}

// TestAttackE8WrongKeys: one nibble of one key is wrong. The link ends soon, in
// words that help, and hardly anything goes up to be answered by a
// Protocol-Reject.
func TestAttackE8WrongKeys(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		longest, up := 0, 0
		for nibble := range 32 {
			right := key{0xab, 15: 0xcd}
			wrong := right
			wrong[nibble/2] ^= 0x10 >> (nibble % 2 * 4)
			from, _ := oneWay(right, stateful)
			_, to := oneWay(wrong, stateful)
			n, passed, err := untilDead(t, from, to)
			if err == nil {
				t.Fatalf("stateful %v, nibble %d: no error after %d packets: %v", stateful, nibble, n, to.Counters())
			}
			for _, word := range []string{"keys differ", "check that both ends"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			longest, up = max(longest, n), max(up, passed)
		}
		if longest > 64 || up > 8 {
			t.Errorf("stateful %v: up to %d packets until the end, up to %d of them passed on", stateful, longest, up)
		}
	}
}

// untilDead sends packets, and the Reset-Requests that are due, until there is an
// error.
func untilDead(t *testing.T, from, to *Coder) (n, passed int, err error) {
	for ; err == nil && n < 1000; n++ {
		if to.OutOfStep() {
			from.Flush()
		}
		var out []*packet.Buffer
		out, err = to.Open([]*packet.Buffer{buffer(t, seal(t, from, ipPacket(uint32(n), 100)))})
		passed += len(out)
	}
	return n, passed, err
}

// A link that is given up stays so, and counts what comes.
func TestNothingAfterTheEnd(t *testing.T) {
	from, _ := oneWay(key{1}, false)
	_, to := oneWay(key{2}, false)
	if _, _, err := untilDead(t, from, to); err == nil {
		t.Fatal("no error")
	}
	before := dropped(to)
	batch := []*packet.Buffer{buffer(t, sealed(t, from, 1)[0]), buffer(t, nil), buffer(t, pattern(50))}
	out, err := to.Open(batch)
	if len(out) != 0 || err == nil || dropped(to) != before+3 {
		t.Errorf("%d opened, error %v, %v", len(out), err, to.Counters())
	}
}

// Packets that are damaged now and then end nothing.
func TestErrorsAreForgotten(t *testing.T) {
	from, to := oneWay(key{1}, false)
	for i := range 5000 {
		wire := seal(t, from, ipPacket(uint32(i), 60))
		if i%5 == 0 {
			wire[2] ^= 0x40
		}
		open(t, to, wire) // fails the test on an error
	}
	wantCounter(t, to, "implausible", 1000)
}

// What nobody can vouch for passes, but not while there is noise.
func TestDoubtfulPackets(t *testing.T) {
	from, to := oneWay(key{1}, false)
	strange := []byte{0x00, 0x3d, 1, 2, 3, 4, 5, 6, 7, 8}
	if open(t, to, seal(t, from, strange)) == nil {
		t.Error("dropped without a reason")
	}
	noise := seal(t, from, strange)
	noise[2] ^= 0xf0
	if open(t, to, noise) != nil || open(t, to, seal(t, from, strange)) != nil {
		t.Error("opened among noise")
	}
	for range 2 {
		open(t, to, seal(t, from, ipPacket(0, 60)))
	}
	if open(t, to, seal(t, from, strange)) == nil {
		t.Error("dropped after good packets")
	}
}
