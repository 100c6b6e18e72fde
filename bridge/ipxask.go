package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sitebridge/ipx/router"
)

const (
	// dialToAsk is how long a call for a question to the peer may take to come up.
	dialToAsk = time.Minute
	// dialLook is how often it is looked at.
	dialLook = 100 * time.Millisecond
)

// linkToAsk is the site's link as the router has it. An idle site on demand is dialled: who
// asks is its operator, and the question does not count as traffic by itself.
func (s *site) linkToAsk(ctx context.Context) (*router.Attached, error) {
	at, err := s.routedLink()
	if err == nil || s.demand == nil {
		return at, err
	}
	switch {
	case s.supervisor.snapshot().State == StateStopped:
		return nil, fmt.Errorf("site %q was stopped by its operator: `sitebridge up %s` first", s.cfg.Name, s.cfg.Name)
	case len(s.cfg.Dial) == 0:
		return nil, fmt.Errorf("site %q has no call, and only its peer can make one: ask when it is up", s.cfg.Name)
	}
	s.log.Info("dials on demand", "for", "ipx update")
	if err := s.supervisor.command(ctx, true); err != nil {
		return nil, err
	}
	return s.awaitLink(ctx)
}

// awaitLink waits until the site's call carries IPX, or has come to nothing.
func (s *site) awaitLink(ctx context.Context) (*router.Attached, error) {
	ctx, cancel := context.WithTimeout(ctx, dialToAsk)
	defer cancel()
	look := time.NewTicker(dialLook)
	defer look.Stop()
	for {
		at, err := s.routedLink()
		if err == nil {
			return at, nil
		}
		v := s.supervisor.snapshot()
		if v.State != StateDialing && v.State != StateNegotiating && v.State != StateUp {
			return nil, fmt.Errorf("site %q was dialled, and does not come up: %s", s.cfg.Name, v.Reason)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-look.C:
		}
	}
}

// inUse keeps a site on demand from hanging up, until over is called.
func (s *site) inUse() (over func()) {
	if s.demand == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() {
		tick := time.NewTicker(max(s.demand.cfg.Idle/4, time.Second/4))
		defer tick.Stop()
		for {
			s.demand.touch()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() { cancel(); keeping.Wait() }
}
