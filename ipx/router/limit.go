package router

import (
	"time"

	"sitebridge/ipx"
)

// A pace is what a bucket lets pass: so many events a second, and so many at once.
type pace struct{ rate, burst float64 }

var (
	// talkPace bounds the RIP and SAP taken in from one neighbour: a full table of
	// 10 000 services comes at 18 packets a second.
	talkPace = pace{talkRate, talkBurst}
	// wirePace bounds that of all on one LAN together.
	wirePace = pace{5 * talkRate, 5 * talkBurst}
	// pingPace bounds the pings and diagnostics from one attachment: they share
	// their way to Run with RIP and SAP. Two stations that answer Cisco's ping to
	// each other would never stop, since its answer looks like its request.
	pingPace = pace{pingsPerSecond, pingsPerSecond}
)

const (
	talkRate, talkBurst = 100, 500
	pingsPerSecond      = 50
	// maxTalkers bounds the neighbours that have a bucket each.
	maxTalkers = 128
)

// A bucket lets events pass at a pace.
type bucket struct {
	used float64
	last time.Time
}

func (b *bucket) allow(p pace, now time.Time) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*p.rate)
	b.last = now
	if b.used+1 > p.burst {
		return false
	}
	b.used++
	return true
}

// talk bounds the RIP and SAP that an attachment takes in. On a LAN each node has
// a bucket of its own, so that a storm of one does not cost the others their
// updates; those beyond maxTalkers share one. It belongs to whoever calls Input.
type talk struct {
	wire, strangers bucket
	nodes           map[ipx.Node]*bucket
	swept           time.Time
}

func (t *talk) allow(kind Kind, node ipx.Node, now time.Time) bool {
	if kind != LAN {
		return t.wire.allow(talkPace, now)
	}
	return t.bucketOf(node, now).allow(talkPace, now) && t.wire.allow(wirePace, now)
}

// bucketOf returns the bucket of a node. A full table makes room by forgetting those
// that were silent for long.
func (t *talk) bucketOf(node ipx.Node, now time.Time) *bucket {
	b := t.nodes[node]
	switch {
	case b != nil:
		return b
	case t.nodes == nil:
		t.nodes = make(map[ipx.Node]*bucket)
	case len(t.nodes) >= maxTalkers && now.Sub(t.swept) >= time.Second: // not for each packet of a storm
		t.swept = now
		for other, b := range t.nodes {
			if now.Sub(b.last) > silent {
				delete(t.nodes, other)
			}
		}
	}
	if len(t.nodes) >= maxTalkers {
		return &t.strangers
	}
	b = new(bucket)
	t.nodes[node] = b
	return b
}
