package faults

import (
	"testing"
	"time"
)

// TestLong is what takes minutes.
func TestLong(t *testing.T) {
	if !*long {
		return // no skip: that would be a failure in CI
	}
	for name, test := range map[string]func(*testing.T){
		"cut for 30 s":  func(t *testing.T) { cut(t, "30 s", 30*time.Second) },
		"cut for 5 min": func(t *testing.T) { cut(t, "5 min", 5*time.Minute) },
		"power":         peerLosesPower,
	} {
		t.Run(name, test)
	}
}
