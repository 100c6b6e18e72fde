package judge

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestRealPeersAreSound: what is asked of us is what real peers do. These are
// PPTP between pppd, pptp-linux and pptpd, and IPX of NetWare servers and
// clients.
func TestRealPeersAreSound(t *testing.T) {
	for _, dir := range []string{"../interop/testdata", "../../ipx/testdata"} {
		pcaps, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
		if err != nil || len(pcaps) == 0 {
			t.Fatalf("captures in %s: %d, %v", dir, len(pcaps), err)
		}
		for _, pcap := range pcaps {
			Sound(t, pcap)
		}
	}
}

// TestFaultsAreFound: each fault put into a sound capture is a complaint.
func TestFaultsAreFound(t *testing.T) {
	lcp := []byte{0xC0, 0x21, 0x01} // a Configure-Request behind its PPP header
	for _, c := range []struct {
		name, pcap string
		at         []byte // where the fault goes: so far behind the first of these octets
		behind     int
		fault      byte
	}{
		{"LCP option longer than its packet", "../interop/testdata/pap.pcap", lcp, 7, 200},
		{"LCP option shorter than its header", "../interop/testdata/pap.pcap", lcp, 7, 1},
		{"PPTP cookie", "../interop/testdata/pap.pcap", []byte{0x1A, 0x2B, 0x3C, 0x4D}, 0, 0xFF},
		{"IPX shorter than its header", "../../ipx/testdata/03-samelan-ethernet2.pcap", []byte{0x81, 0x37, 0xFF, 0xFF}, 5, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := os.ReadFile(c.pcap)
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(b, c.at)
			if at < 0 {
				t.Fatalf("%x is not in %s", c.at, c.pcap)
			}
			b[at+c.behind] = c.fault
			bad := filepath.Join(t.TempDir(), "bad.pcap")
			if err := os.WriteFile(bad, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if all, err := Unsound(bad); err != nil || len(all) == 0 {
				t.Errorf("not found: %v, %v", all, err)
			}
		})
	}
}

// TestCutFrameIsFound: a frame that ends within a header is malformed.
func TestCutFrameIsFound(t *testing.T) {
	b, err := os.ReadFile("../../ipx/testdata/03-samelan-ethernet2.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const head, record, cut = 24, 16, 14 + 12
	b = b[:head+record+cut]
	for _, field := range []int{8, 12} { // captured and original length
		binary.LittleEndian.PutUint32(b[head+field:], cut)
	}
	bad := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(bad, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := Unsound(bad); err != nil || len(all) == 0 {
		t.Errorf("not found: %v, %v", all, err)
	}
}
