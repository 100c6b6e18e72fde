// Package ping is the format of Novell's IPX ping (socket 9086), from the NLSP
// specification: "Ping", a version, request or reply, an identifier, a result and
// a reserved octet. Data follows, which comes back.
package ping

import "encoding/binary"

const (
	mark    = "Ping"
	version = 1
	request = 0
	reply   = 1
	done    = 1 // result
)

// Offsets of the fields.
const (
	offVersion = 4
	offType    = 5
	offID      = 6
	offResult  = 8
)

// HeaderLen is the length of a ping without data, in octets.
const HeaderLen = 10

// AppendRequest appends a request with an identifier, big-endian, and data.
func AppendRequest(b []byte, id uint16, data []byte) []byte {
	b = append(b, mark...)
	b = append(b, version, request)
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0)
	return append(b, data...)
}

// Answer makes the reply to a request, in place. It reports false, and changes
// nothing, when b is none.
func Answer(b []byte) bool {
	if !is(b, request) {
		return false
	}
	b[offType], b[offResult] = reply, done
	return true
}

// IsReply reports whether b is a reply.
func IsReply(b []byte) bool { return is(b, reply) }

// ID returns the identifier of a request or reply, and whether b is long enough
// to have one.
func ID(b []byte) (id uint16, ok bool) {
	if len(b) < HeaderLen {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[offID:]), true
}

func is(b []byte, kind byte) bool {
	return len(b) >= HeaderLen && string(b[:offVersion]) == mark && b[offVersion] == version && b[offType] == kind
}
