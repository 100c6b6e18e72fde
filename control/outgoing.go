package control

// An OutgoingCallRequest is what a PNS sends to have a call (RFC 2637, section
// 2.7).
type OutgoingCallRequest struct {
	CallID            uint16 // the PNS's; 0 is as good as any other
	SerialNumber      uint16 // for logs
	MinimumBPS        uint32
	MaximumBPS        uint32
	BearerType        uint32 // 1 analog, 2 digital, 3 any
	FramingType       uint32 // 1 async, 2 sync, 3 either
	WindowSize        uint16 // packets that the PNS buffers
	ProcessingDelay   uint16 // tenths of a second
	PhoneNumberLength uint16
	PhoneNumber       Text
	Subaddress        Text
}

// Type returns TypeOutgoingCallRequest.
func (OutgoingCallRequest) Type() MessageType { return TypeOutgoingCallRequest }

func (m OutgoingCallRequest) append(b []byte) []byte {
	b = be.AppendUint16(b, m.CallID)
	b = be.AppendUint16(b, m.SerialNumber)
	b = be.AppendUint32(b, m.MinimumBPS)
	b = be.AppendUint32(b, m.MaximumBPS)
	b = be.AppendUint32(b, m.BearerType)
	b = be.AppendUint32(b, m.FramingType)
	b = be.AppendUint16(b, m.WindowSize)
	b = be.AppendUint16(b, m.ProcessingDelay)
	b = be.AppendUint16(b, m.PhoneNumberLength)
	b = append(b, 0, 0)
	return appendText(appendText(b, m.PhoneNumber), m.Subaddress)
}

func parseOutgoingCallRequest(b []byte) Message {
	return OutgoingCallRequest{
		CallID:            be.Uint16(b[12:]),
		SerialNumber:      be.Uint16(b[14:]),
		MinimumBPS:        be.Uint32(b[16:]),
		MaximumBPS:        be.Uint32(b[20:]),
		BearerType:        be.Uint32(b[24:]),
		FramingType:       be.Uint32(b[28:]),
		WindowSize:        be.Uint16(b[32:]),
		ProcessingDelay:   be.Uint16(b[34:]),
		PhoneNumberLength: be.Uint16(b[36:]),
		PhoneNumber:       Text(b[40:]),
		Subaddress:        Text(b[104:]),
	}
}

// An OutgoingCallReply is the PAC's answer (RFC 2637, section 2.8).
type OutgoingCallReply struct {
	CallID            uint16 // the PAC's
	PeerCallID        uint16 // the PNS's, from the request
	Result            OutgoingResult
	Error             GeneralError
	CauseCode         uint16
	ConnectSpeed      uint32
	WindowSize        uint16 // packets that the PAC buffers; Windows says 0
	ProcessingDelay   uint16
	PhysicalChannelID uint32
}

// Type returns TypeOutgoingCallReply.
func (OutgoingCallReply) Type() MessageType { return TypeOutgoingCallReply }

func (m OutgoingCallReply) append(b []byte) []byte {
	b = be.AppendUint16(b, m.CallID)
	b = be.AppendUint16(b, m.PeerCallID)
	b = append(b, byte(m.Result), byte(m.Error))
	b = be.AppendUint16(b, m.CauseCode)
	b = be.AppendUint32(b, m.ConnectSpeed)
	b = be.AppendUint16(b, m.WindowSize)
	b = be.AppendUint16(b, m.ProcessingDelay)
	return be.AppendUint32(b, m.PhysicalChannelID)
}

func parseOutgoingCallReply(b []byte) Message {
	return OutgoingCallReply{
		CallID:            be.Uint16(b[12:]),
		PeerCallID:        be.Uint16(b[14:]),
		Result:            OutgoingResult(b[16]),
		Error:             GeneralError(b[17]),
		CauseCode:         be.Uint16(b[18:]),
		ConnectSpeed:      be.Uint32(b[20:]),
		WindowSize:        be.Uint16(b[24:]),
		ProcessingDelay:   be.Uint16(b[26:]),
		PhysicalChannelID: be.Uint32(b[28:]),
	}
}
