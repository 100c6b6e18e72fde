package control

// An IncomingCallRequest is a PAC's offer of a call that came in on its line
// (RFC 2637, section 2.9).
type IncomingCallRequest struct {
	CallID              uint16 // the PAC's
	SerialNumber        uint16
	BearerType          uint32
	PhysicalChannelID   uint32
	DialedNumberLength  uint16
	DialingNumberLength uint16
	DialedNumber        Text
	DialingNumber       Text
	Subaddress          Text
}

// Type returns TypeIncomingCallRequest.
func (IncomingCallRequest) Type() MessageType { return TypeIncomingCallRequest }

func (m IncomingCallRequest) append(b []byte) []byte {
	b = be.AppendUint16(b, m.CallID)
	b = be.AppendUint16(b, m.SerialNumber)
	b = be.AppendUint32(b, m.BearerType)
	b = be.AppendUint32(b, m.PhysicalChannelID)
	b = be.AppendUint16(b, m.DialedNumberLength)
	b = be.AppendUint16(b, m.DialingNumberLength)
	return appendText(appendText(appendText(b, m.DialedNumber), m.DialingNumber), m.Subaddress)
}

func parseIncomingCallRequest(b []byte) Message {
	return IncomingCallRequest{
		CallID:              be.Uint16(b[12:]),
		SerialNumber:        be.Uint16(b[14:]),
		BearerType:          be.Uint32(b[16:]),
		PhysicalChannelID:   be.Uint32(b[20:]),
		DialedNumberLength:  be.Uint16(b[24:]),
		DialingNumberLength: be.Uint16(b[26:]),
		DialedNumber:        Text(b[28:]),
		DialingNumber:       Text(b[92:]),
		Subaddress:          Text(b[156:]),
	}
}

// An IncomingCallReply is the PNS's answer (RFC 2637, section 2.10).
type IncomingCallReply struct {
	CallID        uint16 // the PNS's
	PeerCallID    uint16 // the PAC's, from the request
	Result        IncomingResult
	Error         GeneralError
	WindowSize    uint16
	TransmitDelay uint16
}

// Type returns TypeIncomingCallReply.
func (IncomingCallReply) Type() MessageType { return TypeIncomingCallReply }

func (m IncomingCallReply) append(b []byte) []byte {
	b = be.AppendUint16(b, m.CallID)
	b = be.AppendUint16(b, m.PeerCallID)
	b = append(b, byte(m.Result), byte(m.Error))
	b = be.AppendUint16(b, m.WindowSize)
	b = be.AppendUint16(b, m.TransmitDelay)
	return append(b, 0, 0)
}

func parseIncomingCallReply(b []byte) Message {
	return IncomingCallReply{
		CallID:        be.Uint16(b[12:]),
		PeerCallID:    be.Uint16(b[14:]),
		Result:        IncomingResult(b[16]),
		Error:         GeneralError(b[17]),
		WindowSize:    be.Uint16(b[18:]),
		TransmitDelay: be.Uint16(b[20:]),
	}
}

// An IncomingCallConnected completes the three-way exchange (RFC 2637, section
// 2.11).
type IncomingCallConnected struct {
	PeerCallID    uint16 // the PNS's, from the reply
	ConnectSpeed  uint32
	WindowSize    uint16
	TransmitDelay uint16
	FramingType   uint32
}

// Type returns TypeIncomingCallConnected.
func (IncomingCallConnected) Type() MessageType { return TypeIncomingCallConnected }

func (m IncomingCallConnected) append(b []byte) []byte {
	b = be.AppendUint16(b, m.PeerCallID)
	b = append(b, 0, 0)
	b = be.AppendUint32(b, m.ConnectSpeed)
	b = be.AppendUint16(b, m.WindowSize)
	b = be.AppendUint16(b, m.TransmitDelay)
	return be.AppendUint32(b, m.FramingType)
}

func parseIncomingCallConnected(b []byte) Message {
	return IncomingCallConnected{
		PeerCallID:    be.Uint16(b[12:]),
		ConnectSpeed:  be.Uint32(b[16:]),
		WindowSize:    be.Uint16(b[20:]),
		TransmitDelay: be.Uint16(b[22:]),
		FramingType:   be.Uint32(b[24:]),
	}
}
