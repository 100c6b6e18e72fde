package control

// A WANErrorNotify is the PAC's count of errors on its line (RFC 2637, section
// 2.14).
type WANErrorNotify struct {
	PeerCallID       uint16 // the PNS's
	CRCErrors        uint32
	FramingErrors    uint32
	HardwareOverruns uint32
	BufferOverruns   uint32
	TimeoutErrors    uint32
	AlignmentErrors  uint32
}

// Type returns TypeWANErrorNotify.
func (WANErrorNotify) Type() MessageType { return TypeWANErrorNotify }

func (m WANErrorNotify) append(b []byte) []byte {
	b = be.AppendUint16(b, m.PeerCallID)
	b = append(b, 0, 0)
	b = be.AppendUint32(b, m.CRCErrors)
	b = be.AppendUint32(b, m.FramingErrors)
	b = be.AppendUint32(b, m.HardwareOverruns)
	b = be.AppendUint32(b, m.BufferOverruns)
	b = be.AppendUint32(b, m.TimeoutErrors)
	return be.AppendUint32(b, m.AlignmentErrors)
}

func parseWANErrorNotify(b []byte) Message {
	return WANErrorNotify{
		PeerCallID:       be.Uint16(b[12:]),
		CRCErrors:        be.Uint32(b[16:]),
		FramingErrors:    be.Uint32(b[20:]),
		HardwareOverruns: be.Uint32(b[24:]),
		BufferOverruns:   be.Uint32(b[28:]),
		TimeoutErrors:    be.Uint32(b[32:]),
		AlignmentErrors:  be.Uint32(b[36:]),
	}
}

// A SetLinkInfo is how the PNS passes on which characters PPP has agreed to
// escape (RFC 2637, section 2.15). It means nothing without a serial line.
// Windows sends one whenever LCP opens.
type SetLinkInfo struct {
	PeerCallID  uint16 // the PAC's: the one that the receiver assigned
	SendACCM    uint32
	ReceiveACCM uint32
}

// Type returns TypeSetLinkInfo.
func (SetLinkInfo) Type() MessageType { return TypeSetLinkInfo }

func (m SetLinkInfo) append(b []byte) []byte {
	b = be.AppendUint16(b, m.PeerCallID)
	b = append(b, 0, 0)
	b = be.AppendUint32(b, m.SendACCM)
	return be.AppendUint32(b, m.ReceiveACCM)
}

func parseSetLinkInfo(b []byte) Message {
	return SetLinkInfo{
		PeerCallID:  be.Uint16(b[12:]),
		SendACCM:    be.Uint32(b[16:]),
		ReceiveACCM: be.Uint32(b[20:]),
	}
}
