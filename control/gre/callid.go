package gre

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// reuseAfter is how long a call ID rests: packets of the old call that are still
// on their way must not reach a new one.
const reuseAfter = 2 * time.Minute

// guesses is how often an ID that nobody at all has is looked for, before one
// that only this peer must not have is good enough.
const guesses = 64

// ErrNoCallID says that all 65535 call IDs of a peer are in use or resting.
var ErrNoCallID = errors.New("gre: no call ID is free for this peer")

// callIDs picks call IDs. They come from the system's random generator, since
// knowing one is all that injecting packets takes. Mux.mu guards it.
type callIDs struct {
	resting []retired // in the order of their time
	rests   map[call]struct{}
	restIDs map[uint16]int // how many peers' calls rest with that ID
}

type retired struct {
	call  call
	until time.Time
}

// pick returns an ID for a call with peer: never 0, which some peers take for
// "none", and never one that is resting. RFC 2637 asks for an ID unique per
// peer; one unique among all peers lets a packet from a wrong address be told
// from a random one, so that is what it looks for first.
func (ids *callIDs) pick(t *table, peer netip.Addr, now time.Time) (uint16, error) {
	ids.wake(now)
	for range guesses {
		id := randomID()
		if _, used := t.byID[id]; id != 0 && !used && ids.restIDs[id] == 0 {
			return id, nil
		}
	}
	id := randomID()
	for range 1 << 16 {
		key := call{peer, id}
		_, used := t.calls[key]
		_, rests := ids.rests[key]
		if id != 0 && !used && !rests {
			return id, nil
		}
		id++
	}
	return 0, ErrNoCallID
}

// retire lets the ID of an ended call rest.
func (ids *callIDs) retire(c call, now time.Time) {
	if ids.rests == nil {
		ids.rests, ids.restIDs = make(map[call]struct{}), make(map[uint16]int)
	}
	ids.wake(now)
	ids.resting = append(ids.resting, retired{c, now.Add(reuseAfter)})
	ids.rests[c] = struct{}{}
	ids.restIDs[c.id]++
}

// wake frees the IDs that have rested long enough.
func (ids *callIDs) wake(now time.Time) {
	n := 0
	for ; n < len(ids.resting) && !now.Before(ids.resting[n].until); n++ {
		c := ids.resting[n].call
		delete(ids.rests, c)
		if ids.restIDs[c.id]--; ids.restIDs[c.id] == 0 {
			delete(ids.restIDs, c.id)
		}
	}
	ids.resting = ids.resting[n:]
}

func randomID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}
