package bridge

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/clock"
	"sitebridge/internal/ipfilter"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/watchdog"
)

// A demand tells the supervisor of a site that is up only while somebody needs it when
// that is so. What crosses the site's link, or would, goes through one of its dormant
// links.
type demand struct {
	cfg    *config.Demand
	coarse time.Duration // how exactly traffic is known
	wanted chan struct{} // to the supervisor: something waits for a call; holds one
	v4, v6 *dormant
	ipx    *dormant
	// traffic is when something that counts last crossed, by internal/clock.
	traffic atomic.Int64
	// enabled tells the network layers that the site was stopped, or started again.
	enabled func(bool)
	// lost tells them that the peer cannot be had.
	lost func()
	// mend has them put back what somebody took away while there is no call.
	mend func()

	mu   sync.Mutex // guards last
	last Woken
}

// A Woken is what a site was wanted for.
type Woken struct {
	Time        time.Time `json:"time"`
	Protocol    string    `json:"protocol"`
	Source      string    `json:"source"`
	Destination string    `json:"destination"`
}

// A DemandStatus is what is special about a demand site.
type DemandStatus struct {
	// Idle is how long the site may be up without traffic that counts.
	Idle time.Duration `json:"idle_ns"`
	// Woken is what traffic last asked for a call; nil: none has.
	Woken *Woken `json:"woken,omitempty"`
	// Traffic is when something that counts last crossed.
	Traffic time.Time `json:"traffic,omitzero"`
	// Kept is how many packets had to wait for a call so far, and Waiting how many do.
	Kept    uint64      `json:"kept"`
	Waiting int         `json:"waiting"`
	Drops   DemandDrops `json:"drops"`
}

func newDemand(cfg *config.Demand) *demand {
	d := &demand{
		cfg: cfg, coarse: min(time.Second, cfg.Idle/16), wanted: make(chan struct{}, 1),
		enabled: func(bool) {}, lost: func() {}, mend: func() {},
	}
	d.v4 = &dormant{d: d, counts: cfg.IP.Counts, words: wordsOfIP}
	d.v6 = &dormant{d: d, counts: cfg.IP.Counts, words: wordsOfIP}
	d.ipx = &dormant{d: d, counts: countsIPX(cfg.IPX), words: wordsOfIPX}
	return d
}

// countsIPX judges IPX packets.
func countsIPX(rules policy.Filter) func([]byte) bool {
	return func(pkt []byte) bool {
		h, data, err := ipx.Parse(pkt)
		return err == nil && !policy.IsChatter(&h) && !watchdog.IsKeepalive(&h, data) && rules.Passes(&h)
	}
}

func wordsOfIP(pkt []byte) Woken {
	p, _ := ipfilter.Parse(pkt)
	return Woken{Protocol: p.ProtocolName(), Source: p.Source(), Destination: p.Destination()}
}

func wordsOfIPX(pkt []byte) Woken {
	h, _, _ := ipx.Parse(pkt)
	return Woken{Protocol: fmt.Sprintf("IPX type %d", h.Type), Source: h.Src.String(), Destination: h.Dst.String()}
}

func (d *demand) links() [3]*dormant { return [...]*dormant{d.v4, d.v6, d.ipx} }

// Send is that of the link which the IP interface has.
func (d *demand) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	if protocol == protocolIPv6 {
		return d.v6.Send(protocol, pkts, df)
	}
	return d.v4.Send(protocol, pkts, df)
}

// ask wakes the supervisor.
func (d *demand) ask() {
	select {
	case d.wanted <- struct{}{}:
	default:
	}
}

// woke notes what asks for a call.
func (d *demand) woke(by Woken, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = by
	d.last.Time = now
}

func (d *demand) lastWoken() Woken {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// waiting reports whether something waits for a call.
func (d *demand) waiting() bool { return d.v4.waiting() || d.v6.waiting() || d.ipx.waiting() }

// giveUp drops what waits, for a reason.
func (d *demand) giveUp(why func(*DemandDrops) *uint64) {
	for _, w := range d.links() {
		w.giveUp(why)
	}
}

// touch begins the time without traffic anew.
func (d *demand) touch() { d.traffic.Store(clock.Now()) }

// idleAt is when the site will have been without traffic for long enough.
func (d *demand) idleAt() time.Time { return clock.Time(d.traffic.Load()).Add(d.cfg.Idle) }

func (d *demand) status() *DemandStatus {
	s := &DemandStatus{Idle: d.cfg.Idle}
	if w := d.lastWoken(); !w.Time.IsZero() {
		s.Woken = &w
	}
	s.Traffic = clock.Wall(d.traffic.Load())
	for _, w := range d.links() {
		w.addTo(s)
	}
	return s
}

// addTo adds what w has counted.
func (w *dormant) addTo(s *DemandStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Kept += w.kept
	s.Waiting += len(w.held)
	all := []struct{ to, n *uint64 }{
		{&s.Drops.Ignored, &w.drop.Ignored}, {&s.Drops.Overflow, &w.drop.Overflow}, {&s.Drops.Expired, &w.drop.Expired},
		{&s.Drops.DialFailed, &w.drop.DialFailed}, {&s.Drops.OutsideHours, &w.drop.OutsideHours}, {&s.Drops.NoDial, &w.drop.NoDial},
		{&s.Drops.Stopped, &w.drop.Stopped}, {&s.Drops.LinkRefused, &w.drop.LinkRefused},
	}
	for _, c := range all {
		*c.to += *c.n
	}
}
