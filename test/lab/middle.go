package lab

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"sitebridge/control/gre"
)

// A Packet is a PPP packet in the tunnel between the sites.
type Packet struct {
	From     End
	Protocol uint16
	Data     []byte
	frame    []byte // that it came in; Data is in there
	call     *call  // and of which call
}

// A Meddle is what a man in the middle does to PPP: it gets each packet and returns
// what goes on in its place. It may change octets of Data, and return packets of its
// own, for either end.
type Meddle func(Packet) []Packet

// A Middle is a man in the middle of the WAN, where tunnels travel in GRE (Config.InGRE).
// He numbers the packets of each call
// anew, so that what he drops and invents leaves no gap in GRE's sequence.
type Middle struct {
	relay *Relay
	// The relay's lock guards what follows.
	meddle Meddle // what is done to PPP; nil: nothing
	calls  [2]map[uint16]*call
	newest [2]*call // of those who send
}

// A call is one direction of it.
type call struct {
	head []byte // of a frame: Ethernet and IP
	id   uint16
	next uint32 // sequence number
}

// Middle puts somebody into the WAN, before any daemon is started.
func (w *World) Middle() *Middle {
	w.T.Helper()
	m := &Middle{calls: [2]map[uint16]*call{{}, {}}}
	m.relay = w.Relay(m.pass)
	return m
}

// Meddle begins to do something to PPP, and nil ends that.
func (m *Middle) Meddle(with Meddle) {
	m.relay.mu.Lock()
	defer m.relay.mu.Unlock()
	m.meddle = with
}

// Forge sends packets in the name of the end that they are from.
func (m *Middle) Forge(pkts ...Packet) {
	m.relay.mu.Lock()
	defer m.relay.mu.Unlock()
	for _, p := range pkts {
		m.relay.write(make([]byte, vnetLen), Frame{p.From, m.wrap(p)})
	}
}

// pass is the hook of the relay.
func (m *Middle) pass(f Frame) []Frame {
	at, ok := greOf(f.Octets)
	if !ok {
		return []Frame{f}
	}
	h, payload, err := gre.Parse(f.Octets[at:])
	if err != nil && err != gre.ErrPayloadShort || !h.HasSeq { // a fragment's payload is short
		return []Frame{f}
	}
	c := m.calls[f.From][h.CallID]
	if c == nil {
		c = &call{head: slices.Clone(f.Octets[:at]), id: h.CallID, next: h.Seq}
		m.calls[f.From][h.CallID], m.newest[f.From] = c, c
	}
	pkts := []Packet{{From: f.From, frame: f.Octets, call: c}}
	if protocol, data, ok := parsePPP(payload); ok && err == nil && m.meddle != nil {
		pkts[0].Protocol, pkts[0].Data = protocol, data
		pkts = m.meddle(pkts[0])
	}
	var out []Frame
	for _, p := range pkts {
		out = append(out, Frame{p.From, m.wrap(p)})
	}
	return out
}

// wrap makes a frame of a packet. One that came in a frame stays in it.
func (m *Middle) wrap(p Packet) []byte {
	c, frame := p.call, p.frame
	if frame == nil {
		if c = m.newest[p.From]; c == nil {
			panic(fmt.Sprintf("lab: a packet in the name of %v, which has not sent any", p.From))
		}
		frame = slices.Concat(c.head, make([]byte, gre.MaxHeaderLen-4), []byte{0xFF, 3}, binary.BigEndian.AppendUint16(nil, p.Protocol), p.Data)
		h := gre.Header{PayloadLen: uint16(4 + len(p.Data)), CallID: c.id, HasSeq: true}
		h.Put(frame[len(c.head):])
		fixIP(frame[etherLen:])
	}
	binary.BigEndian.PutUint32(frame[len(c.head)+8:], c.next)
	c.next++
	return frame
}

const (
	etherLen    = 14
	etherIPv4   = 0x0800
	ipGRE       = 47
	minIP       = 20
	minEnhanced = 8
)

// greOf returns where the GRE header of a frame begins. Fragments other than the
// first have none.
func greOf(frame []byte) (at int, ok bool) {
	if len(frame) < etherLen+minIP || binary.BigEndian.Uint16(frame[12:]) != etherIPv4 {
		return 0, false
	}
	ip := frame[etherLen:]
	at = etherLen + int(ip[0]&15)*4
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x1FFF
	return at, ip[9] == ipGRE && fragment == 0 && len(frame) >= at+minEnhanced
}

// fixIP sets the length of a packet that is not cut, and its checksum (RFC 791).
func fixIP(ip []byte) {
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	ip[6], ip[7], ip[10], ip[11] = 0, 0, 0, 0
	var sum uint32
	for i := 0; i < int(ip[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum&0xFFFF + sum>>16
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum&0xFFFF+sum>>16))
}

// parsePPP takes the header off a PPP frame (RFC 1661, sections 2, 6.5 and 6.6).
func parsePPP(b []byte) (protocol uint16, data []byte, ok bool) {
	if len(b) >= 2 && b[0] == 0xFF && b[1] == 3 {
		b = b[2:]
	}
	switch {
	case len(b) >= 1 && b[0]&1 == 1:
		return uint16(b[0]), b[1:], true
	case len(b) >= 2:
		return binary.BigEndian.Uint16(b), b[2:], true
	}
	return 0, nil, false
}

// Tunnel returns the PPP packets in a capture of the WAN, from either end, of tunnels in
// GRE.
func Tunnel(t *testing.T, pcap string) (all []Packet) {
	t.Helper()
	for _, frame := range Frames(t, pcap) {
		at, ok := greOf(frame)
		if !ok {
			continue
		}
		h, payload, err := gre.Parse(frame[at:])
		if err != nil && err != gre.ErrPayloadShort || !h.HasSeq {
			continue
		}
		from := A
		if string(frame[etherLen+12:etherLen+16]) == "\xC0\x00\x02\x02" { // WANB
			from = B
		}
		if protocol, data, ok := parsePPP(payload); ok {
			all = append(all, Packet{From: from, Protocol: protocol, Data: data})
		}
	}
	return all
}
