package station

import "encoding/binary"

// A Novell ping (socket 9086, from the NLSP specification): "Ping", version 1,
// type, identifier, result, reserved, data.
const (
	pingMark  = "Ping"
	pingLen   = 10
	pingReply = 1
)

func request(id uint16, data int) []byte {
	b := append([]byte(pingMark), 1, 0)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0)
	for i := range data {
		b = append(b, byte(i))
	}
	return b
}

func isRequest(b []byte) bool { return len(b) >= pingLen && string(b[:4]) == pingMark && b[5] == 0 }

func isReply(b []byte, id uint16) bool {
	return len(b) >= pingLen && string(b[:4]) == pingMark && b[5] == pingReply &&
		binary.BigEndian.Uint16(b[6:]) == id
}

// markReply makes an answer of a request, in place.
func markReply(b []byte) { b[5], b[8] = pingReply, 1 }
