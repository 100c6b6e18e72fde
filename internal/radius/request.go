package radius

import (
	"errors"
	"fmt"
	"net/netip"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"

	"sitebridge/internal/secret"
)

// A Call is what is told of a call in every request about it.
type Call struct {
	Name    string     // of the caller, as it sent it
	Session string     // Acct-Session-Id: no other call has it
	Port    uint32     // NAS-Port
	Caller  netip.Addr // Calling-Station-Id
	Called  netip.Addr // Called-Station-Id
}

// A Request asks to judge one proof: exactly one of the three is set.
type Request struct {
	Call
	Password *secret.Secret
	CHAP     *CHAP
	MSCHAPv2 *CHAP // Response is the value of the Response packet (RFC 2759, section 4)
}

// A CHAP is a challenge with the answer to it.
type CHAP struct {
	ID                  byte
	Challenge, Response []byte
}

// Attributes of Microsoft's (RFC 2548, section 2).
const (
	msCHAPError     = 2
	msCHAPChallenge = 11
	msMPPESendKey   = 16
	msMPPERecvKey   = 17
	msCHAP2Response = 25
	msCHAP2Success  = 26
)

const (
	msResponseLen = 49
	maxText       = 253 // octets of one attribute
)

// packet makes an Access-Request, each time with another authenticator.
func (r Request) packet(c *Config) (*radius.Packet, error) {
	p := radius.New(radius.CodeAccessRequest, []byte(c.Secret))
	if err := r.addCall(p, c); err != nil {
		return nil, err
	}
	p.Add(rfc2865.ServiceType_Type, radius.NewInteger(uint32(rfc2865.ServiceType_Value_FramedUser)))
	p.Add(rfc2865.FramedProtocol_Type, radius.NewInteger(uint32(rfc2865.FramedProtocol_Value_PPP)))
	return p, r.addProof(p)
}

func (r Request) addProof(p *radius.Packet) error {
	switch {
	case r.Password != nil:
		hidden, err := radius.NewUserPassword([]byte(*r.Password), p.Secret, p.Authenticator[:])
		if err != nil {
			return errors.New("the password is longer than the 128 octets that RADIUS can carry")
		}
		p.Add(rfc2865.UserPassword_Type, hidden)
		return nil
	case r.CHAP != nil:
		p.Add(rfc2865.CHAPPassword_Type, append([]byte{r.CHAP.ID}, r.CHAP.Response...))
		p.Add(rfc2865.CHAPChallenge_Type, r.CHAP.Challenge)
		return nil
	case r.MSCHAPv2 != nil:
		return r.MSCHAPv2.addMS(p)
	}
	return errors.New("there is no proof to be judged")
}

// addMS turns the value of a Response into MS-CHAP2-Response, where its flags come
// first (RFC 2548, section 2.3.2).
func (c *CHAP) addMS(p *radius.Packet) error {
	if len(c.Response) != msResponseLen {
		return fmt.Errorf("an MS-CHAPv2 response of %d octets", len(c.Response))
	}
	if err := addVendor(p, msCHAPChallenge, c.Challenge); err != nil {
		return err
	}
	flags := c.Response[msResponseLen-1]
	return addVendor(p, msCHAP2Response, append([]byte{c.ID, flags}, c.Response[:msResponseLen-1]...))
}

// addCall adds what says who calls and where.
func (r Call) addCall(p *radius.Packet, c *Config) error {
	if len(r.Name) == 0 || len(r.Name) > maxText {
		return fmt.Errorf("a name of %d octets, and RADIUS takes 1 to %d", len(r.Name), maxText)
	}
	p.Add(rfc2865.UserName_Type, []byte(r.Name))
	p.Add(rfc2865.NASIdentifier_Type, []byte(c.Name))
	p.Add(rfc2865.NASPort_Type, radius.NewInteger(r.Port))
	p.Add(rfc2865.NASPortType_Type, radius.NewInteger(uint32(rfc2865.NASPortType_Value_Virtual)))
	if r.Called.IsValid() {
		p.Add(rfc2865.CalledStationID_Type, []byte(r.Called.String()))
	}
	if r.Caller.IsValid() {
		p.Add(rfc2865.CallingStationID_Type, []byte(r.Caller.String()))
	}
	p.Add(rfc2866.AcctSessionID_Type, []byte(r.Session))
	return nil
}
