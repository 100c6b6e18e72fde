package ccp

import (
	"time"

	"sitebridge/ppp/fsm"
)

// The codes that CCP has beyond those of all protocols (RFC 1962, section 3).
const (
	codeResetRequest fsm.Code = 14
	codeResetAck     fsm.Code = 15
)

// ReceiveExtra implements [fsm.ExtraCodes]. In MPPE the packet with bit A is the
// answer to a Reset-Request (RFC 3078, section 8.2), and a Reset-Ack means
// nothing. Linux wants it all the same: once a packet could not be decrypted, in
// stateless mode too, it decrypts none before a Reset-Ack has come. So one is
// sent, and before the packet that it is about. Others ignore it.
func (p *Protocol) ReceiveExtra(code fsm.Code, id byte, _ []byte) (known bool) {
	if code == codeResetRequest && p.coder != nil && p.coder.MayFlush(time.Now()) {
		if p.send != nil {
			p.send(fsm.AppendPacket(nil, fsm.Packet{Code: codeResetAck, ID: id}))
		}
		p.coder.Flush()
	}
	return code == codeResetRequest || code == codeResetAck
}
