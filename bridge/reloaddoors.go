package bridge

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"sitebridge/bridge/config"
)

// doors are the addresses on which the daemon is reached by TCP, as a reload changes
// them. What is the same stays open.
type doors struct {
	d         *Daemon
	stay, new []*ear
	going     []*ear
	early     []netip.AddrPort // closed already: they were in the way
	readers   [2]*readersDoor  // new, or the old ones
	moved     [2]bool          // the old one was in the way
}

// openDoors opens what is new in next.
func (d *Daemon) openDoors(ctx context.Context, next *config.Config) (*doors, error) {
	o := &doors{d: d, readers: d.readers}
	for _, e := range d.allEars() {
		if slices.Contains(next.Daemon.Listen, e.at) {
			o.stay = append(o.stay, e)
		} else {
			o.going = append(o.going, e)
		}
	}
	err := o.openEars(ctx, next.Daemon.Listen)
	for k := range o.readers {
		if err == nil {
			err = o.openReaders(ctx, readersKind(k), next)
		}
	}
	if err != nil {
		return nil, errors.Join(err, o.back(ctx))
	}
	return o, nil
}

func (o *doors) openEars(ctx context.Context, wanted []netip.AddrPort) error {
	for _, at := range wanted {
		if slices.ContainsFunc(o.stay, func(e *ear) bool { return e.at == at }) {
			continue
		}
		o.makeRoom(at)
		e, err := o.d.listen(ctx, at)
		if err != nil {
			return err
		}
		o.new = append(o.new, e)
	}
	return nil
}

// makeRoom closes the ears of the same port that go anyway: 0.0.0.0 and another
// address are not open both.
func (o *doors) makeRoom(at netip.AddrPort) {
	for _, e := range o.going {
		if e.at.Port() == at.Port() && !slices.Contains(o.early, e.at) {
			e.deafen()
			o.early = append(o.early, e.at)
		}
	}
}

func (o *doors) openReaders(ctx context.Context, k readersKind, next *config.Config) error {
	old, at := o.d.readers[k], k.at(next)
	if old != nil && old.at == at || old == nil && !at.IsValid() {
		return nil
	}
	if old != nil && old.at.Port() == at.Port() {
		o.moved[k] = true
		if err := old.close(); err != nil {
			return err
		}
	}
	r, err := openReaders(ctx, k, next)
	if err == nil {
		o.readers[k] = r
	}
	return err
}

// change opens the new doors for everybody, and closes those that go.
func (o *doors) change(next *config.Config) {
	for _, e := range o.new {
		o.d.hear(e)
	}
	for _, e := range o.going {
		e.deafen()
	}
	var all []*ear
	for _, at := range next.Daemon.Listen {
		for _, e := range slices.Concat(o.stay, o.new) {
			if e.at == at {
				all = append(all, e)
			}
		}
	}
	o.d.setEars(all)
	for k, r := range o.readers {
		if r == o.d.readers[k] {
			continue
		}
		if err := o.d.readers[k].close(); err != nil {
			o.d.log.Warn("an old address is not closed", "of", readersKind(k).what(), "error", err)
		}
		o.d.readers[k] = r
		o.d.startReaders(r)
	}
}

// back closes the new doors, and opens again those that were in their way.
func (o *doors) back(ctx context.Context) error {
	var errs []error
	for _, e := range o.new {
		errs = append(errs, e.nl.Close())
	}
	for k, r := range o.readers {
		if r != o.d.readers[k] {
			errs = append(errs, r.close())
		}
	}
	all := slices.DeleteFunc(slices.Clone(o.d.allEars()), func(e *ear) bool { return slices.Contains(o.early, e.at) })
	for _, at := range o.early {
		e, err := o.d.listen(ctx, at)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.d.hear(e)
		all = append(all, e)
	}
	o.d.setEars(all)
	for k, moved := range o.moved {
		if !moved {
			continue
		}
		r, err := openReaders(ctx, readersKind(k), o.d.config())
		errs = append(errs, err)
		o.d.readers[k] = r
		o.d.startReaders(r)
	}
	return errors.Join(errs...)
}
