package mppe

import (
	"sync/atomic"

	"sitebridge/internal/packet"
)

// mostExtra is how many key changes beyond those that the count tells are tried
// for a packet with fresh tables: Linux makes one for each packet that it sends
// upon a Reset-Request, and some of these are lost.
const mostExtra = 8

// mostChanges bounds what one packet may cost.
const mostChanges = 2048

// openContinued is stateful mode. rekeys is set when the peer is seen to change
// its key as it flushes.
func (r *receiver) openContinued(pkts []*packet.Buffer, rekeys *atomic.Bool) []*packet.Buffer {
	good := pkts[:0]
	for _, b := range pkts {
		h, ok := r.begin(b)
		if !ok {
			continue
		}
		n, ok := r.number(h)
		inStep := !r.lost && n == r.expected
		switch {
		case !ok:
			r.drop(late, slight)
		case inStep && (h&flushed == 0 || isFlag(n)):
			good = r.goOn(good, b)
		case h&flushed != 0:
			good = r.resync(good, b, n, rekeys)
		default:
			r.lost, r.newest = true, max(r.newest, n)
			r.drop(outOfStep, 0)
		}
	}
	return good
}

// number tells which packet a count means: the one that is nearest to the last
// that was seen. It reports false for one that comes before those opened.
func (r *receiver) number(h header) (n uint64, ok bool) {
	from := r.expected
	if r.lost {
		from = r.newest
	}
	n = from + uint64(h.distance(from))
	return n, int64(n-r.expected) >= 0
}

// goOn opens the packet that continues the tables. When it makes no sense the
// tables are wrong: somebody sent a packet in the peer's name.
func (r *receiver) goOn(good []*packet.Buffer, b *packet.Buffer) []*packet.Buffer {
	if isFlag(r.expected) {
		r.next()
		r.one.setKey(&r.session)
	}
	r.one.xor(b.Bytes())
	before := len(good)
	good = r.take(good, b)
	r.lost = len(good) == before
	r.expected++
	r.newest = r.expected
	return good
}

// resync opens packet n, which has fresh tables (RFC 3078, section 8.2): the key
// changes that fell among the lost packets are made up for. Nothing moves unless
// the packet is credible.
func (r *receiver) resync(good []*packet.Buffer, b *packet.Buffer, n uint64, rekeys *atomic.Bool) []*packet.Buffer {
	due := (n+1)>>8 - r.expected>>8
	if due > mostChanges-mostExtra {
		r.distrust(doubtful)
		return good
	}
	k, head, extra, l := r.try(b, r.n+due)
	if l != credible {
		r.distrust(l)
		return good
	}
	r.judge(l)
	r.finish(b, head)
	r.one = r.probe
	r.jump(r.n+due+extra, k)
	if extra > 0 {
		rekeys.Store(true)
	}
	if r.lost {
		r.count.resyncings.Add(1)
	}
	r.lost, r.expected, r.newest = false, n+1, n+1
	return append(good, b)
}

// try looks for the key under which a packet is credible: the one after n
// changes, or one of the extra ones that come next. It leaves the packet to
// finish.
func (r *receiver) try(b *packet.Buffer, n uint64) (k key, head [headLen]byte, extra uint64, l look) {
	k, changes := r.ahead(n)
	r.count.ahead.Add(uint64(changes))
	head, l = r.peek(&k, b)
	for first := l; l != credible; {
		if extra++; extra > mostExtra {
			return k, head, 0, first
		}
		k = r.after(k)
		head, l = r.peek(&k, b)
	}
	return k, head, extra, l
}
