package netware

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// Queries of the shell: five of each kind, 100 ms apart, as ncpfs.
const (
	tries   = 5
	between = 100 * time.Millisecond
)

// FindServer finds a file server as a shell does: by five questions for the
// nearest, then by five for all, the first answer counting. With a name it is
// the server of that name, and only the questions for all are asked.
func (c *Client) FindServer(ctx context.Context, name string) (found sap.Service, err error) {
	take := func(a arrival) bool {
		m, err := sap.Parse(a.data)
		if err != nil || m.Operation != sap.OpResponse && m.Operation != sap.OpNearestResponse {
			return false
		}
		i := slices.IndexFunc(m.Services, func(s sap.Service) bool {
			return s.Type == sap.FileServer && s.Hops < sap.Infinity && (name == "" || s.Name == name)
		})
		if i >= 0 {
			found = m.Services[i]
		}
		return i >= 0
	}
	operations := []sap.Operation{sap.OpNearestRequest, sap.OpRequest}
	if name != "" {
		operations = operations[1:]
	}
	for _, op := range operations {
		q := sap.Message{Operation: op, Type: sap.FileServer}
		if ok, err := c.ask(ctx, ipx.TypePEP, clientSAP, ipx.SocketSAP, q.Append(nil), take); ok || err != nil {
			return found, err
		}
	}
	return found, fmt.Errorf("find server %q: %w", name, ErrNotFound)
}

// findWay asks the wire's routers and servers for the way to a server, unless it
// is on this wire.
func (c *Client) findWay(ctx context.Context, server ipx.Addr) error {
	c.to = server
	if server.Network == c.Addr().Network {
		c.way = server.Node
		return nil
	}
	ok, err := c.ask(ctx, ipx.TypeRIP, clientRIP, ipx.SocketRIP, rip.Ask(server.Network).Append(nil), func(a arrival) bool {
		m, err := rip.Parse(a.data)
		if err != nil || m.Operation != rip.OpResponse {
			return false
		}
		c.way = a.mac
		return slices.ContainsFunc(m.Entries, func(e rip.Entry) bool {
			return e.Network == server.Network && e.Hops < rip.Infinity
		})
	})
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("find the way to network %v: %w", server.Network, err)
	}
	return nil
}

// ask broadcasts a question until take takes an answer or five were in vain.
func (c *Client) ask(ctx context.Context, typ ipx.PacketType, from, to ipx.Socket, data []byte, take func(arrival) bool) (bool, error) {
	in, done := c.open(from)
	defer done()
	for range tries {
		src := c.Addr()
		src.Socket = from
		h := ipx.Header{Type: typ, Src: src, Dst: ipx.Addr{Network: src.Network, Node: ipx.Broadcast, Socket: to}}
		if err := send(c.cfg.Port, c.cfg.Encap, h, data, ipx.Broadcast); err != nil {
			return false, err
		}
		if ok, err := await(ctx, in, between, take); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
