package ppp

import (
	"testing"

	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

// TestKeysOfTwoDirectionsAreNone: where each end has proved itself to the other by a
// method that leaves keys, the two ends could take different ones.
func TestKeysOfTwoDirectionsAreNone(t *testing.T) {
	for _, test := range []struct {
		name string
		back auth.Method // by which the answerer proves itself; 0: it does not
		keys bool
	}{
		{"one direction", 0, true},
		{"one direction with keys, one without", auth.CHAP, true},
		{"two directions with keys", auth.MSCHAPv2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := dialler(t, auth.MSCHAPv2), answerer(t, auth.MSCHAPv2)
				if test.back != 0 {
					a.Ask = []auth.Method{test.back}
					a.Authenticator = auth.AuthenticatorConfig{Name: "branch", Lookup: func(name string) (secret.Secret, bool) {
						return "wrong mule", name == "hq"
					}}
					b.Prove = a.Ask
					b.Peer = auth.PeerConfig{Name: "hq", Secret: "wrong mule"}
				}
				var got [2]Admission
				for i, c := range []*Config{&a, &b} {
					c.Admit = func(adm Admission) (Network, error) {
						got[i] = adm
						return Network{NCPs: []NCP{fakeIP(t)}}, nil
					}
				}
				x, y := joined(t, a, b)
				x.up(t, "IPCP")
				y.up(t, "IPCP")
				for i, adm := range got {
					if (adm.Keys != nil) != test.keys {
						t.Errorf("end %d has keys: %v, want %v", i, adm.Keys != nil, test.keys)
					}
				}
				if got[0].Proved != (test.back != 0) || !got[1].Proved {
					t.Errorf("proved: %v and %v", got[0].Proved, got[1].Proved)
				}
			})
		})
	}
}
