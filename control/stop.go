package control

// A StopRequest is a Stop-Control-Connection-Request (RFC 2637, section 2.3).
// All calls of the connection end with it.
type StopRequest struct {
	Reason StopReason
}

// Type returns TypeStopRequest.
func (StopRequest) Type() MessageType { return TypeStopRequest }

func (m StopRequest) append(b []byte) []byte { return append(b, byte(m.Reason), 0, 0, 0) }

func parseStopRequest(b []byte) Message { return StopRequest{Reason: StopReason(b[12])} }

// A StopReply is a Stop-Control-Connection-Reply (RFC 2637, section 2.4).
type StopReply struct {
	Result StopResult
	Error  GeneralError
}

// Type returns TypeStopReply.
func (StopReply) Type() MessageType { return TypeStopReply }

func (m StopReply) append(b []byte) []byte { return append(b, byte(m.Result), byte(m.Error), 0, 0) }

func parseStopReply(b []byte) Message {
	return StopReply{Result: StopResult(b[12]), Error: GeneralError(b[13])}
}
