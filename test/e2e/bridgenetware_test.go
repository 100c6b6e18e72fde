package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/lab"
	"sitebridge/test/netware"
)

// cable is the number of a bridged segment with NetWare on it.
const cable ipx.Network = 0x0BCAB1E0

const cableKeys = `network = "0BCAB1E0"`

// loginDialogue is what the servers and clients say to each other.
func loginDialogue(t *testing.T) netware.Dialogue {
	t.Helper()
	r, err := netware.Load("02")
	if err != nil {
		t.Fatal(err)
	}
	return r.Login()
}

// server switches a NetWare server on. Off is the power going.
func server(w *lab.World, ns *netlab.Namespace, c netware.ServerConfig) (s *netware.Server, off func()) {
	w.T.Helper()
	c.Port, c.Network, c.Dialogues = w.Port(ns, "lan"), cable, []netware.Dialogue{loginDialogue(w.T)}
	s, err := netware.NewServer(c)
	if err != nil {
		w.T.Fatal(err)
	}
	return s, w.Background(s.Run)
}

func client(w *lab.World, ns *netlab.Namespace, enc ipx.Encapsulation) *netware.Client {
	w.T.Helper()
	c := netware.NewClient(netware.ClientConfig{Port: w.Port(ns, "lan"), Encap: enc})
	w.Background(c.Run)
	return c
}

// login has a client find the server of that name and log in, as often as it takes,
// and returns how long that was.
func login(w *lab.World, c *netware.Client, name string) time.Duration {
	w.T.Helper()
	ctx := w.Patiently()
	began := time.Now()
	lab.Wait(w.T, "login to "+name, func() bool {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		s, err := c.FindServer(try, name)
		if err == nil {
			err = c.Login(try, s.Addr, loginDialogue(w.T))
		}
		if err != nil {
			w.T.Logf("after %v: %v", time.Since(began).Round(time.Millisecond), err)
		}
		return err == nil
	})
	return time.Since(began)
}

// TestTwoNetWareServersOnOneSegment: a server at each end of a tunnel, both node
// 000000000001 of their insides, and a client at each end, in another frame type than
// at the other. Each client logs in to both. Then the server of a is carried to b: all
// find it there soon.
func TestTwoNetWareServersOnOneSegment(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	atA, _ := pair(w, bridging{segment: cableKeys}, bridging{segment: cableKeys})
	hosts := map[string]*netlab.Namespace{}
	for name, at := range map[string]*netlab.Namespace{"fs1": w.HostA, "pc-a": w.HostA, "fs2": w.HostB, "pc-b": w.HostB, "place-b": w.HostB} {
		hosts[name] = w.Desk(at, name)
	}
	fs1 := netware.ServerConfig{Encap: ipx.Ethernet8022, Internal: 0x5EA1, Name: "FS1"}
	s1, off := server(w, hosts["fs1"], fs1)
	s2, _ := server(w, hosts["fs2"], netware.ServerConfig{Encap: ipx.Ethernet8023, Internal: 0x5EA2, Name: "FS2"})
	pcs := []*netware.Client{client(w, hosts["pc-a"], ipx.Ethernet8022), client(w, hosts["pc-b"], ipx.Ethernet8023)}
	for i, pc := range pcs {
		for _, name := range []string{"FS1", "FS2"} {
			login(w, pc, name)
			if err := pc.CopyFile(w.Patiently(), 20_000); err != nil {
				t.Errorf("client %d, %s: %v", i, name, err)
			}
		}
	}
	for _, s := range []*netware.Server{s1, s2} {
		all := s.Connections()
		if len(all) != 2 || all[0].Unknown+all[1].Unknown != 0 {
			t.Errorf("server %v: connections %+v, want those of two clients", s.Addr(), all)
		}
	}
	wantOutput(t, atA, "00005EA2", "ipx", "nodes")

	off()
	wentAt := time.Now()
	mac, err := hosts["fs1"].Handle().LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	hosts["fs1"].Down("lan")
	hosts["place-b"].MAC("lan", mac.Attrs().HardwareAddr.String())
	time.Sleep(4*time.Second - time.Since(wentAt)) // nobody carries a server faster
	moved := fs1
	moved.Encap = ipx.Ethernet8023 // as all are there
	again, _ := server(w, hosts["place-b"], moved)
	for i, pc := range pcs {
		watch := lab.StartWatch()
		took := login(w, pc, "FS1")
		t.Logf("client %d found the server that moved after %v", i, took)
		watch.Within(t, "to find the server that moved", 10*time.Second)
	}
	if all := again.Connections(); len(all) != 2 {
		t.Errorf("connections %+v", all)
	}
}

// TestBridgedLoginLivesThroughAFlap: the tunnel is lost for longer than the server has
// patience. With watchdogs the client is logged in still; without, it is not.
func TestBridgedLoginLivesThroughAFlap(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		"with watchdogs":    func(t *testing.T) { bridgedFlap(t, true) },
		"without watchdogs": func(t *testing.T) { bridgedFlap(t, false) },
	})
}

func bridgedFlap(t *testing.T, watchdogs bool) {
	w := lab.New(t)
	c := bridging{
		segment: cableKeys, ipx: fmt.Sprintf("hold = \"60s\"\nwatchdogs = %v", watchdogs),
		site: `echo = { interval = "1s", failures = 2 }`,
	}
	atA, atB := pair(w, c, c)
	patience := netware.Watchdog{First: 4 * time.Second, Every: time.Second / 2, Times: 4}
	s, _ := server(w, w.HostA, netware.ServerConfig{Encap: ipx.Ethernet8022, Internal: 0x5EA1, Name: "FS1", Watchdog: patience})
	pc := client(w, w.HostB, ipx.Ethernet8022)
	login(w, pc, "FS1")
	w.Unplug("site-a")
	atA.WaitSite("b", "lost", func(s bridge.SiteStatus) bool { return s.State != bridge.StateUp })
	if watchdogs {
		lab.Wait(t, "watchdogs are answered", func() bool { return segmentStatus(t, atA).answered() > 0 })
	}
	gone := false
	wait := patience.Patience() + time.Second
	if !watchdogs {
		wait = lab.Patience
	}
	select {
	case <-s.Dropped():
		gone = true
	case <-time.After(wait):
	}
	w.Plug("site-a")
	atB.Run("up", "a") // not when it would try again by itself
	atA.WaitUp("b")
	err := pc.CopyFile(w.Patiently(), 5000)
	if gone == watchdogs || (err == nil) != watchdogs {
		t.Errorf("cleared: %v; copy after the flap: %v", gone, err)
	}
}
