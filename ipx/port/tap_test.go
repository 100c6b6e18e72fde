package port

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
)

// openTAPIn makes a TAP interface inside a namespace.
func openTAPIn(tb testing.TB, ns *netlab.Namespace, cfg TAPConfig) Port {
	tb.Helper()
	var p Port
	err := ns.Do(func() (err error) { p, err = OpenTAP(cfg); return err })
	if errors.Is(err, ErrPrivilege) && os.Getenv("REQUIRE_NETNS") == "" {
		tb.Skipf("/dev/net/tun is closed to this user: %v", err) // inside a lab only that is missing
	} else if err != nil {
		tb.Fatal(err)
	}
	return p
}

// The host's end of the TAP interface is a LAN port here: what one sends, the
// other hears.
func TestTAP(t *testing.T) {
	host := netlab.New(t).Namespace("host")
	p := openTAPIn(t, host, TAPConfig{Name: "ipx0", MAC: macA})
	arrivals := run(t, p, host.Do)
	host.MAC("ipx0", mac(macB))
	q := openLAN(t, host, LANConfig{Interface: "ipx0"})
	atHost := run(t, q, host.Do)
	if p.MAC() != macA || p.Name() != "ipx0" || !p.Up() {
		t.Errorf("port %s has %v", p.Name(), p.MAC())
	}
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		for _, n := range []int{30, 31, 45, 46, 47, 63, 576, 1492} {
			toHost, toUs := packetOf(n, macB, macA), packetOf(n, macA, macB)
			if err := p.Send(e, macB, macA, buffersOf(toHost)); err != nil {
				t.Fatal(err)
			}
			if got := next(t, atHost); !equal(got, arrival{toHost, e, macB, macA}) {
				t.Errorf("%v of %d octets: at the host %+v", e, n, got)
			}
			if err := q.Send(e, macA, macB, buffersOf(toUs)); err != nil {
				t.Fatal(err)
			}
			if got := next(t, arrivals); !equal(got, arrival{toUs, e, macA, macB}) {
				t.Errorf("%v of %d octets: here %+v", e, n, got)
			}
		}
	}
}

// Nothing filters a TAP interface but us. What is not padded is good; VLAN tags
// are still in the frame, and count.
func TestTAPFramesAsTheHostSendsThem(t *testing.T) {
	host := netlab.New(t).Namespace("host")
	p := openTAPIn(t, host, TAPConfig{Name: "ipx0", MAC: macA})
	arrivals := run(t, p, host.Do)
	host.MAC("ipx0", mac(macB))
	them := newStation(t, host, "ipx0")
	pkt := packetOf(37, macA, macB)
	frame := frameOf(t, ipx.Ethernet8022, macA, macB, pkt)[:17+37]
	frame[13]-- // nor made even
	them.send(t, frame)
	if got := next(t, arrivals); !equal(got, arrival{pkt, ipx.Ethernet8022, macA, macB}) {
		t.Errorf("arrived %+v", got)
	}
	before := p.Stats().Drops // the kernel's own IPv6 frames count there too
	own := bytes.Clone(frame)
	copy(own[6:], macA[:])
	for _, f := range [][]byte{vlanFrame(frame, 5), own, frame[:17+29]} {
		them.send(t, f)
	}
	them.sendSentinel(t)
	wantSentinel(t, arrivals)
	after := p.Stats().Drops
	after.NotIPX = before.NotIPX
	if want := (Drops{NotIPX: before.NotIPX, VLAN: 1, OwnFrame: 1, Truncated: 1}); after != want {
		t.Errorf("drops %+v, want %+v", after, want)
	}
}

func TestTAPIsMadeAgain(t *testing.T) {
	host := netlab.New(t).Namespace("host")
	p := openTAPIn(t, host, TAPConfig{Name: "ipx0"})
	arrivals := run(t, p, host.Do)
	mac := p.MAC()
	if mac.IsGroup() || mac.IsZero() || mac[0]&2 == 0 {
		t.Errorf("the port took the address %v", mac)
	}
	host.Delete("ipx0")
	eventually(t, "the port is down", func() bool { return !p.Up() })
	if err := p.Send(ipx.EthernetII, macB, mac, buffersOf(sentinel)); err != ErrDown {
		t.Errorf("Send = %v", err)
	}
	eventually(t, "the port is up", p.Up)
	newStation(t, host, "ipx0").sendSentinel(t)
	wantSentinel(t, arrivals)
	if p.MAC() != mac || p.Stats().Reopened != 1 {
		t.Errorf("address %v, was %v; %+v", p.MAC(), mac, p.Stats())
	}
}

func TestTAPIsGoneWithItsPort(t *testing.T) {
	host := netlab.New(t).Namespace("host")
	p := openTAPIn(t, host, TAPConfig{Name: "ipx0"})
	there := func() error { _, err := net.InterfaceByName("ipx0"); return err }
	if err := host.Do(there); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the interface is gone", func() bool { return host.Do(there) != nil })
}

func TestOpenTAPErrors(t *testing.T) {
	host := netlab.New(t).Namespace("host")
	p := openTAPIn(t, host, TAPConfig{Name: "ipx0"})
	defer p.Close()
	err := host.Do(func() error { _, err := OpenTAP(TAPConfig{Name: "ipx0"}); return err })
	if err == nil || !strings.Contains(err.Error(), "ipx0: ioctl: device or resource busy") {
		t.Errorf("taken: %v", err)
	}
	err = host.Do(func() error {
		if err := dropCapabilities(); err != nil {
			return err
		}
		_, err := OpenTAP(TAPConfig{Name: "ipx1"})
		return err
	})
	if err == nil || err.Error() != "make TAP interface ipx1: missing capability: CAP_NET_ADMIN, and access to /dev/net/tun (chmod 666 it, as Debian does, or give it to a group that this user is in)" {
		t.Errorf("no privilege: %v", err)
	}
}
