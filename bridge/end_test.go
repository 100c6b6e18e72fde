package bridge

import (
	"errors"
	"testing"

	"sitebridge/bridge/config"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// TestWhichEndsWait: what waits for minutes is what a person has to mend, and what
// locks accounts when it is tried again; never what one forged packet can bring about.
func TestWhichEndsWait(t *testing.T) {
	certificates := []auth.Method{auth.EAPTLS}
	for _, c := range []struct {
		kind    ppp.EndKind
		methods []auth.Method
		waits   bool
	}{
		{ppp.AuthFailed, []auth.Method{auth.MSCHAPv2}, true},
		{ppp.AuthFailed, []auth.Method{auth.EAPTLS, auth.MSCHAPv2}, true},
		{ppp.AuthFailed, certificates, false},
		{ppp.PeerNotProved, certificates, true},
		{ppp.NotAgreed, certificates, true},
		{ppp.EncryptionFailed, certificates, false},
		{ppp.EncryptionLost, certificates, false},
		{ppp.NoNetwork, certificates, false},
		{ppp.EchoTimeout, certificates, false},
	} {
		s := &session{outgoing: true}
		s.site.Store(&site{cfg: &config.Site{Auth: config.Auth{Methods: c.methods}}})
		var no *refusal
		if got := errors.As(s.reason(&ppp.End{Kind: c.kind, Reason: "because"}, nil), &no); got != c.waits {
			t.Errorf("%v with %v: waits %t, want %t", c.kind, c.methods, got, c.waits)
		}
	}
}
