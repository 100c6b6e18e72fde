package control

// An EchoRequest asks whether the peer is there (RFC 2637, section 2.5).
type EchoRequest struct {
	Identifier uint32
}

// Type returns TypeEchoRequest.
func (EchoRequest) Type() MessageType { return TypeEchoRequest }

func (m EchoRequest) append(b []byte) []byte { return be.AppendUint32(b, m.Identifier) }

func parseEchoRequest(b []byte) Message { return EchoRequest{Identifier: be.Uint32(b[12:])} }

// An EchoReply says that it is (RFC 2637, section 2.6).
type EchoReply struct {
	Identifier uint32 // copied from the request
	Result     EchoResult
	Error      GeneralError
}

// Type returns TypeEchoReply.
func (EchoReply) Type() MessageType { return TypeEchoReply }

func (m EchoReply) append(b []byte) []byte {
	b = be.AppendUint32(b, m.Identifier)
	return append(b, byte(m.Result), byte(m.Error), 0, 0)
}

func parseEchoReply(b []byte) Message {
	return EchoReply{
		Identifier: be.Uint32(b[12:]),
		Result:     EchoResult(b[16]),
		Error:      GeneralError(b[17]),
	}
}
