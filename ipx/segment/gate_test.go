package segment

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// TestAttackX7Sockets: attack row X7, the part of bridge mode: what does not
// cross a link, in either direction and in any way it can go out.
func TestAttackX7Sockets(t *testing.T) {
	rule, err := policy.ParseRule("deny socket 0455-0457")
	if err != nil {
		t.Fatal(err)
	}
	shut, open := &policy.Gate{}, &policy.Gate{PassSerial: true, PassSNMP: true, PassNetBIOS: true}
	filtered := &policy.Gate{PassSerial: true, PassSNMP: true, PassNetBIOS: true, In: policy.Filter{rule}, Out: policy.Filter{rule}}
	for _, tt := range []struct {
		name   string
		typ    ipx.PacketType
		socket ipx.Socket
		gate   *policy.Gate
		drop   string
	}{
		{"serial number broadcast", 0, 0x0457, shut, "serial_number_broadcast=1"},
		{"SNMP", 4, 0x900F, shut, "snmp=1"},
		{"SNMP trap", 4, 0x9010, shut, "snmp=1"},
		{"NetBIOS by type", 20, 0x0553, shut, "netbios=1"},
		{"NetBIOS by socket", 4, 0x0455, shut, "netbios=1"},
		{"other", 4, 0x4001, shut, ""},
		{"RIP", 1, 0x0453, shut, ""},
		{"serial number broadcast, allowed", 0, 0x0457, open, ""},
		{"SNMP, allowed", 4, 0x900F, open, ""},
		{"NetBIOS, allowed", 20, 0x0455, open, ""},
		{"serial number broadcast, no gate", 0, 0x0457, nil, ""},
		{"SNMP, no gate", 4, 0x9010, nil, ""},
		{"NetBIOS, no gate", 20, 0x0455, nil, ""},
		{"a socket that a filter denies", 4, 0x0456, filtered, "filtered=1"},
		{"one that it does not", 4, 0x0458, filtered, ""},
	} {
		for _, to := range []ipx.Node{ipx.Broadcast, far1} {
			t.Run(fmt.Sprint(tt.name, " to ", to), func(t *testing.T) {
				l := newLab(Config{Network: netA})
				l.link1.Detach()
				l.link2.Detach()
				link := l.AttachLink(LinkConfig{Name: "site", Link: &l.pipe1, Gate: tt.gate})
				l.lan2.Detach() // so that a packet that the link refuses goes nowhere
				link.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
				l.cable1.take()
				make := func(from, to ipx.Node) []byte {
					b := pkt(at(from), ipx.Addr{Network: netA, Node: to, Socket: tt.socket}, string(make([]byte, 32)))
					b[5] = byte(tt.typ)
					return b
				}
				l.lan1.hear(ipx.EthernetII, to, make(host1, to))
				if passed := len(l.pipe1.take()) == 1; passed != (tt.drop == "") || dropped(l.lan1) != tt.drop {
					t.Errorf("out: passed %v, dropped %q, want %q", passed, dropped(l.lan1), tt.drop)
				}
				l.cable1.take()
				back := to
				if back == far1 {
					back = host1
				}
				link.receive(make(far1, back))
				if passed := len(l.cable1.take()) == 1; passed != (tt.drop == "") || dropped(link) != tt.drop {
					t.Errorf("in: passed %v, dropped %q, want %q", passed, dropped(link), tt.drop)
				}
			})
		}
	}
}

// TestGateOfOneLink: the others, and the wires, get what it refuses; and nobody is
// learned from what it refuses.
func TestGateOfOneLink(t *testing.T) {
	l := newLab(Config{Network: netA})
	gated := new(pipe)
	link := l.AttachLink(LinkConfig{Name: "site", Link: gated, Gate: &policy.Gate{}})
	b := pkt(at(host1), ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: ipx.SocketSerial}, "x")
	l.lan1.hear(ipx.EthernetII, ipx.Broadcast, b)
	wantPackets(t, "a link without a gate", &l.pipe1, b)
	wantPackets(t, "another", &l.pipe2, b)
	wantPackets(t, "the link with one", gated)
	if got := dropped(l.lan1); got != "serial_number_broadcast=1" {
		t.Errorf("dropped %q", got)
	}
	link.receive(pkt(at(far1), ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: ipx.SocketSerial}, "x"))
	if s := l.Stations(); len(s) != 1 {
		t.Errorf("stations %v", s)
	}
}

// TestDuplicates: pain 15: DOS programs resend early on slow lines.
func TestDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA})
		slow := new(pipe)
		link := l.AttachLink(LinkConfig{Name: "slow", Link: slow, Gate: &policy.Gate{Duplicates: []ipx.Socket{0x4001}}})
		same := pkt(at(host1), at(ipx.Broadcast), "same")
		for range 20 { // for two seconds
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, same)
			time.Sleep(100 * time.Millisecond)
		}
		if slow, fast := len(slow.take()), len(l.pipe1.take()); slow != 2 || fast != 20 {
			t.Errorf("%d by the slow link, want one a second; %d by the other, want all", slow, fast)
		}
		if n := l.lan1.Stats().Drops.Duplicate; n != 18 {
			t.Errorf("%d duplicates counted", n)
		}
		l.cable1.take()
		other := ipx.Addr{Network: netA, Node: ipx.Broadcast, Socket: 0x4002}
		for range 3 {
			link.receive(pkt(at(far1), at(ipx.Broadcast), "same"))
			link.receive(pkt(at(far1), other, "same"))
		}
		if n := len(l.cable1.take()); n != 4 || dropped(link) != "duplicate=2" {
			t.Errorf("%d packets in, dropped %q", n, dropped(link))
		}
	})
}
