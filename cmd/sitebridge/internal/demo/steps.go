package demo

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ip"
	"sitebridge/ipx"
)

// The steps return in a few words what was seen.

func (d *demo) up() (string, error) {
	s, err := d.await(func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; MTU %d", s.Tunnel.PPP.Encryption.Agreed, s.IP.MTU), nil
}

// pingIP sends an ICMP echo from host-a to host-b until one is answered.
func (d *demo) pingIP() (string, error) {
	var conn *icmp.PacketConn
	if err := d.hostA.Do(func() (err error) {
		conn, err = icmp.ListenPacket("ip4:icmp", "10.1.0.2")
		return err
	}); err != nil {
		return "", err
	}
	defer conn.Close()
	for seq := 1; d.ctx.Err() == nil; seq++ {
		began := time.Now()
		m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: seq, Data: bytes.Repeat([]byte("sitebridge "), 5)}}
		b, err := m.Marshal(nil)
		if err != nil {
			return "", err
		}
		if _, err := conn.WriteTo(b, &net.IPAddr{IP: net.IPv4(10, 2, 0, 2)}); err != nil {
			return "", err
		}
		if answered(conn, seq, began.Add(time.Second)) {
			return fmt.Sprintf("10.2.0.2 answers in %v", time.Since(began).Round(10*time.Microsecond)), nil
		}
	}
	return "", fmt.Errorf("10.2.0.2 does not answer")
}

// answered waits for the Echo-Reply with that number.
func answered(conn *icmp.PacketConn, seq int, until time.Time) bool {
	conn.SetReadDeadline(until)
	buf := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return false
		}
		m, err := icmp.ParseMessage(1, buf[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.Seq == seq {
			return true
		}
	}
}

// pingIPX starts an IPX host on each LAN, as processes of their own, and lets
// host-a ping host-b.
func (d *demo) pingIPX() (string, error) {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	var node ipx.Node
	if err := d.hostB.Do(func() error {
		lan, err := net.InterfaceByName("lan")
		if err == nil {
			node = ipx.Node(lan.HardwareAddr)
		}
		return err
	}); err != nil {
		return "", err
	}
	responder := d.hostB.CommandContext(ctx, "/proc/self/exe", "demo", "ipx-host", "lan", ipx.EthernetII.String())
	if err := responder.Start(); err != nil {
		return "", err
	}
	defer responder.Wait() // killed by then
	defer cancel()
	to := ipx.Network(0x20).String() + ":" + node.String()
	pinger := d.hostA.CommandContext(ctx, "/proc/self/exe", "demo", "ipx-host", "lan", ipx.Ethernet8022.String(), to)
	var stderr bytes.Buffer
	pinger.Stderr = &stderr
	out, err := pinger.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

func (d *demo) cut() (string, error) {
	d.siteA.Down("wan")
	d.siteB.Down("wan")
	if err := d.lab.Err(); err != nil {
		return "", err
	}
	began := time.Now()
	s, err := d.await(func(s bridge.SiteStatus) bool { return s.State != bridge.StateUp })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("after %.1f s: %s", time.Since(began).Seconds(), s.Reason), nil
}

func (d *demo) heal() (string, error) {
	d.siteA.Up("wan")
	d.siteB.Up("wan")
	if err := d.lab.Err(); err != nil {
		return "", err
	}
	began := time.Now()
	if _, err := d.up(); err != nil {
		return "", err
	}
	return fmt.Sprintf("after %.1f s", time.Since(began).Seconds()), nil
}

// leftovers names interfaces and routes of ours that a daemon did not take
// away.
func leftovers(ns *netlab.Namespace) (string, error) {
	links, err := ns.Handle().LinkList()
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, "sb-") {
			return "interface " + l.Attrs().Name, nil
		}
	}
	routes, err := ns.Handle().RouteList(nil, 0)
	if err != nil {
		return "", err
	}
	for _, r := range routes {
		if r.Protocol == ip.ProtoLive || r.Protocol == ip.ProtoUnreachable {
			return fmt.Sprintf("route %v", r), nil
		}
	}
	return "", nil
}
