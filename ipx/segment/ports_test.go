package segment

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/port"
	"sitebridge/ipx/watchdog"
)

// TestBroadcastBudget: so many a second, two seconds' worth at once; what is for
// one known station is not counted.
func TestBroadcastBudget(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int
		to    ipx.Node
		want  []int // out of 1500 at the start, and after each second
	}{
		{"default", 0, ipx.Broadcast, []int{1000, 500, 500}},
		{"to a group", 100, node("030000000001"), []int{200, 100, 100}},
		{"to nobody known", 100, far2, []int{200, 100, 100}},
		{"to a known station", 100, far1, []int{1500, 1500, 1500}},
		{"no limit", -1, ipx.Broadcast, []int{1500, 1500, 1500}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(Config{Network: netA, Broadcasts: tt.limit})
				l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
				sent := 0
				for _, want := range tt.want {
					for range 1500 {
						sent++
						l.lan1.hear(ipx.EthernetII, tt.to, pkt(at(host1), at(tt.to), fmt.Sprint(sent)))
					}
					if got := len(l.pipe1.take()); got != want {
						t.Errorf("%d packets passed, want %d", got, want)
					}
					time.Sleep(time.Second)
				}
				drops := l.lan1.Stats().Drops.BroadcastBudget
				troubles := l.Troubles()
				if limited := tt.want[0] != 1500; (drops > 0) != limited || (len(troubles) == 1) != limited ||
					limited && (troubles[0].Kind != TroubleBroadcast || troubles[0].Count != drops || troubles[0].Port != "lan1") {
					t.Errorf("dropped %d, troubles %+v", drops, troubles)
				}
				l.lan2.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host2), at(ipx.Broadcast), "a port of its own"))
				if got := len(l.pipe1.take()); got != 1 {
					t.Error("another port's packet was not carried")
				}
				time.Sleep(2 * time.Minute)
				if got := l.Troubles(); len(got) != 0 {
					t.Errorf("two minutes later: %+v", got)
				}
			})
		})
	}
}

// TestBudgetWithOneOtherPort: what is for one station nobody knows is not made more
// where there is one way to send it, whatever ports are out of use. What everybody
// gets counts all the same.
func TestBudgetWithOneOtherPort(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   ipx.Addr
		more func(s *Segment) // adds ports
		want int              // out of 1500
	}{
		{"to nobody known", at(far1), nil, 1500},
		{"to nobody known, a second port", at(far1), func(s *Segment) { s.linkPort("link2", new(pipe), 0) }, 200},
		{"to nobody known, a second port that is blocked", at(far1), func(s *Segment) {
			s.linkPort("link2", new(pipe), 0).blocked.Store(clock.Of(time.Now().Add(time.Hour)))
		}, 1500},
		{"to everybody", at(ipx.Broadcast), nil, 200},
		{"to a group", at(node("030000000001")), nil, 200},
		{"to a network whose router nobody knows, which is for everybody on the wire", in(0x77, ipx.ServerNode), nil, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{Network: netA, Broadcasts: 100})
				var far pipe
				lan := s.lanPort("lan", &cable{mac: mac1})
				s.linkPort("link", &far, 0)
				if tt.more != nil {
					tt.more(s)
				}
				for i := range 1500 {
					lan.hear(ipx.EthernetII, far1, pkt(at(host1), tt.to, fmt.Sprint(i)))
				}
				if got := len(far.take()); got != tt.want {
					t.Errorf("%d packets passed, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestMACLists(t *testing.T) {
	for _, tt := range []struct {
		name        string
		allow, deny []ipx.Node
		taken       bool
	}{
		{"no lists", nil, nil, true},
		{"allowed", []ipx.Node{host1b, host1}, nil, true},
		{"not allowed", []ipx.Node{host1b}, nil, false},
		{"denied", nil, []ipx.Node{host1}, false},
		{"another denied", nil, []ipx.Node{host1b}, true},
		{"allowed and denied", []ipx.Node{host1}, []ipx.Node{host1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			wire := l.AttachLAN(LANConfig{Name: "listed", Wire: &cable{mac: mac2}, Allow: tt.allow, Deny: tt.deny})
			wire.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "x"))
			if got, want := dropped(wire), map[bool]string{false: "denied_mac=1"}[tt.taken]; got != want || (len(l.Stations()) == 1) != tt.taken {
				t.Errorf("dropped %q, want %q; stations %v", got, want, l.Stations())
			}
		})
	}
}

// TestFixedFrameTypes: a station is answered in the type that was configured for
// it, whatever it speaks, and hears broadcasts in it although it never spoke.
func TestFixedFrameTypes(t *testing.T) {
	printer := node("020000000150")
	fixed := map[ipx.Node]ipx.Encapsulation{host1: ipx.EthernetII, printer: ipx.Ethernet8023, host1b: ipx.EthernetSNAP}
	for _, tt := range []struct {
		name string
		to   ipx.Node
		want string
	}{
		{"heard in another", host1, "ethernet_ii 020000001101 > 020000000101"},
		{"never heard", printer, "ethernet_802_3 020000001101 > 020000000150"},
		{"fixed to one that is not bridged", host1b, "ethernet_802_2 020000001101 > 020000000102"},
		{"everybody", ipx.Broadcast, "ethernet_802_2 020000001101 > FFFFFFFFFFFF, ethernet_ii 020000001101 > FFFFFFFFFFFF, ethernet_802_3 020000001101 > FFFFFFFFFFFF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			wire := &cable{mac: mac2}
			lan := l.AttachLAN(LANConfig{Name: "fixed", Wire: wire, Frames: fixed,
				Encapsulations: []ipx.Encapsulation{ipx.Ethernet8022, ipx.EthernetII, ipx.Ethernet8023}})
			lan.hear(ipx.Ethernet8022, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "here I am"))
			lan.hear(ipx.Ethernet8022, ipx.Broadcast, pkt(at(host1b), at(ipx.Broadcast), "here I am"))
			l.link1.receive(pkt(at(far1), at(tt.to), "x"))
			wantFrames(t, "on the wire", wire, tt.want)
		})
	}
}

// TestRawFramesLoop: a raw 802.3 frame takes a used checksum out, and the packet
// is still known when it comes back.
func TestRawFramesLoop(t *testing.T) {
	l := newLab(Config{Network: netA})
	b := pkt(at(far1), at(ipx.Broadcast), "x")
	b[0], b[1] = 0x12, 0x34
	l.link1.receive(b)
	b[0], b[1] = 0xFF, 0xFF
	l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, b)
	if got := dropped(l.lan1); got != "loop=1" {
		t.Errorf("dropped %q", got)
	}
}

// TestAllConfiguredDoesNotAllocate is TestCarryingDoesNotAllocate with lists, a
// gate, a watchdog, and packets for everybody by several ways.
func TestAllConfiguredDoesNotAllocate(t *testing.T) {
	s := New(Config{Network: netA, Broadcasts: -1})
	quiet := senderFunc(func([]*packet.Buffer) error { return nil })
	lan := s.AttachLAN(LANConfig{Name: "lan", Wire: &silentWire{}, Allow: []ipx.Node{host1}, Deny: []ipx.Node{host1b},
		Frames: map[ipx.Node]ipx.Encapsulation{host1: ipx.EthernetII}})
	s.AttachLAN(LANConfig{Name: "other", Wire: &silentWire{}})
	for i := range 3 {
		s.AttachLink(LinkConfig{Name: fmt.Sprint("link", i), Link: quiet, Gate: &policy.Gate{Duplicates: []ipx.Socket{0x4005}},
			Watchdog: watchdog.New(watchdog.Config{Limit: time.Hour}), Hold: time.Hour})
	}
	frames := make([]port.Frame, packet.BatchLen)
	for i := range frames {
		frames[i] = port.Frame{Packet: new(packet.Buffer), Encap: ipx.EthernetII, Dst: ipx.Broadcast, Src: host1}
	}
	n := 0
	if allocs := testing.AllocsPerRun(100, func() {
		for i := range frames {
			n++
			frames[i].Packet.Set(everybody)
			frames[i].Packet.Bytes()[40], frames[i].Packet.Bytes()[41] = byte(n), byte(n>>8)
		}
		lan.InputFrames(frames)
	}); allocs > 1 && !race.Enabled { // the pool of copies may be emptied meanwhile
		t.Errorf("%v allocations per batch", allocs)
	}
	if got := s.Stats(); got.PacketsOut < 100*packet.BatchLen*4 {
		t.Errorf("only %d packets left", got.PacketsOut)
	}
}

var everybody = pkt(at(host1), at(ipx.Broadcast), string(make([]byte, 500)))

type silentWire struct{}

func (*silentWire) MAC() ipx.Node { return mac1 }
func (*silentWire) Send(ipx.Encapsulation, ipx.Node, ipx.Node, []*packet.Buffer) error {
	return nil
}
