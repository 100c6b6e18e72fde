package mppe

import (
	"fmt"

	"sitebridge/internal/packet"
)

// A receiver is one direction: in.
type receiver struct {
	ladder
	errors int
	count  *counters

	one   stream // in stateful mode the one that runs on
	four  quad
	probe stream // of peek and finish

	// Stateless mode: up to four packets that came in step, with their keys.
	waiting [4]*packet.Buffer
	keys    [4]key
	waits   int

	// Stateful mode.
	expected uint64 // number of the packet that continues the tables
	newest   uint64 // while lost: the last number seen
	lost     bool   // packets are missing: the tables are of no use
}

func (r *receiver) init(start key) {
	r.chain.init(start)
	r.one.setKey(&r.session)
}

// What errors cost, as in Linux: 16 packets of noise without a good one between
// them end the link, and one good packet halves what there is.
const (
	grave      = 100
	slight     = 1
	mostErrors = 1600
)

func (r *receiver) drop(why reason, cost int) {
	r.count.drops[why].Add(1)
	r.errors = min(r.errors+cost, mostErrors)
}

// dead reports whether the link is of no more use.
func (r *receiver) dead() bool { return r.errors >= mostErrors }

// err says so.
func (r *receiver) err() error {
	if !r.dead() {
		return nil
	}
	n := func(why reason) uint64 { return r.count.drops[why].Load() }
	return fmt.Errorf("MPPE cannot read the peer: its keys differ from ours, or its packets are changed on the way "+
		"(%d decrypted to nonsense, %d not encrypted, %d late, %d otherwise wrong): "+
		"check that both ends authenticate with the same method and secret, and that nothing but the peer sends on this link",
		n(implausible)+n(isNested), n(notEncrypted), n(late), n(isCompressed)+n(notFlushed)+n(untrusted))
}

// begin takes the header off a packet. It reports false after it has dropped
// one that nothing can be made of, whatever its count.
func (r *receiver) begin(b *packet.Buffer) (h header, ok bool) {
	if r.dead() {
		r.drop(keysDiffer, 0)
		return 0, false
	}
	if b.Len() <= headerLen {
		r.drop(short, 0)
		return 0, false
	}
	h = parseHeader(b.Bytes())
	b.TrimFront(headerLen)
	switch {
	case h&encrypted == 0:
		r.drop(notEncrypted, grave)
	case h&compressed != 0:
		r.drop(isCompressed, grave)
	default:
		return h, true
	}
	return 0, false
}

// judge decides on a packet by its looks. What is doubtful passes unless there
// was noise lately: it is then taken for more of it.
func (r *receiver) judge(l look) bool {
	switch {
	case l == credible:
		r.errors /= 2
	case l == nested:
		r.drop(isNested, grave)
		return false
	case l == nonsense || r.errors >= grave:
		r.drop(implausible, grave)
		return false
	}
	return true
}

// distrust drops a packet that is not credible, where no other will do.
func (r *receiver) distrust(l look) {
	if l == doubtful && r.errors < grave {
		r.drop(untrusted, slight)
	} else {
		r.judge(l)
	}
}

// take is judge for a packet that was decrypted.
func (r *receiver) take(good []*packet.Buffer, b *packet.Buffer) []*packet.Buffer {
	p := b.Bytes()
	if r.dead() {
		r.drop(keysDiffer, 0)
	} else if r.judge(lookAt(p[:min(len(p), headLen)], len(p))) {
		good = append(good, b)
	}
	return good
}

// peek tells what a packet looks like under a key, and leaves it as it is.
func (r *receiver) peek(k *key, b *packet.Buffer) (head [headLen]byte, l look) {
	n := copy(head[:], b.Bytes())
	r.probe.setKey(k)
	r.probe.xor(head[:n])
	return head, lookAt(head[:n], b.Len())
}

// finish decrypts the packet that was peeked at last.
func (r *receiver) finish(b *packet.Buffer, head [headLen]byte) {
	p := b.Bytes()
	r.probe.xor(p[copy(p, head[:]):])
}

// openFresh is stateless mode.
func (r *receiver) openFresh(pkts []*packet.Buffer) []*packet.Buffer {
	good := pkts[:0]
	for _, b := range pkts {
		h, ok := r.begin(b)
		if !ok {
			continue
		}
		if h&flushed == 0 {
			r.drop(notFlushed, grave)
			continue
		}
		// The ladder's n is the number of the next packet: packet 0 has key 1.
		switch d := h.distance(r.n); {
		case d < 0:
			r.drop(late, slight)
		case d == 0:
			good = r.wait(good, b)
		default:
			good = r.skip(r.decrypt(good), b, r.n+uint64(d))
		}
	}
	return r.decrypt(good)
}

// wait keeps the packet that is next in order until there are four.
func (r *receiver) wait(good []*packet.Buffer, b *packet.Buffer) []*packet.Buffer {
	r.next()
	r.waiting[r.waits], r.keys[r.waits] = b, r.session
	if r.waits++; r.waits == len(r.waiting) {
		return r.decrypt(good)
	}
	return good
}

// decrypt opens the packets that wait.
func (r *receiver) decrypt(good []*packet.Buffer) []*packet.Buffer {
	if r.waits == len(r.waiting) {
		r.four.setKeys(&r.keys)
		r.four.xor(&r.waiting)
	} else {
		for i, b := range r.waiting[:r.waits] {
			r.one.setKey(&r.keys[i])
			r.one.xor(b.Bytes())
		}
	}
	for _, b := range r.waiting[:r.waits] {
		good = r.take(good, b)
	}
	r.waiting, r.waits = [4]*packet.Buffer{}, 0
	return good
}

// near is how many lost packets are nothing special.
const near = 64

// skip opens packet n, before which others are missing. The key moves there
// only with a packet that looks right, since all that come after and are before
// n are late: otherwise one forged count would cost two thousand true packets.
func (r *receiver) skip(good []*packet.Buffer, b *packet.Buffer, n uint64) []*packet.Buffer {
	if r.dead() {
		r.drop(keysDiffer, 0)
		return good
	}
	k, changes := r.ahead(n + 1)
	r.count.ahead.Add(uint64(changes))
	head, l := r.peek(&k, b)
	if l == doubtful && n-r.n > near {
		r.distrust(l)
		return good
	} else if !r.judge(l) {
		return good
	}
	r.finish(b, head)
	r.jump(n+1, k)
	return append(good, b)
}
