package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sitebridge/control"
)

// An ear is one address on which calls are answered.
type ear struct {
	*control.Listener
	at   netip.AddrPort // as configured
	nl   net.Listener
	deaf atomic.Bool // on purpose
}

// allEars are those of the configuration, and those that answer no more and still
// have connections. Nobody changes the slice.
func (d *Daemon) allEars() []*ear {
	if all := d.ears.Load(); all != nil {
		return *all
	}
	return nil
}

func (d *Daemon) setEars(all []*ear) { d.ears.Store(&all) }

// listen opens a socket on which calls are answered.
func (d *Daemon) listen(ctx context.Context, at netip.AddrPort) (*ear, error) {
	lc := net.ListenConfig{Control: markSocket}
	l, err := lc.Listen(ctx, "tcp4", at.String())
	if err != nil {
		return nil, fmt.Errorf("daemon.listen: listen for calls on %v: %w%s", at, err, listenHint(err))
	}
	cfg := d.controlConfig(d.log)
	cfg.Answer, cfg.NewVendor = d.answer, d.vendorFor
	cfg.MaxCalls = 1 // NATs follow no second one, and no peer of ours makes it
	limits := control.Limits{Vacant: max(512, d.expected()), VacantPerSource: max(128, d.expected())}
	return &ear{Listener: control.Listen(l, cfg, limits), at: at, nl: l}, nil
}

// listenHint says what to do about an error.
func listenHint(err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return ": another program, such as pptpd, answers there: `ss -ltnp` names it; stop it, or write another address in daemon.listen"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return ": no interface has this address: write one that `ip addr` lists in daemon.listen, or 0.0.0.0"
	}
	return ""
}

// hear answers on e until the daemon's end, or until it was made deaf and the last of
// its connections has ended.
func (d *Daemon) hear(e *ear) {
	d.run.ears.Go(func() error {
		err := e.Run(d.run.answering)
		if !e.deaf.Load() {
			d.run.endCalls() // a daemon that has gone deaf ends, and is started anew
		}
		return err
	})
}

// deafen takes no more connections on e. Those that are there are other people's
// tunnels, and go on.
func (e *ear) deafen() {
	e.deaf.Store(true)
	e.Deafen()
}

func (d *Daemon) closeEars() error {
	var errs []error
	for _, e := range d.allEars() {
		errs = append(errs, closed(e.nl)())
	}
	return errors.Join(errs...)
}
