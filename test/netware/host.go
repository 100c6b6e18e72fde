package netware

import (
	"context"
	"errors"
	"fmt"
	"net"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// An arrival is a packet for us: a copy.
type arrival struct {
	head ipx.Header
	data []byte
	mac  ipx.Node // who put it on our wire
}

// listen hands what comes for this host, or for all, in one frame type to fn
// until ctx ends.
func listen(ctx context.Context, p port.Port, enc ipx.Encapsulation, fn func(arrival)) error {
	err := p.Run(ctx, func(frames []port.Frame) {
		for _, f := range frames {
			if f.Encap != enc || f.Src == p.MAC() || f.Dst != p.MAC() && f.Dst != ipx.Broadcast {
				continue
			}
			if h, data, err := ipx.Parse(f.Packet.Bytes()); err == nil {
				fn(arrival{h, append([]byte(nil), data...), f.Src})
			}
		}
	})
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// send puts one packet on the wire, to the Ethernet address to. It counts a
// cable that is out as a loss, as a host does.
func send(p port.Port, enc ipx.Encapsulation, h ipx.Header, data []byte, to ipx.Node) error {
	return sendPacket(p, enc, ipx.AppendPacket(nil, h, data), to, p.MAC())
}

func sendPacket(p port.Port, enc ipx.Encapsulation, pkt []byte, to, from ipx.Node) error {
	b := packet.Get()
	defer packet.Put(b)
	if !b.Set(pkt) {
		return fmt.Errorf("packet of %d octets: %w", len(pkt), ipx.TooLong)
	}
	err := p.Send(enc, to, from, []*packet.Buffer{b})
	if errors.Is(err, port.ErrDown) {
		return nil
	}
	return err
}
