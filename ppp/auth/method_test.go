package auth

import (
	"encoding/hex"
	"testing"
)

func TestMethods(t *testing.T) {
	for _, c := range []struct {
		method   Method
		word     string
		option   string
		protocol uint16
	}{
		{PAP, "pap", "c023", 0xc023},
		{CHAP, "chap", "c22305", 0xc223},
		{MSCHAPv2, "mschapv2", "c22381", 0xc223},
		{EAPMSCHAPv2, "eap-mschapv2", "c227", 0xc227},
		{EAPTLS, "eap-tls", "c227", 0xc227},
	} {
		if m, err := ParseMethod(c.word); m != c.method || err != nil || m.String() != c.word {
			t.Errorf("ParseMethod(%q) = %v, %v", c.word, m, err)
		}
		if got := hex.EncodeToString(c.method.LCPOption()); got != c.option {
			t.Errorf("%v: option %s, want %s", c.method, got, c.option)
		}
		if m, ok := ParseLCPOption(unhex(t, c.option)); m != c.method.Carrier() || !ok {
			t.Errorf("ParseLCPOption(%s) = %v, %v", c.option, m, ok)
		}
		if got := c.method.Protocol(); got != c.protocol {
			t.Errorf("%v: protocol %04x, want %04x", c.method, got, c.protocol)
		}
		if a, p := NewAuthenticator(c.method, AuthenticatorConfig{}), NewPeer(c.method, PeerConfig{}); a.Protocol() != c.protocol || p.Protocol() != c.protocol {
			t.Errorf("%v: the exchanges speak %04x and %04x", c.method, a.Protocol(), p.Protocol())
		}
	}
	CHAP.LCPOption()[2] = 0x80
	if _, ok := ParseLCPOption(CHAP.LCPOption()); !ok {
		t.Error("a caller's change of an option changed ours")
	}
}

func TestMethodsRefused(t *testing.T) {
	for _, c := range []struct{ name, option string }{
		{"nothing", ""},
		{"half a protocol", "c2"},
		{"CHAP without algorithm", "c223"},
		{"MS-CHAPv1", "c22380"},
		{"EAP and an octet", "c22700"},
		{"PAP and an octet", "c02300"},
		{"MS-CHAPv2 and an octet", "c2238100"},
	} {
		if m, ok := ParseLCPOption(unhex(t, c.option)); ok {
			t.Errorf("%s: taken for %v", c.name, m)
		}
	}
	const want = `"md5" is not an authentication method: want "eap-tls", "eap-mschapv2", "mschapv2", "chap" or "pap"`
	if _, err := ParseMethod("md5"); err == nil || err.Error() != want {
		t.Errorf("ParseMethod = %v, want %s", err, want)
	}
	if _, err := ParseMethod("eap"); err == nil {
		t.Error("a configuration may name EAP itself")
	}
	if got := Method(0).String(); got != "method(0)" {
		t.Errorf("the zero Method is %q", got)
	}
}

func TestToAuthenticator(t *testing.T) {
	for _, c := range []struct {
		protocol uint16
		pkt      string
		want     bool
	}{
		{0xc023, "01", true}, {0xc023, "02", false}, {0xc023, "03", false}, {0xc023, "", false},
		{0xc223, "01", false}, {0xc223, "02", true}, {0xc223, "03", false}, {0xc223, "04", false}, {0xc223, "07", true},
		{0xc227, "01", false}, {0xc227, "02", true}, {0xc227, "03", false}, {0xc227, "04", false}, {0xc227, "", false},
		{0xc021, "02", false},
	} {
		if got := ToAuthenticator(c.protocol, unhex(t, c.pkt)); got != c.want {
			t.Errorf("ToAuthenticator(%04x, %s) = %v", c.protocol, c.pkt, got)
		}
	}
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
