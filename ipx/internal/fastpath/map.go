// Package fastpath holds what route mode and bridge mode have in common on a
// packet's way: a map that is read without a lock, a batch sorted by where its
// packets go, a memory of what passed, the guess at a wire's network number, and
// counters as status shows them.
package fastpath

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A Map is read by every packet and seldom changed. Readers take no lock and
// allocate nothing; a writer copies the map, changes the copy and publishes it.
// The zero Map is empty.
type Map[K comparable, V any] struct {
	writing sync.Mutex // held by one writer from its copy to its publication
	current atomic.Pointer[map[K]V]
}

// All returns the map as it is now. Nobody may change it.
func (m *Map[K, V]) All() map[K]V {
	if now := m.current.Load(); now != nil {
		return *now
	}
	return nil
}

// Get returns the value for k, if there is one.
func (m *Map[K, V]) Get(k K) (V, bool) {
	v, ok := m.All()[k]
	return v, ok
}

// Update lets change work on a copy and publishes it. change must not call
// Update of the same map.
func (m *Map[K, V]) Update(change func(next map[K]V)) {
	m.writing.Lock()
	defer m.writing.Unlock()
	next := maps.Clone(m.All())
	if next == nil {
		next = make(map[K]V)
	}
	change(next)
	m.current.Store(&next)
}
