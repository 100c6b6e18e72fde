package mppe

import "sync/atomic"

// A reason is why a packet was dropped.
type reason uint8

const (
	short        reason = iota // no more than a header
	notEncrypted               // bit D clear
	isCompressed               // bit C set
	notFlushed                 // stateless, and bit A clear
	late                       // its key is gone
	untrusted                  // it would move the key, and is doubtful
	outOfStep                  // stateful: packets before it were lost
	implausible                // decrypts to nothing that a peer encrypts
	isNested                   // 00FD inside 00FD
	keysDiffer                 // came after all was given up
	reasons
)

var reasonNames = [reasons]string{
	"short", "not_encrypted", "compressed", "not_flushed", "late", "doubtful", "out_of_step",
	"implausible", "nested", "keys_differ",
}

type counters struct {
	sealed, opened        atomic.Uint64
	drops                 [reasons]atomic.Uint64
	resets, resetsLimited atomic.Uint64
	ahead, resyncings     atomic.Uint64
}

// Counters may be called at any time. Every packet given to Open is in "opened"
// or in one of the reasons why it was dropped, and nothing else is here.
func (c *Coder) Counters() map[string]uint64 {
	all := map[string]uint64{"sealed": c.count.sealed.Load(), "opened": c.count.opened.Load()}
	for r, name := range reasonNames {
		all[name] = c.count.drops[r].Load()
	}
	return all
}

// Events count what became of no single packet. It may be called at any time.
func (c *Coder) Events() map[string]uint64 {
	n := &c.count
	return map[string]uint64{
		"reset_requests":         n.resets.Load(),        // that came
		"reset_requests_limited": n.resetsLimited.Load(), // not answered
		"resynchronised":         n.resyncings.Load(),
		"key_changes_ahead":      n.ahead.Load(), // made to see what a packet after lost ones is
	}
}
