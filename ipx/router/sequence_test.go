package router

import (
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
)

// FuzzNeighbours lets neighbours on a LAN and a link say whatever they like, one
// after the other, while time passes. Whatever they say: the caps hold, numbers
// with a meaning of their own are not installed, our own stay ours, what
// forwarding knows is what the tables say, and nobody is told of what he told.
func FuzzNeighbours(f *testing.F) {
	say := func(packets ...pk) (b []byte) {
		for i, p := range packets {
			b = append(b, byte(i), byte(len(p.data)>>8), byte(len(p.data)))
			b = append(b, p.data...)
		}
		return b
	}
	f.Add(say(ripTell(server1, entryOf(0x51, 1, 2), entryOf(netA, 1, 1), entryOf(0, 1, 1)), ripTell(routerL, entryOf(0x51, 1, 2))))
	f.Add(say(ripTell(server1, entryOf(0x51, 1, 2)), ripTell(routerL, entryOf(0x51, 16, 2)), sapTell(sapA, server("FS", 0x51, 1)), sapTell(serverL, server("FS", 0x51, 16))))
	f.Add(say(ripAsk(hostA, ipx.AllNetworks), ripAsk(hostA, 1, 2, 3), sapAsk(hostA, 1, 4), sapAsk(hostA, 3, 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) { neighbours(t, b) })
	})
}

func entryOf(n ipx.Network, hops, ticks uint16) rip.Entry {
	return rip.Entry{Network: n, Hops: hops, Ticks: ticks}
}

const fuzzCap = 20

func neighbours(t *testing.T, b []byte) {
	limits := policy.Limits{MaxNetworks: fuzzCap, MaxServices: fuzzCap}
	lab := &lab{Router: New(Config{InternalNetwork: netHome, MaxNetworks: 60, MaxServices: 60})}
	lab.a = lab.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &lab.wireA, Limits: limits})
	far := Attachment{Name: "l", Kind: Link, Site: "far", Node: nodeL, Send: &lab.wireL, Limits: limits,
		Exchange: []Exchange{ExchangeRIPSAP, ExchangeTriggered}[len(b)%2], Hold: 30 * time.Second}
	lab.l = lab.attach(t, far)
	o := newOwner(lab.Router)
	for steps := 0; len(b) >= 3 && steps < 100; steps++ {
		how, n := b[0], int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		n = min(n, len(b), 600)
		lab.fuzzStep(t, o, far, how, b[:n])
		b = b[n:]
		lab.invariants(t)
	}
}

// fuzzStep lets a neighbour say something; how chooses who, to which socket, and
// what else happens.
func (lab *lab) fuzzStep(t *testing.T, o *owner, far Attachment, how byte, data []byte) {
	socket := []string{"0453", "0452"}[how&1]
	at, from := lab.a, []string{"0000000A:020000000A01:", "0000000A:020000000A02:"}[how>>1&1]
	if how>>2&1 == 1 {
		at, from = lab.l, "00000000:020000000F01:"
	}
	p := pk{from: from + socket, to: from[:9] + "FFFFFFFFFFFF:" + socket, data: string(data)}
	o.packet(arrival{at: at, pkt: buffer(p.bytes())})
	time.Sleep(time.Duration(how>>3&3) * 7 * time.Second)
	switch how >> 5 {
	case 1:
		lab.l.Detach()
	case 2:
		lab.l.Detach()
		lab.l = lab.attach(t, far)
	case 3:
		lab.l.SetTicks(uint16(how))
	case 4:
		time.Sleep(time.Minute)
	}
	o.tick()
}

func (lab *lab) invariants(t *testing.T) {
	t.Helper()
	for w, at := range map[*wire]*Attached{&lab.wireA: lab.a, &lab.wireL: lab.l} {
		w.take()
		if slices.Max(at.told[:]) > fuzzCap {
			t.Errorf("%s teaches %v", at.cfg.Name, at.told)
		}
	}
	if len(lab.routes.entries) > 60 || len(lab.services.entries) > 60 || len(lab.routes.sorted) != len(lab.routes.entries) {
		t.Errorf("%d routes, %d sorted, %d services", len(lab.routes.entries), len(lab.routes.sorted), len(lab.services.entries))
	}
	for _, n := range []ipx.Network{netA, netHome} {
		if e := lab.ours(n); e == nil || len(e.ways) != 1 || e.best.hops != 0 {
			t.Errorf("%v is not ours alone", n)
		}
		if f := lab.l.face.Load(); f != nil && lab.Router.table.Load().sourceOK(f, ipx.Addr{Network: n, Node: peer}) {
			t.Errorf("the link speaks for %v, which is ours", n)
		}
	}
	total := 0
	for _, e := range lab.routes.sorted {
		total += len(e.ways)
		for i := range e.ways {
			if f := lab.l.face.Load(); f != nil && e.ways[i].isNextDoor() && lab.Router.table.Load().sourceOK(f, ipx.Addr{Network: e.key, Node: peer}) {
				t.Errorf("the link speaks for %v, which is next door", e.key)
			}
		}
		if !e.key.Assignable() {
			t.Errorf("%v is installed", e.key)
		}
		h := lab.ways.get(e.key)
		if e.up != (h != nil && h.up) || e.up && (e.ways[0].hops >= infinity || h.hops != e.best.hops || h.at != e.best.at) {
			t.Errorf("%v: table %v %+v, forwarding %+v", e.key, e.up, e.best, h)
		}
		if e.up && e.best.at != nil && (!slices.Contains(e.split, e.best.at) || lab.routes.tellable(e, e.best.at)) {
			t.Errorf("%v is told where it was learned", e.key)
		}
	}
	if total != lab.routes.total {
		t.Errorf("%d candidates, counted %d", total, lab.routes.total)
	}
	for _, e := range lab.services.sorted {
		if e.up && lab.reach(e.best.addr.Network) == nil {
			t.Errorf("%v is told without a route", e.key)
		}
		if e.up != slices.ContainsFunc(e.ways, func(c candidate) bool { return lab.services.alive(&c, time.Now()) }) {
			// One that waited may be alive since a moment; the next sweep sees it.
			if e.up {
				t.Errorf("%v is up without a way", e.key)
			}
		}
	}
}
