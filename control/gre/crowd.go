package gre

// A Crowd says how full a carrier's receive queue is, that is how far behind its reader
// is. What finds it full is lost, be it data or the echo that keeps the link up: so data
// is dropped before, which takes a fraction of the time that handing it on would, and
// control packets pass.
type Crowd uint8

// What a queue can be.
const (
	Roomy   Crowd = iota
	Crowded       // every other batch of data is dropped
	Jammed        // all data is
)

// A crowder is a Carrier that knows how full its queue was before the last Receive.
type crowder interface{ Crowd() Crowd }

// sheds decides, batch by batch, whether data of this one is dropped.
func (l *loop) sheds() bool {
	c, ok := l.carrier.(crowder)
	if !ok {
		return false
	}
	switch c.Crowd() {
	case Crowded:
		l.shed = !l.shed
	case Jammed:
		l.shed = true
	default:
		l.shed = false
	}
	return l.shed
}

// firstControl is the lowest protocol number that is no network's packets (RFC 1661,
// section 2): 8021 and so on for the control protocols, C021 for LCP.
const firstControl = 0x80

// isData reports whether a PPP frame holds a network's packet, encrypted or not, with or
// without address and control field, its protocol compressed to an octet or not.
func isData(frame []byte) bool {
	if len(frame) >= 2 && frame[0] == 0xff && frame[1] == 3 {
		frame = frame[2:]
	}
	return len(frame) > 0 && (frame[0]&1 == 1 || frame[0] < firstControl)
}
