package router

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// gated is a lab whose link has that gate.
func gated(t *testing.T, g *policy.Gate) *lab {
	t.Helper()
	lab := newLab(t)
	lab.relink(t, Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: &lab.wireL, Gate: g})
	return lab
}

// relink makes the lab's link anew.
func (lab *lab) relink(t *testing.T, a Attachment) {
	t.Helper()
	lab.l.Detach()
	lab.l = lab.attach(t, a)
	lab.addRoutes(lab.l, Route{Network: netFar, Hops: 1, Ticks: 7})
}

func rules(t *testing.T, lines ...string) (f policy.Filter) {
	t.Helper()
	for _, line := range lines {
		r, err := policy.ParseRule(line)
		if err != nil {
			t.Fatal(err)
		}
		f = append(f, r)
	}
	return f
}

// TestAttackX7: attack row X7, what should not cross a link, in route mode. Each
// is tried in both directions: from LAN A to the far site, and back.
func TestAttackX7(t *testing.T) {
	const a, far = "0000000A:020000000A01:", "00000020:020000000C03:"
	open := &policy.Gate{PassSerial: true, PassSNMP: true, PassNetBIOS: true}
	for _, tt := range []struct {
		name     string
		src, dst string // sockets
		typ      ipx.PacketType
		gate     *policy.Gate
		drop     string
	}{
		{"serial number", "4001", "0457", 0, &policy.Gate{}, "serial_number_broadcast=1"},
		{"serial number, allowed", "4001", "0457", 0, &policy.Gate{PassSerial: true}, ""},
		{"SNMP", "4001", "900F", 0, &policy.Gate{}, "snmp=1"},
		{"SNMP answer", "900F", "4001", 0, &policy.Gate{}, "snmp=1"},
		{"SNMP trap", "4001", "9010", 0, &policy.Gate{}, "snmp=1"},
		{"SNMP, allowed", "4001", "900F", 0, &policy.Gate{PassSNMP: true}, ""},
		{"NetBIOS session", "4001", "0455", 4, &policy.Gate{}, "netbios=1"},
		{"NetBIOS answer", "0455", "4001", 4, &policy.Gate{}, "netbios=1"},
		{"NetBIOS, allowed", "0455", "0455", 4, &policy.Gate{PassNetBIOS: true}, ""},
		{"NCP", "4003", "0451", 17, &policy.Gate{}, ""},
		{"all of them, without a gate", "900F", "0457", 0, nil, ""},
		{"denied by a rule", "4001", "0451", 17, &policy.Gate{In: rules(t, "deny dst-socket 0451"), Out: rules(t, "deny dst-socket 0451")}, "filtered=1"},
		{"permitted before it is denied", "4001", "0451", 17, &policy.Gate{In: rules(t, "permit type 17", "deny socket 0000-FFFF"), Out: rules(t, "permit type 17", "deny socket 0000-FFFF")}, ""},
		{"serial number, open gate with a rule", "4001", "0457", 0,
			&policy.Gate{PassSerial: true, In: rules(t, "deny socket 0457"), Out: rules(t, "deny socket 0457")}, "filtered=1"},
		{"all allowed", "900F", "0457", 0, open, ""},
	} {
		for _, way := range []struct{ name, from, to string }{{"out", a, far}, {"in", far, a}} {
			t.Run(tt.name+", "+way.name, func(t *testing.T) {
				lab := gated(t, tt.gate)
				at, out := lab.a, &lab.wireL
				if way.name == "in" {
					at, out = lab.l, &lab.wireA
				}
				input(at, pk{from: way.from + tt.src, to: way.to + tt.dst, typ: tt.typ}.bytes(), ToUs)
				if got := dropped(at); got != tt.drop {
					t.Errorf("dropped %q, want %q", got, tt.drop)
				}
				if n := len(out.take()); n == 0 != (tt.drop != "") {
					t.Errorf("%d packets left", n)
				}
			})
		}
	}
}

// TestGateIsOfLinks: LANs have none.
func TestGateIsOfLinks(t *testing.T) {
	lab := gated(t, &policy.Gate{})
	input(lab.a, pk{from: hostA, to: "0000000B:FFFFFFFFFFFF:0457"}.bytes(), ToUs)
	if n := len(lab.wireB.take()); n != 1 {
		t.Errorf("LAN to LAN: %d packets, dropped %q", n, dropped(lab.a))
	}
}

// TestGateLeavesRoutersAlone: a gate that stops everything does not stop RIP
// between the routers at its ends.
func TestGateLeavesRoutersAlone(t *testing.T) {
	nothing := rules(t, "deny")
	for _, number := range []ipx.Network{netL, ipx.ThisNetwork} {
		t.Run(number.String(), func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				lab.relink(t, Attachment{Name: "l", Kind: Link, Network: number, Node: nodeL, Send: &lab.wireL, Gate: &policy.Gate{In: nothing, Out: nothing}})
				ask(lab.l, ripAsk(number.String()+":020000000F01:0453", netA))
				if n := len(lab.wireL.answers()); n != 1 {
					t.Errorf("%d answers, dropped %q", n, dropped(lab.l))
				}
				input(lab.l, pk{from: hostFar, to: "0000000A:020000000A99:9086"}.bytes(), ToUs)
				if got := dropped(lab.l); got != "filtered=1" {
					t.Errorf("ping: dropped %q", got)
				}
			})
		})
	}
}

// TestGateKeepsType20: of a propagated broadcast, the copy for the link is
// dropped and counted, and the others go on.
func TestGateKeepsType20(t *testing.T) {
	lab := gated(t, &policy.Gate{})
	input(lab.a, type20(hostA).bytes(), ToAll)
	if b, l := len(lab.wireB.take()), len(lab.wireL.take()); b != 1 || l != 0 || dropped(lab.a) != "netbios=1" {
		t.Errorf("%d on B, %d on the link, dropped %q", b, l, dropped(lab.a))
	}
	input(lab.l, type20("0000000F:020000000F01:0455").bytes(), ToUs)
	if a := len(lab.wireA.take()); a != 0 || dropped(lab.l) != "netbios=1" {
		t.Errorf("%d on A, dropped %q", a, dropped(lab.l))
	}
}

// TestGateDuplicates: for the sockets named, the same packet passes once a
// second, whatever its hops.
func TestGateDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, way := range []struct{ name, from, to string }{{"out", hostA, hostFar}, {"in", hostFar, hostA}} {
			lab := gated(t, &policy.Gate{Duplicates: []ipx.Socket{addr(way.to).Socket}})
			at, out := lab.a, &lab.wireL
			if way.name == "in" {
				at, out = lab.l, &lab.wireA
			}
			for _, step := range []struct {
				name string
				wait time.Duration
				pk   pk
				want int
			}{
				{"first", 0, pk{from: way.from, to: way.to, data: "one"}, 1},
				{"again", 300 * time.Millisecond, pk{from: way.from, to: way.to, data: "one"}, 0},
				{"again by another way", 300 * time.Millisecond, pk{from: way.from, to: way.to, data: "one", hops: 3}, 0},
				{"another", 0, pk{from: way.from, to: way.to, data: "two"}, 1},
				{"longer", 0, pk{from: way.from, to: way.to, data: "one\x00"}, 1},
				{"another socket", 0, pk{from: way.from, to: way.to[:22] + "5000", data: "one"}, 1},
				{"another socket again", 0, pk{from: way.from, to: way.to[:22] + "5000", data: "one"}, 1},
				{"much later", 2 * time.Second, pk{from: way.from, to: way.to, data: "one"}, 1},
			} {
				time.Sleep(step.wait)
				input(at, step.pk.bytes(), ToUs)
				if got := len(out.take()); got != step.want {
					t.Errorf("%s, %s: %d packets left, want %d", way.name, step.name, got, step.want)
				}
			}
			if got := dropped(at); got != "duplicate=2" {
				t.Errorf("%s: dropped %q", way.name, got)
			}
		}
	})
}

func TestGateDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		return // the race detector allocates: test/run looks at it without
	}
	g := &policy.Gate{PassNetBIOS: true, In: rules(t, "deny socket 0001"), Out: rules(t, "deny socket 0001"),
		Duplicates: []ipx.Socket{0x4003, 0x4001}}
	lab := newLab(t)
	quiet := sendFunc(func(ipx.Node, []*packet.Buffer) error { return nil })
	lab.relink(t, Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: quiet, Gate: g})
	for _, tt := range []struct {
		name string
		at   *Attached
		pk   pk
	}{{"out", lab.a, pk{from: hostA, to: hostFar}}, {"in", lab.l, pk{from: hostFar, to: "0000000F:020000000F99:4001"}}} {
		p, fresh, n := new(packet.Buffer), tt.pk.bytes(), byte(0)
		fresh = append(fresh, 0)
		fresh[3]++
		frames := []In{{p, ToUs}}
		if allocs := testing.AllocsPerRun(200, func() {
			n++
			fresh[len(fresh)-1] = n
			p.Set(fresh)
			tt.at.Input(frames)
		}); allocs != 0 {
			t.Errorf("%s: %v allocations a packet", tt.name, allocs)
		}
	}
}
