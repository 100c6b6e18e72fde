package port

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// watch opens a watch on our end of the wire, and passes on what it sees.
func watch(t *testing.T, w wire) <-chan Sighting {
	t.Helper()
	var eyes *Watch
	if err := w.us.Do(func() (err error) { eyes, err = OpenWatch(LANConfig{Interface: "lan", Promiscuous: true}); return err }); err != nil {
		t.Fatal(err)
	}
	seen, ended := make(chan Sighting, 4096), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- w.us.Do(func() error {
			return eyes.Run(ctx, func(s Sighting) {
				s.Frame = bytes.Clone(s.Frame)
				seen <- s
			})
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if eyes.Lost() != 0 {
			t.Errorf("%d frames lost", eyes.Lost())
		}
		eyes.Close()
	})
	return seen
}

func nextSighting(t *testing.T, seen <-chan Sighting) Sighting {
	t.Helper()
	select {
	case s := <-seen:
		return s
	case <-time.After(time.Minute):
		t.Fatal("nothing is seen")
		return Sighting{}
	}
}

// A watch sees whole frames: of others, of our own host, to others, and those
// whose IPX packet is no good.
func TestWatchSeesAll(t *testing.T) {
	w := newWire(t)
	seen := watch(t, w)
	them, ourHost := newStation(t, w.them, "eth0"), newStation(t, w.us, "lan")
	lying := frameOf(t, ipx.Ethernet8022, ipx.Broadcast, macB, packetOf(60, ipx.Broadcast, macB))
	lying[19], lying[20] = 0xFF, 0xFF // the length in the IPX header
	for _, c := range []struct {
		name  string
		from  station
		frame []byte
		own   bool
	}{
		{"from a station to another", them, frameOf(t, ipx.EthernetII, macC, macB, packetOf(40, macC, macB)), false},
		{"from our own host", ourHost, frameOf(t, ipx.EthernetSNAP, ipx.Broadcast, macA, packetOf(41, ipx.Broadcast, macA)), true},
		{"with our address, from outside", them, frameOf(t, ipx.Ethernet8023, macC, macA, packetOf(40, macC, macA)), false},
		{"with a lying length", them, lying, false},
	} {
		began := time.Now()
		c.from.send(t, c.frame)
		s := nextSighting(t, seen)
		if !bytes.Equal(s.Frame, c.frame) || s.Own != c.own || s.Time.Before(began.Add(-time.Second)) || s.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: own %v at %v: % x, want % x", c.name, s.Own, s.Time, s.Frame, c.frame)
		}
	}
}

// It leaves other protocols and VLANs alone, and captures pass whole.
func TestWatchSeesIPXOnly(t *testing.T) {
	w := newWire(t)
	seen := watch(t, w)
	them := newStation(t, w.them, "eth0")
	frame := frameOf(t, ipx.EthernetII, macA, macB, packetOf(60, macA, macB))
	them.send(t, vlanFrame(frame, 5))
	arp := bytes.Clone(frame)
	arp[12], arp[13] = 0x08, 0x06
	them.send(t, arp)
	for name, frames := range ipxtest.Captures(t, "../testdata") {
		for i, frame := range frames {
			them.send(t, frame)
			if s := nextSighting(t, seen); !bytes.Equal(s.Frame, frame) {
				t.Fatalf("%s, frame %d: % x, want % x", name, i+1, s.Frame, frame)
			}
		}
	}
}

// A watch outlives its interface's being down, and ends when it is gone.
func TestWatchOfAnInterfaceThatGoes(t *testing.T) {
	w := newWire(t)
	var eyes *Watch
	if err := w.us.Do(func() (err error) { eyes, err = OpenWatch(LANConfig{Interface: "lan"}); return err }); err != nil {
		t.Fatal(err)
	}
	defer eyes.Close()
	seen, ended := make(chan bool, 16), make(chan error, 1)
	go func() {
		ended <- w.us.Do(func() error { return eyes.Run(t.Context(), func(Sighting) { seen <- true }) })
	}()
	link, err := w.us.Handle().LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.us.Handle().LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	w.us.Up("lan")
	newStation(t, w.them, "eth0").sendSentinel(t)
	<-seen
	if err := w.us.Handle().LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "interface lan is gone" {
		t.Errorf("it ended with %v", err)
	}
}

func TestOpenWatchErrors(t *testing.T) {
	w := newWire(t)
	for _, tt := range []struct {
		name, ifi string
		enter     func() error // on a thread that ends with the function
		want      string
	}{
		{"no interface", "none", nil, "`ip link` lists those that are there"},
		{"no Ethernet", "lo", nil, "interface lo is no Ethernet"},
		{"no privilege", "lan", dropCapabilities, "missing capability: CAP_NET_RAW"},
	} {
		err := w.us.Do(func() error {
			if tt.enter != nil {
				if err := tt.enter(); err != nil {
					return err
				}
			}
			_, err := OpenWatch(LANConfig{Interface: tt.ifi})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
