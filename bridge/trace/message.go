package trace

import (
	"fmt"

	"sitebridge/control"
)

// Message puts a message of the control connection into words (RFC 2637, section 2).
func Message(b []byte) string {
	m, err := control.Parse(b)
	if err != nil {
		return fmt.Sprintf("broken message: %d octets", len(b))
	}
	said := says(m)
	if said != "" {
		said = ": " + said
	}
	return m.Type().String() + said
}

func says(m control.Message) string {
	switch m := m.(type) {
	case control.StartRequest:
		return fmt.Sprintf("host %s, vendor %s, firmware %d, version %d.%d", name(m.Host), shown(m.Vendor), m.Firmware, m.Version>>8, m.Version&0xff)
	case control.StartReply:
		return fmt.Sprintf("%v%s, host %s, vendor %s, firmware %d, version %d.%d", m.Result, failure(m.Error), name(m.Host), shown(m.Vendor), m.Firmware, m.Version>>8, m.Version&0xff)
	case control.StopRequest:
		return m.Reason.String()
	case control.StopReply:
		return m.Result.String() + failure(m.Error)
	case control.EchoRequest:
		return fmt.Sprintf("identifier %d", m.Identifier)
	case control.EchoReply:
		return fmt.Sprintf("identifier %d, %v%s", m.Identifier, m.Result, failure(m.Error))
	case control.OutgoingCallRequest:
		said := fmt.Sprintf("call %d, serial %d, window %d", m.CallID, m.SerialNumber, m.WindowSize)
		if m.Subaddress.Name() != "" {
			said += ", subaddress " + shown(m.Subaddress)
		}
		return said
	case control.OutgoingCallReply:
		return fmt.Sprintf("call %d for %d, %v%s, cause %d, window %d, speed %d", m.CallID, m.PeerCallID, m.Result, failure(m.Error), m.CauseCode, m.WindowSize, m.ConnectSpeed)
	case control.CallClearRequest:
		return fmt.Sprintf("call %d", m.CallID)
	case control.CallDisconnectNotify:
		return fmt.Sprintf("call %d, %v%s, cause %d", m.CallID, m.Result, failure(m.Error), m.CauseCode)
	case control.SetLinkInfo:
		return fmt.Sprintf("call %d, send ACCM %08x, receive ACCM %08x", m.PeerCallID, m.SendACCM, m.ReceiveACCM)
	case control.WANErrorNotify:
		return fmt.Sprintf("call %d, CRC %d, framing %d", m.PeerCallID, m.CRCErrors, m.FramingErrors)
	}
	return ""
}

// failure is a General Error Code (RFC 2637, section 2.16), if there is one.
func failure(e control.GeneralError) string {
	if e == control.NoError {
		return ""
	}
	return " (" + e.String() + ")"
}

func name(t control.Text) string { return text([]byte(t.Name())) }

// shown is name, but for the token of an offer of UDP.
func shown(t control.Text) string { return text([]byte(t.Name().WithoutToken())) }
