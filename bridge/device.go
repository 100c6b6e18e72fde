package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sitebridge/ip"
)

// runDevice reads from a site's interface until ctx ends, and has it made anew when
// somebody deletes it under us.
func (s *site) runDevice(ctx context.Context, dev *atomic.Pointer[ip.Interface], reopen func() error) error {
	for {
		err := dev.Load().Run(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case !errors.Is(err, ip.ErrGone):
			return fmt.Errorf("site %q: interface %s: %w", s.cfg.Name, s.cfg.Device, err)
		}
		if s.remake(ctx, reopen); ctx.Err() != nil {
			return nil
		}
	}
}

// remake makes the interface anew, and tries until ctx ends.
func (s *site) remake(ctx context.Context, reopen func() error) {
	s.log.Warn("interface was deleted, making it anew", "device", s.cfg.Device)
	for err := reopen(); err != nil; err = reopen() {
		s.log.Warn("interface not made", "device", s.cfg.Device, "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}
