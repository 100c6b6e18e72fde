package netware

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// Stations of the tests, as recorded.
var (
	serverMAC = ipx.Node{2, 0, 0, 0, 0x0A, 0x01}
	clientMAC = ipx.Node{2, 0, 0, 0, 0x0C, 0x01}
)

const (
	serverNet ipx.Network = 0xA0A0
	clientNet ipx.Network = 0xB0B0
	inside    ipx.Network = 0x5EA1
)

// A bed runs things in a bubble of virtual time until the test ends.
type bed struct {
	*testing.T
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func inBed(t *testing.T, fn func(b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		b := &bed{T: t, ctx: ctx, stop: stop}
		defer b.running.Wait()
		defer stop()
		fn(b)
	})
}

// run runs something until the test ends, or the returned function is called.
func (b *bed) run(fn func(context.Context) error) (stop context.CancelFunc) {
	ctx, stop := context.WithCancel(b.ctx)
	b.running.Go(func() {
		if err := fn(ctx); err != nil {
			b.Errorf("run: %v", err)
		}
	})
	return stop
}

func (b *bed) must(what string, err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

func (b *bed) recording(name string) *Recording {
	b.Helper()
	r, err := Load(name)
	b.must("recording", err)
	return r
}

// server puts a server on a wire that knows some dialogues.
func (b *bed) server(hub *port.Hub, known ...Dialogue) (*Server, context.CancelFunc) {
	b.Helper()
	s, err := NewServer(ServerConfig{
		Port: hub.Port("server", serverMAC, false), Encap: ipx.Ethernet8022,
		Network: serverNet, Internal: inside, Name: "MARSVR",
		Dialogues: known,
	})
	b.must("server", err)
	return s, b.run(s.Run)
}

// client puts a client on a wire, which does not know its number.
func (b *bed) client(hub *port.Hub) (*Client, context.CancelFunc) {
	c := NewClient(ClientConfig{Port: hub.Port("client", clientMAC, false), Encap: ipx.Ethernet8022})
	return c, b.run(c.Run)
}

// login has a client find the server and log in as recorded.
func (b *bed) login(c *Client, recording string) sap.Service {
	b.Helper()
	s, err := c.FindServer(b.ctx, "")
	b.must("find the server", err)
	b.must("log in", c.Login(b.ctx, s.Addr, b.recording(recording).Login()))
	return s
}

func TestRecordings(t *testing.T) {
	all, err := LoadAll()
	if err != nil || len(all) != 6 {
		t.Fatalf("%d recordings, %v", len(all), err)
	}
	want := map[string]struct{ dialogues, login, file int }{
		"01-samelan-8022-mars-slist-login": {10, 59, 0},
		"02-samelan-8023raw":               {5, 66, 2},
		"03-samelan-ethernet2":             {5, 66, 2},
		"04-samelan-snap":                  {5, 66, 2},
		"05-routed-ipxd-lanA-8022":         {5, 44, 1},
		"05-routed-ipxd-lanB-8023":         {5, 37, 1},
	}
	for _, r := range all {
		w, got := want[r.Name], r.Dialogues()
		if len(got) != w.dialogues || len(r.Login()) != w.login || len(r.Login().Files()) != w.file {
			t.Errorf("%s: %d dialogues, login of %d requests, %d files, want %+v", r.Name, len(got), len(r.Login()), len(r.Login().Files()), w)
		}
	}
	// The same files were read in each frame type.
	one, other := all[1].Login().Files(), all[3].Login().Files()
	if !bytes.HasPrefix(one[0], []byte("hello from")) {
		t.Errorf("first file %q", one[0])
	}
	if len(one[1]) != 20000 || len(other[1]) != 20000 {
		t.Errorf("second files of %d and %d octets, want 20000", len(one[1]), len(other[1]))
	}
}

// What the recorded clients ask, the server answers as the recorded one, octet
// for octet.
func TestServerAnswersAsRecorded(t *testing.T) {
	inBed(t, func(b *bed) {
		r := b.recording("01")
		hub := port.NewHub()
		var heard [][]byte
		var mu sync.Mutex
		hub.Watch(func(frame []byte) {
			if _, dst, src, pkt, err := ipx.Decapsulate(frame); err == nil && src == serverMAC && dst == clientMAC {
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, bytes.Clone(pkt))
			}
		})
		s, _ := b.server(hub, r.Dialogues()...)
		me := hub.Port("client", clientMAC, false)
		var want [][]byte
		for _, f := range r.Frames {
			switch {
			case f.Src == clientMAC:
				// The recorded server gave the second number now and then.
				if all := s.Connections(); len(all) == 1 && kindOf(f.Data()) != 0 && kindOf(f.Data()) != create {
					f.Data()[3] = byte(all[0].Number)
				}
				b.must("send", sendPacket(me, f.Encap, f.Packet, f.Dst, f.Src))
			case f.Dst == clientMAC:
				want = append(want, f.Packet)
				synctest.Wait()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		number := 0
		for i := range min(len(want), len(heard)) {
			h, data, _ := ipx.Parse(want[i])
			if h.Src.Socket == ipx.SocketNCP && kindOf(data) == reply {
				_, got, _ := ipx.Parse(heard[i])
				hd := headOf(data)
				hd.conn = headOf(got).conn
				copy(want[i][ipx.HeaderLen:], hd.packet(nil))
				number++
			}
			if !bytes.Equal(heard[i], want[i]) {
				b.Fatalf("answer %d:\n%x, recorded\n%x", i, heard[i], want[i])
			}
		}
		if len(heard) != len(want) || number < 100 {
			b.Errorf("%d answers, recorded %d, %d of them NCP", len(heard), len(want), number)
		}
		if left := s.Connections(); len(left) != 0 {
			b.Errorf("connections left: %+v", left)
		}
	})
}

func TestClientAndServerOnOneWire(t *testing.T) {
	inBed(t, func(b *bed) {
		hub := port.NewHub()
		s, _ := b.server(hub, b.recording("02").Login())
		c, switchOff := b.client(hub)
		synctest.Wait()
		found := b.login(c, "02")
		if found.Name != "MARSVR" || found.Addr != s.Addr() || found.Hops != 1 || c.Addr().Network != serverNet {
			b.Errorf("found %+v from %v", found, c.Addr())
		}
		b.must("copy", c.CopyFile(b.ctx, 100_001))
		if all := s.Connections(); len(all) != 1 || all[0].Unknown != 0 || all[0].Client != c.Addr() {
			b.Errorf("connections: %+v", all)
		}

		// It stays logged in for as long as it answers.
		began := time.Now()
		time.Sleep(time.Hour)
		if n := c.Watchdogs(); n != 12 { // every 4 min 56.6 s
			b.Errorf("asked %d times in an hour", n)
		}
		s.Tell(1)
		synctest.Wait()
		if c.Messages() != 1 {
			b.Error("no message heard")
		}
		b.must("copy after an hour", c.CopyFile(b.ctx, 5000))

		// Then it is switched off, and cleared when it was asked ten times.
		last := time.Now()
		switchOff()
		gone := <-s.Dropped()
		if took := time.Since(last); took != NetWare.Patience() || gone.Asked != 10 || gone.Number != 1 {
			b.Errorf("cleared after %v: %+v, want %v", took, gone, NetWare.Patience())
		}
		if len(s.Connections()) != 0 {
			b.Errorf("connections: %+v", s.Connections())
		}
		b.Logf("cleared %v after the login", time.Since(began))
	})
}

func TestClientLogsOut(t *testing.T) {
	inBed(t, func(b *bed) {
		hub := port.NewHub()
		s, _ := b.server(hub, b.recording("02").Login())
		c, _ := b.client(hub)
		b.must("connect", c.Connect(b.ctx, s.Addr()))
		b.must("copy", c.CopyFile(b.ctx, 10))
		b.must("log out", c.Logout(b.ctx))
		if _, in := c.Connection(); in || len(s.Connections()) != 0 {
			b.Errorf("still connected: %v, %+v", in, s.Connections())
		}
		if err := c.CopyFile(b.ctx, 10); !errors.Is(err, ErrCleared) {
			b.Errorf("copy afterwards: %v", err)
		}
	})
}

// A shell gives up finding a server after a second, and a server that is silent
// after its retries.
func TestClientGivesUp(t *testing.T) {
	inBed(t, func(b *bed) {
		hub := port.NewHub()
		c, _ := b.client(hub)
		began := time.Now()
		if _, err := c.FindServer(b.ctx, ""); !errors.Is(err, ErrNotFound) || time.Since(began) != time.Second {
			b.Errorf("after %v: %v", time.Since(began), err)
		}
		s, switchOff := b.server(hub, b.recording("02").Login())
		b.must("connect", c.Connect(b.ctx, s.Addr()))
		switchOff()
		began = time.Now()
		if err := c.CopyFile(b.ctx, 10); !errors.Is(err, ErrNoAnswer) || time.Since(began) < 30*time.Second {
			b.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// The server's announcements are mars_nwe's: each of the two every two minutes.
func TestServerAnnouncesInTurn(t *testing.T) {
	inBed(t, func(b *bed) {
		hub := port.NewHub()
		var mu sync.Mutex
		heard := map[ipx.Socket][]time.Duration{}
		began := time.Now()
		hub.Watch(func(frame []byte) {
			_, dst, _, pkt, _ := ipx.Decapsulate(frame)
			h, data, _ := ipx.Parse(pkt)
			mu.Lock()
			defer mu.Unlock()
			if dst == ipx.Broadcast && data[1] == 2 {
				heard[h.Dst.Socket] = append(heard[h.Dst.Socket], time.Since(began))
			}
		})
		s, _ := b.server(hub, b.recording("02").Login())
		time.Sleep(5 * time.Minute)
		s.Down()
		mu.Lock()
		defer mu.Unlock()
		for socket, want := range map[ipx.Socket][]time.Duration{
			ipx.SocketRIP: {0, time.Minute, 3 * time.Minute, 5 * time.Minute},
			ipx.SocketSAP: {0, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute},
		} {
			got := heard[socket]
			if len(got) != len(want) && len(got) != len(want)+1 { // the fifth minute is both
				b.Errorf("socket %v: %v, want %v", socket, got, want)
				continue
			}
			for i := range want {
				if got[i] != want[i] {
					b.Errorf("socket %v: %v, want %v", socket, got, want)
				}
			}
		}
	})
}

// A wire is a router's side of a hub.
type wire struct {
	port.Port
	enc ipx.Encapsulation
}

func (w wire) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	return w.Port.Send(w.enc, dst, w.MAC(), pkts)
}

// routed joins two hubs by a router, whose MAC addresses on them it returns.
func (b *bed) routed(hubs [2]*port.Hub, nets [2]ipx.Network, encs [2]ipx.Encapsulation) (macs [2]ipx.Node) {
	r := router.New(router.Config{})
	b.run(r.Run)
	for i, hub := range hubs {
		macs[i] = ipx.Node{2, 0, 0, 0, 0x99, byte(i)}
		own := hub.Port("router", macs[i], false)
		at, err := r.Attach(router.Attachment{Name: nets[i].String(), Network: nets[i], Node: own.MAC(), Send: wire{own, encs[i]}})
		b.must("attach", err)
		b.run(func(ctx context.Context) error {
			return own.Run(ctx, func(frames []port.Frame) {
				for _, f := range frames {
					at.Input([]router.In{{Packet: f.Packet, Dst: router.Addressee(f.Dst, own.MAC())}})
				}
			})
		})
	}
	return macs
}

func TestClientAndServerBehindARouter(t *testing.T) {
	inBed(t, func(b *bed) {
		near, far := port.NewHub(), port.NewHub()
		b.routed([2]*port.Hub{near, far}, [2]ipx.Network{clientNet, serverNet}, [2]ipx.Encapsulation{ipx.Ethernet8022, ipx.Ethernet8022})
		s, _ := b.server(far, b.recording("03").Login())
		c, switchOff := b.client(near)
		synctest.Wait()
		if found := b.login(c, "03"); found.Hops != 2 {
			b.Errorf("found %+v", found)
		}
		b.must("copy", c.CopyFile(b.ctx, 50_000))
		time.Sleep(time.Hour)
		if c.Watchdogs() == 0 || len(s.Connections()) != 1 {
			b.Errorf("asked %d times, connections %+v", c.Watchdogs(), s.Connections())
		}
		switchOff()
		if gone := <-s.Dropped(); gone.Client.Network != clientNet {
			b.Errorf("cleared: %+v", gone)
		}
	})
}

// play plays both parts of a recording at once.
func (b *bed) play(what string, client, server *Player, forClient, forServer Part) {
	b.Helper()
	if len(forClient) < 100 {
		b.Errorf("%s: only %d packets", what, len(forClient))
	}
	b.run(client.Run)
	b.run(server.Run)
	failed := make(chan error, 2)
	go func() { failed <- client.Play(b.ctx, forClient) }()
	go func() { failed <- server.Play(b.ctx, forServer) }()
	for range 2 {
		if err := <-failed; err != nil {
			b.Errorf("%s: %v", what, err)
		}
	}
}

func TestRecordingsOnOneWire(t *testing.T) {
	all, err := LoadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				hub := port.NewHub()
				player := func(name string, mac byte) *Player {
					return NewPlayer(PlayerConfig{Port: hub.Port(name, ipx.Node{2, 5: mac}, true), Encap: ipx.EthernetII, Paced: true})
				}
				began := time.Now()
				client, server := r.Bridged()
				b.play(r.Name, player("client", 1), player("server", 2), client, server)
				if took, want := time.Since(began), r.Frames[len(r.Frames)-1].At; took < want {
					b.Errorf("played in %v, recorded in %v", took, want)
				}
			})
		})
	}
}

func TestRecordingsThroughARouter(t *testing.T) {
	all, err := LoadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) {
			inBed(t, func(b *bed) {
				near, far := port.NewHub(), port.NewHub()
				encs := [2]ipx.Encapsulation{ipx.EthernetSNAP, ipx.Ethernet8023}
				macs := b.routed([2]*port.Hub{near, far}, [2]ipx.Network{clientNet, serverNet}, encs)
				host, err := NewServer(ServerConfig{Port: far.Port("announcer", serverMAC, false), Encap: encs[1], Network: serverNet, Internal: inside, Name: "MARSVR"})
				b.must("server", err)
				host.Announce()
				synctest.Wait()
				numbers := map[ipx.Network]ipx.Network{r.Client.Network: clientNet, r.Server.Network: inside}
				client, server := r.Routed()
				b.play(r.Name,
					NewPlayer(PlayerConfig{Port: near.Port("client", r.Client.Node, false), Encap: encs[0], Via: macs[0], Networks: numbers, Routers: 1}),
					NewPlayer(PlayerConfig{Port: far.Port("server", serverMAC, true), Encap: encs[1], Via: macs[1], Networks: numbers, Routers: 1}),
					client, server)
			})
		})
	}
}

// A player finds what is not as recorded.
func TestPlayerTellsWhatIsWrong(t *testing.T) {
	inBed(t, func(b *bed) {
		hub := port.NewHub()
		client, _ := b.recording("01").Routed()
		p := NewPlayer(PlayerConfig{Port: hub.Port("client", clientMAC, true), Encap: ipx.Ethernet8022})
		b.run(p.Run)
		began := time.Now()
		if err := p.Play(b.ctx, client[:2]); err == nil || time.Since(began) != 10*time.Second {
			b.Errorf("alone, after %v: %v", time.Since(began), err)
		}
		liar := hub.Port("server", serverMAC, true)
		lie := bytes.Clone(client[1].Frame.Packet)
		lie[len(lie)-1]++
		b.must("send", sendPacket(liar, ipx.Ethernet8022, lie, clientMAC, serverMAC))
		if err := p.Play(b.ctx, client[1:2]); err == nil {
			b.Error("a changed octet was not found")
		}
	})
}
