package ip

import (
	"sync"
	"time"

	"sitebridge/internal/packet"
)

// A complainer bounds what Unreachable says.
type complainer struct {
	mu    sync.Mutex // guards limit
	limit limiter
}

func (c *complainer) allow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit.allow(time.Now())
}

// Unreachable tells the senders of packets that came from the interface that nobody
// can take them to the peer now, so that programs do not wait for their own patience
// to end. It changes no packet.
func (i *Interface) Unreachable(pkts []*packet.Buffer) {
	l := i.live.Load()
	if l == nil {
		return
	}
	for _, p := range pkts {
		v, ok := parse(p.Bytes())
		if !ok || !i.complaints.allow() {
			continue
		}
		if i.complain(l, p.Bytes(), v, 0) {
			i.unreachableSent.Add(1)
		}
	}
}
