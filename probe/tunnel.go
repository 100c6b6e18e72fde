package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// A tunnel is a call whose every packet the attack decides.
type tunnel struct {
	p       *prober
	control *wire
	channel *gre.Channel
	path    gre.Path
	peerID  uint16 // the key of packets to the server
	frames  chan frame
	id      byte // of the Configure-Request sent last

	asked    []byte // options of the server's newest Configure-Request
	stubborn bool   // none of its requests is acknowledged
	sent     uint32 // packets by the channel, which numbers them from 0
}

// A frame is one of PPP: its protocol and what follows.
type frame struct {
	protocol uint16
	body     []byte
}

const (
	protocolLCP  = 0xc021
	protocolIPCP = 0x8021
)

// Codes that LCP has alone (RFC 1661, section 5).
const (
	codeReject     fsm.Code = 7
	echoRequest    fsm.Code = 9
	echoReply      fsm.Code = 10
	discardRequest fsm.Code = 11
)

// call makes a call for an attack.
func (p *prober) call(ctx context.Context) (*tunnel, error) {
	if p.mux == nil {
		return nil, errors.New(p.cfg.NoCarrier)
	}
	w, err := p.started(ctx)
	if err != nil {
		return nil, err
	}
	t := &tunnel{p: p, control: w, path: gre.Path{Remote: p.cfg.Target.Addr()}, frames: make(chan frame, 1024)}
	if local, ok := w.LocalAddr().(*net.TCPAddr); ok {
		t.path.Local = local.AddrPort().Addr().Unmap()
	}
	if t.channel, err = p.mux.Open(p.cfg.Target.Addr(), gre.ChannelConfig{}); err != nil {
		w.Close()
		return nil, err
	}
	reply, err := w.call(t.channel.ID())
	if err != nil {
		t.close()
		return nil, fmt.Errorf("no call: %w", err)
	}
	t.peerID = reply.CallID
	t.channel.Connect(t.path.Local, reply.CallID, reply.WindowSize, t.receive)
	return t, nil
}

// close ends the call as a client would, so that the server has nothing left of it.
func (t *tunnel) close() {
	_ = t.control.say(message(control.CallClearRequest{CallID: t.channel.ID()})) // it may be over
	t.channel.Close()
	t.control.Close()
}

// receive keeps frames for the attack; what it is too slow for is lost, as on any line.
func (t *tunnel) receive(all []*packet.Buffer) {
	for _, b := range all {
		if f, ok := parseFrame(b.Bytes()); ok {
			select {
			case t.frames <- f:
			default:
			}
		}
	}
}

// parseFrame takes the PPP header off (RFC 1661, section 2, and RFC 1662), however short
// it was made.
func parseFrame(b []byte) (f frame, ok bool) {
	b = bytes.TrimPrefix(b, []byte{0xff, 0x03})
	switch {
	case len(b) >= 1 && b[0]&1 == 1:
		return frame{uint16(b[0]), bytes.Clone(b[1:])}, true
	case len(b) >= 2:
		return frame{binary.BigEndian.Uint16(b), bytes.Clone(b[2:])}, true
	}
	return f, false
}

func ppp(protocol uint16, body []byte) []byte {
	return append([]byte{0xff, 0x03, byte(protocol >> 8), byte(protocol)}, body...)
}

// send sends a frame as the channel does, in sequence.
func (t *tunnel) send(protocol uint16, body []byte) { t.sendOctets(ppp(protocol, body)) }

func (t *tunnel) sendOctets(octets []byte) {
	b := packet.Get()
	defer packet.Put(b)
	b.Set(octets)
	t.sent++
	_ = t.channel.Send([]*packet.Buffer{b}, false) // what is too short to leave is counted there
}

// inject sends payloads as they stand where the next ones of the channel belong, each
// with the length that says says of it.
func (t *tunnel) inject(says func(n int) uint16, payloads ...[]byte) {
	for i, p := range payloads {
		t.forge(gre.Header{PayloadLen: says(len(p)), CallID: t.peerID, HasSeq: true, Seq: t.sent + uint32(i)}, p)
	}
	for range payloads { // the channel's own with those numbers come too late
		t.send(protocolLCP, packetOf(discardRequest, mark, make([]byte, 4)))
	}
}

func honest(n int) uint16 { return uint16(n) }

// forge sends one GRE packet as it stands, beside the channel.
func (t *tunnel) forge(h gre.Header, payload []byte) {
	b := packet.Get()
	defer packet.Put(b)
	b.Set(payload)
	h.Put(b.Prepend(h.Len()))
	_ = t.p.cfg.Carrier.Send(t.path, []*packet.Buffer{b}, false) // as above: the attack looks at what comes back
}

func packetOf(code fsm.Code, id byte, data []byte) []byte {
	return fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: id, Data: data})
}

// hear hands frames to take until it says that it has enough, and reports whether it
// did before the time was over.
func (t *tunnel) hear(ctx context.Context, within time.Duration, take func(frame) bool) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		select {
		case f := <-t.frames:
			if take(f) {
				return true
			}
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// lcp is what a frame says of LCP.
func (f frame) lcp() (k fsm.Packet, ok bool) {
	if f.protocol != protocolLCP {
		return k, false
	}
	k, err := fsm.ParsePacket(f.body)
	return k, err == nil
}

// obliges answers what the server asks with yes, and keeps it.
func (t *tunnel) obliges(f frame) {
	if k, ok := f.lcp(); ok && k.Code == fsm.ConfigureRequest {
		if t.stubborn {
			return
		}
		t.asked = bytes.Clone(k.Data)
		t.send(protocolLCP, packetOf(fsm.ConfigureAck, k.ID, k.Data))
	}
}

// answers reports whether the server still takes a Configure-Request of LCP, tried a few
// times, as a line may lose one.
func (t *tunnel) answers(ctx context.Context) bool {
	for range 3 {
		t.id++
		id := t.id
		t.send(protocolLCP, packetOf(fsm.ConfigureRequest, id, nil))
		if t.hear(ctx, t.p.cfg.Patience, func(f frame) bool {
			t.obliges(f)
			k, ok := f.lcp()
			return ok && k.Code == fsm.ConfigureAck && k.ID == id
		}) {
			return true
		}
	}
	return false
}

// opens is answers, until both ends have agreed.
func (t *tunnel) opens(ctx context.Context) bool {
	if !t.answers(ctx) {
		return false
	}
	return t.asked != nil || t.hear(ctx, 2*t.p.cfg.Patience, func(f frame) bool {
		t.obliges(f)
		return t.asked != nil
	})
}
