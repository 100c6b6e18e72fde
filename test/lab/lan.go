package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
	"sitebridge/ipx/port"
)

// Join plugs another machine into the LAN of HostA or HostB, by its interface
// "lan". That host becomes the LAN's switch with it, so that its own interface
// says nothing more of the LAN.
func (w *World) Join(host, ns *netlab.Namespace) {
	w.T.Helper()
	w.Veth(ns, "lan", host, ns.Name())
	if !slices.Contains(w.switched, host) {
		host.Bridge("switch", "lan")
		w.switched = append(w.switched, host)
	}
	h := host.Handle()
	port, err := h.LinkByName(ns.Name())
	if err != nil {
		w.T.Fatal(err)
	}
	bridge, err := h.LinkByName("switch")
	if err == nil {
		err = h.LinkSetMaster(port, bridge)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	Wait(w.T, "a cable to be in its switch", func() bool { // the kernel takes its time, and frames are lost until then
		port, err := h.LinkByName(ns.Name())
		return err == nil && port.Attrs().OperState == netlink.OperUp
	})
}

// Desk is Join for a new machine, which has no IP there.
func (w *World) Desk(host *netlab.Namespace, name string) *netlab.Namespace {
	w.T.Helper()
	ns := w.Namespace(name)
	w.Join(host, ns)
	return ns
}

// Background runs something until the test ends, or the returned function is
// called, which waits for its end. An error fails the test.
func (w *World) Background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx); err != nil {
			w.T.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	w.T.Cleanup(stop)
	return stop
}

// Emulator connects to a port for DOSBox as an emulator does. What runs in it
// sees a card: the returned port, on a wire of Ethernet II. It answers the pings
// of IPXNET while the port's Run runs, as emulators do.
func (w *World) Emulator(ns *netlab.Namespace, server netip.AddrPort) port.Port {
	w.T.Helper()
	e := new(emulator)
	err := ns.Do(func() (err error) {
		e.conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { e.conn.Close() })
	b := make([]byte, ipx.MaxLen)
	Wait(w.T, "an emulator to be let in by "+server.String(), func() bool {
		e.conn.Write(ipxnet.AppendRegistration(nil)) // nobody there yet: it is sent again
		e.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := e.conn.Read(b)
		h, _, bad := ipx.Parse(b[:n])
		e.node = h.Dst.Node
		return err == nil && bad == nil
	})
	return e
}

type emulator struct {
	conn *net.UDPConn
	node ipx.Node
}

func (e *emulator) Name() string      { return "emulator" }
func (e *emulator) MAC() ipx.Node     { return e.node }
func (e *emulator) Up() bool          { return true }
func (e *emulator) Stats() port.Stats { return port.Stats{} }
func (e *emulator) Heard() port.Heard { return port.Heard{} }
func (e *emulator) Close() error      { return e.conn.Close() }

func (e *emulator) Send(_ ipx.Encapsulation, _, _ ipx.Node, pkts []*packet.Buffer) error {
	for _, p := range pkts {
		if _, err := e.conn.Write(p.Bytes()); err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
	}
	return nil
}

func (e *emulator) Run(ctx context.Context, h port.Handler) error {
	stop := context.AfterFunc(ctx, func() { e.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	e.conn.SetReadDeadline(time.Time{})
	pkt, b := packet.Get(), make([]byte, ipx.MaxLen)
	defer packet.Put(pkt)
	for {
		n, err := e.conn.Read(b)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return net.ErrClosed
		}
		head, kind, err := ipxnet.Read(b[:n])
		if err != nil {
			continue
		}
		if kind == ipxnet.Ping {
			e.conn.Write(ipxnet.AppendPong(nil, head.Src.Node, e.node))
		}
		pkt.Set(b[:n])
		h([]port.Frame{{Packet: pkt, Encap: port.DOSBoxEncapsulation, Dst: head.Dst.Node, Src: head.Src.Node}})
	}
}

// SendFrames puts frames on a wire as they are, which no IPX station would send.
func (w *World) SendFrames(ns *netlab.Namespace, ifname string, frames ...[]byte) {
	w.T.Helper()
	f, err := relayPort(ns, ifname)
	if err != nil {
		w.T.Fatal(err)
	}
	defer f.Close()
	for _, frame := range frames {
		if _, err := f.Write(append(make([]byte, vnetLen), frame...)); err != nil {
			w.T.Fatal(err)
		}
	}
}
