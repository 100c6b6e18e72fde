package bridge

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/ipx/router"
)

// What makes events: the supervisors tell when their sites come and go; clashes and
// the troubles of LANs are looked for now and then.

// A teller tells when a site comes up and when it goes: once for each change, however
// often the next attempt fails. It belongs to the supervisor's loop.
type teller struct {
	emit func(Event) // nil: nobody is told
	site string
	told EventKind // the last one; empty: none
	peer netip.Addr
	at   time.Time // when told was
}

// up tells that the site is up by a tunnel.
func (t *teller) up(cur tunnel) {
	t.peer = netip.Addr{}
	if p, ok := cur.(interface{ peerAddr() netip.Addr }); ok {
		t.peer = p.peerAddr()
	}
	t.tell(EventUp, "", nil)
}

// down tells that it is not, unless that is known.
func (t *teller) down(reason string) { t.tell(EventDown, reason, t.upTime()) }

// idle tells that a demand site is down because nobody needs it.
func (t *teller) idle(reason string) { t.tell(EventIdle, reason, t.upTime()) }

// upTime is how long a site that is told to be up has been so.
func (t *teller) upTime() map[string]int64 {
	if t.told != EventUp {
		return nil
	}
	return map[string]int64{"up_seconds": int64(time.Since(t.at).Seconds())}
}

func (t *teller) tell(k EventKind, reason string, numbers map[string]int64) {
	if t.emit == nil || t.told == k {
		return
	}
	t.told, t.at = k, time.Now()
	t.emit(Event{Kind: k, Site: t.site, Peer: t.peer, Reason: reason, Numbers: numbers})
}

func (s *session) peerAddr() netip.Addr { return s.path.Remote }

// lookInterval is how often clashes and troubles are looked for.
const lookInterval = 10 * time.Second

// watchTroubles tells of clashes and troubles, when they begin and when they are over,
// until ctx ends.
func (d *Daemon) watchTroubles(ctx context.Context) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	var clashes, troubles known
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			clashes.compare(d.emit, EventClash, EventClashOver, clashEvents(d.ipx.router.Clashes()))
			troubles.compare(d.emit, EventTrouble, EventTroubleOver, d.troubleEvents())
		}
	}
}

// known are the troubles that were told of, by what makes each the same as before.
type known map[string]Event

// compare tells of what is there now and was not, and of what is not there any more.
func (k *known) compare(emit func(Event), begun, over EventKind, now known) {
	for key, e := range now {
		if _, old := (*k)[key]; !old {
			e.Kind = begun
			emit(e)
		}
	}
	for key, e := range *k {
		if _, still := now[key]; !still {
			e.Kind = over
			emit(e)
		}
	}
	*k = now
}

func clashEvents(clashes []router.Clash) known {
	all := known{}
	for _, c := range clashes {
		all[c.Kind+" "+c.Network.String()] = Event{
			Reason: "network " + c.Network.String() + ", " + strings.ReplaceAll(c.Kind, "_", " ") + ": " + c.Text,
		}
	}
	return all
}

func (d *Daemon) troubleEvents() known {
	all := known{}
	wires := d.ipx.router.Wires()
	for _, l := range d.ipx.allLANs() {
		for _, words := range l.status(wires).Trouble {
			all[l.name+" "+withoutNumbers(words)] = Event{Reason: "LAN " + l.name + ": " + words}
		}
	}
	return all
}

// withoutNumbers is what stays the same of words that count.
func withoutNumbers(words string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, words)
}

// tellExpiry tells of certificates and lists that run out, or did.
func (d *Daemon) tellExpiry(all []config.Warning) {
	for _, w := range all {
		d.emit(Event{Kind: EventExpiry, Site: w.Site, Reason: w.Text})
	}
}
