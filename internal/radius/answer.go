package radius

import (
	"fmt"
	"net/netip"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// An Answer is what a server said, checked to be its own. What it holds are the
// server's words: escape texts when they are shown.
type Answer struct {
	Verdict Verdict
	Server  netip.AddrPort
	Message string // Reply-Message
	Class   [][]byte

	Address    netip.Addr    // Framed-IP-Address; not valid: from the pool
	Routes     []FramedRoute // Framed-Route
	IPXNetwork uint32        // Framed-IPX-Network; 0: none, or we choose
	Session    time.Duration // Session-Timeout; 0: none
	Idle       time.Duration // Idle-Timeout; 0: none
	Interim    time.Duration // Acct-Interim-Interval; 0: none
	MSSuccess  string        // the text of MS-CHAP2-Success: "S=..."; empty: none
	MSError    string        // the text of MS-CHAP-Error: "E=691 ..."; empty: none
	SendKey    []byte        // MS-MPPE-Send-Key, by which we send; nil: none
	ReceiveKey []byte        // MS-MPPE-Recv-Key, by which we receive; nil: none
}

// A Verdict is the code of an answer.
type Verdict uint8

// The verdicts.
const (
	Rejected   Verdict = iota // Access-Reject
	Accepted                  // Access-Accept
	Challenged                // Access-Challenge: it wants to know more
)

// Limits of what is taken from one answer.
const (
	maxRoutes = 64
	maxClass  = 8
)

// read takes what we understand out of p, the answer to the Access-Request request.
// The error says what cannot be right in it.
func read(p *radius.Packet, request []byte) (a Answer, err error) {
	a.Verdict = map[radius.Code]Verdict{radius.CodeAccessAccept: Accepted, radius.CodeAccessChallenge: Challenged}[p.Code]
	for _, attr := range p.Attributes {
		if err := a.take(attr.Type, attr.Attribute); err != nil {
			return a, err
		}
	}
	if v := vendor(p, msCHAP2Success); len(v) > 1 {
		a.MSSuccess = string(v[1:]) // after the identifier
	}
	if v := vendor(p, msCHAPError); len(v) > 1 {
		a.MSError = string(v[1:])
	}
	if a.SendKey, err = key(p, msMPPESendKey, request); err != nil {
		return a, fmt.Errorf("MS-MPPE-Send-Key: %w", err)
	}
	if a.ReceiveKey, err = key(p, msMPPERecvKey, request); err != nil {
		return a, fmt.Errorf("MS-MPPE-Recv-Key: %w", err)
	}
	return a, nil
}

// key reveals a key, which is hidden by the secret and the authenticator of the request
// (RFC 2548, section 2.4.2).
func key(p *radius.Packet, kind byte, request []byte) ([]byte, error) {
	v := vendor(p, kind)
	if v == nil {
		return nil, nil
	}
	text, _, err := radius.TunnelPassword(v, p.Secret, request[4:headerLen])
	if err != nil {
		return nil, err
	}
	if len(text) < 16 {
		return nil, fmt.Errorf("it has %d octets, and 128 bits are needed", len(text))
	}
	return text, nil
}

// take reads one attribute. What is not known is ignored (RFC 2865, section 5).
func (a *Answer) take(kind radius.Type, v radius.Attribute) (err error) {
	switch kind {
	case rfc2865.ReplyMessage_Type:
		if len(a.Message) < 4*maxText {
			a.Message += string(v)
		}
	case rfc2865.Class_Type:
		if len(a.Class) < maxClass {
			a.Class = append(a.Class, v)
		}
	case rfc2865.FramedIPAddress_Type:
		return a.takeAddress(v)
	case rfc2865.FramedRoute_Type:
		return a.takeRoute(string(v))
	case rfc2865.FramedIPXNetwork_Type:
		return a.takeIPX(v)
	case rfc2865.ServiceType_Type:
		if n, err := radius.Integer(v); err != nil || n != uint32(rfc2865.ServiceType_Value_FramedUser) {
			return fmt.Errorf("it wants another service than Framed-User: Service-Type is %x", []byte(v))
		}
	case rfc2865.SessionTimeout_Type:
		a.Session, err = seconds("Session-Timeout", v)
	case rfc2865.IdleTimeout_Type:
		a.Idle, err = seconds("Idle-Timeout", v)
	case rfc2869.AcctInterimInterval_Type:
		a.Interim, err = seconds("Acct-Interim-Interval", v)
	}
	return err
}

func seconds(what string, v radius.Attribute) (time.Duration, error) {
	n, err := radius.Integer(v)
	if err != nil {
		return 0, fmt.Errorf("%s of %d octets", what, len(v))
	}
	return time.Duration(n) * time.Second, nil
}

// Addresses that are none (RFC 2865, section 5.8): the caller chooses, or we do.
var (
	callerChooses = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	weChoose      = netip.AddrFrom4([4]byte{255, 255, 255, 254})
)

func (a *Answer) takeAddress(v radius.Attribute) error {
	addr, ok := netip.AddrFromSlice(v)
	switch {
	case !ok || !addr.Is4():
		return fmt.Errorf("Framed-IP-Address of %d octets", len(v))
	case addr == callerChooses || addr == weChoose:
		return nil
	case addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() || addr.As4()[0] >= 240:
		return fmt.Errorf("Framed-IP-Address %v is no address for a host", addr)
	}
	a.Address = addr
	return nil
}

// selectIPX asks us to choose a network (RFC 2865, section 5.23).
const selectIPX = 0xFFFFFFFE

func (a *Answer) takeIPX(v radius.Attribute) error {
	n, err := radius.Integer(v)
	switch {
	case err != nil:
		return fmt.Errorf("Framed-IPX-Network of %d octets", len(v))
	case n == selectIPX:
		return nil
	case n == 0 || n == 0xFFFFFFFF:
		return fmt.Errorf("Framed-IPX-Network %08X is no number of a network", n)
	default:
		a.IPXNetwork = n
	}
	return nil
}
