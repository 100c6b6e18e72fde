package e2e

import (
	"bytes"
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/test/lab"
)

// needle is what the hosts of the LANs say to each other all the time.
const needle = "what the hosts say is nobody's business but theirs"

// A chatter is a host on each LAN that sends the needle to the other, by IP and by
// IPX, whether or not it gets there.
type chatter struct {
	ip, ipx [2]atomic.Int64 // that arrived, by the end that they arrived at
}

const chatterInterval = 25 * time.Millisecond

func newChatter(w *lab.World) *chatter {
	w.T.Helper()
	c := new(chatter)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	w.T.Cleanup(func() { // after the sockets below were closed
		cancel()
		running.Wait()
	})
	ports := []port.Port{w.Port(w.HostA, "lan"), w.Port(w.HostB, "lan")}
	udp := []*net.UDPConn{w.ListenUDP(w.HostA, lab.AddrA+":9"), w.ListenUDP(w.HostB, lab.AddrB+":9")}
	networks := []ipx.Network{0x10, 0x20}
	for i, site := range []*netlab.Namespace{w.SiteA, w.SiteB} {
		far := 1 - i
		h := ipx.Header{
			Checksum: ipx.NoChecksum, Type: ipx.TypePEP,
			Src: ipx.Addr{Network: networks[i], Node: ports[i].MAC(), Socket: 0x5001},
			Dst: ipx.Addr{Network: networks[far], Node: ports[far].MAC(), Socket: 0x5001},
		}
		router := macOf(w, site)
		running.Go(func() { c.hearIPX(ctx, i, ports[i]) })
		running.Go(func() { c.hearIP(i, udp[i]) })
		running.Go(func() {
			for tick := time.NewTicker(chatterInterval); ctx.Err() == nil; <-tick.C {
				udp[i].WriteTo([]byte(needle), udp[far].LocalAddr()) // an error tells that the tunnel is down
				b := packet.Get()
				b.Set(ipx.AppendPacket(nil, h, []byte(needle)))
				ports[i].Send(ipx.Ethernet8022, router, ports[i].MAC(), []*packet.Buffer{b})
				packet.Put(b)
			}
		})
	}
	return c
}

// macOf is the address of somebody on his LAN.
func macOf(w *lab.World, ns *netlab.Namespace) (node ipx.Node) {
	w.T.Helper()
	link, err := ns.Handle().LinkByName("lan")
	if err != nil {
		w.T.Fatal(err)
	}
	copy(node[:], link.Attrs().HardwareAddr)
	return node
}

func (c *chatter) hearIP(at int, conn *net.UDPConn) {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		switch {
		case os.IsTimeout(err) || n == 0 && err != nil:
			return
		case string(buf[:n]) == needle:
			c.ip[at].Add(1)
		}
	}
}

func (c *chatter) hearIPX(ctx context.Context, at int, p port.Port) {
	p.Run(ctx, func(frames []port.Frame) {
		for _, f := range frames {
			if f.Dst == p.MAC() && bytes.HasSuffix(f.Packet.Bytes(), []byte(needle)) {
				c.ipx[at].Add(1)
			}
		}
	})
}

// crosses waits until the needle arrives, from now on, by both protocols at both
// ends.
func (c *chatter) crosses(t *testing.T) {
	t.Helper()
	var before [4]int64
	all := []*atomic.Int64{&c.ip[0], &c.ip[1], &c.ipx[0], &c.ipx[1]}
	for i, n := range all {
		before[i] = n.Load()
	}
	lab.Wait(t, "what the hosts say arrives", func() bool {
		for i, n := range all {
			if n.Load() == before[i] {
				return false
			}
		}
		return true
	})
}
