package auth

import "encoding/binary"

// An msMessage is the type data of EAP-MSCHAPv2: the op code, which is the code of
// the same packet of CHAP, its identifier and length, then what that packet holds.
// The identifier is the one of the Challenge throughout, whatever those of EAP are.
type msMessage struct {
	op, id byte
	body   []byte // aliases what it was parsed from
}

const msHeaderLen = 4

// parseMSMessage reads type data. A peer's answer to a verdict is an op code alone.
// Where the packet ends is for EAP to say: some senders get the inner length wrong
// (pppd, when the name is overridden).
func parseMSMessage(b []byte) (m msMessage, ok bool) {
	if len(b) == 1 {
		return msMessage{op: b[0]}, true
	}
	if len(b) < msHeaderLen {
		return msMessage{}, false
	}
	return msMessage{op: b[0], id: b[1], body: b[msHeaderLen:]}, true
}

func (m msMessage) encode() []byte {
	n := msHeaderLen + len(m.body)
	b := append(make([]byte, 0, n), m.op, m.id)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	return append(b, m.body...)
}
