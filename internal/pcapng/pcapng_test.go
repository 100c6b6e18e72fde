package pcapng

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write makes a capture.
func write(t *testing.T, s Section, then func(*Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, s)
	if err == nil {
		err = then(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// blocks takes a capture apart as a reader does, from both ends of each block.
func blocks(t *testing.T, b []byte) (kinds []uint32, bodies [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b[4:])
		if n%4 != 0 || int(n) > len(b) || binary.LittleEndian.Uint32(b[n-4:]) != n {
			t.Fatalf("a block of length %d in % x", n, b)
		}
		kinds, bodies = append(kinds, binary.LittleEndian.Uint32(b)), append(bodies, b[8:n-4])
		b = b[n:]
	}
	return kinds, bodies
}

var example = Section{Comment: "seven", OS: "Linux", Application: "sitebridge 1", Interface: Interface{LinkType: Ethernet, Name: "eth0", Description: "LAN"}}

func writeExample(w *Writer) error {
	return errors.Join(
		w.Packet(time.Unix(1_000_000_000, 5), Outbound, []byte{1, 2, 3, 4, 5}),
		w.Packet(time.Unix(1_000_000_000, 6), Unknown, nil),
		w.Statistics(time.Unix(1_000_000_001, 0), 9, 8))
}

func TestFieldByField(t *testing.T) {
	kinds, bodies := blocks(t, write(t, example, writeExample))
	for i, want := range []struct {
		kind uint32
		body string
	}{
		{0x0A0D0D0A, "4d3c2b1a 0100 0000 ffffffffffffffff" + // byte order, version, unknown length
			"0100 0500 736576656e 000000" + // comment
			"0300 0500 4c696e7578 000000" + // OS
			"0400 0c00 736974656272696467652031" + // application
			"0000 0000"},
		{1, "0100 0000 00000000" + // Ethernet, reserved, no limit
			"0200 0400 65746830" + // name
			"0300 0300 4c414e 00" + // description
			"0900 0100 09 000000" + // resolution
			"0000 0000"},
		{6, "00000000 b3b6e00d 050064a7" + // interface; 10^18 + 5 ns, upper half first
			"05000000 05000000 0102030405 000000" + // lengths, packet
			"0200 0400 02000000" + // outbound
			"0000 0000"},
		{6, "00000000 b3b6e00d 060064a7 00000000 00000000"}, // no packet, no options
		{5, "00000000 b3b6e00d 00cafee2" + // interface; 10^18 + 10^9 ns
			"0400 0800 0900000000000000" + // received
			"0500 0800 0800000000000000" + // dropped
			"0000 0000"},
	} {
		if i >= len(kinds) || kinds[i] != want.kind || !bytes.Equal(bodies[i], unhex(t, want.body)) {
			t.Errorf("block %d: want kind %#x\n% x, got\n%x % x", i, want.kind, unhex(t, want.body), kinds, bodies)
		}
	}
	if len(kinds) != 5 {
		t.Errorf("%d blocks, want 5", len(kinds))
	}
}

// What an option cannot hold is cut, and no packet's length breaks the next block.
func TestOddLengths(t *testing.T) {
	s := Section{Comment: strings.Repeat("long", 1<<15)}
	b := write(t, s, func(w *Writer) error {
		for n := range 70 {
			if err := w.Packet(time.Unix(0, 0), Inbound, make([]byte, n)); err != nil {
				return err
			}
		}
		return nil
	})
	kinds, bodies := blocks(t, b)
	if len(kinds) != 72 {
		t.Errorf("%d blocks, want 72", len(kinds))
	}
	if n := binary.LittleEndian.Uint16(bodies[0][18:]); n != 0xFFFF {
		t.Errorf("a comment of %d octets, want 65535", n)
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("disk full")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestAFullDiskIsSaid(t *testing.T) {
	for room := range len(write(t, example, writeExample)) {
		w, err := NewWriter(&fullDisk{room}, example)
		if err == nil {
			err = writeExample(w)
		}
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d octets: %v", room, err)
		}
	}
}

// Wireshark's own reader gets out what went in. (FULL=1: it takes a second to
// start.)
func TestWiresharkReadsIt(t *testing.T) {
	if os.Getenv("FULL") == "" {
		t.Skip("FULL is not set")
	}
	file := filepath.Join(t.TempDir(), "x.pcapng")
	frame := unhex(t, "020000001002 020000001001 8137 ffff0028000400001001020000001002400200001001020000001001400148454c4c4f2049505821 000000000000")
	b := write(t, example, func(w *Writer) error {
		return errors.Join(w.Packet(time.Unix(1_000_000_000, 123456789), Inbound, frame), w.Statistics(time.Unix(1_000_000_001, 0), 9, 8))
	})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-n", "-r", file, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction", "-e", "ipx.src.socket", "-e", "frame.len").CombinedOutput()
	if want := "1000000000.123456789\teth0\t0x00000001\t0x4001\t60\n"; err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("tshark: %v\n%s, want\n%s", err, out, want)
	}
	out, err = exec.Command("capinfos", "-M", file).CombinedOutput()
	for _, want := range []string{"pcapng", "Ethernet", "nanoseconds", "seven", "sitebridge 1", "Name = eth0", "Number of stat entries = 1"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("capinfos: %v, no %q in\n%s", err, want, out)
		}
	}
}
