package bridge

import (
	"os"
	"testing"
)

func TestProcess(t *testing.T) {
	before := process()
	if before.Goroutines < 2 || before.Descriptors < 3 || before.DescriptorsLimit < uint64(before.Descriptors) || before.Resident < 1<<20 {
		t.Errorf("%+v", before)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if after := process(); after.Descriptors != before.Descriptors+2 {
		t.Errorf("%d open with a pipe, %d before", after.Descriptors, before.Descriptors)
	}
}

func TestResident(t *testing.T) {
	page := int64(os.Getpagesize())
	for text, want := range map[string]int64{"5000 300 20 1 0 400 0\n": 300 * page, "": 0, "1": 0, "1 x": 0} {
		if got := resident([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
