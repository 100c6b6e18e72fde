package ppp

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestEchoSize: what is too long for the line is not answered, and all else is.
func TestEchoSize(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t, Config{Admit: running(fakeIP(t))}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		y.up(t)
		x.out.intercept(func(frame []byte) [][]byte {
			if len(frame) > 1404 {
				return nil
			}
			return [][]byte{frame}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var asked sync.WaitGroup
		for _, size := range []int{8, 100, 1400, 1401, 1500, 1501, 7} {
			asked.Go(func() {
				if got, want := x.EchoSize(ctx, size), size >= 8 && size <= 1400; got != want {
					t.Errorf("an echo of %d octets was answered: %v", size, got)
				}
			})
		}
		asked.Wait()
		if s := x.Status(); s.RoundTrip != 0 || s.Stats.Drops != (Drops{}) {
			t.Errorf("it was taken for another echo: %+v", s)
		}
	})
}

// TestEchoSizeBounds: many that are not answered are forgotten, and a link that is over
// answers nobody.
func TestEchoSizeBounds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t, Config{Admit: running(fakeIP(t))}, Config{Admit: running(fakeIP(t))})
		x.up(t)
		y.up(t)
		x.out.intercept(func(frame []byte) [][]byte {
			if len(frame) > 1000 {
				return nil
			}
			return [][]byte{frame}
		})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			var asked sync.WaitGroup
			for range 2 * maxSized {
				asked.Go(func() {
					if x.EchoSize(ctx, 1400) {
						t.Error("an echo that was lost was answered")
					}
				})
			}
			asked.Wait()
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if !x.EchoSize(ctx, 100) {
			t.Error("those that were lost keep the next one from its answer")
		}
		x.HangUp("gone")
		x.over(t, CarrierLost)
		if x.EchoSize(ctx, 100) {
			t.Error("a link that is over answered")
		}
	})
}
