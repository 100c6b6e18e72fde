package netware

import (
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// receive takes one packet from the wire.
func (s *Server) receive(a arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.head.Src.Network == ipx.ThisNetwork {
		a.head.Src.Network = s.cfg.Network
	}
	if a.head.Dst.Network == s.cfg.Internal && a.head.Dst.Node == ipx.ServerNode {
		switch a.head.Dst.Socket {
		case ipx.SocketNCP:
			s.serve(a)
		case serverWatchdog:
			s.lives(a)
		}
		return
	}
	if a.head.Dst.Network != s.cfg.Network && a.head.Dst.Network != ipx.ThisNetwork || a.head.Src.Network != s.cfg.Network {
		return
	}
	switch a.head.Dst.Socket {
	case ipx.SocketRIP:
		s.receiveRIP(a)
	case ipx.SocketSAP:
		s.receiveSAP(a)
	}
}

func (s *Server) receiveRIP(a arrival) {
	m, err := rip.Parse(a.data)
	if err != nil {
		return
	}
	for _, e := range m.Entries {
		switch {
		case m.Operation == rip.OpResponse && a.head.Src.Socket == ipx.SocketRIP && e.Network != s.cfg.Internal:
			s.learn(e, a.mac)
		case m.Operation == rip.OpRequest && (e.Network == ipx.AllNetworks || e.Network == s.cfg.Internal):
			s.tellRoute(a.head.Src.Node, a.head.Src.Socket, a.mac)
		}
	}
}

// learn keeps the way with the fewest hops. That there is none any more is
// believed of who told it.
func (s *Server) learn(e rip.Entry, mac ipx.Node) {
	if old, known := s.ways[e.Network]; !known || old.mac == mac || e.Hops < old.hops {
		s.ways[e.Network] = way{mac, e.Hops}
	}
}

func (s *Server) receiveSAP(a arrival) {
	m, err := sap.Parse(a.data)
	if err != nil {
		return
	}
	switch {
	case m.Operation == sap.OpNearestRequest && m.Type == sap.FileServer:
		s.tellService(sap.OpNearestResponse, a.head.Src.Node, a.head.Src.Socket, a.mac)
	case m.Operation == sap.OpRequest && (m.Type == sap.FileServer || m.Type == sap.AnyType && s.cfg.AnswerAll):
		s.tellService(sap.OpResponse, a.head.Src.Node, a.head.Src.Socket, a.mac)
	}
}

func (s *Server) announceRoute() { s.tellRoute(ipx.Broadcast, ipx.SocketRIP, ipx.Broadcast) }

func (s *Server) announceService() {
	s.tellService(sap.OpResponse, ipx.Broadcast, ipx.SocketSAP, ipx.Broadcast)
}

func (s *Server) askRouters() {
	s.outside(ipx.TypeRIP, ipx.SocketRIP, ipx.Broadcast, ipx.SocketRIP, ipx.Broadcast, rip.Ask(ipx.AllNetworks).Append(nil))
}

// tellRoute tells of the network inside, unless the server has gone down.
func (s *Server) tellRoute(to ipx.Node, socket ipx.Socket, mac ipx.Node) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if !s.down {
		s.sendRoute(to, socket, mac, 1)
	}
}

func (s *Server) sendRoute(to ipx.Node, socket ipx.Socket, mac ipx.Node, hops uint16) {
	m := rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: s.cfg.Internal, Hops: hops, Ticks: hops + 1}}}
	s.outside(ipx.TypeRIP, ipx.SocketRIP, to, socket, mac, m.Append(nil))
}

// tellService tells of the file server, unless it has gone down.
func (s *Server) tellService(op sap.Operation, to ipx.Node, socket ipx.Socket, mac ipx.Node) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if !s.down {
		s.sendService(op, to, socket, mac, 1)
	}
}

func (s *Server) sendService(op sap.Operation, to ipx.Node, socket ipx.Socket, mac ipx.Node, hops uint16) {
	m := sap.Message{Operation: op, Services: []sap.Service{{Type: sap.FileServer, Name: s.cfg.Name, Addr: s.Addr(), Hops: hops}}}
	s.outside(ipx.TypePEP, ipx.SocketSAP, to, socket, mac, m.Append(nil))
}

// outside sends from the server's card to its wire.
func (s *Server) outside(typ ipx.PacketType, from ipx.Socket, to ipx.Node, socket ipx.Socket, mac ipx.Node, data []byte) {
	h := ipx.Header{
		Type: typ,
		Src:  ipx.Addr{Network: s.cfg.Network, Node: s.cfg.Port.MAC(), Socket: from},
		Dst:  ipx.Addr{Network: s.cfg.Network, Node: to, Socket: socket},
	}
	send(s.cfg.Port, s.cfg.Encap, h, data, mac)
}

// lives takes a client's word that it is there. s.mu is held.
func (s *Server) lives(a arrival) {
	if len(a.data) != 2 || a.data[1] != watchdogHere {
		return
	}
	for _, c := range s.conns {
		if above(c.Client) == a.head.Src && byte(c.Number) == a.data[0] {
			c.hear(a.mac)
		}
	}
}

func (c *connection) hear(via ipx.Node) {
	c.Heard, c.Asked, c.via = time.Now(), 0, via
}

// serve answers one NCP request. s.mu is held.
func (s *Server) serve(a arrival) {
	var c *connection
	switch kindOf(a.data) {
	case create:
		c = s.connect(a)
	case request, destroy:
		c = s.find(a.head.Src, headOf(a.data).conn)
	default:
		return
	}
	if c == nil {
		h := headOf(a.data)
		h.kind, h.code, h.status = reply, codeNoConn, statusNoConn
		s.fromInside(ipx.SocketNCP, a.head.Src, h.packet(nil), a.mac)
		return
	}
	c.hear(a.mac)
	h := headOf(a.data)
	if c.last == nil || h.kind != c.lastTo.kind || h.sequence != c.lastTo.sequence { // else it comes again
		c.last, c.lastTo = c.answer(s, a.data), h
	}
	s.fromInside(ipx.SocketNCP, a.head.Src, c.last, a.mac)
	if h.kind == destroy {
		s.conns = slices.DeleteFunc(s.conns, func(other *connection) bool { return other == c })
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Server) find(client ipx.Addr, number uint16) *connection {
	for _, c := range s.conns {
		if c.Client == client && c.Number == number {
			return c
		}
	}
	return nil
}

// connect gives a client a connection with the lowest number that is free. One
// that it has already is over, unless the request comes again.
func (s *Server) connect(a arrival) *connection {
	for _, c := range s.conns {
		if c.Client == a.head.Src && c.lastTo.kind == create && c.lastTo.sequence == headOf(a.data).sequence {
			return c
		}
	}
	s.conns = slices.DeleteFunc(s.conns, func(c *connection) bool { return c.Client == a.head.Src })
	c := &connection{Connection: Connection{Number: 1, Client: a.head.Src}}
	at := 0
	for at < len(s.conns) && s.conns[at].Number == c.Number {
		at++
		c.Number++
	}
	for i := range s.cfg.Dialogues {
		c.scripts = append(c.scripts, script{dialogue: (s.turn + i) % len(s.cfg.Dialogues)})
	}
	s.conns = slices.Insert(s.conns, at, c)
	return c
}

// answer returns the reply to a request: the one of a dialogue that went as this
// one so far, or else that to the same request anywhere in the recordings.
func (c *connection) answer(s *Server, data []byte) []byte {
	h := headOf(data)
	h.kind = reply
	if kindOf(data) == create {
		h.conn = c.Number
	}
	if q, ok := parseRead(bodyOf(data)); ok && q.handle == endless {
		return h.packet(q.answer(Content(int(q.offset), int(q.length))))
	}
	recorded := c.next(s, data)
	if recorded == nil && kindOf(data) == request {
		recorded = s.heard[string(bodyOf(data))]
	}
	switch {
	case recorded != nil:
		old := headOf(recorded)
		h.task, h.code, h.status = old.task, old.code, old.status
		return h.packet(bodyOf(recorded))
	case kindOf(data) == request:
		c.Unknown++
		h.code = codeNoFunction
	}
	return h.packet(nil)
}

// next moves the dialogues that go on with this request, and forgets the others;
// when none does, it is an aside.
func (c *connection) next(s *Server, data []byte) (recorded []byte) {
	var on []script
	for _, at := range c.scripts {
		d := s.cfg.Dialogues[at.dialogue]
		if at.next < len(d) && d[at.next].Reply != nil && same(d[at.next].Request, data) {
			on = append(on, script{at.dialogue, at.next + 1})
		}
	}
	if len(on) == 0 {
		return nil
	}
	c.scripts, s.turn = on, on[0].dialogue+1
	return s.cfg.Dialogues[on[0].dialogue][on[0].next-1].Reply
}
