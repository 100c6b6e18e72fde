package bridge

import "time"

// collisionWindow is the time within which two calls of one site count as
// dialled at once.
const collisionWindow = 10 * time.Second

// A claim is what decides between two calls of one site.
type claim struct {
	began  time.Time // when the call was agreed (Outgoing-Call-Reply)
	dialed bool      // we dialled it
}

// A verdict says which of two calls of one site stays.
type verdict uint8

const (
	keepOld verdict = iota
	takeNew
	askOld // take the new one unless the old one answers an Echo
)

// settle decides between the call that a site has and one that has just
// authenticated for the same site. Both ends come to one answer without a word:
// of two calls that began within 10 s of each other, the one dialled by the
// daemon with the smaller name stays, octet by octet. Otherwise the newcomer
// replaces a call whose peer no longer answers: it has restarted and does not
// know the old one any more. Each end measures by its own clock, so just at 10 s
// the two may disagree and lose both calls; the next dial mends that.
func settle(old, new claim, ourName, peerName string) verdict {
	gap := new.began.Sub(old.began).Abs()
	if gap >= collisionWindow || old.dialed == new.dialed {
		return askOld
	}
	weWin := ourName < peerName
	if new.dialed == weWin {
		return takeNew
	}
	return keepOld
}
