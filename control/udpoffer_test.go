package control

import (
	"strings"
	"testing"
)

const someToken = "000102030405060708090a0b0c0d0eff"

func TestUDPOffer(t *testing.T) {
	token := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	for text, want := range map[string]UDPOffer{
		"sitebridge udp=4754 token=" + someToken:  {4754, token},
		"sitebridge udp=65535 token=" + someToken: {65535, token},
		"sitebridge udp=1 token=" + someToken:     {1, token},
		"sitebridge udp token=" + someToken:       {0, token},
	} {
		if got, ok := ParseUDPOffer(Name(text)); !ok || got != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
		if want.String() != text || string(MakeText(text).Name()) != text {
			t.Errorf("%q is written %q, and does it fit?", text, want)
		}
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"a name":                "sitebridge",
		"a short token":         "sitebridge udp=4754 token=" + someToken[1:],
		"a long token":          "sitebridge udp=4754 token=0" + someToken,
		"an octet after it":     "sitebridge udp=4754 token=" + someToken + " ",
		"capitals":              "sitebridge udp=4754 token=" + strings.ToUpper(someToken),
		"no hexadecimal":        "sitebridge udp=4754 token=" + someToken[2:] + "0x",
		"a port that is none":   "sitebridge udp=0 token=" + someToken,
		"a port too high":       "sitebridge udp=65536 token=" + someToken,
		"a port with a zero":    "sitebridge udp=04754 token=" + someToken,
		"a port with a sign":    "sitebridge udp=+4754 token=" + someToken,
		"no port":               "sitebridge udp= token=" + someToken,
		"somebody else":         "pptpbridge udp=4754 token=" + someToken,
		"more than the field":   "sitebridge udp=" + strings.Repeat("0", 40) + "4754 token=" + someToken,
		"another key":           "sitebridge udp=4754 tocen=" + someToken,
		"another blank":         "sitebridge  udp=4754 token=" + someToken,
		"the other key's place": "sitebridge token=" + someToken + " udp=4754",
	} {
		if got, ok := ParseUDPOffer(Name(text)); ok || got != (UDPOffer{}) {
			t.Errorf("%s: %q is %v", name, text, got)
		}
	}
}

// What is an offer is written in one way, and comes back so.
func FuzzUDPOffer(f *testing.F) {
	f.Add("sitebridge udp=4754 token=" + someToken)
	f.Add("sitebridge udp token=" + someToken)
	f.Add("sitebridge")
	f.Fuzz(func(t *testing.T, text string) {
		o, ok := ParseUDPOffer(Name(text))
		if shown := Name(text).WithoutToken(); ok == (string(shown) == text) || ok && strings.Contains(string(shown), "token") {
			t.Errorf("%q is shown as %q", text, shown)
		}
		if ok && (o.String() != text || len(text) > len(Text{})) {
			t.Errorf("%q came back as %q", text, o)
		}
		if again, ok := ParseUDPOffer(MakeText(o.String()).Name()); !ok || again != o {
			t.Errorf("%+v came back as %+v", o, again)
		}
	})
}

// What a connection has called itself is told to its owner: the token of an offer is there.
func TestVendorOfAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked Peer
		var told string
		cfg := Config{
			Vendor:    "nobody",
			NewVendor: func(p Peer) string { asked = p; return "sitebridge udp" },
			Answer:    func(o *Offer) { told = o.Conn.Vendor(); o.Accept(1, 64) },
		}
		s, peer := acceptedIdle(t, cfg)
		m := okRequest
		m.Host = MakeText("branch")
		peer.send(m)
		if got := next[StartReply](peer).Vendor.Name(); got != "sitebridge udp" || asked.Host != "branch" {
			t.Errorf("called itself %q to %q", got, asked.Host)
		}
		peer.send(OutgoingCallRequest{CallID: 2})
		next[OutgoingCallReply](peer)
		if told != "sitebridge udp" {
			t.Errorf("Vendor is %q", told)
		}
		peer.nc.Close()
		<-s.result
	})
}
