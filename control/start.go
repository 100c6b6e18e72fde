package control

// version1 is the Protocol Version of RFC 2637: version 1, revision 0.
const version1 = 0x0100

// What a peer can do, as bits (RFC 2637, section 2.1).
const (
	FramingAsync = 1
	FramingSync  = 2

	BearerAnalog  = 1
	BearerDigital = 2
)

// A StartRequest is a Start-Control-Connection-Request (RFC 2637, section 2.1),
// the first message on the connection, from the side that opened it.
type StartRequest struct {
	Version     uint16 // version and revision, an octet each
	Framing     uint32
	Bearer      uint32
	MaxChannels uint16 // 0 from a PNS; ignored
	Firmware    uint16
	Host        Text
	Vendor      Text
}

// Type returns TypeStartRequest.
func (StartRequest) Type() MessageType { return TypeStartRequest }

func (m StartRequest) append(b []byte) []byte {
	b = be.AppendUint16(b, m.Version)
	b = append(b, 0, 0)
	return appendCapabilities(b, m.Framing, m.Bearer, m.MaxChannels, m.Firmware, m.Host, m.Vendor)
}

func parseStartRequest(b []byte) Message {
	return StartRequest{
		Version:     be.Uint16(b[12:]),
		Framing:     be.Uint32(b[16:]),
		Bearer:      be.Uint32(b[20:]),
		MaxChannels: be.Uint16(b[24:]),
		Firmware:    be.Uint16(b[26:]),
		Host:        Text(b[28:]),
		Vendor:      Text(b[92:]),
	}
}

// A StartReply is a Start-Control-Connection-Reply (RFC 2637, section 2.2).
type StartReply struct {
	Version     uint16 // the one to be used
	Result      StartResult
	Error       GeneralError
	Framing     uint32
	Bearer      uint32
	MaxChannels uint16
	Firmware    uint16
	Host        Text
	Vendor      Text
}

// Type returns TypeStartReply.
func (StartReply) Type() MessageType { return TypeStartReply }

func (m StartReply) append(b []byte) []byte {
	b = be.AppendUint16(b, m.Version)
	b = append(b, byte(m.Result), byte(m.Error))
	return appendCapabilities(b, m.Framing, m.Bearer, m.MaxChannels, m.Firmware, m.Host, m.Vendor)
}

func parseStartReply(b []byte) Message {
	return StartReply{
		Version:     be.Uint16(b[12:]),
		Result:      StartResult(b[14]),
		Error:       GeneralError(b[15]),
		Framing:     be.Uint32(b[16:]),
		Bearer:      be.Uint32(b[20:]),
		MaxChannels: be.Uint16(b[24:]),
		Firmware:    be.Uint16(b[26:]),
		Host:        Text(b[28:]),
		Vendor:      Text(b[92:]),
	}
}

// appendCapabilities appends what the two messages have in common, from offset
// 16 on.
func appendCapabilities(b []byte, framing, bearer uint32, channels, firmware uint16, host, vendor Text) []byte {
	b = be.AppendUint32(b, framing)
	b = be.AppendUint32(b, bearer)
	b = be.AppendUint16(b, channels)
	b = be.AppendUint16(b, firmware)
	return appendText(appendText(b, host), vendor)
}
