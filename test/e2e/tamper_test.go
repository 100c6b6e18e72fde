package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/fsm"
	"sitebridge/test/lab"
)

// forgery is in each packet that is forged below.
const forgery = "nobody at the other site has said this"

// datagram is a UDP packet without a checksum (RFC 768), in IPv4.
func datagram(from, to string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+8+len(forgery)))
	b = append(b, 0, 1, 0, 0, 64, 17, 0, 0)
	b = append(append(b, net.ParseIP(from).To4()...), net.ParseIP(to).To4()...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum&0xFFFF+sum>>16))
	for _, v := range []int{10, 10, 8 + len(forgery), 0} {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return append(b, forgery...)
}

// forgeries are packets for the host behind an end, which would get there if nothing
// were encrypted.
func forgeries(x *ward, victim lab.End) []lab.Packet {
	from := victim.Other()
	addr, network := [2]string{lab.AddrA, lab.AddrB}, [2]ipx.Network{0x10, 0x20}
	mac := [2]ipx.Node{macOf(x.World, x.HostA), macOf(x.World, x.HostB)}
	h := ipx.Header{
		Checksum: ipx.NoChecksum, Type: ipx.TypePEP,
		Src: ipx.Addr{Network: network[from], Node: mac[from], Socket: 0x5002},
		Dst: ipx.Addr{Network: network[victim], Node: mac[victim], Socket: 0x5002},
	}
	return []lab.Packet{
		{From: from, Protocol: protocolIP, Data: datagram(addr[from], addr[victim])},
		{From: from, Protocol: protocolIPX, Data: ipx.AppendPacket(nil, h, []byte(forgery))},
	}
}

// link is how an end's link stands.
func (x *ward) link(t *testing.T, e lab.End) (ppp.Status, *bridge.Tunnel) {
	t.Helper()
	s := x.ends[e].Site([2]string{"b", "a"}[e])
	if s.Tunnel == nil {
		t.Fatalf("%v has no tunnel: %s, %s", e, s.State, s.Reason)
	}
	return s.Tunnel.PPP, s.Tunnel
}

// lives checks, at its end, that the link of now has stayed and carries what the
// hosts say.
func (x *ward) lives(t *testing.T) (check func()) {
	t.Helper()
	_, before := x.link(t, lab.A)
	return func() {
		t.Helper()
		x.chatter.crosses(t)
		if _, now := x.link(t, lab.A); now.CallID != before.CallID {
			t.Errorf("another call, %d, has taken the place of %d", now.CallID, before.CallID)
		}
		if n := x.ends[lab.A].Site("b").Ups; n != 1 {
			t.Errorf("the link came up %d times", n)
		}
	}
}

// TestAttackE2ClearPackets: packets in clear for a link that is encrypted are
// dropped and counted; nothing of them gets to a host, and the link lives on.
func TestAttackE2ClearPackets(t *testing.T) {
	t.Parallel()
	for _, s := range []suite{aead, mppe, unprotected} { // the last one shows that the forgeries are good ones
		t.Run(s.method, func(t *testing.T) {
			t.Parallel()
			x := newWard(t, s, s.config, s.config)
			x.up(t)
			check := x.lives(t)
			for victim := range x.ends {
				clearPackets(t, x, lab.End(victim))
			}
			check()
		})
	}
}

func clearPackets(t *testing.T, x *ward, victim lab.End) {
	from := victim.Other()
	stop := x.Capture([2]*netlab.Namespace{x.HostA, x.HostB}[victim], "lan")
	pkts := forgeries(x, victim)
	if x.s.control == 0 {
		x.middle.Forge(pkts...)
		x.chatter.crosses(t)
		wantForged(t, x, victim, stop(), len(pkts))
		return
	}
	pkts = append(pkts, lab.Packet{From: from, Protocol: 0x0057, Data: append([]byte{0x60, 4: 0, byte(len(forgery)), 59, 1, 39: 1}, forgery...)})
	if slices.Contains(x.s.inside, protocolIPCP) {
		pkts = append(pkts, controlPacket(from, protocolIPCP, fsm.TerminateRequest, 1, []byte(forgery)), controlPacket(from, 0x802B, fsm.ConfigureRequest, 1, nil))
	}
	before, _ := x.link(t, victim)
	x.middle.Forge(controlPacket(from, protocolLCP, fsm.ConfigureReject, 1, x.s.offer)) // LCP's word counts for nothing here
	x.middle.Forge(pkts...)
	lab.Wait(t, fmt.Sprintf("%v counts %d packets", victim, len(pkts)), func() bool {
		now, _ := x.link(t, victim)
		return now.Stats.Drops.Clear == before.Stats.Drops.Clear+uint64(len(pkts))
	})
	x.chatter.crosses(t)
	wantForged(t, x, victim, stop(), 0)
}

// wantForged counts the forged packets that the host behind an end got.
func wantForged(t *testing.T, x *ward, victim lab.End, pcap string, want int) {
	t.Helper()
	mac := [2]ipx.Node{macOf(x.World, x.HostA), macOf(x.World, x.HostB)}[victim]
	n := 0
	for _, frame := range lab.Frames(t, pcap) {
		if bytes.HasPrefix(frame, mac[:]) && bytes.Contains(frame, []byte(forgery)) {
			n++
		}
	}
	if n != want {
		t.Errorf("%d forged packets got to the host behind %v, want %d", n, victim, want)
	}
}

// TestAttackReplayedFrames: encrypted packets that come again, come changed, come
// back to who sent them, or come from an earlier link are dropped and counted. The
// link lives on.
func TestAttackReplayedFrames(t *testing.T) {
	t.Parallel()
	config := aead.config
	config.Site = patient // what is counted is counted of one link
	x := newWard(t, aead, config, config)
	x.up(t)
	var kept []lab.Packet // of site b
	x.middle.Meddle(func(p lab.Packet) []lab.Packet {
		if p.Protocol == aead.data && p.From == lab.B && len(kept) < 50 {
			kept = append(kept, lab.Packet{From: p.From, Protocol: p.Protocol, Data: bytes.Clone(p.Data)})
		}
		return []lab.Packet{p}
	})
	lab.Wait(t, "site a has opened 50 more", func() bool { s, _ := x.link(t, lab.A); return s.Encryption.Packets["opened"] > 100 })
	x.middle.Meddle(nil)
	check := x.lives(t)
	replay := func(what, counter string, change func(lab.Packet) lab.Packet) {
		t.Helper()
		var pkts []lab.Packet
		for _, p := range kept {
			p.Data = bytes.Clone(p.Data)
			pkts = append(pkts, change(p))
		}
		victim := pkts[0].From.Other()
		before, _ := x.link(t, victim)
		x.middle.Forge(pkts...)
		lab.Wait(t, what+": counted as "+counter, func() bool {
			now, _ := x.link(t, victim)
			return now.Encryption.Packets[counter] == before.Encryption.Packets[counter]+uint64(len(pkts))
		})
	}
	// unused makes the packet's number one that no link gets to here: one that came
	// already is not looked at any further.
	unused := func(p lab.Packet) lab.Packet { p.Data[8]++; return p }
	same := func(p lab.Packet) lab.Packet { return p }
	replay("once more", "replayed", same)
	replay("a bit turned", "forged", func(p lab.Packet) lab.Packet { p.Data[20] ^= 4; return unused(p) })
	replay("cut", "short", func(p lab.Packet) lab.Packet { p.Data = p.Data[:28]; return p })
	replay("of another epoch", "forged", func(p lab.Packet) lab.Packet { p.Data[3]++; return p })
	replay("of an epoch that is far away", "unknown_epoch", func(p lab.Packet) lab.Packet { p.Data[0]++; return p })
	replay("back to who sent it", "forged", func(p lab.Packet) lab.Packet { p.From = lab.A; return unused(p) })
	check()
	x.ends[lab.B].Run("down", "a")
	x.ends[lab.A].WaitSite("b", "down", notUp)
	x.ends[lab.B].Run("up", "a")
	x.up(t)
	replay("of the link before", "forged", unused)
	x.chatter.crosses(t)
}

// TestAttackE8KeysDiffer: somebody changes what both ends agree on, and changes the
// answers back, so that neither sees it. Nothing passes then, and both say why.
func TestAttackE8KeysDiffer(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for name, secretly := range map[string]func(lab.Packet){
		"LCP's magic number": changeMagic,
		"ECP's salt":         changeSalt,
	} {
		for _, whose := range []lab.End{lab.A, lab.B} {
			tests[name+" of "+whose.String()] = func(t *testing.T) { keysDiffer(t, whose, secretly) }
		}
	}
	lab.Together(t, tests)
}

// changeMagic turns a bit of the magic number in a Configure-Request or -Ack of LCP.
func changeMagic(p lab.Packet) {
	if p.Protocol != protocolLCP {
		return
	}
	opts, _ := fsm.ParseOptions(p.Data[fsm.HeaderLen:])
	for _, o := range opts {
		if o.Type == 5 {
			o.Data[3] ^= 1
		}
	}
}

// changeSalt turns a bit of the salt in one of ECP.
func changeSalt(p lab.Packet) {
	if p.Protocol == aead.control {
		p.Data[len(p.Data)-1] ^= 1
	}
}

func keysDiffer(t *testing.T, whose lab.End, secretly func(lab.Packet)) {
	x := newWard(t, aead, aead.config, aead.config)
	x.up(t)
	x.ends[lab.B].Run("down", "a")
	x.ends[lab.A].WaitSite("b", "down", notUp)
	record := x.record()
	x.middle.Meddle(func(p lab.Packet) []lab.Packet {
		if (p.Protocol == protocolLCP || p.Protocol == aead.control) && len(p.Data) > fsm.HeaderLen {
			switch code := fsm.Code(p.Data[0]); {
			case code == fsm.ConfigureRequest && p.From == whose, code == fsm.ConfigureAck && p.From != whose:
				secretly(p)
			}
		}
		return []lab.Packet{p}
	})
	x.ends[lab.B].Run("up", "a")
	for e, d := range x.ends {
		lab.Wait(t, fmt.Sprintf("%v says that keys differ", lab.End(e)), func() bool {
			return tells(d.Log(), "site down", "keys differ: none of the ", "encrypted packets that came could be authenticated")
		})
	}
	x.ends[lab.A].WaitSite("b", "the reason", func(s bridge.SiteStatus) bool {
		return s.State != bridge.StateUp && strings.Contains(s.Reason, "keys differ")
	})
	for _, pcap := range record.stop() {
		for _, p := range lab.Tunnel(t, pcap) {
			if p.Protocol == protocolLCP && fsm.Code(p.Data[0]) == protocolReject {
				t.Errorf("%v rejects the protocol of a packet that it could not read: % x", p.From, p.Data)
			}
		}
	}
	record.wantHidden(t, aead, aead.inside, lab.A, lab.B)
	x.middle.Meddle(nil)
	x.ends[lab.B].Run("up", "a")
	x.up(t)
}
