// Package ipxtest reads the test data that the ipx packages share: captures of
// real peers and hand-made vectors, in ipx/testdata.
package ipxtest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Captures returns the frames of every pcap file in dir, by file name.
func Captures(tb testing.TB, dir string) map[string][][]byte {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("captures in %s: %v, %v", dir, files, err)
	}
	captures := make(map[string][][]byte)
	for _, file := range files {
		captures[filepath.Base(file)] = Capture(tb, file)
	}
	return captures
}

// Capture returns the frames of one pcap file in its classic format: a file
// header of 24 octets, then frames behind headers of 16.
func Capture(tb testing.TB, file string) (frames [][]byte) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	if len(b) < 24 || binary.LittleEndian.Uint32(b) != 0xA1B2C3D4 {
		tb.Fatalf("%s is no little-endian pcap file", file)
	}
	for b = b[24:]; len(b) >= 16; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames
}

// A Vector is one packet and the frame it travels in.
type Vector struct {
	Name          string
	Encapsulation string // II, 802.3, 802.2 or SNAP
	Packet        []byte // without padding
	Frame         []byte // padded, without check sequence
}

// Vectors returns the vectors of ipx_frames.json in dir.
func Vectors(tb testing.TB, dir string) (vectors []Vector) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "ipx_frames.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var raw []struct {
		Name, Encapsulation string
		IPX                 string `json:"ipx_hex"`
		Frame               string `json:"frame_hex"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		tb.Fatal(err)
	}
	for _, v := range raw {
		vectors = append(vectors, Vector{v.Name, v.Encapsulation, unhex(tb, v.IPX), unhex(tb, v.Frame)})
	}
	return vectors
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
