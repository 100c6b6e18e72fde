package ppp

import (
	"maps"
	"testing"
)

// An eventfulCoder counts more than packets.
type eventfulCoder struct{ fakeCoder }

func (*eventfulCoder) Events() map[string]uint64 { return map[string]uint64{"resynchronised": 3} }

// What befell a cipher and is no packet is told beside its packets, and not among them.
func TestStatusOfEncryption(t *testing.T) {
	for _, c := range []struct {
		name   string
		coder  Coder
		events map[string]uint64
	}{
		{"a cipher that counts events", new(eventfulCoder), map[string]uint64{"resynchronised": 3}},
		{"a cipher that does not", new(fakeCoder), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLink(Config{Send: nowhere})
			l.status.Store(&published{coder: c.coder})
			e := l.Status().Encryption
			if !maps.Equal(e.Packets, map[string]uint64{"sealed": 0, "opened": 0}) || !maps.Equal(e.Events, c.events) {
				t.Errorf("packets %v, events %v, want %v", e.Packets, e.Events, c.events)
			}
		})
	}
}
