package mppe

import (
	"slices"
	"strings"
	"testing"

	"sitebridge/internal/packet"
)

// FuzzOpen: whatever comes, in whatever order, nothing panics, no packet grows,
// each is either opened or counted under one reason, and a link that was given
// up lets nothing through. The input is cut into packets by their first octet;
// an octet of 0 stands for a true packet of the peer, one of 1 for a lost one.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{0, 0, 3, 0x90, 0x05, 7, 0, 1, 0, 0}, false)
	f.Add([]byte{0, 1, 0, 0, 4, 0x10, 0x02, 7, 7, 0}, true)
	f.Add([]byte{2, 0x90, 0x00, 8, 0xff, 0x03, 0x00, 0xfd, 0x90, 0x00, 1, 1}, false)
	f.Add([]byte{4, 0x97, 0xff, 0x21, 0x45, 4, 0x98, 0x00, 0x21, 0x45, 4, 0x9f, 0xff, 0x21, 0x45, 0}, false)
	f.Add([]byte{4, 0x90, 0xff, 0x21, 0x45, 4, 0x10, 0xff, 0x21, 0x45, 0, 4, 0x30, 0, 0x21, 0x45}, true)
	f.Fuzz(func(t *testing.T, b []byte, stateful bool) {
		if len(b) > 512 {
			return
		}
		from, to := oneWay(key{3}, stateful)
		given := uint64(0)
		for len(b) > 0 {
			batch, rest := nextBatch(t, from, b)
			if to.OutOfStep() {
				from.Flush()
			}
			b = rest
			given += uint64(len(batch))
			wantSane(t, to, batch)
			if n := to.Counters()["opened"] + dropped(to); n != given {
				t.Fatalf("%d packets given, %d counted: %v", given, n, to.Counters())
			}
		}
	})
}

// nextBatch reads up to five packets.
func nextBatch(t *testing.T, from *Coder, b []byte) (batch []*packet.Buffer, rest []byte) {
	for len(batch) < 5 && len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		switch b[0] {
		case 0:
			batch = append(batch, buffer(t, seal(t, from, ipPacket(0, 40))))
		case 1:
			seal(t, from, ipPacket(0, 40))
			n = 0
		default:
			batch = append(batch, buffer(t, b[1:1+n]))
		}
		b = b[1+n:]
	}
	return batch, b
}

// wantSane opens a batch.
func wantSane(t *testing.T, to *Coder, batch []*packet.Buffer) {
	t.Helper()
	lengths := make(map[*packet.Buffer]int)
	for _, p := range batch {
		lengths[p] = p.Len()
	}
	was := to.receive.dead()
	out, err := to.Open(slices.Clone(batch))
	if err != nil && !strings.Contains(err.Error(), "keys differ") {
		t.Fatalf("error %q", err)
	}
	if was && (err == nil || len(out) > 0) {
		t.Fatalf("%d opened after the end", len(out))
	}
	at := -1
	for _, p := range out {
		i := slices.Index(batch, p)
		if i <= at {
			t.Fatal("out of order, or not of the batch")
		}
		at = i
		if p.Len() != lengths[p]-headerLen || p.Len() == 0 {
			t.Fatalf("%d octets became %d", lengths[p], p.Len())
		}
		if l := lookAt(p.Bytes()[:min(headLen, p.Len())], p.Len()); l < doubtful {
			t.Fatalf("opened nonsense: % x", p.Bytes())
		}
	}
}
