package gre

import (
	"fmt"
	"testing"
	"time"
)

func TestPacerStartsWithHalfTheWindow(t *testing.T) {
	for _, c := range []struct {
		peer uint16
		want int
	}{{0, 32}, {1, 1}, {2, 2}, {3, 2}, {16, 8}, {17, 9}, {64, 32}, {65535, 32768}} {
		var p pacer
		p.start(0, c.peer)
		if got := p.room(); got != c.want {
			t.Errorf("peer's window %d: room for %d, want %d", c.peer, got, c.want)
		}
	}
}

func TestPacerOpensAndCloses(t *testing.T) {
	for _, first := range starts {
		t.Run(fmt.Sprintf("%#x", first), func(t *testing.T) {
			var p pacer
			now := time.Unix(1e9, 0)
			p.start(first, 6) // window 3
			p.note(3, now)
			if p.room() != 0 {
				t.Fatalf("room for %d with the window full", p.room())
			}
			if v := p.ack(first+1, now); v != ackNew || p.room() != 2 {
				t.Errorf("two of three acknowledged: verdict %d, room %d", v, p.room())
			}
			if v := p.ack(first+2, now); v != ackNew || p.room() != 4 {
				t.Errorf("a whole window acknowledged: verdict %d, room %d, want 4", v, p.room())
			}
			for next := first + 3; p.window < 6; next += uint32(p.flying()) {
				p.note(p.room(), now)
				p.ack(p.sent, now)
			}
			p.note(p.room(), now)
			p.ack(p.sent, now)
			if p.window != 6 {
				t.Errorf("window %d beyond the peer's 6", p.window)
			}
			p.note(6, now)
			p.expire(now.Add(p.timeout - 1))
			if p.room() != 0 {
				t.Error("timed out too early")
			}
			p.expire(now.Add(p.timeout))
			if p.window != 3 || p.room() != 3 {
				t.Errorf("after the time-out window %d, room %d, want 3 and 3", p.window, p.room())
			}
		})
	}
}

func TestPacerWindowNeverCloses(t *testing.T) {
	var p pacer
	now := time.Unix(1e9, 0)
	p.start(0, 4)
	for range 10 {
		p.note(1, now)
		now = now.Add(maxTimeout)
		p.expire(now)
		if p.window < 1 || p.room() < 1 {
			t.Fatalf("window %d, room %d", p.window, p.room())
		}
	}
	p.note(1000, now)
	if p.room() < 1000 {
		t.Error("a peer that never acknowledges is still paced")
	}
	p.ack(p.sent, now)
	if p.room() > 4 {
		t.Errorf("room for %d after the peer began to acknowledge, want its window", p.room())
	}
}

func TestPacerMeasuresTheRoundTrip(t *testing.T) {
	var p pacer
	now := time.Unix(1e9, 0)
	p.start(0, 64)
	for range 200 {
		p.note(1, now)
		now = now.Add(20 * time.Millisecond)
		p.ack(p.sent, now)
	}
	if p.rtt < 19*time.Millisecond || p.rtt > 21*time.Millisecond {
		t.Errorf("round trip %v, want 20 ms", p.rtt)
	}
	if p.timeout < 19*time.Millisecond || p.timeout > 25*time.Millisecond {
		t.Errorf("time-out %v, want little more than 20 ms", p.timeout)
	}
	p.note(1, now)
	p.ack(p.sent, now.Add(time.Hour)) // a peer that was away
	if p.rtt > 2*time.Second || p.timeout > maxTimeout {
		t.Errorf("round trip %v and time-out %v after one hour's wait", p.rtt, p.timeout)
	}
}

// A peer that never acknowledges, without pacing: 2^32 packets and more.
func TestPacerStaysComparable(t *testing.T) {
	var p pacer
	now := time.Unix(1e9, 0)
	p.start(0, 64)
	for range 80 {
		p.note(1<<26, now)
	}
	p.note(5, now)
	if v := p.ack(p.sent, now.Add(time.Second)); v != ackNew || p.flying() != 0 {
		t.Errorf("acknowledgement of the last packet: verdict %d, %d on their way", v, p.flying())
	}
}
