package ppp

import "time"

// An authenticated cipher takes nothing that was sealed with other keys. Two ends whose
// keys differ would go on asking until each network protocol gives up, half a minute
// later. Packets that are lost do not come at all: only those that came, and were none of
// the peer's, tell the two apart, and one that was the peer's settles it.
const (
	// keysWithin is when packets that came are looked at: each network protocol has asked
	// three times by then.
	keysWithin = 6 * time.Second
	// keysAgain is how long until they are looked at again, while there are few.
	keysAgain = 3 * time.Second
	// mostStrangers is how many packets of an earlier call may be late.
	mostStrangers = 3
)

// A doubter is a Coder that tells how many packets were not the peer's while none was yet;
// 0: one was.
type doubter interface{ Strangers() uint64 }

// doubt ends a link on which nothing that came was the peer's.
func (r *run) doubt(now time.Time) {
	e := &r.encryption
	d, ok := e.active.Coder().(doubter)
	if !ok {
		return
	}
	switch n := d.Strangers(); {
	case n >= mostStrangers:
		r.end(ended(EncryptionLost, "encryption is of no use: %s", e.unreadable()))
	case n > 0:
		e.deadline = now.Add(keysAgain)
	}
}
