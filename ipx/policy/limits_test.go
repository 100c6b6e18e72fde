package policy

import (
	"testing"

	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// X7: what should not cross a link is stopped by a Gate that nobody has set.
func TestAttackX7SocketsThatDoNotCross(t *testing.T) {
	between := func(kind ipx.PacketType, src, dst ipx.Socket) ipx.Header {
		return ipx.Header{Type: kind, Src: ipx.Addr{Socket: src}, Dst: ipx.Addr{Socket: dst}}
	}
	all := Gate{PassSerial: true, PassSNMP: true, PassNetBIOS: true}
	for _, c := range []struct {
		name string
		h    ipx.Header
		want Verdict
	}{
		{"serialization", between(ipx.TypeUnknown, 0x0457, 0x0457), Serial},
		{"an answer from where serialization is", between(ipx.TypeUnknown, 0x0457, 0x4003), Pass},
		{"SNMP", between(ipx.TypePEP, 0x4003, 0x900F), SNMP},
		{"SNMP, the answer", between(ipx.TypePEP, 0x900F, 0x4003), SNMP},
		{"an SNMP trap", between(ipx.TypePEP, 0x4003, 0x9010), SNMP},
		{"type 20", between(ipx.TypePropagated, 0x0455, 0x0455), NetBIOS},
		{"type 20 of another socket", between(ipx.TypePropagated, 0x0553, 0x0553), NetBIOS},
		{"a NetBIOS session", between(ipx.TypePEP, 0x0455, 0x0455), NetBIOS},
		{"a NetBIOS session, from an odd socket", between(ipx.TypePEP, 0x4003, 0x0455), NetBIOS},
		{"a NetBIOS session, the answer", between(ipx.TypePEP, 0x0455, 0x4003), NetBIOS},
		{"NCP", between(ipx.TypeNCP, 0x4003, 0x0451), Pass},
		{"a game", between(ipx.TypePEP, 0x869C, 0x869C), Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, in := range []bool{true, false} {
				if got := new(Gate).Judge(&c.h, in); got != c.want {
					t.Errorf("in %v: %v, want %v", in, got, c.want)
				}
				if got := all.Judge(&c.h, in); got != Pass {
					t.Errorf("in %v, all allowed: %v", in, got)
				}
			}
		})
	}
}

func TestGateHasAFilterForEachWay(t *testing.T) {
	g := Gate{In: filter(t, "deny src-network 00000020"), Out: filter(t, "deny dst-network 00000020")}
	from := ipx.Header{Src: ipx.Addr{Network: 0x20}, Dst: ipx.Addr{Network: 0x10}}
	to := ipx.Header{Src: ipx.Addr{Network: 0x10}, Dst: ipx.Addr{Network: 0x20}}
	for _, c := range []struct {
		name string
		h    ipx.Header
		in   bool
		want Verdict
	}{
		{"in, denied", from, true, Filtered},
		{"in, denied the other way only", to, true, Pass},
		{"out, denied", to, false, Filtered},
		{"out, denied the other way only", from, false, Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := g.Judge(&c.h, c.in); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	if serial := (ipx.Header{Src: ipx.Addr{Network: 0x20}, Dst: ipx.Addr{Socket: ipx.SocketSerial}}); g.Judge(&serial, true) != Serial {
		t.Error("what is stopped anyway is counted as filtered")
	}
}

func TestJudgeDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		return // the race detector allocates: test/run looks at it without
	}
	g := Gate{PassNetBIOS: true, In: filter(t, "deny socket 4004", "deny type 20 src-network 00000040-0000004F"), Out: filter(t, "deny")}
	if n := testing.AllocsPerRun(100, func() {
		if g.Judge(&broadcast, true) != Pass || g.Judge(&broadcast, false) != Filtered {
			t.Error("a wrong verdict")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

// A service is of no use without its network: both must be allowed.
func TestLimitsOfServices(t *testing.T) {
	fs1 := sap.Service{Type: sap.FileServer, Name: "FS1", Addr: ipx.Addr{Network: 0x20}}
	names, otherNames := Services{{sap.FileServer, "FS*"}}, Services{{sap.FileServer, "NW*"}}
	numbers, otherNumbers := Networks{{0x20, 0x2F}}, Networks{{0x30, 0x3F}}
	for _, c := range []struct {
		name     string
		networks Networks
		services Services
		want     bool
	}{
		{"no limits", nil, nil, true},
		{"its name", nil, names, true},
		{"another name", nil, otherNames, false},
		{"its network", numbers, nil, true},
		{"another network", otherNumbers, nil, false},
		{"both", numbers, names, true},
		{"its name, another network", otherNumbers, names, false},
		{"its network, another name", numbers, otherNames, false},
		{"nothing", Networks{}, Services{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Limits{AcceptNetworks: c.networks, AcceptServices: c.services}
			out := Limits{AnnounceNetworks: c.networks, AnnounceServices: c.services}
			if in.Accepted(fs1) != c.want || out.Allowed(fs1) != c.want {
				t.Errorf("accepted %v, announced %v, want %v", in.Accepted(fs1), out.Allowed(fs1), c.want)
			}
			if !in.Allowed(fs1) || !out.Accepted(fs1) {
				t.Error("one way limits the other")
			}
		})
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		PropagateOn.String(): "on", PropagateOff.String(): "off", PropagateReverse.String(): "reverse-path",
		NearestAuto.String(): "auto", NearestAlways.String(): "always", NearestNever.String(): "never",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
