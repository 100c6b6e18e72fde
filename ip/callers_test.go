package ip

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// shared is an interface without a device that callers share.
func shared(c *Callers) *Interface {
	i := &Interface{name: "shared"}
	i.live.Store(&live{callers: c, mtu4: 1400})
	return i
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestPacketsGoToTheirCaller(t *testing.T) {
	to := func(dst string) []byte { return ipPacket("10.1.0.2", dst, 17, make([]byte, 8)) }
	cut := to("10.9.0.5")
	cut[6] = 0 // may be fragmented
	long := ipPacket("10.1.0.2", "10.9.0.6", 17, make([]byte, 1300))
	for _, c := range []struct {
		name      string
		pkts      [][]byte
		anna, bob string
		drops     Drops
	}{
		{"each its own", [][]byte{to("10.9.0.5"), to("10.9.0.6")}, "0021 df=true 1", "0021 df=true 1", Drops{}},
		{"together though mixed", [][]byte{to("10.9.0.5"), to("10.9.0.6"), to("10.9.0.5"), to("10.9.0.6"), to("10.9.0.5")}, "0021 df=true 3", "0021 df=true 2", Drops{}},
		{"in order", [][]byte{to("10.9.0.5"), cut, to("10.9.0.6"), to("10.9.0.5")}, "0021 df=true 1, 0021 df=false 1, 0021 df=true 1", "0021 df=true 1", Drops{}},
		{"behind a caller", [][]byte{to("10.7.1.1"), to("10.7.0.1")}, "0021 df=true 1", "0021 df=true 1", Drops{}},
		{"nobody", [][]byte{to("10.9.0.7"), to("10.9.0.5")}, "0021 df=true 1", "", Drops{NoCaller: 1}},
		{"too long for one", [][]byte{long, ipPacket("10.1.0.2", "10.9.0.5", 17, make([]byte, 1300))}, "0021 df=true 1", "", Drops{TooBig: 1}},
		{"IPv6", [][]byte{ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, make([]byte, 8))}, "", "", Drops{ProtocolDown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := new(Callers)
			anna, bob := new(recorder), new(recorder)
			all.Add(CallerConfig{Link: anna, Address: addr("10.9.0.5"), Behind: parsePrefixes("10.7.0.0/16"), MTU: 1400})
			all.Add(CallerConfig{Link: bob, Address: addr("10.9.0.6"), Behind: parsePrefixes("10.7.1.0/24"), MTU: 1200})
			tr := transmitter{i: shared(all)}
			tr.complaints.at = time.Now().Add(time.Hour) // there is no device to tell
			tr.fill(c.pkts...)
			tr.flush()
			if a, b := strings.Join(anna.sent, ", "), strings.Join(bob.sent, ", "); a != c.anna || b != c.bob {
				t.Errorf("anna got %q, bob %q", a, b)
			}
			if got := tr.i.Stats().Drops; got != c.drops {
				t.Errorf("drops %+v", got)
			}
		})
	}
}

func TestCallersSendFromTheirOwn(t *testing.T) {
	all := new(Callers)
	anna := all.Add(CallerConfig{Address: addr("10.9.0.5"), Behind: parsePrefixes("10.7.0.0/16"), MTU: 1400})
	all.Add(CallerConfig{Address: addr("10.9.0.6"), MTU: 1400})
	i := shared(all)
	for src, own := range map[string]bool{"10.9.0.5": true, "10.7.3.4": true, "10.9.0.6": false, "10.1.0.1": false, "127.0.0.1": false} {
		b := batch(ipPacket(src, "10.1.0.2", 17, make([]byte, 8)))[0]
		if _, ok := i.admit(i.live.Load(), 4, b, anna); ok != own {
			t.Errorf("from %s: %v", src, ok)
		}
	}
	if n, d := anna.Foreign(), i.Stats().Drops; n != 3 || d != (Drops{SourceNotCallers: 3}) {
		t.Errorf("%d, %+v", n, d)
	}
}

func TestCallersComeAndGo(t *testing.T) {
	all := new(Callers)
	if all.find(addr("10.9.0.5")) != nil || all.MTU() != 0 {
		t.Error("somebody is there at first")
	}
	anna := all.Add(CallerConfig{Address: addr("10.9.0.5"), Behind: parsePrefixes("10.7.0.0/16"), MTU: 1300})
	bob := all.Add(CallerConfig{Address: addr("10.9.0.6"), MTU: 1200})
	if all.MTU() != 1300 || all.find(addr("10.9.0.6")) != bob || all.find(addr("10.7.0.1")) != anna {
		t.Error("not found")
	}
	again := all.Add(CallerConfig{Address: addr("10.9.0.5"), MTU: 1300})
	anna.Remove() // the place is another's by now
	if all.find(addr("10.9.0.5")) != again || all.find(addr("10.7.0.1")) != nil {
		t.Error("the end of one took the other's place")
	}
	again.Remove()
	again.Remove()
	if all.find(addr("10.9.0.5")) != nil || all.MTU() != 1200 {
		t.Error("still there")
	}
}

func TestHostUnreachable(t *testing.T) {
	pkt := ipPacket("10.1.0.2", "10.9.0.7", 17, make([]byte, 8))
	v, _ := parse(pkt)
	got := appendHostUnreachable(nil, pkt, v, dummyAddress)
	w, ok := parse(got)
	if !ok || w.protocol != protoICMP || w.destination(got) != addr("10.1.0.2") || got[20] != 3 || got[21] != 1 || !slices.Equal(got[28:], pkt) {
		t.Errorf("% x", got)
	}
	if fold(add(0, got[20:])) != 0xffff {
		t.Error("checksum")
	}
	if appendHostUnreachable(nil, got, w, dummyAddress) != nil {
		t.Error("an error is answered with an error")
	}
}

func TestCallersDoNotAllocate(t *testing.T) {
	if race.Enabled {
		return
	}
	all := new(Callers)
	for n := range 100 {
		all.Add(CallerConfig{Link: discard{}, Address: netip.AddrFrom4([4]byte{10, 9, 0, byte(n)}), Behind: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, byte(n), 0}), 24)}, MTU: 1400})
	}
	tr := transmitter{i: shared(all), batch: packet.GetBatch()}
	var pkts [][]byte
	for n := range packet.BatchLen {
		pkts = append(pkts, ipPacket("10.1.0.2", netip.AddrFrom4([4]byte{10, byte(7 + n%2*2), byte(n) * byte(1-n%2), byte(n)}).String(), 17, make([]byte, 100)))
	}
	if n := testing.AllocsPerRun(200, func() { tr.fill(pkts...); tr.flush() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s := tr.i.Stats(); s.Drops != (Drops{}) {
		t.Errorf("%+v", s)
	}
}

func TestProxyARP(t *testing.T) {
	lab := netlab.New(t)
	ns, peer := lab.Namespace("hq"), lab.Namespace("lan")
	lab.Veth(ns, "eth1", peer, "eth0")
	ns.Addr("eth1", "10.1.0.1/24")
	peer.Addr("eth0", "10.1.0.2/24")
	ns.Forward()
	var h *Host
	if err := ns.Do(func() (err error) { h, err = OpenHost(); return err }); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	proxied := func() (all []string) {
		list, err := h.nl.nl.NeighProxyList(0, unix.AF_INET)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			all = append(all, n.IP.String())
		}
		slices.Sort(all)
		return all
	}
	link, err := h.nl.LinkByName("eth1")
	if err != nil {
		t.Fatal(err)
	}
	theirs := &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: unix.AF_INET, Flags: netlink.NTF_PROXY, IP: addr("10.1.0.40").AsSlice()}
	if err := h.nl.nl.NeighAdd(theirs); err != nil {
		t.Fatal(err)
	}
	var undo [3]func() error
	for n, a := range []string{"10.1.0.40", "10.1.0.41", "10.1.0.42"} {
		if undo[n], err = h.ProxyARP("eth1", addr(a)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(undo[0](), undo[1]()); err != nil {
		t.Fatal(err)
	}
	if got := proxied(); !slices.Equal(got, []string{"10.1.0.40", "10.1.0.42"}) {
		t.Errorf("after one end: %v", got)
	}
	if err := h.CleanStale(); err != nil {
		t.Fatal(err)
	}
	if got := proxied(); !slices.Equal(got, []string{"10.1.0.40"}) {
		t.Errorf("after a crash: %v", got)
	}
	if err := undo[2](); err != nil {
		t.Errorf("undo of what is gone: %v", err)
	}
	if _, err := h.ProxyARP("eth7", addr("10.1.0.41")); err == nil {
		t.Error("on a device that is not there")
	}
}
