package soak

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/internal/netlab/fault"
)

// A held is what the line of a branch keeps of a call: packets of the tunnel that were
// stopped on their way, and the last segment of its control connection.
type held struct {
	line *netlab.Relay

	mu      sync.Mutex // guards what follows
	holding bool
	frames  [2][][]byte // by direction
	port    uint16      // of the caller's control connection
	segment [2][]byte   // its newest
}

// mostHeld is how many packets of a direction are kept.
const mostHeld = 16

// hold begins to watch a line.
func holdOf(line *netlab.Relay) *held {
	h := &held{line: line}
	line.Watch(h.see)
	return h
}

func (h *held) see(d netlab.Direction, frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch kind := fault.KindOf(frame); {
	case kind == fault.TCP:
		h.seeSegment(d, frame)
	case h.holding && (kind == fault.UDP || kind == fault.GRE) && len(h.frames[d]) < mostHeld:
		h.frames[d] = append(h.frames[d], slices.Clone(frame))
	}
}

// seeSegment keeps the newest segment of the connection that was opened last. Those of
// the one before it may still come.
func (h *held) seeSegment(d netlab.Direction, frame []byte) {
	tcp := segmentOf(frame)
	if tcp == nil {
		return
	}
	caller := binary.BigEndian.Uint16(tcp[2*(1-d):])
	if d == netlab.BToA && tcp[13]&flagSYN != 0 {
		h.port, h.segment = caller, [2][]byte{}
	}
	if caller == h.port && (h.segment[d] == nil || int32(nextOf(frame)-nextOf(h.segment[d])) >= 0) {
		h.segment[d] = append(h.segment[d][:0], frame...)
	}
}

// begin stops the tunnel's packets, and keeps them in place of those of before.
func (h *held) begin() {
	h.mu.Lock()
	h.holding, h.frames = true, [2][][]byte{}
	h.mu.Unlock()
	h.line.Both(fault.Faults{Block: fault.Some(fault.UDP, fault.GRE)})
}

// enough reports whether packets of both directions are held.
func (h *held) enough() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.frames[netlab.AToB]) >= mostHeld/2 && len(h.frames[netlab.BToA]) >= mostHeld/2
}

// end lets all pass again that comes from now on.
func (h *held) end() {
	h.line.Both(fault.Faults{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holding = false
}

// release lets out what was held, and returns how many there were by direction.
func (h *held) release() (n [2]int) {
	h.mu.Lock()
	frames := h.frames
	h.mu.Unlock()
	for d, all := range frames {
		for _, f := range all {
			h.line.Inject(netlab.Direction(d), f)
		}
		n[d] = len(all)
	}
	return n
}

// reset forges the end of the control connection, as a firewall does that has lost its
// patience: a segment with RST, as if from the end that sends in direction d.
func (h *held) reset(d netlab.Direction) error {
	h.mu.Lock()
	frame, err := resetAfter(h.segment[d])
	h.mu.Unlock()
	if err == nil {
		h.line.Inject(d, frame)
	}
	return err
}

const (
	etherLen, ipv4Len, tcpLen = 14, 20, 20
	flagFIN, flagSYN, flagRST = 1, 2, 4
)

// segmentOf is the TCP segment in a frame of IPv4; nil: there is none.
func segmentOf(frame []byte) []byte {
	if len(frame) < etherLen+ipv4Len+tcpLen || frame[etherLen] != 0x45 {
		return nil
	}
	return frame[etherLen+ipv4Len:]
}

// nextOf is the sequence number that follows the segment in a frame.
func nextOf(frame []byte) uint32 {
	tcp := segmentOf(frame)
	octets := int(binary.BigEndian.Uint16(frame[etherLen+2:])) - ipv4Len - int(tcp[12]>>4)*4
	if tcp[13]&(flagSYN|flagFIN) != 0 {
		octets++
	}
	return binary.BigEndian.Uint32(tcp[4:]) + uint32(octets)
}

// resetAfter makes a segment with RST of the one before it (RFC 9293, section 3.1).
func resetAfter(last []byte) ([]byte, error) {
	if segmentOf(last) == nil {
		return nil, errors.New("no segment was seen")
	}
	seq := nextOf(last)
	b := slices.Clone(last[:etherLen+ipv4Len+tcpLen])
	ip, tcp := b[etherLen:etherLen+ipv4Len], b[etherLen+ipv4Len:]
	binary.BigEndian.PutUint16(ip[2:], ipv4Len+tcpLen)
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint32(tcp[8:], 0)
	tcp[12], tcp[13] = tcpLen/4<<4, flagRST
	binary.BigEndian.PutUint16(tcp[16:], 0)
	pseudo := slices.Concat(ip[12:20], []byte{0, 6, 0, tcpLen}, tcp)
	binary.BigEndian.PutUint16(tcp[16:], checksum(pseudo))
	return b, nil
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xFFFF + sum>>16
	}
	return ^uint16(sum)
}

func TestReset(t *testing.T) {
	last := make([]byte, etherLen+ipv4Len+tcpLen+3)
	ip, tcp := last[etherLen:], last[etherLen+ipv4Len:]
	ip[0], ip[9] = 0x45, 6
	binary.BigEndian.PutUint16(ip[2:], ipv4Len+tcpLen+3)
	binary.BigEndian.PutUint32(tcp[4:], 0xFFFFFFFE)
	tcp[12] = tcpLen / 4 << 4
	b, err := resetAfter(last)
	if err != nil || len(b) != etherLen+ipv4Len+tcpLen {
		t.Fatalf("% x, %v", b, err)
	}
	ip, tcp = b[etherLen:etherLen+ipv4Len], b[etherLen+ipv4Len:]
	if got := binary.BigEndian.Uint32(tcp[4:]); got != 1 || tcp[13] != flagRST || checksum(ip) != 0 {
		t.Errorf("sequence %d, flags %x, sum of the header %x", got, tcp[13], checksum(ip))
	}
	if _, err := resetAfter(nil); err == nil {
		t.Error("a segment of nothing")
	}
}
