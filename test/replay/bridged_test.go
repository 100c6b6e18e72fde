package replay

import (
	"fmt"
	"slices"
	"testing"

	"sitebridge/test/lab"
)

// startBridged starts two bridges whose LANs are one network, in all four frame
// types, SNAP first.
func startBridged(t *testing.T, net uint32) *rig {
	t.Helper()
	spoken := [encaps]encap{snap, ethernetII, llc8022, raw8023}
	segment := fmt.Sprintf("[segment.one]\nnetwork = \"%08X\"\nbroadcasts = 0 # we are in a hurry\nlans = [{ lan = \"lan\", frame = [", net)
	for _, enc := range spoken {
		segment += fmt.Sprintf("%q, ", enc)
	}
	segment += "] }]\n"
	c := lab.Config{LAN: "# all frame types are in the segment", IPX: "# so is the link"}
	ca, cb := c, c
	ca.More, cb.More = segment+"sites = [\"b\"]\n", segment+"sites = [\"a\"]\n"
	r := start(t, ca, cb)
	o := newBridged(net, spoken)
	for side, b := range o.site {
		b.mac = r.macs[side]
	}
	r.oracle = o
	r.probe = o.probe
	return r
}

// probe makes a packet for a station on the other wire.
func (o *bridged) probe(side, n int) []frame {
	from := addr{0, stranger[side], 0x4000 + uint16(n)}
	p := compose(typePEP, from, addr{0, stranger[1-side], 0x4000}, []byte("probe"))
	return []frame{{enc: 0, dst: stranger[1-side], src: stranger[side], pkt: p}}
}

// TestBridged plays what was said on one wire on two, which a tunnel makes one:
// clients and games on LAN A, servers and routers on LAN B. Frames keep the
// recorded addresses, as the stations know nothing of the bridges, whose
// packets cross octet for octet: hop counts up to 127, checksums and network 0
// included. That is, with every pair of frame types.
//
// Networks beyond the wire's are reached by the recorded routers and servers.
// What stations of such a network say comes from our own address on the far
// wire, so a client answers to that; each answer is played a second time so.
func TestBridged(t *testing.T) {
	for _, wire := range []struct {
		net        uint32
		recordings []string
		onA, onB   []node
	}{
		{0xA0A0, []string{"01-samelan-8022-mars-slist-login", "05-routed-ipxd-lanA-8022", "08-type20-mtu-lanA"}, []node{client1, routerA}, []node{server1}},
		{0xA3A3, []string{"02-samelan-8023raw"}, []node{client2}, []node{server2, routerA}},
		{0xA11A, []string{"03-samelan-ethernet2"}, []node{client2}, []node{server2, routerA}},
		{0xA55A, []string{"04-samelan-snap"}, []node{client2}, []node{server2}},
		{0xB0B0, []string{"05-routed-ipxd-lanB-8023", "08-type20-mtu-lanB", "09-client-net0-lanB", "13-dosbox-ipxbox-8023raw", "13-dosbox-ipxbox-ethernet2"},
			[]node{client1, client3, mac(0x4A, 0x97, 0xE8, 0x2F, 0xC3), mac(0x88, 0x47, 0xCE, 0xD0, 0x9D)}, []node{routerB, mac(0x99, 0x2B)}},
	} {
		t.Run(fmt.Sprintf("%04X", wire.net), func(t *testing.T) {
			t.Parallel()
			r := startBridged(t, wire.net)
			var all []frame
			for _, name := range wire.recordings {
				all = append(all, recording(t, name)...)
			}
			for pair := range encaps * encaps {
				entry, exit := pair/encaps, pair%encaps
				var said [sides][]frame
				var answers []frame
				for _, f := range all {
					side, enc := sideB, exit
					if slices.Contains(wire.onA, f.src) {
						side, enc = sideA, entry
					} else if !slices.Contains(wire.onB, f.src) {
						t.Fatalf("%x is on no wire", f.src)
					}
					if len(f.pkt) > enc.longest() {
						continue // no station could say that
					}
					said[side] = append(said[side], f.as(enc, f.dst, f.src))
					if net := f.pkt.dstNet(); !f.dst.group() && net != 0 && net != wire.net {
						answers = append(answers, f.as(enc, r.macs[side], f.src))
					}
				}
				what := fmt.Sprintf("from %v to %v", entry, exit)
				r.play(what+", clients", sideA, said[sideA])
				r.play(what+", servers", sideB, said[sideB])
				r.play(what+", clients that were answered", sideA, said[sideA])
				for side, on := range said {
					r.play(what+", to our own address", side, slices.DeleteFunc(slices.Clone(answers), func(f frame) bool {
						return !slices.ContainsFunc(on, func(g frame) bool { return g.src == f.src })
					}))
				}
			}
			r.play("what links stop", sideA, beside(everybody, addr{net: wire.net, node: stranger[sideA]}, addr{net: wire.net, node: everybody}))
			var home []frame
			last := make(map[node]frame)
			for _, f := range all {
				f = f.as(f.enc, f.dst, f.src)
				home = append(home, f)
				if slices.Contains(wire.onB, f.src) && f.dst.group() && f.pkt.srcNet() == wire.net {
					last[f.src] = f
				}
			}
			for _, f := range last {
				r.move(f)
			}
			for _, f := range last {
				r.follow(f)
			}
			r.play("all on one wire", sideA, home)
		})
	}
}

// move takes a station from LAN B to LAN A: what it last said to all it says
// there until that is heard on B. Bridges do not believe at once that a station
// of their own wire is now behind the link, or that a packet that they carried a
// moment ago is another one: they would be fooled by a loop.
func (r *rig) move(f frame) {
	r.t.Helper()
	lab.Wait(r.t, fmt.Sprintf("%x is heard from its new place", f.src), func() bool {
		r.probes++
		probe := r.probe(sideA, r.probes)[0]
		want := r.oracle.hear(sideA, f)[sideB]
		r.wires[sideA].send(r.t, f.played())
		r.wires[sideA].send(r.t, probe.played())
		probed := r.oracle.hear(sideA, probe)[sideB]
		got := r.until(sideB, probed)
		if len(got) == len(probed) {
			return false
		}
		r.compare("new place", got, append(want, probed...))
		return true
	})
}

// follow waits until the networks that a station announced on LAN B, before it
// moved, are taken to be on LAN A. A peer's word for that is not enough: B waits
// until the network was silent for a while, and asks its router on the wire.
func (r *rig) follow(f frame) {
	r.t.Helper()
	o := r.oracle.(*bridged)
	for net, at := range o.site[sideB].routers {
		if !at.lan || at.mac != f.src {
			continue
		}
		lab.Wait(r.t, fmt.Sprintf("network %X has followed %x", net, f.src), func() bool {
			r.probes++
			probe := r.probe(sideA, r.probes)[0]
			inside := compose(typePEP, addr{net, insider, 0x4000}, addr{0, stranger[sideB], 0x4000 + uint16(r.probes)}, []byte("from inside"))
			word := frame{enc: f.enc, dst: stranger[sideB], src: f.src, pkt: inside}
			for _, g := range []frame{word, probe} {
				r.wires[sideA].send(r.t, g.played())
			}
			probed := o.hear(sideA, probe)[sideB]
			got := r.until(sideB, probed)
			if len(got) > len(probed) {
				o.site[sideB].reach(net, router{})
			}
			r.compare("a network that moved", got, append(o.hear(sideA, word)[sideB], probed...))
			return len(got) > len(probed)
		})
		if n := o.site[sideB].asked[net]; n != 1 {
			r.t.Errorf("the router of %X was asked %d times, want once", net, n)
		}
	}
}
