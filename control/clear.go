package control

// A CallClearRequest is how the PNS asks for the end of a call (RFC 2637,
// section 2.12).
type CallClearRequest struct {
	CallID uint16 // the PNS's: the one that its sender assigned
}

// Type returns TypeCallClearRequest.
func (CallClearRequest) Type() MessageType { return TypeCallClearRequest }

func (m CallClearRequest) append(b []byte) []byte {
	return append(be.AppendUint16(b, m.CallID), 0, 0)
}

func parseCallClearRequest(b []byte) Message {
	return CallClearRequest{CallID: be.Uint16(b[12:])}
}

// A CallDisconnectNotify is how the PAC says that a call has ended, asked or not
// (RFC 2637, section 2.13).
type CallDisconnectNotify struct {
	CallID     uint16 // the PAC's: the one that its sender assigned
	Result     DisconnectResult
	Error      GeneralError
	CauseCode  uint16
	Statistics [128]byte // ASCII, for logs
}

// Type returns TypeCallDisconnectNotify.
func (CallDisconnectNotify) Type() MessageType { return TypeCallDisconnectNotify }

func (m CallDisconnectNotify) append(b []byte) []byte {
	b = be.AppendUint16(b, m.CallID)
	b = append(b, byte(m.Result), byte(m.Error))
	b = be.AppendUint16(b, m.CauseCode)
	b = append(b, 0, 0)
	return append(b, m.Statistics[:]...)
}

func parseCallDisconnectNotify(b []byte) Message {
	return CallDisconnectNotify{
		CallID:     be.Uint16(b[12:]),
		Result:     DisconnectResult(b[14]),
		Error:      GeneralError(b[15]),
		CauseCode:  be.Uint16(b[16:]),
		Statistics: [128]byte(b[20:]),
	}
}
