package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// written is a capture of ours.
func written(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, Section{Comment: "of a test", Interface: Interface{LinkType: PPP, Name: "site"}})
	if err == nil {
		err = errors.Join(w.Packet(time.Unix(1, 0), Inbound, []byte("one")), w.Statistics(time.Unix(2, 0), 7, 5), w.Cut(time.Unix(3, 0), Outbound, []byte("two"), 1000))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReader(t *testing.T) {
	whole := written(t)
	r := NewReader(bytes.NewReader(whole))
	var again []byte
	var packets, blocks int
	for {
		block, packet, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		again = append(again, block...)
		blocks++
		if packet {
			packets++
		}
		if n, ok := Dropped(block); ok != (blocks == 4) || ok && n != 5 {
			t.Errorf("block %d: %d dropped, %t", blocks, n, ok)
		}
	}
	if !bytes.Equal(again, whole) || packets != 2 || blocks != 5 {
		t.Errorf("%d packets in %d blocks, %d octets of %d", packets, blocks, len(again), len(whole))
	}
}

func TestReaderRefuses(t *testing.T) {
	whole := written(t)
	change := func(at int, v uint32) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"nothing":          {nil, io.EOF},
		"half a header":    {whole[:5], io.ErrUnexpectedEOF},
		"half a block":     {whole[:20], io.ErrUnexpectedEOF},
		"something else":   {[]byte("HTTP/1.1 200 OK\r\n"), ErrForeign},
		"a packet first":   {change(0, blockPacket), ErrForeign},
		"a tiny block":     {change(4, 8), ErrForeign},
		"an odd one":       {change(4, 29), ErrForeign},
		"an enormous one":  {change(4, 1<<30), ErrForeign},
		"two other sizes":  {change(int(binary.LittleEndian.Uint32(whole[4:]))-4, 4), ErrForeign},
		"only whole ones":  {whole, io.EOF},
		"big-endian order": {[]byte{0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28}, ErrForeign},
	} {
		r := NewReader(bytes.NewReader(c.in))
		var err error
		for err == nil {
			_, _, err = r.Next()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What the row asks for is that the reader gets the same fuzzing as the daemon: each end
// that a capture may have, each octet of it changed, each length in it said to be another,
// and then anything. FuzzReader goes on from there.
func TestAttackH6CaptureReader(t *testing.T) {
	whole := written(t)
	for n := range len(whole) {
		wantBeginning(t, whole[:n])
	}
	for at := range whole {
		for _, v := range []byte{0, 1, 3, 4, 7, 8, 11, 12, 13, 0x7f, 0x80, 0xfe, 0xff, whole[at] ^ 1, whole[at] + 1, whole[at] - 1} {
			b := bytes.Clone(whole)
			b[at] = v
			wantBeginning(t, b)
		}
	}
	for at := 0; at+4 <= len(whole); at += 2 { // options have their length in two octets, blocks in four
		for _, v := range []uint32{0, 1, 11, 12, 16, 20, 24, 28, uint32(len(whole)), maxBlock, maxBlock + 4, 1<<31 - 4, 1 << 31, 1<<32 - 4, 1<<32 - 1} {
			b := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(b[at:], v)
			wantBeginning(t, b)
		}
	}
	random := rand.New(rand.NewPCG(2022, 4603))
	for range 20_000 {
		b := bytes.Clone(whole)
		for range 1 + random.IntN(8) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		wantBeginning(t, b[:random.IntN(len(b)+1)])
	}
}

// A length is looked at before there is room made for it.
func TestAttackH6LengthFirst(t *testing.T) {
	b := binary.LittleEndian.AppendUint32(nil, blockSection)
	b = binary.LittleEndian.AppendUint32(b, 1<<32-4)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, _, err := NewReader(bytes.NewReader(b)).Next(); !errors.Is(err, ErrForeign) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d octets were taken to read %d", n, 100*len(b))
	}
}

// Whatever a stream holds, the reader ends, and what it has returned is the beginning of
// it.
func FuzzReader(f *testing.F) {
	f.Add(written(f))
	f.Add([]byte{0x0a, 0x0d, 0x0d, 0x0a, 12, 0, 0, 0, 12, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { wantBeginning(t, b) })
}

func wantBeginning(t *testing.T, b []byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(b))
	var again []byte
	for {
		block, _, err := r.Next()
		if err != nil {
			break
		}
		again = append(again, block...)
		Dropped(block)
	}
	if !bytes.HasPrefix(b, again) {
		t.Errorf("%x was read of %x", again, b)
	}
}
