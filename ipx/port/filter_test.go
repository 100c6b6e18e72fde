package port

import (
	"testing"

	"golang.org/x/net/bpf"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// frameFilter runs the part of the filter that looks at the frame; what asks
// the kernel is tested on real interfaces.
func frameFilter(tb testing.TB, mac ipx.Node) func(frame []byte) bool {
	tb.Helper()
	vm, err := bpf.NewVM(filterFrame(mac))
	if err != nil {
		tb.Fatal(err)
	}
	return func(frame []byte) bool {
		n, err := vm.Run(frame)
		if err != nil {
			tb.Fatal(err)
		}
		return n == accept
	}
}

// The filter lets a frame pass just when Decapsulate takes it for IPX. Of
// frames that end before their IPX header does it may drop more.
func checkFilter(tb testing.TB, passes func([]byte) bool, frame []byte) {
	tb.Helper()
	_, _, _, _, err := ipx.Decapsulate(frame)
	isIPX := err != ipx.NotIPX && err != ipx.Tagged
	if got := passes(frame); got != isIPX && (got || err != ipx.Truncated) {
		tb.Errorf("the filter says %v, Decapsulate %v: % x", got, err, frame)
	}
}

var nobody = ipx.Node{2, 9, 9, 9, 9, 9}

func TestFilterAgreesWithDecapsulate(t *testing.T) {
	passes := frameFilter(t, nobody)
	for _, v := range ipxtest.Vectors(t, "../testdata") {
		checkFilter(t, passes, v.Frame)
		for off := range min(len(v.Frame), 24) { // every octet that tells frames apart
			for _, value := range []byte{0x00, 0x01, 0x03, 0x05, 0x06, 0x37, 0x81, 0xAA, 0xAF, 0xE0, 0xFF} {
				frame := append([]byte(nil), v.Frame...)
				frame[off] = value
				checkFilter(t, passes, frame)
			}
		}
	}
	for _, frames := range ipxtest.Captures(t, "../testdata") {
		for _, frame := range frames {
			if !passes(frame) {
				t.Errorf("dropped: % x", frame)
			}
		}
	}
}

func TestFilterDropsOwnFrames(t *testing.T) {
	v := ipxtest.Vectors(t, "../testdata")[0]
	own, near := ipx.Node(v.Frame[6:12]), ipx.Node(v.Frame[6:12])
	if frameFilter(t, own)(v.Frame) {
		t.Error("a frame with our source address passed")
	}
	for i := range near {
		near[i] ^= 1
		if !frameFilter(t, near)(v.Frame) {
			t.Errorf("a frame from an address that differs in octet %d was dropped", i)
		}
		near[i] ^= 1
	}
}

func TestFilterAssembles(t *testing.T) {
	for _, promiscuous := range []bool{false, true} {
		if program, err := socketFilter(nobody, promiscuous); err != nil || len(program) == 0 {
			t.Errorf("%d instructions, %v", len(program), err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "../testdata") {
		f.Add(v.Frame)
	}
	passes := frameFilter(f, nobody)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) >= 12 && ipx.Node(frame[6:12]) == nobody {
			return
		}
		checkFilter(t, passes, frame)
	})
}
