package bridge

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge/config"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// TestEncryptionOfASite: the ciphers are those of the site's methods, in their order,
// that authentication has left keys for. Where encryption is required there is one, or
// no link.
func TestEncryptionOfASite(t *testing.T) {
	tls := auth.NewTLSKeys([64]byte{1}, [64]byte{2}, [32]byte{3}, [32]byte{4}, true)
	secret := new(auth.MasterKeys)
	strong, weak := []config.Cipher{config.AEAD}, []config.Cipher{config.MPPE128}
	both := []config.Cipher{config.AEAD, config.MPPE128}
	none := []config.Cipher(nil)
	for _, c := range []struct {
		name    string
		policy  config.Policy
		methods []config.Cipher
		keys    auth.Keys
		want    []config.Cipher
		fault   string
	}{
		{"aead with certificates", config.PolicyRequired, strong, tls, strong, ""},
		{"mppe with certificates", config.PolicyRequired, weak, tls, weak, ""},
		{"mppe with a secret", config.PolicyRequired, weak, secret, weak, ""},
		{"both with certificates", config.PolicyRequired, both, tls, both, ""},
		{"both with a secret", config.PolicyRequired, both, secret, weak, ""},
		{"aead with a secret", config.PolicyRequired, strong, secret, none, "encryption is required, but mschapv2 leaves no keys for aead"},
		{"required without keys", config.PolicyRequired, both, nil, none, "encryption is required, but mschapv2 leaves no keys for aead or mppe-128"},
		{"preferred without keys", config.PolicyPreferred, both, nil, none, ""},
		{"permitted without keys", config.PolicyPermitted, weak, nil, none, ""},
		{"preferred, aead with a secret", config.PolicyPreferred, strong, secret, none, ""},
		{"permitted", config.PolicyPermitted, both, tls, both, ""},
		{"disabled", config.PolicyDisabled, none, tls, none, ""},
		{"disabled, whatever else", config.PolicyDisabled, both, tls, none, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &session{log: slog.New(slog.DiscardHandler)}
			st := &site{cfg: &config.Site{Encryption: config.Encryption{Policy: c.policy, Methods: c.methods}}}
			e, err := s.encryption(st, ppp.Admission{Used: auth.MSCHAPv2, Keys: c.keys})
			if (err != nil) != (c.fault != "") || err != nil && !strings.HasPrefix(err.Error(), c.fault) {
				t.Fatalf("error %v, want %q", err, c.fault)
			}
			var got []config.Cipher
			for _, y := range e.Ciphers {
				got = append(got, config.Cipher(y.Method()))
			}
			if !slices.Equal(got, c.want) || e.Policy.String() != string(c.policy) {
				t.Errorf("%v with policy %v, want %v with %v", got, e.Policy, c.want, c.policy)
			}
		})
	}
}
