package control

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// A UDPOffer is how two daemons of ours agree, over the control connection, that a call's
// packets may travel in UDP (docs/udp.md). The one that is called puts its offer in place of
// its vendor string, with the port that it has, and the one that calls answers with its own
// in the Subaddress of its call; nobody else ever sees one of those.
type UDPOffer struct {
	Port  uint16   // of the one that is called; 0: the offer of the one that calls
	Token [16]byte // what whoever probes the way must know
}

// What an offer is made of: "sitebridge udp=4754 token=" or "sitebridge udp token=", and
// the token in hexadecimal.
const (
	offerHead  = "sitebridge udp"
	offerToken = " token="
	tokenLen   = 2 * 16
)

// String is the offer as it is sent. It fits a Text.
func (o UDPOffer) String() string {
	return offerHead + o.port() + offerToken + hex.EncodeToString(o.Token[:])
}

func (o UDPOffer) port() string {
	if o.Port == 0 {
		return ""
	}
	return "=" + strconv.Itoa(int(o.Port))
}

// ParseUDPOffer reads an offer. There is one way to write each: what differs in a single
// octet is no offer, and may be anybody's name.
func ParseUDPOffer(n Name) (o UDPOffer, ok bool) {
	if len(n) < len(offerHead+offerToken)+tokenLen || len(n) > len(Text{}) {
		return o, false
	}
	head, token := string(n[:len(n)-tokenLen]), string(n[len(n)-tokenLen:])
	port, _ := strings.CutPrefix(strings.TrimSuffix(head, offerToken), offerHead+"=")
	if p, err := strconv.ParseUint(port, 10, 16); err == nil {
		o.Port = uint16(p)
	}
	if _, err := hex.Decode(o.Token[:], []byte(token)); err != nil || o.String() != string(n) {
		return UDPOffer{}, false
	}
	return o, true
}

// WithoutToken is the name as it is shown: an offer's token is nobody's business.
func (n Name) WithoutToken() Name {
	if o, ok := ParseUDPOffer(n); ok {
		return Name(offerHead + o.port())
	}
	return n
}
