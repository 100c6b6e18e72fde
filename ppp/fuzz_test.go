package ppp

import (
	"bytes"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// Nothing that a peer sends in any phase breaks a link, gets data to an NCP that
// is not up, or makes us send more than the peer takes.
func FuzzPeer(f *testing.F) {
	for _, s := range []string{
		"ff03c02101010004", "ff03c0210109000a05060000000", "ff03c0210901000c0000000001020304", "ff03c0210801000680fd",
		"ff03c0210801000880210101", "ff03c021050100045555", "ff03c0210c01000c00000000414243441b",
		"ff03c0230101001206736974652d6106736563726574",
		"ff03c2230207001b1015c1682eb7ac3daca85d727884af20a0736974652d61", "ff03c2230107001b1000112233445566778899aabbccddeeff736974652d62",
		"ff038021010100040000", "2145", "fd00",
	} {
		if len(s)%2 == 0 {
			f.Add(true, unhex(f, s), unhex(f, "80fd01010004"))
			f.Add(false, unhex(f, "c02105010004"), unhex(f, s))
		}
	}
	f.Fuzz(func(t *testing.T, asks bool, first, second []byte) {
		if len(first) > packet.MaxLen || len(second) > packet.MaxLen {
			return
		}
		p := newPuppet(t, asks)
		for range 3 { // in Establish, in Authenticate or Network, and with the NCP up
			p.gives(first)
			p.gives(second)
			p.agrees()
		}
		for _, f := range p.sent {
			if f.Len() > defaultMRU {
				t.Errorf("sent %04x of %d octets", f.protocol, f.Len())
			}
		}
	})
}

// A puppet is a run whose goroutine is the test.
type puppet struct {
	*run
	t    *testing.T
	sent []frame
	id   byte
}

func newPuppet(t *testing.T, asks bool) *puppet {
	p := &puppet{t: t}
	c := dialler(t, auth.MSCHAPv2, auth.CHAP, auth.PAP)
	c.MustProve = false
	if asks {
		a := answerer(t, auth.MSCHAPv2, auth.CHAP, auth.PAP)
		c.Ask, c.Authenticator = a.Ask, a.Authenticator
	}
	c.Admit = running(fakeIP(t))
	c.Send = func(frames []*packet.Buffer, _ bool) error {
		for _, b := range frames {
			copied := buffer(t, b.Bytes())
			protocol, ok := parseFrame(copied)
			if !ok {
				t.Errorf("sent % x", b.Bytes())
			}
			p.sent = append(p.sent, frame{protocol, false, copied})
		}
		return nil
	}
	p.run = newRun(NewLink(c))
	p.begin()
	p.settle()
	return p
}

// gives is one frame from the peer, and all that Run would do about it.
func (p *puppet) gives(f []byte) {
	p.Receive([]*packet.Buffer{buffer(p.t, bytes.Clone(f))})
	for len(p.queue) > 0 {
		f := <-p.queue
		p.receive(f)
		p.settle()
	}
}

// agrees acknowledges our last requests, and makes good ones.
func (p *puppet) agrees() {
	for _, protocol := range []uint16{protocolLCP, 0x8021} {
		asked := find(p.sent, protocol, fsm.ConfigureRequest)
		if len(asked) == 0 {
			continue
		}
		last := asked[len(asked)-1]
		p.id++
		for _, c := range []fsm.Packet{
			{Code: fsm.ConfigureAck, ID: last.ID, Data: last.Data},
			{Code: fsm.ConfigureRequest, ID: p.id},
		} {
			b := buffer(p.t, fsm.AppendPacket(nil, c))
			framing{}.put(b, protocol)
			p.gives(b.Bytes())
		}
	}
}
