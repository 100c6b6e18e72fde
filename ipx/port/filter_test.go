package port

import (
	"testing"

	"golang.org/x/net/bpf"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// frameFilter runs the part of the filter that looks at the frame; what asks
// the kernel is tested on real interfaces.
func frameFilter(tb testing.TB) func(frame []byte) bool {
	tb.Helper()
	vm, err := bpf.NewVM(filterFrame)
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

func TestFilterAgreesWithDecapsulate(t *testing.T) {
	passes := frameFilter(t)
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

func TestFilterAssembles(t *testing.T) {
	for _, promiscuous := range []bool{false, true} {
		if program, err := socketFilter(promiscuous); err != nil || len(program) == 0 {
			t.Errorf("%d instructions, %v", len(program), err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "../testdata") {
		f.Add(v.Frame)
	}
	passes := frameFilter(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		checkFilter(t, passes, frame)
	})
}
