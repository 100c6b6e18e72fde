package bridge

import (
	"net/netip"
	"slices"
	"sync"

	"sitebridge/internal/tap"
)

// boards are where the packets of sites can be looked at. Each outlives the calls of
// its site, and a reload of the configuration.
type boards struct {
	mu     sync.Mutex            // guards byName
	byName map[string]*tap.Board // by site
	// strangers is for calls while nobody knows yet whose they are.
	strangers tap.Board
}

// of returns the board of a site. The names are those of the configuration.
func (b *boards) of(site string) *tap.Board {
	b.mu.Lock()
	defer b.mu.Unlock()
	board := b.byName[site]
	if board == nil {
		board = new(tap.Board)
		if b.byName == nil {
			b.byName = map[string]*tap.Board{}
		}
		b.byName[site] = board
	}
	return board
}

// keep forgets the boards of other sites than these, unless somebody looks: a site of that
// name may come back meanwhile, and the next reload looks again.
func (b *boards) keep(sites []*site) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, board := range b.byName {
		if !board.Watched() && !slices.ContainsFunc(sites, func(s *site) bool { return s.cfg.Name == name }) {
			delete(b.byName, name)
		}
	}
}

// newTap is where the packets of a call that we make can be looked at.
func (s *site) newTap(local, remote netip.AddrPort) *tap.Tap {
	return tap.New(local.Addr().Unmap(), remote.Addr().Unmap(), s.d.boards.of(s.cfg.Name), true)
}

// strangerTap is the same for a call that we may answer.
func (d *Daemon) strangerTap(local, remote netip.AddrPort) *tap.Tap {
	return tap.New(local.Addr().Unmap(), remote.Addr().Unmap(), &d.boards.strangers, false)
}
