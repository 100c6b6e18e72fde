package bridge

import (
	"fmt"

	"sitebridge/bridge/config"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/ccp"
	"sitebridge/ppp/ecp"
	"sitebridge/ppp/mppe"
)

// mppeRoom is what MPPE adds to a packet inside the peer's MRU: its header, and the
// protocol of what it holds.
const mppeRoom = 4

// encryption is how the link of a site is to be protected, with the keys that
// authentication has left.
func (s *session) encryption(st *site, a ppp.Admission) (ppp.Encryption, error) {
	want := st.cfg.Encryption
	e := ppp.Encryption{Policy: policyOf(want.Policy)}
	if e.Policy == ppp.Disabled {
		return e, nil
	}
	for _, method := range want.Methods {
		if c := s.cipher(method, want, a); c != nil {
			e.Ciphers = append(e.Ciphers, c)
		}
	}
	if len(e.Ciphers) == 0 && e.Policy == ppp.Required {
		return e, fmt.Errorf("encryption is required, but %v leaves no keys for %s: take another method of authentication, or another one in encryption.methods",
			a.Used, oneOf(want.Methods))
	}
	return e, nil
}

func oneOf(methods []config.Cipher) string {
	words := ""
	for i, m := range methods {
		if i > 0 {
			words += " or "
		}
		words += string(m)
	}
	return words
}

// cipher makes one method's control protocol; nil when there are no keys for it.
func (s *session) cipher(method config.Cipher, want config.Encryption, a ppp.Admission) ppp.Cipher {
	tls, _ := a.Keys.(*auth.TLSKeys)
	switch {
	case method == config.AEAD && tls != nil:
		return byECP{ecp.New(ecp.Config{
			EMSK:                     tls.EMSK(),
			PeerCertificate:          tls.PeerCertificate(),
			AuthenticatorCertificate: tls.AuthenticatorCertificate(),
			Authenticator:            tls.Authenticator(),
			OurLCP:                   a.OurLCP,
			PeerLCP:                  a.PeerLCP,
			Log:                      s.log,
		})}
	case method == config.MPPE128 && a.Keys != nil:
		return byCCP{ccp.New(ccp.Config{Keys: startKeys(a.Keys), Stateful: want.Stateful, Log: s.log}), tls == nil}
	}
	return nil
}

// byECP and byCCP are the two control protocols as package ppp wants them, which
// they do not know.
type (
	byECP struct{ *ecp.Protocol }
	byCCP struct {
		*ccp.Protocol
		searchable bool // the keys come from MS-CHAPv2
	}
)

func (c byECP) Coder() ppp.Coder { return c.Protocol.Coder() }
func (c byCCP) Coder() ppp.Coder { return c.Protocol.Coder() }

// Strength is for the operator, who should not have to know what the words of Agreed
// stand for.
func (byECP) Strength() string {
	return "strong: nobody on the way can read, change or repeat a packet"
}

func (c byCCP) Strength() string {
	const words = "weak: who is on the way can change packets"
	if c.searchable {
		return words + ", and read all after one DES search over the recorded authentication"
	}
	return words
}

// startKeys are those of MPPE, from whatever authentication has left.
func startKeys(keys auth.Keys) mppe.StartKeys {
	switch k := keys.(type) {
	case *auth.TLSKeys:
		return mppe.FromMSK(k.MSK(), k.Authenticator())
	case *auth.RemoteKeys:
		return mppe.FromMSK(k.MSK(), k.Authenticator())
	}
	k := keys.(*auth.MasterKeys)
	return mppe.FromMSCHAP(k.PasswordHashHash(), k.NTResponse(), k.Authenticator())
}

func policyOf(p config.Policy) ppp.Policy {
	switch p {
	case config.PolicyDisabled:
		return ppp.Disabled
	case config.PolicyPermitted:
		return ppp.Permitted
	case config.PolicyPreferred:
		return ppp.Preferred
	}
	return ppp.Required
}

// usesMPPE reports whether the link of a site may have to make room for MPPE.
func usesMPPE(s *config.Site) bool {
	for _, m := range s.Encryption.Methods {
		if m == config.MPPE128 && s.Encryption.Policy != config.PolicyDisabled {
			return true
		}
	}
	return false
}
