package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"sitebridge/test/lab"
)

// What routers say unasked is foretold too, but not when: changes are collected
// for a second, packets leave a tick apart. So for each wire, and each network
// and service, there is the list of what was true there, one after the other. A
// listener follows the announcements through that list: he may miss what was true
// for a moment, but never hears what was not true, nor what is true no longer
// after he heard what came of it; and in the end he knows how things stand.

// poisons is how often a loss is told.
const poisons = 3

// A truth is how something stands for a listener on a wire: V is how far it is.
type truth[V comparable] struct {
	up    bool
	value V
}

// A line is what was true of one network or service, and what was heard of it.
type line[V comparable] struct {
	truths []truth[V]
	at     int // the last truth that was heard
	tells  int // how often
	heard  truth[V]
}

// A talk is what a wire is told of networks, or of services.
type talk[K, V comparable] struct {
	lines map[K]*line[V]
	asks  [][]byte // what a router asks when it starts, each once and in this order
	asked int
	// since and first are when the first full announcement could be, and how long
	// it is to the second at least. Then there is one in each period.
	since         time.Time
	first, period time.Duration
}

func newTalk[K, V comparable](asks [][]byte, first, period time.Duration) *talk[K, V] {
	return &talk[K, V]{lines: map[K]*line[V]{}, asks: asks, since: time.Now(), first: first, period: period}
}

// note says what is true from now on.
func (t *talk[K, V]) note(all map[K]V) {
	for k, v := range all {
		l := t.lines[k]
		if l == nil {
			l = &line[V]{truths: []truth[V]{{}}}
			t.lines[k] = l
		}
		if now := (truth[V]{true, v}); l.truths[len(l.truths)-1] != now {
			l.truths = append(l.truths, now)
		}
	}
	for k, l := range t.lines {
		if _, known := all[k]; !known && l.truths[len(l.truths)-1].up {
			l.truths = append(l.truths, truth[V]{})
		}
	}
}

// hear takes one announcement, and says what is wrong with it.
func (t *talk[K, V]) hear(k K, news truth[V]) string {
	l := t.lines[k]
	if l == nil {
		return fmt.Sprintf("%v is told of, which is nowhere", k)
	}
	limit := 2 * poisons // once more when the way comes back over this wire
	if news.up {         // once as news, and with each full announcement
		limit = 2
		if more := time.Since(t.since) - t.first; more >= 0 {
			limit += 1 + int(more/t.period)
		}
	}
	for j, tells := max(l.at, 1), l.tells; j < len(l.truths); j, tells = j+1, 0 {
		if j > l.at {
			tells = 0
		}
		if l.truths[j] == news && tells < limit {
			l.at, l.tells, l.heard = j, tells+1, news
			return ""
		}
	}
	return fmt.Sprintf("%v is told as %+v; it was told %d times as %+v, and since then was %+v", k, news, l.tells, l.heard, l.truths[l.at:])
}

// question returns the one that is due.
func (t *talk[K, V]) question() []byte {
	t.asked++
	return t.asks[min(t.asked, len(t.asks))-1]
}

// What a router asks for: all networks; all services, and file servers and trees by
// name, since there are servers that do not answer for all.
var (
	forNetworks = [][]byte{append([]byte{0, 1}, bytes.Repeat([]byte{0xFF}, 8)...)}
	forServices = [][]byte{{0, 1, 0xFF, 0xFF}, {0, 1, 0x00, 0x04}, {0, 1, 0x02, 0x78}}
)

// settled returns what the listeners do not know yet.
func (t *talk[K, V]) settled() string {
	for k, l := range t.lines {
		if now := l.truths[len(l.truths)-1]; l.heard != now {
			return fmt.Sprintf("%v is known as %+v, and is %+v", k, l.heard, now)
		}
	}
	if t.asked != len(t.asks) {
		return fmt.Sprintf("it was asked %d times, want %d", t.asked, len(t.asks))
	}
	return ""
}

// A named is what makes a service itself.
type named struct {
	typ  uint16
	name string
}

func (n named) String() string { return fmt.Sprintf("service %04X %s", n.typ, n.name) }

// A number is a network.
type number uint32

func (n number) String() string { return fmt.Sprintf("network %X", uint32(n)) }

// A place of a service, with its hops.
type far struct {
	addr addr
	hops int
}

// A told is what one wire is told.
type told struct {
	routes   *talk[number, metric]
	services *talk[named, far]
}

// note says what is true at both sites from now on.
func (o *routed) note() {
	for _, s := range o.site {
		for enc := range encaps {
			routes, services := map[number]metric{}, map[named]far{}
			for _, net := range s.networks() {
				if m, ok := s.tells(enc, net, false); ok && !s.leaving {
					routes[number(net)] = m
				}
			}
			elsewhere, _ := s.known(enc, 0xFFFF)
			for _, v := range elsewhere {
				if !s.leaving {
					services[named{v.typ, v.name}] = far{v.addr, v.hops + 1}
				}
			}
			s.told[enc].routes.note(routes)
			s.told[enc].services.note(services)
		}
	}
}

// overhear takes what a router broadcasts from the sockets of RIP and SAP.
func (o *routed) overhear(side int, f frame) (ours bool, wrong string) {
	s, p := o.site[side], f.pkt
	if f.src != s.mac || f.dst != everybody || p.srcNode() != s.mac || p.srcSock() != p.dstSock() {
		return false, ""
	}
	var data []byte
	typ := typePEP
	switch p.srcSock() {
	case sockRIP:
		data, wrong = s.told[f.enc].hearRIP(p.data())
		typ = typeRIP
	case sockSAP:
		data, wrong = s.told[f.enc].hearSAP(p.data())
	default:
		return false, ""
	}
	from := addr{s.nets[f.enc], s.mac, p.srcSock()}
	q := compose(typ, from, addr{from.net, everybody, from.sock}, data)
	if want := (frame{enc: f.enc, dst: everybody, src: s.mac, pkt: q}).wire(); wrong == "" && !bytes.Equal(want, f.recorded) {
		wrong = fmt.Sprintf("\n%x, want\n%x", f.recorded, want)
	}
	if wrong != "" {
		wrong = fmt.Sprintf("on %04X, in %v: %s", from.net, f.enc, wrong)
	}
	return true, wrong
}

// hearRIP returns what the packet should say, which is not looked at otherwise.
func (t *told) hearRIP(b []byte) (data []byte, wrong string) {
	data = []byte{0, 2}
	if bytes.HasPrefix(b, []byte{0, 1}) {
		return t.routes.question(), ""
	}
	rest := b[2:]
	for ; len(rest) >= 8; rest = rest[8:] {
		net, hops, ticks := binary.BigEndian.Uint32(rest), int(binary.BigEndian.Uint16(rest[4:])), int(binary.BigEndian.Uint16(rest[6:]))
		news := truth[metric]{true, metric{hops, ticks}}
		if hops > maxHops {
			news = truth[metric]{}
		}
		if w := t.routes.hear(number(net), news); w != "" {
			wrong = w
		}
		data = append(data, rest[:8]...)
		if hops > maxHops+1 || len(data) > 2+50*8 {
			wrong = fmt.Sprintf("%d hops, %d octets", hops, len(data))
		}
	}
	return data, wrong
}

func (t *told) hearSAP(b []byte) (data []byte, wrong string) {
	data = []byte{0, 2}
	if bytes.HasPrefix(b, []byte{0, 1}) {
		return t.services.question(), ""
	}
	for rest := b[2:]; len(rest) >= 64; rest = rest[64:] {
		v := parseService(rest)
		news := truth[far]{true, far{v.addr, v.hops}}
		if v.hops > maxHops {
			news = truth[far]{}
		}
		if w := t.services.hear(named{v.typ, v.name}, news); w != "" {
			wrong = w
		}
		v.hops-- // which append adds
		data = v.append(data)
		if v.hops > maxHops || len(data) > 2+7*64 {
			wrong = fmt.Sprintf("%d hops, %d octets", v.hops+1, len(data))
		}
	}
	return data, wrong
}

// settled returns what is not known yet on the wires of a site.
func (s *routedSite) settled() string {
	for enc := range encaps {
		for _, missing := range []string{s.told[enc].routes.settled(), s.told[enc].services.settled()} {
			if missing != "" {
				return fmt.Sprintf("on %04X: %s", s.nets[enc], missing)
			}
		}
	}
	return ""
}

// settle waits until all that is true has been announced.
func (r *rig) settle(what string) {
	r.t.Helper()
	give := time.NewTimer(lab.Patience)
	defer give.Stop()
	for {
		var missing string
		for _, s := range slices.Backward(r.oracle.(*routed).site[:]) {
			if m := s.settled(); m != "" {
				missing = m
			}
		}
		if missing == "" || r.t.Failed() {
			break
		}
		select {
		case b := <-r.wires[sideA].heard:
			r.stray(what, sideA, b)
		case b := <-r.wires[sideB].heard:
			r.stray(what, sideB, b)
		case <-give.C:
			r.t.Fatalf("%s, in vain: %s", what, missing)
		}
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

// stray takes what is heard while nobody plays: announcements, and no more.
func (r *rig) stray(what string, side int, b []byte) {
	r.t.Helper()
	if !r.overheard(side, b) {
		r.t.Errorf("%s: heard on %c, and nobody asked:\n%x", what, 'A'+side, b)
	}
}

// farewell stops the routers, one after the other. Each tells that nothing is
// reached through it any more. What is behind the link is held, by B until it
// stops too, unless there is another way on the LAN.
func (r *rig) farewell() {
	r.t.Helper()
	o := r.oracle.(*routed)
	for _, s := range o.site {
		s.link = 0 // the number goes with the link
		for net := range s.learned {
			delete(s.static, net)
		}
		s.services = slices.DeleteFunc(s.services, func(v service) bool { return s.offered[named{v.typ, v.name}] != nil })
		if o.dynamic && s == o.site[sideB] { // A says that they are gone, or B will
			s.static, s.services = nil, nil
		}
	}
	o.note()
	for side, s := range o.site {
		s.leaving = true
		o.note()
		r.daemons[side].Stop()
	}
	r.settle("farewell")
}
