package ping

import "sitebridge/ipx"

// A Kind is one of the two ways in which IPX stations are asked whether they are
// there.
type Kind uint8

const (
	// Novell is that of the NLSP specification, on socket 9086.
	Novell Kind = iota
	// Cisco is that of Cisco's routers, on socket 0002: whatever is sent comes
	// back. What we send is Novell's request.
	Cisco
)

// Socket is where the question goes.
func (k Kind) Socket() ipx.Socket {
	if k == Cisco {
		return ipx.SocketCiscoPing
	}
	return ipx.SocketPing
}

// PacketType is that of the question.
func (k Kind) PacketType() ipx.PacketType {
	if k == Cisco {
		return ipx.TypeEcho
	}
	return ipx.TypePEP
}

// IsAnswer reports whether b answers the question with that identifier.
func (k Kind) IsAnswer(b []byte, id uint16) bool {
	got, ok := ID(b)
	return ok && got == id && (k == Cisco || IsReply(b))
}
