package ipv6cp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

// scripted makes the protocol choose these identifiers, in order, then any.
func scripted(cfg Config, ids ...uint64) *Protocol {
	p := New(cfg)
	p.identify = func() uint64 {
		if len(ids) == 0 {
			return random()
		}
		id := ids[0]
		ids = ids[1:]
		return id
	}
	return p
}

func TestTwoSites(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b uint64
	}{
		{"random", 0, 0},
		{"fixed", 1, 2},
		{"one fixed", 0x0011223344556677, 0},
		{"the same at both ends", 7, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ra, rb Result
				keep := func(id uint64, r *Result) *Protocol {
					return New(Config{Identifier: id, Up: func(up Result) error { *r = up; return nil }})
				}
				a, b := fsmtest.Connect(t, fsmtest.Wire{Delay: 20 * time.Millisecond, Loss: 0.1}, keep(c.a, &ra), keep(c.b, &rb))
				fsmtest.AwaitOpened(t, time.Minute, a, b)
				if ra.Local != rb.Peer || ra.Peer != rb.Local || ra.Local == ra.Peer || ra.Local == 0 || ra.Peer == 0 {
					t.Errorf("a has %x, b has %x", ra, rb)
				}
				if c.a != c.b && (c.a != 0 && ra.Local != c.a || c.b != 0 && rb.Local != c.b) {
					t.Errorf("a has %x, b has %x, want %x and %x", ra, rb, c.a, c.b)
				}
			})
		})
	}
}

// TestReceivedIdentifiers is the table of RFC 5072, section 4.1, for an end
// that has an identifier.
func TestReceivedIdentifiers(t *testing.T) {
	for _, c := range []struct{ name, request, want string }{
		{"vector", "0101000e 010a0011223344556677", "0201000e 010a0011223344556677"},
		{"zero", "0101000e 010a0000000000000000", "0301000e 010a00000000000000aa"},
		{"ours", "0101000e 010a0000000000000005", "0301000e 010a00000000000000aa"},
		{"left out", "01010004", "0301000e 010a00000000000000aa"},
		{"IPv6-Compression-Protocol", "01010012 010a0011223344556677 0204004f", "04010008 0204004f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fsmtest.NewBench(t, scripted(Config{Identifier: 5}, 0, 5, 0xaa))
			b.WantSent("0101000e 010a0000000000000005")
			b.Want(c.request, c.want)
		})
	}
}

func TestNakOfWhatWeSuggested(t *testing.T) {
	b := fsmtest.NewBench(t, scripted(Config{Identifier: 5}, 0xaa, 0xbb))
	b.Raw()
	b.Want("0101000e 010a0000000000000005", "0301000e 010a00000000000000aa")
	b.Want("0301000e 010a00000000000000aa", "0102000e 010a00000000000000bb")
	b.Want("0302000e 010a00000000000000cc", "0103000e 010a00000000000000cc")
}

func TestNakOfThePeersOwn(t *testing.T) {
	b := fsmtest.NewBench(t, scripted(Config{Identifier: 5}, 0xbb))
	b.Raw()
	b.Want("0101000e 010a0000000000000009", "0201000e 010a0000000000000009")
	b.Want("0301000e 010a0000000000000009", "0102000e 010a00000000000000bb")
}

// TestRejectingPeer: it has an identifier of its own, and ours is kept.
func TestRejectingPeer(t *testing.T) {
	var r Result
	b := fsmtest.NewBench(t, New(Config{Identifier: 5, Up: func(up Result) error { r = up; return nil }}))
	b.Raw()
	b.Want("0401000e 010a0000000000000005", "01020004")
	b.Want("02020004")
	b.Want("0101000e 010a0000000000000009", "0201000e 010a0000000000000009")
	if want := (Result{Local: 5, Peer: 9}); r != want || !b.Opened() {
		t.Errorf("%v with %x, want %x", b.State(), r, want)
	}
}

// TestSilentPeer: one that never says its identifier does not come up.
func TestSilentPeer(t *testing.T) {
	b := fsmtest.NewBench(t, New(Config{}))
	sent := b.Sent()[0]
	b.GiveData(fsm.ConfigureAck, sent.ID, sent.Data)
	for range 6 {
		b.Give(fsm.ConfigureRequest, 1)
	}
	if b.Opened() || b.Reason() != errNoPeer {
		t.Errorf("%v, reason %v", b.State(), b.Reason())
	}
}

func TestRandomIdentifier(t *testing.T) {
	seen := make(map[uint64]bool)
	for range 1000 {
		id := New(Config{}).local
		if id == 0 || id&universal != 0 || seen[id] {
			t.Fatalf("identifier %#x", id)
		}
		seen[id] = true
	}
}

func TestIdentifierOutlivesReset(t *testing.T) {
	p := New(Config{})
	id := p.local
	p.Naked([]fsm.Option{identifier(77)})
	p.Reset()
	if p.local != id {
		t.Errorf("%x after Reset, want %x", p.local, id)
	}
}

func TestLinkLocal(t *testing.T) {
	if got, want := fmt.Sprint(LinkLocal(0x0011223344556677)), "fe80::11:2233:4455:6677"; got != want {
		t.Errorf("LinkLocal = %s, want %s", got, want)
	}
}
