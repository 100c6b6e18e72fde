package packet

import (
	"bytes"
	"testing"

	"sitebridge/internal/race"
)

func TestHeadersAreWrittenInPlace(t *testing.T) {
	b := Get()
	defer Put(b)
	if !b.Set([]byte("payload")) {
		t.Fatal("Set refused 7 octets")
	}
	copy(b.Prepend(4), "head")
	if got := b.Bytes(); !bytes.Equal(got, []byte("headpayload")) {
		t.Errorf("after Prepend: %q", got)
	}
	b.TrimFront(4)
	b.Truncate(3)
	if got := b.Bytes(); !bytes.Equal(got, []byte("pay")) {
		t.Errorf("after TrimFront and Truncate: %q", got)
	}
	if b.Room() != Headroom {
		t.Errorf("Room = %d, want %d", b.Room(), Headroom)
	}
}

func TestBoundsHold(t *testing.T) {
	b := Get()
	defer Put(b)
	if b.Set(make([]byte, MaxLen+1)) {
		t.Error("Set took more than MaxLen octets")
	}
	if !b.Set(make([]byte, MaxLen)) {
		t.Error("Set refused MaxLen octets")
	}
	b.TrimFront(MaxLen + 5)
	if b.Len() != 0 {
		t.Errorf("Len = %d after trimming everything", b.Len())
	}
	b.Truncate(10)
	if b.Len() != 0 {
		t.Errorf("Truncate made the packet longer: %d", b.Len())
	}
	defer func() {
		if recover() == nil {
			t.Error("Prepend beyond the headroom did not panic")
		}
	}()
	b.Reset()
	b.Prepend(Headroom + 1)
}

func TestBatchIsReady(t *testing.T) {
	b := GetBatch()
	b.Buffers[3].Set([]byte("x"))
	PutBatch(b)
	b = GetBatch()
	defer PutBatch(b)
	for i, p := range b.Buffers {
		if p.Len() != 0 || p.Room() != Headroom {
			t.Fatalf("buffer %d: %d octets, room %d", i, p.Len(), p.Room())
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	p := make([]byte, 1400)
	if n := testing.AllocsPerRun(100, func() {
		b := Get()
		b.Set(p)
		b.Prepend(16)
		Put(b)
	}); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per packet", n)
	}
}
