package aead

import (
	"encoding/binary"
	"strings"
	"testing"

	"sitebridge/internal/packet"
)

// TestAttackE3BitFlips: each bit of a packet, header and tag among them. MPPE takes
// such a packet; this cipher takes none, and goes on.
func TestAttackE3BitFlips(t *testing.T) {
	for _, c := range []Cipher{AES256GCM, ChaCha20Poly1305} {
		x, y := exchange(), exchange()
		x.Authenticator.Cipher, y.Authenticator.Cipher = c, c
		peer, authenticator := New(x, false, Limits{}), New(y, true, Limits{})
		sealed := seal(t, peer, "\x00\x21"+strings.Repeat("abc", 33))
		s := sealed[0]
		for bit := range len(s) * 8 {
			if got := open(t, authenticator, flip(s, bit)); got != nil {
				t.Errorf("%v: bit %d flipped, and out came %x", c, bit, got)
			}
		}
		counts := authenticator.Counters()
		if n := counts["forged"] + counts["unknown_epoch"]; n != uint64(len(s)*8) || counts["opened"] != 0 {
			t.Errorf("%v: %v for %d packets", c, counts, len(s)*8)
		}
		wantOpened(t, authenticator, s, "\x00\x21"+strings.Repeat("abc", 33))
	}
}

// TestAttackE3Lengths: packets cut at each octet, longer ones, and two in one.
func TestAttackE3Lengths(t *testing.T) {
	peer, authenticator := pair(Limits{})
	sealed := seal(t, peer, "\x00\x21abcdefgh", "\x00\x21ijkl")
	for n := range len(sealed[0]) {
		why := forged
		if n < 29 {
			why = short
		}
		wantDropped(t, authenticator, why, sealed[0][:n])
	}
	wantDropped(t, authenticator, forged, sealed[0]+"\x00")
	wantDropped(t, authenticator, forged, sealed[0]+sealed[1])
	wantDropped(t, authenticator, forged, sealed[0][:headerLen]+sealed[1][headerLen:])
	for _, n := range []int{1, 28, 29, 1500, packet.MaxLen} {
		for _, fill := range []string{"\x00", "\x01", "\xff"} {
			if got := open(t, authenticator, strings.Repeat(fill, n)); got != nil {
				t.Errorf("%d octets of %x came out as %x", n, fill, got)
			}
		}
	}
	wantOpened(t, authenticator, sealed[0], "\x00\x21abcdefgh")
}

// TestAttackE4EpochJumps: forged epochs, near and far. They cost a key each at the
// most, once, and lose nothing.
func TestAttackE4EpochJumps(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 2})
	for range 3 {
		s := seal(t, peer, "\x21a", "\x21b")
		open(t, authenticator, s...) // now in epoch 2, with 1 before it
	}
	s := seal(t, peer, "\x21c")[0]
	jump := func(epoch uint32) string {
		return string(binary.BigEndian.AppendUint32(nil, epoch)) + s[epochLen:]
	}
	for range 3 {
		wantDropped(t, authenticator, tooOld, jump(0))
		for epoch := uint32(4); epoch <= 2+lookahead; epoch++ {
			wantDropped(t, authenticator, forged, jump(epoch))
		}
		for _, epoch := range []uint32{3 + lookahead, 4 + lookahead, 1000, 1 << 31, 1<<32 - 1} {
			wantDropped(t, authenticator, unknownEpoch, jump(epoch))
		}
	}
	o := &authenticator.opener
	if len(o.ahead) != lookahead || o.current.number != 2 {
		t.Errorf("in epoch %d with %d keys on trial, want 2 and %d", o.current.number, len(o.ahead), lookahead)
	}
	wantOpened(t, authenticator, s, "\x21c")
	if o.current.number != 3 || o.previous.number != 2 || len(o.ahead) != lookahead-1 {
		t.Errorf("in epoch %d after %d with %d keys on trial", o.current.number, o.previous.number, len(o.ahead))
	}
}

// TestAttackE4WholeEpochsLost: what comes after a gap is taken, as far as the
// lookahead goes, and what is overtaken by no more than one epoch too.
func TestAttackE4WholeEpochsLost(t *testing.T) {
	for gap := range lookahead + 1 {
		peer, authenticator := pair(Limits{Packets: 1})
		wantOpened(t, authenticator, seal(t, peer, "\x21first")[0], "\x21first")
		var lost []string
		for range gap {
			lost = append(lost, seal(t, peer, "\x21lost")...)
		}
		s := seal(t, peer, "\x21after")[0]
		if gap == lookahead {
			wantDropped(t, authenticator, unknownEpoch, s)
			wantOpened(t, authenticator, lost[0], "\x21lost") // and so to the next
			wantOpened(t, authenticator, s, "\x21after")
			continue
		}
		wantOpened(t, authenticator, s, "\x21after")
		for i, l := range lost {
			if i == len(lost)-1 {
				wantOpened(t, authenticator, l, "\x21lost")
				wantDropped(t, authenticator, replayed, l)
			} else {
				wantDropped(t, authenticator, tooOld, l)
			}
		}
	}
}

// TestAttackE4LookaheadIsAuthenticated: a packet that is forged does not move the
// receiver to its epoch, so that the current one cannot be taken away.
func TestAttackE4LookaheadIsAuthenticated(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 4})
	sealed := seal(t, peer, "\x21a", "\x21b", "\x21c", "\x21d", "\x21e")
	for range 100 {
		wantDropped(t, authenticator, forged, flip(sealed[4], 200))
	}
	for i, s := range sealed {
		wantOpened(t, authenticator, s, "\x21"+string(rune('a'+i)))
	}
}

func TestAttackReplay(t *testing.T) {
	peer, authenticator := pair(Limits{Packets: 5000})
	var sealed []string
	for range 10_001 {
		sealed = append(sealed, seal(t, peer, "\x21abc")...)
	}
	open(t, authenticator, sealed[0])
	wantDropped(t, authenticator, replayed, sealed[0]) // at once
	open(t, authenticator, sealed[1:4000]...)
	wantDropped(t, authenticator, replayed, sealed[3999])
	wantDropped(t, authenticator, replayed, sealed[3000])
	wantDropped(t, authenticator, tooOld, sealed[1])
	open(t, authenticator, sealed[4000:5001]...)          // into the next epoch
	wantDropped(t, authenticator, replayed, sealed[4999]) // of the one before
	wantDropped(t, authenticator, tooOld, sealed[1])
	wantDropped(t, authenticator, replayed, sealed[5000])
	open(t, authenticator, sealed[5001:]...)
	wantDropped(t, authenticator, tooOld, sealed[4999]) // its key is forgotten
	wantDropped(t, authenticator, replayed, sealed[9999])
	if got := authenticator.Counters()["opened"]; got != uint64(len(sealed)) {
		t.Errorf("%d of %d opened", got, len(sealed))
	}
	// The header cannot be changed so that a packet seems new.
	fresh := string(binary.BigEndian.AppendUint64([]byte(sealed[10_000][:epochLen]), 77)) + sealed[10_000][headerLen:]
	wantDropped(t, authenticator, forged, fresh)
}

// TestAttackReplayIntoAnotherLink: the same certificates and the same EMSK even,
// but the salts are others.
func TestAttackReplayIntoAnotherLink(t *testing.T) {
	peer, _ := pair(Limits{})
	x := exchange()
	x.Authenticator.Salt[5]++
	wantDropped(t, New(x, true, Limits{}), forged, seal(t, peer, "\x21abc")[0])
}

func TestAttackE7DirectionsDiffer(t *testing.T) {
	peer, authenticator := pair(Limits{})
	a, b := seal(t, peer, "\x21abc")[0], seal(t, authenticator, "\x21abc")[0]
	if a[:headerLen] != b[:headerLen] || a[headerLen:] == b[headerLen:] {
		t.Errorf("the same plaintext is %x one way and %x the other", a, b)
	}
}

// TestAttackE8WrongKeys: keys that differ are counted, without end.
func TestAttackE8WrongKeys(t *testing.T) {
	x := exchange()
	x.EMSK[0] ^= 0x10
	peer, authenticator := New(x, false, Limits{}), New(exchange(), true, Limits{})
	for range 10_000 {
		pkts := buffers(t, "\x00\x21abc")
		peer.Seal(pkts)
		if out, err := authenticator.Open(pkts); len(out) != 0 || err != nil {
			t.Fatalf("got %d packets, error %v", len(out), err)
		}
	}
	if n := authenticator.Strangers(); n != 10_000 || authenticator.Counters()["forged"] != n {
		t.Errorf("%d strangers, %v", n, authenticator.Counters())
	}
}
