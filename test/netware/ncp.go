package netware

import (
	"encoding/binary"

	"sitebridge/ipx"
)

// A kind is the first field of an NCP packet.
type kind uint16

const (
	create  kind = 0x1111
	request kind = 0x2222
	reply   kind = 0x3333
	destroy kind = 0x5555
)

// Signatures on the watchdog socket.
const (
	watchdogAsk     = '?'
	watchdogHere    = 'Y'
	watchdogMessage = '!'
)

// nobody is the connection of a request that asks for one.
const nobody = 0xFFFF

// Functions that are understood, and not only repeated.
const (
	functionBindery = 0x17
	functionRead    = 0x48
)

const (
	headLen  = 6
	replyLen = headLen + 2
)

// A head is the common part of NCP packets; code and status are a reply's.
type head struct {
	kind         kind
	sequence     byte
	conn         uint16
	task         byte
	code, status byte
}

// Bits of a reply's status: the connection is not known; and all that end it.
const (
	statusNoConn = 0x01
	statusGone   = statusNoConn | 0x04 | 0x10
)

// Completion codes.
const (
	codeOK         = 0x00
	codeNoFunction = 0xFB
	codeNoConn     = 0xFD
)

// kindOf returns 0 for what is no NCP packet.
func kindOf(b []byte) kind {
	if len(b) < headLen {
		return 0
	}
	switch k := kind(binary.BigEndian.Uint16(b)); k {
	case create, request, destroy:
		return k
	case reply:
		if len(b) >= replyLen {
			return k
		}
	}
	return 0
}

// headOf reads the header of a packet that kindOf knows.
func headOf(b []byte) head {
	h := head{kind: kindOf(b), sequence: b[2], conn: uint16(b[5])<<8 | uint16(b[3]), task: b[4]}
	if h.kind == reply {
		h.code, h.status = b[6], b[7]
	}
	return h
}

// bodyOf returns what follows the header of a packet that kindOf knows.
func bodyOf(b []byte) []byte {
	if kindOf(b) == reply {
		return b[replyLen:]
	}
	return b[headLen:]
}

// packet returns a packet with that header around body.
func (h head) packet(body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(h.kind))
	b = append(b, h.sequence, byte(h.conn), h.task, byte(h.conn>>8))
	if h.kind == reply {
		b = append(b, h.code, h.status)
	}
	return append(b, body...)
}

// A read is a request for a part of a file (function 48): zero(1) handle(6)
// offset(4) length(2). The reply is length(2), an octet that makes odd offsets
// even, and the content.
type read struct {
	handle [6]byte
	offset uint32
	length uint16
}

func parseRead(body []byte) (q read, ok bool) {
	if len(body) != 14 || body[0] != functionRead {
		return q, false
	}
	copy(q.handle[:], body[2:])
	q.offset = binary.BigEndian.Uint32(body[8:])
	q.length = binary.BigEndian.Uint16(body[12:])
	return q, true
}

func (q read) body() []byte {
	b := append([]byte{functionRead, 0}, q.handle[:]...)
	b = binary.BigEndian.AppendUint32(b, q.offset)
	return binary.BigEndian.AppendUint16(b, q.length)
}

// content returns what a reply packet holds of the file.
func (q read) content(packet []byte) []byte {
	body := bodyOf(packet)
	if headOf(packet).code != codeOK || len(body) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if q.offset%2 == 1 && len(body) > 0 {
		body = body[1:]
	}
	return body[:min(n, len(body))]
}

// answer is the body of a reply with that content.
func (q read) answer(content []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(content)))
	if q.offset%2 == 1 {
		b = append(b, 0)
	}
	return append(b, content...)
}

// endless is the handle of a file that every Server has beside the recorded
// ones, which can be read without being opened. It is FileSize octets long.
var endless = [6]byte{'e', 'n', 'd', 'l', 's', 's'}

// FileSize is the length of the file that Client.CopyFile reads.
const FileSize = 1 << 24

// Content returns n octets of that file from an offset on, in which a piece that
// is lost, repeated or swapped shows.
func Content(offset, n int) []byte {
	b := make([]byte, max(0, min(n, FileSize-offset)))
	for i := range b {
		at := offset + i
		b[i] = byte(at) ^ byte(at>>8)*31 ^ byte(at>>16)*17
	}
	return b
}

// above is the next socket, which is where a client is asked whether it lives.
func above(a ipx.Addr) ipx.Addr {
	a.Socket++
	return a
}
