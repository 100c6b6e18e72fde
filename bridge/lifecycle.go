package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A running is what the daemon's parts run under while it serves. Each site and each
// LAN has its own end under it, so that one can go while the others run.
type running struct {
	under       context.Context // ends after the calls
	answering   context.Context // ends before it
	group       *errgroup.Group // of under
	ears        errgroup.Group
	supervisors sync.WaitGroup
	endCalls    context.CancelFunc
}

// goodbyeWait is how long a site that is taken away, or begun anew, may say goodbye
// before others go on. A peer that was told the end takes the next call at once.
const goodbyeWait = 2 * time.Second

// startSite runs a site that was opened, until it is stopped or the daemon ends.
func (d *Daemon) startSite(s *site) {
	var calls, reading context.Context
	calls, s.endCalls = context.WithCancelCause(d.ctx)
	reading, s.endInterface = context.WithCancel(d.run.under)
	s.over, s.unread = make(chan struct{}), make(chan struct{})
	d.run.supervisors.Go(func() {
		defer close(s.over)
		s.supervisor.run(calls)
	})
	read := s.reader()
	if read == nil {
		close(s.unread)
		return
	}
	d.run.group.Go(func() error {
		defer close(s.unread)
		return read(reading)
	})
}

// stop takes the tunnel of a site that runs out of its hands; the peer is told why. Its
// goodbyes may take a while.
func (s *site) stop(why error) {
	s.endCalls(why)
	<-s.supervisor.gone
	if s.remotes != nil {
		s.remotes.stop()
	}
}

// farewells waits for the goodbyes of sites that were stopped, but not for long.
func farewells(all []*site) {
	limit := time.NewTimer(goodbyeWait)
	defer limit.Stop()
	for _, s := range all {
		select {
		case <-s.over:
		case <-limit.C:
			return
		}
	}
}

// closeStopped takes away what a site that was stopped has in the kernel.
func (s *site) closeStopped() error {
	s.endInterface()
	<-s.unread
	return s.close()
}

// closeSites takes away what the sites have in the kernel, at the daemon's end.
func (d *Daemon) closeSites() error {
	var errs []error
	for _, s := range slices.Backward(d.allSites()) {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
